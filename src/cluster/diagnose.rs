//! Why an object is not ready: one root cause, ranked from everything the cluster shows about it. Here the facts are
//! gathered and the rules are asked in order; what each rule knows is in its own file.

mod claims;
mod containers;
mod creation;
mod facts;
mod gather;
mod images;
mod lines;
mod placement;
mod probes;

pub use facts::Facts;
pub use gather::selector;

use crate::cluster::ready;
use crate::duration;
use miette::Diagnostic;
use std::fmt::{self, Display};
use std::time::Duration;

/// One root cause.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Diagnosis {
    /// A clause that follows "it did not become ready:".
    pub cause: String,
    /// What proves it, line by line.
    pub detail: Vec<String>,
    /// One next step.
    pub help: String,
    /// It cannot heal by itself, and has lasted.
    pub doomed: bool,
    /// The place of its rule: the smaller, the nearer to the root.
    #[serde(skip)]
    pub rank: usize,
}

/// How long a line of proof may be.
const LONGEST: usize = 400;

impl Diagnosis {
    fn new(cause: impl Into<String>, help: impl Into<String>) -> Self {
        Self { cause: cause.into(), help: help.into(), ..Self::default() }
    }

    fn line(mut self, line: impl Into<String>) -> Self {
        self.detail.push(line.into().chars().take(LONGEST).collect());
        self
    }

    fn doomed(mut self, doomed: bool) -> Self {
        self.doomed = doomed;
        self
    }

    /// Whether something is wrong, and not only under way.
    pub fn is_trouble(&self) -> bool {
        self.rank + 1 < RULES.len()
    }
}

impl Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)?;
        self.detail.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

type Rule = fn(&Facts) -> Option<Diagnosis>;

/// What may be wrong, what lies nearest to the root first. The last one is only "not yet".
const RULES: &[Rule] = &[
    placement::silent_node,
    creation::refused,
    containers::missing_configuration,
    claims::pending,
    placement::unschedulable,
    images::pull,
    claims::mount,
    containers::cannot_start,
    containers::out_of_memory,
    probes::liveness,
    containers::crash,
    probes::unhealthy,
    containers::failed_job,
    placement::no_pod,
    under_way,
];

/// The root cause of why an object is not ready; `None` where it is.
pub fn diagnose(facts: &Facts) -> Option<Diagnosis> {
    if facts.silent.is_empty() && ready::readiness(&facts.object).is_ok() && !facts.lacks_backends() {
        return None;
    }
    let mut asked = RULES.iter().enumerate();
    let found = asked.find_map(|(rank, rule)| Some(Diagnosis { rank, ..rule(facts)? }))?;
    Some(Diagnosis { doomed: found.doomed || containers::job_failed(&facts.object), ..found })
}

/// Nothing is wrong, it only takes its time.
fn under_way(facts: &Facts) -> Option<Diagnosis> {
    let reason = ready::readiness(&facts.object).err()?;
    let found = Diagnosis::new(reason, "wait longer, or look with `kube::events`");
    let warning = facts.warnings(&facts.object).last();
    Some(match warning {
        Some(event) => found.line(facts::text(event, "/message").to_owned()),
        None => found,
    })
}

/// An object did not become ready.
#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
#[error("`{name}` did not become ready: {}", diagnosis.cause)]
#[diagnostic(code(kube::not_ready), help("{}", diagnosis.help))]
pub struct NotReady {
    pub name: String,
    pub diagnosis: Diagnosis,
    #[source]
    because: Because,
}

/// The lines that prove a cause, and how long it was waited for.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
struct Because(String);

impl NotReady {
    pub fn new(name: impl Into<String>, diagnosis: Diagnosis, waited: Duration, deadline: Duration) -> Self {
        let mut lines = diagnosis.detail.clone();
        lines.push(format!("waited {} of {}", duration::show(waited), duration::show(deadline)));
        Self { name: name.into(), diagnosis, because: Because(lines.join("\n")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_ready_has_no_cause() {
        let facts = Facts { object: json!({"kind": "ConfigMap"}), ..Facts::default() };
        assert_eq!(diagnose(&facts), None);
    }

    #[test]
    fn what_only_takes_its_time_is_no_trouble() {
        let facts = Facts { object: json!({"kind": "PersistentVolumeClaim", "status": {"phase": "Pending"}}), ..Facts::default() };
        let found = diagnose(&facts).unwrap();
        assert_eq!((found.cause.as_str(), found.is_trouble(), found.doomed), ("it has no volume yet", false, false));
    }

    /// Facts as a real cluster showed them, one file each, and what is said about them.
    #[test]
    fn recorded_troubles_are_diagnosed() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recorded/diagnose");
        let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let told = files.iter().map(|file| {
            let facts: Facts = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
            let found = diagnose(&facts).unwrap();
            let fate = if found.doomed { "in vain" } else { "may pass" };
            format!("{} ({fate}): {found}\n  help: {}", file.file_stem().unwrap().display(), found.help)
        });
        insta::assert_snapshot!(told.collect::<Vec<_>>().join("\n\n"));
    }

    #[test]
    fn the_report_says_the_cause_its_proof_and_how_long_it_was_waited_for() {
        let diagnosis = Diagnosis::new("its pod crashes", "mend it").line("container `a` exited 1");
        let error = NotReady::new("a/deployment/b", diagnosis, Duration::from_secs(48), Duration::from_secs(600));
        assert_eq!(error.to_string(), "`a/deployment/b` did not become ready: its pod crashes");
        let because = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(because, "container `a` exited 1\nwaited 48.0s of 10m00s");
    }
}
