//! How a program is really run on this machine: in a group of its own, with what it reads there before it begins, to its end.

use super::{Command, Output, ProcessError, Runner};
use futures::future::BoxFuture;
use std::process::Stdio;
use tokio::io::{AsyncRead, AsyncReadExt};

/// So much of what a program prints is kept.
const WHOLE: u64 = 64 * 1024 * 1024;

pub struct Machine;

impl Runner for Machine {
    fn run<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, Result<Output, ProcessError>> {
        Box::pin(async move {
            let Some(deadline) = command.deadline else { return run(command).await };
            let late = |_| ProcessError::Late { command: command.to_string(), deadline: crate::duration::show(deadline) };
            tokio::time::timeout(deadline, run(command)).await.map_err(late)?
        })
    }
}

async fn run(command: &Command) -> Result<Output, ProcessError> {
    let cannot = |error: std::io::Error| ProcessError::CannotRun { command: command.to_string(), reason: error.to_string() };
    let mut child = spawn(command).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => ProcessError::Missing { program: command.program.clone() },
        _ => cannot(error),
    })?;
    let group = Group(child.id());
    let (stdout, stderr) = tokio::try_join!(in_full(child.stdout.take()), in_full(child.stderr.take())).map_err(cannot)?;
    let status = child.wait().await;
    group.has_ended();
    let status = status.map_err(cannot)?;
    let stderr = String::from_utf8_lossy(&stderr).into_owned();
    if status.success() {
        return Ok(Output { status: 0, stdout, stderr });
    }
    let stdout = String::from_utf8_lossy(&stdout).into_owned();
    let stderr = if stderr.trim().is_empty() { stdout.clone() } else { stderr };
    Err(ProcessError::Failed { command: command.to_string(), ending: ending(status), status: status.code(), stderr, stdout })
}

/// What a program prints, to its end; more than is kept ends it.
async fn in_full(output: Option<impl AsyncRead + Unpin>) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    if let Some(output) = output {
        output.take(WHOLE + 1).read_to_end(&mut text).await?;
    }
    if text.len() as u64 > WHOLE {
        return Err(std::io::Error::other("it printed more than 64 MiB: let it write to a file"));
    }
    Ok(text)
}

/// A program and the programs it started. Whoever stops waiting for it (Ctrl-C, a time-out) ends them all.
struct Group(Option<u32>);

impl Group {
    fn has_ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    #[expect(clippy::disallowed_methods, reason = "the door to other programs")]
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            let _ = std::process::Command::new("sh").args(["-c", "kill -KILL \"-$0\"", &leader.to_string()]).stderr(Stdio::null()).status();
        }
    }
}

/// In words: a death by signal is not an exit status.
fn ending(status: std::process::ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "ended in an unknown way".into(),
    }
}

#[expect(clippy::disallowed_methods, reason = "the door to other programs")]
fn spawn(command: &Command) -> std::io::Result<tokio::process::Child> {
    let mut child = tokio::process::Command::new(&command.program);
    child
        .args(&command.args)
        .envs(command.env.iter().cloned())
        .stdin(command.stdin.as_deref().map_or_else(|| Ok(Stdio::null()), super::input::whole)?)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Its own group: the terminal's Ctrl-C must not kill helm in the middle.
        .process_group(0)
        .kill_on_drop(true);
    if let Some(folder) = &command.folder {
        child.current_dir(folder);
    }
    for name in super::inherit::withheld(command) {
        child.env_remove(name);
    }
    child.spawn()
}
