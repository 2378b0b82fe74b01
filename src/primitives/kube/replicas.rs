//! How many replicas a workload has. One that is stopped carries a note about who stopped it, from how many replicas
//! and for what, so that the way back is known without the runner.

use super::driver::Kube;
use super::error::KubeError;
use crate::cluster::{KindName, Name, Verdict, Watched, selector};
use crate::duration::Span;
use crate::effect::{Diff, Permit, Preview};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Every annotation of a note begins like this.
const NOTE: &str = "railrun.dev/stopped-";

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScaleOptions {
    /// Written onto a workload that is stopped, taken off when it is started: `#{ by: "T02" }` becomes the
    /// annotation `railrun.dev/stopped-by`. From how many replicas is added by itself.
    pub note: BTreeMap<String, String>,
    pub wait: Option<bool>,
    pub timeout: Option<Span>,
}

/// What scaling did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Scaled {
    pub from: u64,
    pub to: u64,
    /// Its `metadata.generation` from then on: as long as it is the same, nobody has started it or altered it otherwise.
    pub generation: Option<u64>,
}

fn generation(object: &Value) -> Option<u64> {
    object["metadata"]["generation"].as_u64()
}

/// The merge patch that leads to `to` replicas with this note, and what it changes; `None` where nothing does.
fn change(live: &Value, to: u64, note: &BTreeMap<String, String>) -> Option<(Value, Diff)> {
    let from = replicas(live);
    let mut diff = Diff::new();
    if from != to {
        diff = diff.field("spec.replicas", Some(from.to_string()), Some(to.to_string()));
    }
    let mut annotations = Map::new();
    for (key, wanted) in wanted_note(live, to, note) {
        let there = live["metadata"]["annotations"][&key].as_str();
        if there != wanted.as_deref() {
            diff = diff.field(format!("metadata.annotations.{key}"), there.map(str::to_owned), wanted.clone());
            annotations.insert(key, wanted.map_or(Value::Null, Value::String));
        }
    }
    (!diff.is_empty()).then(|| (json!({"metadata": {"annotations": annotations}, "spec": {"replicas": to}}), diff))
}

/// Each annotation of the note as it should be; `None` takes it off.
fn wanted_note(live: &Value, to: u64, note: &BTreeMap<String, String>) -> BTreeMap<String, Option<String>> {
    let there = live["metadata"]["annotations"].as_object().into_iter().flatten();
    let there = there.filter(|(key, _)| key.starts_with(NOTE));
    if to > 0 {
        return there.map(|(key, _)| (key.clone(), None)).collect();
    }
    let mut wanted: BTreeMap<String, Option<String>> =
        note.iter().map(|(key, value)| (format!("{NOTE}{key}"), Some(value.clone()))).collect();
    let from = replicas(live);
    if from > 0 && !note.is_empty() {
        wanted.insert(format!("{NOTE}replicas"), Some(from.to_string()));
    }
    wanted
}

fn replicas(object: &Value) -> u64 {
    object["spec"]["replicas"].as_u64().unwrap_or(1)
}

fn is_scalable(object: &Value) -> bool {
    let kinds = ["Deployment", "StatefulSet", "ReplicaSet", "ReplicationController"];
    kinds.iter().any(|kind| object["kind"] == *kind) || object["spec"]["replicas"].is_u64()
}

impl Kube<'_> {
    pub async fn preview_scale(&self, name: &Name, to: u64, options: &ScaleOptions) -> Result<Preview<Scaled>, KubeError> {
        let live = self.existing(name).await?;
        if !is_scalable(&live) {
            let help = "a Deployment, a StatefulSet or a kind with `spec.replicas` can";
            return Err(KubeError::Cannot { verb: "scaled", name: name.to_string(), reason: "it has no replicas", help });
        }
        let from = replicas(&live);
        Ok(match change(&live, to, &options.note) {
            None => Preview::Same(Scaled { from, to, generation: generation(&live) }),
            Some((_, diff)) => Preview::Differs { diff, foretold: Some(Scaled { from, to, generation: None }) },
        })
    }

    /// Sets the replicas and the note in one patch.
    pub async fn scale(&self, permit: &Permit, name: &Name, to: u64, options: &ScaleOptions) -> Result<Scaled, KubeError> {
        let live = self.existing(name).await?;
        let from = replicas(&live);
        let now = match change(&live, to, &options.note) {
            Some((patch, _)) => self.cluster.patch(permit, name, &patch).await?,
            None => live,
        };
        Ok(Scaled { from, to, generation: generation(&now) })
    }

    /// Waits until the pods are really there, or really gone.
    pub async fn settle(&self, name: &Name, to: u64, deadline: Duration) -> Result<(), KubeError> {
        if to > 0 {
            return self.wait_ready(std::slice::from_ref(name), deadline).await;
        }
        let live = self.existing(name).await?;
        let pods = KindName { namespace: name.namespace.clone(), kind: "pod".into() };
        let left = |pods: &[&Value]| match pods {
            [] => Verdict::Done(()),
            [pod, ..] => Verdict::NotYet(format!(
                "{} left, `{}` among them",
                count(pods.len()),
                pod["metadata"]["name"].as_str().unwrap_or_default()
            )),
        };
        let said = |reason: &str| self.host.events.note(format!("{name}: {reason}"));
        let Some(labels) = selector(&live) else { return Ok(()) };
        let what = format!("`{name}` still has pods");
        Ok(self.cluster.wait_until(&what, Watched::all(pods, Some(labels)), deadline, left, said).await?)
    }
}

fn count(pods: usize) -> String {
    if pods == 1 { "1 pod".into() } else { format!("{pods} pods") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload(replicas: u64, annotations: Value) -> Value {
        json!({"kind": "Deployment", "metadata": {"annotations": annotations}, "spec": {"replicas": replicas}})
    }

    fn note() -> BTreeMap<String, String> {
        BTreeMap::from([("by".into(), "T02".into())])
    }

    #[test]
    fn stopping_writes_down_who_and_from_how_many() {
        let (patch, diff) = change(&workload(2, json!({"a": "b"})), 0, &note()).unwrap();
        assert_eq!(
            patch,
            json!({"metadata": {"annotations": {"railrun.dev/stopped-by": "T02", "railrun.dev/stopped-replicas": "2"}}, "spec": {"replicas": 0}})
        );
        assert_eq!(diff.edits.len(), 3);
    }

    #[test]
    fn stopping_again_keeps_what_was_written_down() {
        let stopped = json!({"railrun.dev/stopped-by": "T02", "railrun.dev/stopped-replicas": "2"});
        assert!(change(&workload(0, stopped.clone()), 0, &note()).is_none());
        let (patch, _) = change(&workload(0, stopped), 0, &BTreeMap::from([("by".into(), "T03".into())])).unwrap();
        assert_eq!(patch["metadata"]["annotations"], json!({"railrun.dev/stopped-by": "T03"}));
    }

    #[test]
    fn starting_takes_the_note_off() {
        let stopped = json!({"railrun.dev/stopped-by": "T02", "railrun.dev/stopped-replicas": "2", "a": "b"});
        let (patch, _) = change(&workload(0, stopped), 2, &BTreeMap::new()).unwrap();
        assert_eq!(patch["metadata"]["annotations"], json!({"railrun.dev/stopped-by": null, "railrun.dev/stopped-replicas": null}));
        assert!(change(&workload(2, json!({"a": "b"})), 2, &note()).is_none());
    }
}
