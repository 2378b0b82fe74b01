//! What the cluster shows about an object and everything that belongs to it, and how rules look at it.

use super::super::ready;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// How long a bad sign must have lasted before it counts as fate, in seconds.
pub(super) const DWELL: i64 = 30;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    pub object: Value,
    /// Its pods, the newest first.
    pub pods: Vec<Value>,
    /// What happened to it, its controllers, its pods and its claims, oldest first.
    pub events: Vec<Value>,
    pub claims: Vec<Value>,
    /// Nodes whose heartbeat is old, and its age in seconds.
    pub silent: Vec<(String, i64)>,
    /// The last lines of containers that are in trouble, by `pod/container`.
    pub logs: BTreeMap<String, Vec<String>>,
    pub now: Timestamp,
}

/// A container of a pod, as it is set up and as it is.
#[derive(Clone, Copy)]
pub(super) struct Container<'f> {
    pub pod: &'f Value,
    pub spec: &'f Value,
    pub status: &'f Value,
}

impl Facts {
    /// The pods that are not ready, the newest first.
    pub(super) fn troubled(&self) -> impl Iterator<Item = &Value> {
        self.pods.iter().filter(|pod| ready::readiness(pod).is_err() && pod["metadata"]["deletionTimestamp"].is_null())
    }

    /// The containers of pods that are not ready, those first that must run first.
    pub(super) fn containers(&self) -> impl Iterator<Item = Container<'_>> {
        self.troubled().flat_map(|pod| {
            ready::statuses(pod).filter(|status| status["ready"] != true).map(move |status| {
                let specs =
                    ["initContainers", "containers"].into_iter().flat_map(|field| pod["spec"][field].as_array().into_iter().flatten());
                let spec = specs.into_iter().find(|spec| spec["name"] == status["name"]).unwrap_or(&Value::Null);
                Container { pod, spec, status }
            })
        })
    }

    /// The events about an object, oldest first.
    pub(super) fn about<'f>(&'f self, object: &'f Value) -> impl DoubleEndedIterator<Item = &'f Value> {
        self.events.iter().filter(|event| match (&event["involvedObject"]["uid"], &object["metadata"]["uid"]) {
            (Value::String(left), Value::String(right)) => left == right,
            _ => event["involvedObject"]["name"] == object["metadata"]["name"],
        })
    }

    pub(super) fn warnings<'f>(&'f self, object: &'f Value) -> impl DoubleEndedIterator<Item = &'f Value> {
        self.about(object).filter(|event| event["type"] == "Warning")
    }

    /// Seconds since a time that the API wrote.
    pub(super) fn age(&self, time: &str) -> Option<i64> {
        Some(self.now.as_second() - time.parse::<Timestamp>().ok()?.as_second())
    }

    /// Whether a pod has been there long enough for its trouble to count as fate.
    pub(super) fn has_lasted(&self, pod: &Value) -> bool {
        let since = pod["status"]["startTime"].as_str().or_else(|| pod["metadata"]["creationTimestamp"].as_str());
        since.and_then(|time| self.age(time)).is_some_and(|age| age >= DWELL)
    }

    /// How the sentence calls a pod: `it`, `its pod`, or by name where there are several.
    pub(super) fn call(&self, pod: &Value) -> String {
        match (self.object["kind"] == "Pod", self.pods.len()) {
            (true, _) => "it".into(),
            (false, 0 | 1) => "its pod".into(),
            _ => format!("its pod `{}`", text(pod, "/metadata/name")),
        }
    }

    /// Whether this is a Service that leads nowhere.
    pub(super) fn lacks_backends(&self) -> bool {
        let selects = self.object["spec"]["selector"].as_object().is_some_and(|labels| !labels.is_empty());
        self.object["kind"] == "Service" && selects && self.pods.iter().all(|pod| ready::readiness(pod).is_err())
    }
}

impl<'f> Container<'f> {
    pub fn name(&self) -> &'f str {
        text(self.status, "/name")
    }

    pub fn waiting(&self) -> &'f str {
        text(self.status, "/state/waiting/reason")
    }

    /// How it ended, this time or the last.
    pub fn ended(&self) -> Option<&'f Value> {
        let states = [&self.status["state"]["terminated"], &self.status["lastState"]["terminated"]];
        states.into_iter().find(|state| state.is_object())
    }

    /// How often it has ended so far.
    pub fn endings(&self) -> u64 {
        let restarts = self.status["restartCount"].as_u64().unwrap_or(0);
        if self.status["state"]["running"].is_object() { restarts } else { restarts + 1 }
    }

    /// How logs and verbs call it.
    pub fn path(&self) -> String {
        format!("{}/pod/{}/{}", text(self.pod, "/metadata/namespace"), text(self.pod, "/metadata/name"), self.name())
    }

    pub fn log<'l>(&self, facts: &'l Facts) -> &'l [String] {
        facts.logs.get(&log_key(self.pod, self.name())).map_or(&[], Vec::as_slice)
    }
}

pub(super) fn log_key(pod: &Value, container: &str) -> String {
    format!("{}/{container}", text(pod, "/metadata/name"))
}

/// A text inside an object; empty where there is none.
pub(super) fn text<'v>(value: &'v Value, path: &str) -> &'v str {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

/// What stands between the first pair of double quotes.
pub(super) fn quoted(message: &str) -> Option<&str> {
    message.split('"').nth(1).filter(|text| !text.is_empty())
}

/// `3 times`, but `once`.
pub(super) fn times(count: u64) -> String {
    if count == 1 { "once".into() } else { format!("{count} times") }
}
