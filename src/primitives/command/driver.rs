//! A program of this machine, run in a known folder with a deadline. Whether it may change something is decided by who
//! runs it; what its words mean is not known here.

use crate::duration::{self, Span};
use crate::host::Host;
use crate::process::{Command, Output, ProcessError};
use crate::secret::{SecretError, Text};
use miette::Diagnostic;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
pub enum CommandError {
    #[error("a command needs at least one word")]
    #[diagnostic(code(command::empty), help("write it like `command::run([\"make\", \"smoke\"])`"))]
    Empty,
    #[error("a command's words are texts, and one of them is {kind}")]
    #[diagnostic(code(command::not_text), help("a number becomes one with `.to_string()`; a secret goes into `stdin`"))]
    NotText { kind: String },
    #[error("`{folder}` lies in no known checkout")]
    #[diagnostic(code(command::outside), help("name a folder below `{root}`, or one of the `checkouts` in `railrun.yaml`"))]
    Outside { folder: String, root: String },
    #[error("there is no folder `{folder}` to run `{command}` in")]
    #[diagnostic(code(command::no_folder), help("look at the `checkouts` in `railrun.yaml`"))]
    NoFolder { folder: String, command: String },
    #[error("`{command}` did not end within {timeout}")]
    #[diagnostic(code(command::timeout), help("give `timeout` a larger value, or look why it hangs"))]
    Timeout { command: String, timeout: String },
    #[error("`{command}` exited {status}{said}")]
    #[diagnostic(code(command::unexpected_status), help("`expect_status` names the statuses that are a good answer"))]
    Status { command: String, status: i32, said: String },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Process(#[from] ProcessError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Secret(#[from] SecretError),
}

/// How to run it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunOptions {
    pub folder: Option<String>,
    pub read_only: bool,
    pub timeout: Option<Span>,
    pub env: BTreeMap<String, String>,
    /// The place for secrets.
    pub stdin: Option<Text>,
    /// What a dry run should know it reads or alters: `gitea/deployment/gitea`, or `gitea/` for all of it.
    pub touches: Vec<String>,
    pub expect_status: Option<Statuses>,
}

/// One status, or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Statuses {
    One(i32),
    Several(Vec<i32>),
}

impl Statuses {
    fn include(&self, status: i32) -> bool {
        match self {
            Statuses::One(one) => *one == status,
            Statuses::Several(several) => several.contains(&status),
        }
    }
}

/// What it left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ended {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

/// A command that is ready to run.
#[derive(Clone, Debug)]
pub struct Run {
    pub command: Command,
    pub timeout: Duration,
    expected: Option<Statuses>,
}

const TIMEOUT: Duration = Duration::from_secs(600);
/// So many lines of a failed command are shown.
const SHOWN: usize = 8;

impl Run {
    /// Words and options, made into a command. One that acts must exit 0 unless something else is expected.
    pub fn new(host: &Host, words: &[String], options: &RunOptions) -> Result<Self, CommandError> {
        let (program, args) = words.split_first().ok_or(CommandError::Empty)?;
        let mut command = Command::new(program, args.iter().cloned());
        command.folder = Some(folder(host, options.folder.as_deref().unwrap_or("."), &command)?);
        command.stdin = options.stdin.as_ref().map(|stdin| host.reveal_text(stdin)).transpose()?.map(|text| text.as_bytes().to_vec());
        command.env = options.env.clone().into_iter().collect();
        let always = (!options.read_only).then_some(Statuses::One(0));
        let timeout = options.timeout.map_or(TIMEOUT, |span| span.0);
        Ok(Self { command, timeout, expected: options.expect_status.clone().or(always) })
    }

    /// What it gets beside its words.
    pub fn unseen(&self, options: &RunOptions) -> Vec<String> {
        let stdin = self.command.stdin.as_ref().map(|stdin| format!("stdin {}", String::from_utf8_lossy(stdin)));
        options.env.iter().map(|(name, value)| format!("env {name}={value}")).chain(stdin).collect()
    }

    /// Waits for it, no longer than its deadline; then it is ended with everything it started.
    pub async fn ended(&self, run: impl Future<Output = Result<Output, ProcessError>>) -> Result<Ended, CommandError> {
        let late = |_| CommandError::Timeout { command: self.command.to_string(), timeout: duration::show(self.timeout) };
        let ended = match tokio::time::timeout(self.timeout, run).await.map_err(late)? {
            Ok(output) => Ended { status: 0, stdout: output.text(), stderr: output.stderr },
            Err(ProcessError::Failed { status: Some(status), stdout, stderr, .. }) => Ended { status, stdout, stderr },
            Err(error) => return Err(error.into()),
        };
        if self.expected.as_ref().is_none_or(|expected| expected.include(ended.status)) {
            return Ok(ended);
        }
        Err(CommandError::Status { command: self.command.to_string(), status: ended.status, said: last_lines(&ended) })
    }
}

fn last_lines(ended: &Ended) -> String {
    let said = if ended.stderr.trim().is_empty() { &ended.stdout } else { &ended.stderr };
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    let kept = &lines[lines.len().saturating_sub(SHOWN)..];
    if kept.is_empty() { String::new() } else { format!(":\n  {}", kept.join("\n  ")) }
}

/// A folder below the root or one of the checkouts, links resolved.
fn folder(host: &Host, asked: &str, command: &Command) -> Result<PathBuf, CommandError> {
    let named = host.settings.text(&format!("checkouts.{asked}")).unwrap_or_else(|_| asked.to_owned());
    let missing = |_| CommandError::NoFolder { folder: asked.into(), command: command.to_string() };
    let wanted = host.files.path(&named).canonicalize().map_err(missing)?;
    let checkouts = host.settings.find("checkouts").and_then(|all| all.as_mapping()).into_iter().flatten();
    let checkouts = checkouts.filter_map(|(_, path)| path.as_str()).map(|path| host.files.path(path));
    let known = checkouts.chain([host.files.root().to_owned()]).filter_map(|path| path.canonicalize().ok());
    if known.into_iter().any(|known| wanted.starts_with(known)) {
        return if wanted.is_dir() { Ok(wanted) } else { Err(missing(std::io::Error::other("not a folder"))) };
    }
    Err(CommandError::Outside { folder: asked.into(), root: host.files.root().display().to_string() })
}
