//! What can go wrong with a release, in words a reader can act on.

use crate::cluster::ClusterError;
use crate::effect::Interrupted;
use crate::files::FileError;
use crate::process::ProcessError;
use crate::secret::SecretError;
use crate::sops::SopsError;
use miette::Diagnostic;

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
pub enum HelmError {
    #[error("`{text}` does not name a release")]
    #[diagnostic(code(helm::bad_name), help("write it like `gitea/gitea`: namespace, then release"))]
    BadName { text: String },
    #[error("there is no release `{release}`")]
    #[diagnostic(code(helm::not_found), help("{help}"))]
    NotFound { release: String, help: String },
    #[error("there are {} releases called `{name}`: {}", found.len(), found.join(", "))]
    #[diagnostic(code(helm::ambiguous), help("name its namespace too: `{}`", found.first().map_or("", String::as_str)))]
    Ambiguous { name: String, found: Vec<String> },
    #[error("the release `{release}` has no revision {revision}")]
    #[diagnostic(code(helm::no_revision), help("it has: {known}"))]
    NoRevision { release: String, revision: i64, known: String },
    #[error("there is no namespace `{namespace}` for the release `{release}`")]
    #[diagnostic(code(helm::no_namespace), help("add `create_namespace: true` to its options"))]
    NoNamespace { namespace: String, release: String },
    #[error("cannot read what helm stored of `{release}` in `{secret}`: {reason}")]
    #[diagnostic(code(helm::unreadable), help("`helm history` shows the revisions that are left to go back to"))]
    Unreadable { release: String, secret: String, reason: String },
    #[error("helm finds no chart `{chart}`: {reason}")]
    #[diagnostic(code(helm::chart_not_found), help("{help}"))]
    ChartNotFound { chart: String, reason: String, help: String },
    #[error("the chart `{chart}` cannot be rendered with these values: {reason}")]
    #[diagnostic(code(helm::render_failed), help("the template and line above say which value it stumbled over"))]
    RenderFailed { chart: String, reason: String },
    #[error("the cluster does not take what `{chart}` renders: {reason}")]
    #[diagnostic(code(helm::rejected), help("nothing was written; change the values, or what is in the way"))]
    Rejected { chart: String, reason: String },
    #[error("`{object}` of `{release}` needs a re-creation: {reason}")]
    #[diagnostic(code(helm::immutable), help("{help}"))]
    Immutable { release: String, object: String, reason: String, help: String },
    #[error("`{release}` is {status} since {since}: {why}")]
    #[diagnostic(code(helm::pending), help("{help}"))]
    Pending { release: String, status: String, since: String, why: String, help: String },
    #[error("the values for `{release}` cannot be used: {reason}")]
    #[diagnostic(code(helm::bad_values), help("values are maps: `key: value`"))]
    BadValues { release: String, reason: String },
    #[error("helm could not {attempt} `{release}`: {reason}")]
    #[diagnostic(code(helm::upgrade_failed), help("{help}"))]
    Failed { attempt: &'static str, release: String, reason: String, help: String },
    #[error("the upgrade of `{release}` was not previewed")]
    #[diagnostic(code(helm::not_previewed), help("this is a fault of the verb: a change follows its preview"))]
    NotPreviewed { release: String },
    #[error("`{release}` did not become ready: {reason}")]
    #[diagnostic(code(helm::upgrade_failed), help("{help}"))]
    NotReady {
        release: String,
        reason: String,
        help: String,
        #[source]
        proof: Proof,
    },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Process(#[from] ProcessError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Sops(#[from] SopsError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Interrupted(#[from] Interrupted),
}

/// The lines that prove a cause.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Proof(pub String);

/// The last thing that helm said, without its "Error: " and its advice for chart authors.
pub fn said(stderr: &str) -> String {
    let lines: Vec<&str> = stderr.lines().collect();
    let start = lines.iter().rposition(|line| line.starts_with("Error: ")).unwrap_or(0);
    let kept = lines[start..].iter().filter(|line| !line.starts_with("Use --debug"));
    let text = kept.map(|line| line.trim_end()).collect::<Vec<_>>().join("\n");
    let text = text.trim_start_matches("Error: ").trim();
    text.split_once(" FAILED: ").filter(|(first, _)| !first.contains(' ')).map_or(text, |(_, rest)| rest).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_helm_says_the_error_counts() {
        assert_eq!(said("coalesce.go:316: warning: x\nError: template: a.yaml:1:2: oh\n"), "template: a.yaml:1:2: oh");
        assert_eq!(said("level=INFO msg=x\nError: a.yaml:1:2\n  executing\n    cannot\n"), "a.yaml:1:2\n  executing\n    cannot");
        assert_eq!(said("Error: UPGRADE FAILED: x\n\nUse --debug flag to render out invalid YAML\n"), "x");
        assert_eq!(said("no error here"), "no error here");
    }
}
