//! Waiting for a state of objects, with progress and warnings. A dry run asks once.

use super::driver::{Kube, timeout};
use super::error::KubeError;
use crate::cluster::{ClusterError, KindName, Name, Verdict, Waiting, Watched, ready};
use crate::duration::{self, Span};
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WaitOptions {
    /// `ready` (as it is without), `deleted`, or only `there`.
    pub state: Option<State>,
    /// For a list: which of its objects are meant.
    pub labels: Option<String>,
    pub timeout: Option<Span>,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    #[default]
    Ready,
    There,
    Deleted,
}

/// One object, or those of a kind that carry certain labels.
pub enum Awaited {
    One(Name),
    All(KindName, String),
}

impl Awaited {
    /// With labels the name is that of a list.
    pub fn parse(name: &str, labels: Option<String>) -> Result<Self, KubeError> {
        Ok(match labels {
            None => Awaited::One(Name::parse(name)?),
            Some(labels) => Awaited::All(KindName::parse(name)?, labels),
        })
    }

    fn shown(&self) -> String {
        match self {
            Awaited::One(name) => format!("`{name}`"),
            Awaited::All(kind, labels) => format!("`{kind}` with {labels}"),
        }
    }

    fn watched(&self) -> Watched {
        match self {
            Awaited::One(name) => Watched::one(name),
            Awaited::All(kind, labels) => Watched::all(kind.clone(), Some(labels.clone())),
        }
    }
}

/// Whether these objects are in the state, and if not, why.
fn judge(objects: &[&Value], state: State) -> Result<(), String> {
    let name = |object: &Value| object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    match (state, objects) {
        (State::Deleted, []) => Ok(()),
        (State::Deleted, [object]) => Err(format!("`{}` is", name(object))),
        (State::Deleted, [object, rest @ ..]) => Err(format!("`{}` and {} more are", name(object), rest.len())),
        (_, []) => Err("nothing made it yet".into()),
        (State::There, _) => Ok(()),
        (State::Ready, objects) => {
            let waiting = objects.iter().find_map(|object| Some(format!("`{}`: {}", name(object), ready::readiness(object).err()?)));
            waiting.map_or(Ok(()), Err)
        }
    }
}

impl Kube<'_> {
    /// Waits for the state that the options say.
    pub async fn wait(&self, awaited: &Awaited, options: &WaitOptions) -> Result<bool, KubeError> {
        let (state, deadline) = (options.state.unwrap_or_default(), timeout(options.timeout));
        if self.host.dry_run() {
            return self.ask_once(awaited, state).await;
        }
        if let (Awaited::One(name), State::Ready) = (awaited, state) {
            return self.wait_ready(std::slice::from_ref(name), deadline).await.map(|()| true);
        }
        let judge = |objects: &[&Value]| judge(objects, state).map_or_else(Verdict::NotYet, |()| Verdict::Done(true));
        let what = format!("{} {}", awaited.shown(), complaint(state));
        let said = |reason: &str| self.host.events.note(format!("{what}: {reason}"));
        Ok(self.cluster.wait_until(&what, awaited.watched(), deadline, judge, said).await?)
    }

    /// Waits until objects are ready, and says how far it is.
    pub async fn wait_ready(&self, names: &[Name], deadline: Duration) -> Result<(), KubeError> {
        let what = names.iter().map(Name::to_string).collect::<Vec<_>>().join(", ");
        let heard = |waiting: &Waiting<'_>| {
            self.host.events.progress(&what, waiting.ready as u64, Some(waiting.total as u64), "objects");
            if let Some(sign) = waiting.warning {
                self.host.events.warn(format!("{what}: {sign}"));
            }
        };
        Ok(self.cluster.wait_ready(names, deadline, heard).await?)
    }

    async fn ask_once(&self, awaited: &Awaited, state: State) -> Result<bool, KubeError> {
        let found = self.cluster.glance(&awaited.watched()).await?;
        let verdict = judge(&found.iter().collect::<Vec<_>>(), state);
        let (what, waited) = (format!("{} {}", awaited.shown(), complaint(state)), duration::show(Duration::ZERO));
        verdict.map(|()| true).map_err(|last| ClusterError::TimedOut { what, waited, last }.into())
    }
}

fn complaint(state: State) -> &'static str {
    match state {
        State::Ready => "is not ready",
        State::There => "is not there",
        State::Deleted => "is still there",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_state_has_its_own_answer() {
        let (ready, unready) =
            (json!({"kind": "Namespace", "metadata": {"name": "a"}}), json!({"kind": "PersistentVolumeClaim", "metadata": {"name": "b"}}));
        assert_eq!(judge(&[], State::Deleted), Ok(()));
        assert_eq!(judge(&[&ready, &unready], State::Deleted).unwrap_err(), "`a` and 1 more are");
        assert_eq!(judge(&[], State::Ready).unwrap_err(), "nothing made it yet");
        assert_eq!(judge(&[&ready, &unready], State::Ready).unwrap_err(), "`b`: it has no volume yet");
        assert_eq!(judge(&[&unready], State::There), Ok(()));
    }

    #[test]
    fn with_labels_a_list_is_meant() {
        assert!(matches!(Awaited::parse("gitea/pod", Some("app=x".into())), Ok(Awaited::All(..))));
        assert!(matches!(Awaited::parse("namespace/gitea", None), Ok(Awaited::One(_))));
        assert!(Awaited::parse("gitea", None).is_err());
    }
}
