//! What can go wrong with a verb of this namespace beyond what the cluster itself says.

use crate::cluster::{ClusterError, NameError};
use crate::effect::Interrupted;
use miette::Diagnostic;

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
pub enum KubeError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Cluster(#[from] ClusterError),
    #[error("`{command}` in `{pod}` {ending}{}", indented(said))]
    #[diagnostic(code(kube::command_failed), help("with `may_fail: true` the status is returned instead"))]
    CommandFailed { command: String, pod: String, ending: String, said: String },
    #[error("`{name}` has no pod that is ready")]
    #[diagnostic(code(kube::no_pod), help("`kube::diagnose(\"{name}\")` says why"))]
    NoPod { name: String },
    #[error("`{name}` cannot be {verb}: {reason}")]
    #[diagnostic(code(kube::cannot), help("{help}"))]
    Cannot { verb: &'static str, name: String, reason: &'static str, help: &'static str },
    #[error("`{option}` cannot be {given}")]
    #[diagnostic(code(option::invalid), help("it takes {wanted}"))]
    Unfit { option: &'static str, given: String, wanted: &'static str },
}

impl From<NameError> for KubeError {
    fn from(error: NameError) -> Self {
        KubeError::Cluster(error.into())
    }
}

impl From<Interrupted> for KubeError {
    fn from(interrupted: Interrupted) -> Self {
        KubeError::Cluster(interrupted.into())
    }
}

/// The last lines of what a command said, under the sentence about it.
fn indented(said: &str) -> String {
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    let kept = &lines[lines.len().saturating_sub(8)..];
    if kept.is_empty() { String::new() } else { format!(":\n  {}", kept.join("\n  ")) }
}
