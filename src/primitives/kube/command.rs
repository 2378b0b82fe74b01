//! Commands inside pods: which pod a name means, what a command gets and what it leaves.

use super::driver::{Kube, timeout};
use super::error::KubeError;
use crate::cluster::{ClusterError, Executed, Name, NameError, PodName, ready};
use crate::duration::{self, Span};
use crate::effect::{Diff, Permit};
use crate::host::Host;
use crate::secret::{Input, SecretError};
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExecOptions {
    /// A text, a secret, or a list of both that is handed over line by line.
    stdin: Option<Input>,
    pub container: Option<String>,
    /// The command alters nothing, so it runs in a dry run too.
    pub read_only: bool,
    /// A status other than 0 is returned, not an error.
    may_fail: bool,
    timeout: Option<Span>,
}

/// A command to run in a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    pub words: Vec<String>,
    pub stdin: Vec<u8>,
    pub may_fail: bool,
    pub timeout: Duration,
}

impl Command {
    pub fn new(host: &Host, words: Vec<String>, options: &ExecOptions) -> Result<Self, SecretError> {
        let stdin = options.stdin.as_ref().map(|input| host.reveal_input(input)).transpose()?.unwrap_or_default();
        Ok(Self { words, stdin, may_fail: options.may_fail, timeout: timeout(options.timeout) })
    }

    /// What is asked for: the command, shortened. What it reads, and the whole of its words, tell it from another.
    pub fn request(&self) -> Diff {
        let stdin = String::from_utf8_lossy(&self.stdin).into_owned();
        let request = Diff::new().note(format!("run `{}`", shown(&self.words)));
        request.with_unseen(self.words.iter().cloned().chain([stdin]))
    }
}

/// What a command left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ran {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Kube<'_> {
    pub async fn exec(&self, permit: &Permit, pod: &PodName, command: &Command) -> Result<Ran, KubeError> {
        in_time(pod, command, self.cluster.exec(permit, pod, &command.words, &command.stdin)).await
    }

    pub async fn exec_read(&self, pod: &PodName, command: &Command) -> Result<Ran, KubeError> {
        in_time(pod, command, self.cluster.exec_read(pod, &command.words, &command.stdin)).await
    }

    /// The pod that a name means: itself, or one of a workload's that is ready.
    pub async fn pod(&self, text: &str, container: Option<String>) -> Result<PodName, KubeError> {
        if let Ok(pod) = PodName::parse(text) {
            return Ok(PodName { container: container.or(pod.container), ..pod });
        }
        let name = Name::parse(text)?;
        let Some(namespace) = name.namespace.clone() else {
            let wanted = NameError { text: text.into(), wanted: "a pod or a workload", example: "gitea/deployment/gitea" };
            return Err(wanted.into());
        };
        let pods = self.cluster.pods_of(&namespace, &self.existing(&name).await?).await?;
        let ready = pods.iter().find(|pod| ready::readiness(pod).is_ok()).and_then(|pod| pod["metadata"]["name"].as_str());
        let pod = ready.ok_or_else(|| KubeError::NoPod { name: name.to_string() })?;
        Ok(PodName { namespace, name: pod.into(), container })
    }
}

async fn in_time(pod: &PodName, command: &Command, work: impl Future<Output = Result<Executed, ClusterError>>) -> Result<Ran, KubeError> {
    let ended = tokio::time::timeout(command.timeout, work).await;
    let late = |_| ClusterError::TimedOut {
        what: format!("`{}` in `{pod}` has not ended", shown(&command.words)),
        waited: duration::show(command.timeout),
        last: "it was left behind".into(),
    };
    judge(pod, command, ended.map_err(late)??)
}

fn judge(pod: &PodName, command: &Command, executed: Executed) -> Result<Ran, KubeError> {
    let ran = Ran { status: executed.status, stdout: String::from_utf8_lossy(&executed.stdout).into_owned(), stderr: executed.stderr };
    if ran.status == 0 || command.may_fail {
        return Ok(ran);
    }
    let said = if ran.stderr.trim().is_empty() { ran.stdout } else { ran.stderr };
    Err(KubeError::CommandFailed { command: shown(&command.words), pod: pod.to_string(), ending: ending(ran.status), said })
}

/// A shell says 128 and the signal's number for a command that a signal ended.
fn ending(status: i32) -> String {
    if (129..=192).contains(&status) { format!("was killed by signal {}", status - 128) } else { format!("exited {status}") }
}

/// A command as a person would type it, shortened.
pub fn shown(words: &[String]) -> String {
    let quoted = words.iter().map(|word| if word.contains(char::is_whitespace) { format!("'{word}'") } else { word.clone() });
    let text = quoted.collect::<Vec<_>>().join(" ").replace('\n', " ");
    if text.chars().count() > 100 { text.chars().take(99).collect::<String>() + "…" } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: i32, may_fail: bool) -> Result<Ran, KubeError> {
        let command = Command { words: vec!["sh".into(), "-c".into(), "a b".into()], stdin: Vec::new(), may_fail, timeout: Duration::ZERO };
        judge(&PodName::parse("a/pod/b").unwrap(), &command, Executed { status, stdout: b"out".to_vec(), stderr: "why\n".into() })
    }

    #[test]
    fn a_failed_command_is_an_error_with_what_it_said() {
        assert_eq!(judged(3, false).unwrap_err().to_string(), "`sh -c 'a b'` in `a/pod/b` exited 3:\n  why");
        assert_eq!(judged(3, true).unwrap().status, 3);
    }

    #[test]
    fn commands_that_read_something_else_are_told_apart() {
        let command = |last: &str, stdin: &str| {
            let words = vec!["sh".into(), "-c".into(), "x".repeat(200) + last];
            Command { words, stdin: stdin.into(), may_fail: false, timeout: Duration::ZERO }.request().essence()
        };
        assert_ne!(command("a", "1"), command("a", "2"));
        assert_ne!(command("a", "1"), command("b", "1"));
        assert_eq!(command("a", "1"), command("a", "1"));
    }

    #[test]
    fn death_by_a_signal_is_called_that() {
        assert!(judged(137, false).unwrap_err().to_string().contains("was killed by signal 9"));
    }

    #[test]
    fn a_long_command_is_shortened() {
        assert_eq!(shown(&["x".repeat(200)]).chars().count(), 100);
    }
}
