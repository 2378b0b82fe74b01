//! The door to other programs. Everything railrun runs on this machine goes through here: what reads is on a list,
//! anything else needs a [`Permit`]. No shell is involved, and no secret belongs into arguments.

mod inherit;
mod input;
mod lately;
mod machine;
mod reads;

pub use inherit::no_core_dumps;

use crate::effect::Permit;
use futures::future::BoxFuture;
use lately::Lately;
use miette::Diagnostic;
use std::fmt::{self, Display};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A program to run, with what it gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    pub program: String,
    pub args: Vec<String>,
    /// Handed over on stdin; the place for values and secrets.
    pub stdin: Option<Vec<u8>>,
    pub folder: Option<PathBuf>,
    pub env: Vec<(String, String)>,
    /// So long it may take; then it is ended. `None` where whoever waits has a deadline of their own.
    pub deadline: Option<Duration>,
}

impl Command {
    pub fn new<A: Into<String>>(program: impl Into<String>, args: impl IntoIterator<Item = A>) -> Self {
        Self { program: program.into(), args: args.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    #[must_use]
    pub fn stdin(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(input.into());
        self
    }

    #[must_use]
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    #[must_use]
    pub fn within(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }
}

impl Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.program)?;
        for arg in &self.args {
            if arg.is_empty() || arg.contains(char::is_whitespace) { write!(f, " '{arg}'")? } else { write!(f, " {arg}")? }
        }
        Ok(())
    }
}

/// What a program that exited 0 left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    pub status: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Output {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
pub enum ProcessError {
    #[error("`{program}` is not installed")]
    #[diagnostic(code(process::missing), help("install `{program}`; `railrun doctor` lists what is needed and found"))]
    Missing { program: String },
    #[error("`{command}` {ending}{}", tail(stderr))]
    #[diagnostic(code(process::failed), help("run it by hand to see all that it says: its last lines are shown here"))]
    Failed { command: String, ending: String, status: Option<i32>, stderr: String, stdout: String },
    #[error("`{command}` is not known to only read")]
    #[diagnostic(code(process::not_a_read), help("a program that changes something runs inside a changing verb"))]
    NotARead { command: String },
    #[error("`{command}` did not end within {deadline}")]
    #[diagnostic(code(process::timeout), help("run it by hand: it may be waiting for an answer that nobody gives"))]
    Late { command: String, deadline: String },
    #[error("cannot run `{command}`: {reason}")]
    #[diagnostic(code(process::cannot_run), help("look whether this user may run it, and may enter the folder that it runs in"))]
    CannotRun { command: String, reason: String },
}

impl ProcessError {
    /// The exit status, where the program ended by itself.
    pub fn status(&self) -> Option<i32> {
        match self {
            ProcessError::Failed { status, .. } => *status,
            _ => None,
        }
    }

    pub fn stderr(&self) -> &str {
        match self {
            ProcessError::Failed { stderr, .. } => stderr,
            _ => "",
        }
    }
}

/// The last lines of what a failed program said, indented.
fn tail(stderr: &str) -> String {
    let lines: Vec<&str> = stderr.lines().filter(|line| !line.trim().is_empty()).collect();
    let kept = &lines[lines.len().saturating_sub(8)..];
    if kept.is_empty() { String::new() } else { format!(":\n  {}", kept.join("\n  ")) }
}

/// Whoever really runs a command: the machine, or a test's recording.
pub trait Runner: Send + Sync {
    fn run<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, Result<Output, ProcessError>>;
}

/// The command lines of the processes of this machine that run a program of this name, with their ids. Where the
/// system shows none, there are none.
pub fn running(program: &str) -> Vec<(u32, Vec<String>)> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let lines = ids.filter_map(|id| Some((id, std::fs::read(format!("/proc/{id}/cmdline")).ok()?)));
    let words =
        lines.map(|(id, line)| (id, line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect()));
    words.filter(|(_, words): &(u32, Vec<String>)| words.first().is_some_and(|word| base_name(word) == base_name(program))).collect()
}

