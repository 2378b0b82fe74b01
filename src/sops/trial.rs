//! For tests: an age identity of their own. Without the `sops` program they say so, and fail where `CI` is set.

use crate::process::{Command, Output, Process, ProcessError, Runner};
use age::secrecy::ExposeSecret;
use futures::future::BoxFuture;

/// The machine, with an age identity that only this test has.
struct WithIdentity(String, Process);

impl Runner for WithIdentity {
    fn run<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, Result<Output, ProcessError>> {
        let command = command.clone().env("SOPS_AGE_KEY", &self.0).env("HOME", "/nonexistent").env("SOPS_AGE_KEY_FILE", "");
        Box::pin(async move { self.1.read_as_declared(&command).await })
    }
}

/// A process door whose `sops` decrypts what is encrypted for the recipient that comes with it.
pub fn identity() -> Option<(Process, String)> {
    let found = std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join("sops").is_file()));
    if !found {
        assert!(std::env::var_os("CI").is_none(), "no `sops` in PATH");
        eprintln!("skipped: no `sops` in PATH (`make sandbox`)");
        return None;
    }
    let identity = age::x25519::Identity::generate();
    let process = Process::with(WithIdentity(identity.to_string().expose_secret().to_owned(), Process::real()));
    Some((process, identity.to_public().to_string()))
}
