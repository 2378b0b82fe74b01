//! The platform as the end-to-end tests see it: running railrun on it, asking it what is there, putting it back.

#![expect(clippy::disallowed_methods, reason = "tests run programs and write files")]

use crate::support::flat;
use crate::support::sandbox::{shell, variable};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Instant;
use tempfile::TempDir;

pub const GITEA: &str = "http://10.200.0.2:30300";

/// This repository, or a copy of it whose scripts a test may break.
pub struct Repository {
    root: PathBuf,
    copy: Option<TempDir>,
}

impl Repository {
    pub fn own() -> Self {
        Self { root: PathBuf::from(env!("CARGO_MANIFEST_DIR")), copy: None }
    }

    /// A copy of what scripts are made of.
    pub fn copy() -> Self {
        let copy = tempfile::tempdir().expect("a temporary folder");
        let from = env!("CARGO_MANIFEST_DIR");
        shell(&format!("cp -r {from}/railrun.yaml {from}/scripts {from}/stdlib {from}/helm {from}/.sops.yaml {}", copy.path().display()));
        Self { root: copy.path().to_owned(), copy: Some(copy) }
    }

    /// Replaces a text that must be there.
    pub fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.root.join(file);
        let text = std::fs::read_to_string(&path).expect(file);
        assert!(text.contains(from), "{file} has no `{from}`");
        std::fs::write(path, text.replace(from, to)).expect(file);
    }

    /// Adds a file.
    pub fn add(&self, file: &str, text: &str) {
        std::fs::write(self.root.join(file), text).expect(file);
    }

    pub fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.root.join(file)).expect(file)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_railrun"));
        command.args(args).current_dir(&self.root).env("NO_COLOR", "1").stdin(Stdio::null());
        if self.copy.is_none() {
            command.args(["--set", &format!("journal.folder={}", journal().display())]);
        }
        command
    }

    pub fn railrun(&self, args: &[&str]) -> Ran {
        let begun = Instant::now();
        let Output { status, stdout, stderr } = self.command(args).output().expect("railrun starts");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let ran = Ran { code: status.code(), stdout: text(stdout), stderr: text(stderr) };
        let took = begun.elapsed().as_secs_f64();
        keep(&format!("$ railrun {} (took {took:.1} s)\n{}{}", args.join(" "), ran.stdout, ran.stderr));
        ran
    }

    /// Starts railrun with its event stream on stdout.
    pub fn start(&self, args: &[&str]) -> Child {
        self.command(args).args(["--output", "json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("railrun starts")
    }
}

/// Where runs of this repository's own scripts are written down: not among those of whoever works in it.
pub fn journal() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("journal")
}

/// Forgets the runs of an earlier test run: the platform they were made on has been put back since.
pub fn forget_runs() {
    let _ = std::fs::remove_dir_all(journal());
}

/// Everything that railrun printed in this test run: canaries are looked for in it.
pub fn output_file() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("e2e-output.log")
}

pub fn keep(text: &str) {
    use std::io::Write;
    print!("{text}");
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(output_file()).expect("the output file");
    file.write_all(text.as_bytes()).expect("the output file");
}

#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(flat(&self.stderr).contains(&flat(text)), "`{text}` is not in:\n{}", self.stderr);
        self
    }
}

/// Everything that users have: logins, repositories with their refs, issues, comments, releases, hooks.
pub fn facts() -> Value {
    let text = shell(&format!("{}/tests/sandbox/platform/facts", env!("CARGO_MANIFEST_DIR")));
    serde_json::from_str(&text).expect("facts are JSON")
}

pub fn kubectl(args: &str) -> String {
    shell(&format!("kubectl --kubeconfig \"$RAILRUN_SANDBOX_ADMIN_KUBECONFIG\" {args}"))
}

pub fn state() -> PathBuf {
    PathBuf::from(variable("RAILRUN_SANDBOX_STATE").expect("tests/run sets the sandbox's environment"))
}

pub fn checkout(name: &str) -> PathBuf {
    state().join("data/checkouts").join(name)
}

/// A database host that Gitea's own configuration names.
pub fn database_host() -> String {
    kubectl("-n gitea get secret gitea-inline-config -o jsonpath='{.data.database}' | base64 -d")
        .lines()
        .find_map(|line| line.strip_prefix("HOST=").map(str::to_owned))
        .unwrap_or_default()
}

/// The password of a seeded user.
pub fn password(user: &str) -> String {
    let seed: Value = serde_json::from_str(&std::fs::read_to_string(state().join("data/seed.json")).expect("seed.json")).expect("JSON");
    seed["users"][user].as_str().expect("a seeded user").to_owned()
}

/// What Gitea's API answers to its administrator; `body` makes it a POST.
pub fn gitea_api(path: &str, body: Option<&str>) -> Value {
    let login = format!("-K <(printf 'user = \"root1:%s\"' '{}')", password("root1"));
    let post = body.map_or_else(String::new, |body| format!("-X POST -H 'Content-Type: application/json' -d '{body}'"));
    let text = shell(&format!("curl -sf --max-time 10 --retry 5 --retry-all-errors {login} {post} '{GITEA}/api/v1{path}'"));
    serde_json::from_str(&text).expect("JSON")
}

/// Runs SQL as a superuser on whichever member is the primary.
pub fn sql(namespace: &str, set: &str, database: &str, statement: &str) {
    shell(&format!(
        "for n in 0 1 2; do kubectl --kubeconfig \"$RAILRUN_SANDBOX_ADMIN_KUBECONFIG\" -n {namespace} exec {set}-$n -c postgresql -- bash -c 'PGPASSWORD=$(</opt/bitnami/postgresql/secrets/repmgr-password) psql -h 127.0.0.1 -U repmgr -d {database} -v ON_ERROR_STOP=1 -qc \"set transaction read write; $0\"' \"{statement}\" 2>/dev/null && exit 0; done; echo 'no primary took it'; exit 1"
    ));
}

/// Whether a login gets a good answer, asked for up to twenty seconds.
pub fn login_works() -> bool {
    let password = password("root1");
    let script = format!(
        "for i in $(seq 40); do curl -sf --max-time 3 -K <(printf 'user = \"root1:%s\"' '{password}') {GITEA}/api/v1/user >/dev/null && exit 0; sleep 0.5; done; exit 1"
    );
    Command::new("bash").args(["-c", &script]).status().expect("bash").success()
}

pub fn git_status(checkout: &Path) -> String {
    shell(&format!("git -C {} status --porcelain", checkout.display()))
}