fn base_name(program: &str) -> &str {
    program.rsplit('/').next().unwrap_or(program)
}

#[derive(Clone)]
pub struct Process {
    runner: Arc<dyn Runner>,
    lately: Arc<Lately>,
}

impl Process {
    pub fn real() -> Self {
        Self::with(machine::Machine)
    }

    pub fn with(runner: impl Runner + 'static) -> Self {
        Self { runner: Arc::new(runner), lately: Arc::default() }
    }

    /// Runs a program that is known to only read.
    pub async fn read(&self, command: &Command) -> Result<Output, ProcessError> {
        if !reads::only_reads(command) {
            return Err(ProcessError::NotARead { command: command.to_string() });
        }
        self.runner.run(command).await
    }

    /// The same, and its answer is kept. One that was given `within` this time to the same question `about` the same state
    /// of the world is taken instead: whether it still holds, whoever asks has to know.
    pub async fn read_or_take(&self, command: &Command, about: &str, within: Option<Duration>) -> Result<Output, ProcessError> {
        if let Some(output) = within.and_then(|within| self.lately.find(command, about, within)) {
            return Ok(output);
        }
        let output = self.read(command).await?;
        self.lately.keep(command, about, &output);
        Ok(output)
    }

    /// Runs a program that a script declared to be read-only.
    pub async fn read_as_declared(&self, command: &Command) -> Result<Output, ProcessError> {
        self.runner.run(command).await
    }

    /// Runs a program that may change something.
    pub async fn write(&self, _: &Permit, command: &Command) -> Result<Output, ProcessError> {
        self.runner.run(command).await
    }
}

#[cfg(test)]
mod tests {
    use super::machine::Machine;
    use super::*;
    use crate::effect::Interrupted;

    fn machine(script: &str) -> Result<Output, ProcessError> {
        let bridge = crate::bridge::Bridge::new().unwrap();
        let command = Command::new("sh", ["-c", script]).stdin("in");
        bridge.wait::<_, Interrupted, Interrupted>(async { Ok(Machine.run(&command).await) }).unwrap()
    }

    #[test]
    fn a_program_gets_its_input_and_gives_its_output() {
        assert_eq!(machine("cat").unwrap().text(), "in");
    }

    #[test]
    fn a_failure_shows_the_command_its_status_and_the_last_lines() {
        let error = machine("echo why >&2; exit 3").unwrap_err();
        assert_eq!(error.to_string(), "`sh -c 'echo why >&2; exit 3'` exited 3:\n  why");
        assert_eq!(error.status(), Some(3));
    }

    #[test]
    fn whoever_stops_waiting_ends_the_whole_group() {
        let folder = tempfile::tempdir().unwrap();
        let command = Command::new("sh", ["-c", "(sleep 1; touch late) & sleep 5"]).folder(folder.path());
        let bridge = crate::bridge::Bridge::new().unwrap();
        let short = std::time::Duration::from_millis(200);
        let waited =
            bridge.wait::<_, Interrupted, Interrupted>(async { Ok(tokio::time::timeout(short, Machine.run(&command)).await.is_err()) });
        assert!(waited.unwrap());
        std::thread::sleep(std::time::Duration::from_millis(1300));
        assert!(!folder.path().join("late").exists());
    }

    #[test]
    fn a_program_that_waits_for_ever_is_ended() {
        let command = Command::new("sleep", ["5"]).within(Duration::from_millis(100));
        let bridge = crate::bridge::Bridge::new().unwrap();
        let ended = bridge.wait::<_, Interrupted, Interrupted>(async { Ok(Machine.run(&command).await) });
        assert_eq!(ended.unwrap().unwrap_err().to_string(), "`sleep 5` did not end within 0.1s");
    }

    #[test]
    fn death_by_a_signal_is_an_error() {
        let error = machine("kill -9 $$").unwrap_err();
        assert!(error.to_string().ends_with("was killed by signal 9"), "{error}");
    }
}
