//! Asks the cluster for the facts about one object: its pods, claims, events, and the logs of what is in trouble.

use super::facts::{Facts, log_key};
use super::{Diagnosis, diagnose};
use crate::cluster::logs::when;
use crate::cluster::{Cluster, ClusterError, KindName, Name, PodName, ready};
use jiff::Timestamp;
use serde_json::Value;

/// How many lines of a log are looked at.
const LINES: i64 = 60;
/// How many containers in trouble have their logs read.
const CONTAINERS: usize = 3;

impl Cluster {
    /// The root cause of why an object is not ready; `None` where it is.
    pub async fn diagnose(&self, name: &Name) -> Result<Option<Diagnosis>, ClusterError> {
        Ok(diagnose(&self.facts(name).await?))
    }

    /// Everything the cluster shows about an object.
    pub async fn facts(&self, name: &Name) -> Result<Facts, ClusterError> {
        let object = self.get(name).await?.ok_or_else(|| ClusterError::NotFound { name: name.to_string() })?;
        let mut facts = Facts { now: Timestamp::now(), silent: self.silent_nodes().await, object, ..Facts::default() };
        if let Some(namespace) = name.namespace.as_deref().or_else(|| (facts.object["kind"] == "Namespace").then_some(&name.name)) {
            facts.pods = self.pods_of(namespace, &facts.object).await?;
            facts.claims = self.claims_of(namespace, &facts).await?;
            facts.events = self.events_about(namespace, &facts).await?;
            self.read_logs(&mut facts).await;
        }
        Ok(facts)
    }

    /// Nodes whose heartbeat is old; none where this user may not look at heartbeats.
    pub(in crate::cluster) async fn silent_nodes(&self) -> Vec<(String, i64)> {
        let leases = KindName { namespace: Some("kube-node-lease".into()), kind: "lease".into() };
        let leases = self.list(&leases, None).await.unwrap_or_default();
        ready::silent_nodes(&leases, Timestamp::now())
    }

    /// The pods that belong to an object, the newest first.
    pub async fn pods_of(&self, namespace: &str, object: &Value) -> Result<Vec<Value>, ClusterError> {
        let pods = KindName { namespace: Some(namespace.into()), kind: "pod".into() };
        let mut found = match (object["kind"].as_str(), selector(object)) {
            (Some("Pod"), _) => return Ok(vec![object.clone()]),
            (Some("PersistentVolumeClaim" | "ConfigMap" | "Secret" | "Namespace"), _) => return Ok(Vec::new()),
            (_, Some(labels)) => self.list(&pods, Some(&labels)).await?,
            _ => self.list(&pods, None).await?.into_iter().filter(|pod| owned_by(pod, object)).collect(),
        };
        found.sort_by_key(|pod| {
            (std::cmp::Reverse(pod["metadata"]["creationTimestamp"].as_str().map(str::to_owned)), pod["metadata"]["name"].to_string())
        });
        Ok(found)
    }

    async fn claims_of(&self, namespace: &str, facts: &Facts) -> Result<Vec<Value>, ClusterError> {
        if facts.object["kind"] == "PersistentVolumeClaim" {
            return Ok(vec![facts.object.clone()]);
        }
        let volumes = facts.pods.iter().flat_map(|pod| pod["spec"]["volumes"].as_array().into_iter().flatten());
        let names: Vec<&str> = volumes.filter_map(|volume| volume["persistentVolumeClaim"]["claimName"].as_str()).collect();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let claims = KindName { namespace: Some(namespace.into()), kind: "persistentvolumeclaim".into() };
        let claims = self.list(&claims, None).await?;
        Ok(claims.into_iter().filter(|claim| claim["metadata"]["name"].as_str().is_some_and(|name| names.contains(&name))).collect())
    }

    /// What happened to the object, its controllers, pods and claims, oldest first.
    async fn events_about(&self, namespace: &str, facts: &Facts) -> Result<Vec<Value>, ClusterError> {
        let events = KindName { namespace: Some(namespace.into()), kind: "event".into() };
        let concerned: Vec<&Value> = std::iter::once(&facts.object).chain(&facts.pods).chain(&facts.claims).collect();
        let name = facts.object["metadata"]["name"].as_str().unwrap_or_default();
        let mut events = self.list(&events, None).await?;
        events.retain(|event| {
            let about = &event["involvedObject"];
            let replica_set = about["kind"] == "ReplicaSet"
                && about["name"].as_str().is_some_and(|set| set.rsplit_once('-').is_some_and(|(of, _)| of == name));
            replica_set || concerned.iter().any(|object| about["uid"] == object["metadata"]["uid"])
        });
        events.sort_by_key(|event| when(event).map(str::to_owned));
        Ok(events)
    }

    /// Logs are a proof, not a condition: one that cannot be read is left out.
    async fn read_logs(&self, facts: &mut Facts) {
        let troubled: Vec<(String, PodName, bool)> = facts
            .containers()
            .filter(|container| container.ended().is_some())
            .take(CONTAINERS)
            .map(|container| {
                let text = |field: &str| container.pod["metadata"][field].as_str().unwrap_or_default().to_owned();
                let pod = PodName { namespace: text("namespace"), name: text("name"), container: Some(container.name().to_owned()) };
                (log_key(container.pod, container.name()), pod, !container.status["state"]["terminated"].is_object())
            })
            .collect();
        for (key, pod, previous) in troubled {
            if let Ok(log) = self.logs(&pod, Some(LINES), previous).await {
                facts.logs.insert(key, log.lines().map(str::to_owned).collect());
            }
        }
    }
}

/// The labels by which a controller or a Service finds its pods.
pub fn selector(object: &Value) -> Option<String> {
    let selector = &object["spec"]["selector"];
    let labels =
        selector["matchLabels"].as_object().or_else(|| selector.as_object().filter(|labels| labels.values().all(Value::is_string)))?;
    if labels.is_empty() {
        return None;
    }
    Some(labels.iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect::<Vec<_>>().join(","))
}

fn owned_by(pod: &Value, object: &Value) -> bool {
    let owners = pod["metadata"]["ownerReferences"].as_array();
    owners.into_iter().flatten().any(|owner| owner["uid"] == object["metadata"]["uid"])
}
