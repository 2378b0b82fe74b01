//! Objects of the cluster as verbs need them: what a change would do, and doing it. The API itself is spoken by
//! `cluster`; waits, commands and replicas lie beside this file.

use super::error::KubeError;
use super::masked::masked;
use crate::cluster::{Cluster, ClusterError, MANAGER, Name, compare, when};
use crate::duration::Span;
use crate::effect::{Diff, Permit, Preview};
use crate::host::Host;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// How long a wait lasts that says nothing else.
const TIMEOUT: Duration = Duration::from_secs(300);

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SettleOptions {
    pub wait: Option<bool>,
    pub timeout: Option<Span>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeleteOptions {
    pub wait: Option<bool>,
    pub timeout: Option<Span>,
    /// How long a pod may take to end; nothing: it is taken away without asking its node.
    pub grace: Option<Span>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogOptions {
    /// How many lines from the end; 200 without it.
    pub tail: Option<i64>,
    /// Of the container that ran before this one.
    pub previous: bool,
    pub container: Option<String>,
}

/// Something that happened to an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Happening {
    pub time: String,
    pub kind: String,
    pub reason: String,
    pub message: String,
    pub count: i64,
}

pub fn timeout(span: Option<Span>) -> Duration {
    span.map_or(TIMEOUT, |span| span.0)
}

pub struct Kube<'h> {
    pub host: &'h Host,
    pub cluster: &'h Cluster,
}

impl<'h> Kube<'h> {
    pub fn on(host: &'h Host) -> Result<Self, KubeError> {
        Ok(Self { host, cluster: host.cluster()? })
    }

    pub async fn get(&self, name: &Name) -> Result<Option<Value>, KubeError> {
        Ok(self.cluster.get(name).await?.map(masked))
    }

    pub(super) async fn existing(&self, name: &Name) -> Result<Value, KubeError> {
        Ok(self.cluster.get(name).await?.ok_or_else(|| ClusterError::NotFound { name: name.to_string() })?)
    }

    pub async fn is_ready(&self, name: &Name) -> Result<bool, KubeError> {
        Ok(self.cluster.ready(name).await?.is_ok())
    }

    pub async fn events(&self, name: &Name) -> Result<Vec<Happening>, KubeError> {
        Ok(self.cluster.events(name).await?.iter().map(happening).collect())
    }

    /// What applying an object would change; the server itself says what would come of it. Where its namespace is
    /// only planned, all of it is new.
    pub async fn preview_apply(&self, object: &Value) -> Result<Preview<Value>, KubeError> {
        let live = self.cluster.live(object).await?;
        let then = match self.cluster.preview_apply(object, MANAGER, false).await {
            Err(error) if error.is_not_found() && self.is_planned(object) => object.clone(),
            then => then?,
        };
        Ok(differs(&label(object), live.as_ref(), then))
    }

    /// Whether an earlier step of this dry run would have made the object's namespace.
    fn is_planned(&self, object: &Value) -> bool {
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
        self.host.dry_run() && self.host.plan.touched_by(&[format!("namespace/{namespace}")]).is_some()
    }

    pub async fn apply(&self, permit: &Permit, object: &Value) -> Result<Value, KubeError> {
        Ok(masked(self.cluster.apply(permit, object, MANAGER, false).await?))
    }

    pub async fn preview_patch(&self, name: &Name, patch: &Value) -> Result<Preview<Value>, KubeError> {
        let live = self.existing(name).await?;
        let then = self.cluster.preview_patch(name, patch).await?;
        Ok(differs(&label(&live), Some(&live), then))
    }

    pub async fn patch(&self, permit: &Permit, name: &Name, patch: &Value) -> Result<Value, KubeError> {
        Ok(masked(self.cluster.patch(permit, name, patch).await?))
    }

    /// Whether there is something to delete; what hangs on it is said.
    pub async fn preview_delete(&self, name: &Name) -> Result<Preview<bool>, KubeError> {
        Ok(match self.cluster.get(name).await? {
            None => Preview::Same(false),
            Some(live) => Preview::Differs { diff: Diff::new().note(deletion(&live)), foretold: Some(true) },
        })
    }

    pub async fn delete(&self, permit: &Permit, name: &Name, options: &DeleteOptions) -> Result<bool, KubeError> {
        let grace = options.grace.map(|grace| u32::try_from(grace.0.as_secs()).unwrap_or(u32::MAX));
        // A StatefulSet makes a pod of the same name at once.
        let uid = self.cluster.get(name).await?.and_then(|live| live["metadata"]["uid"].as_str().map(str::to_owned));
        let was_there = self.cluster.delete_within(permit, name, grace).await?;
        if options.wait.unwrap_or(true) {
            self.cluster.wait_gone(name, uid.as_deref(), timeout(options.timeout)).await?;
        }
        Ok(was_there)
    }

    pub async fn preview_restart(&self, name: &Name) -> Result<Preview<()>, KubeError> {
        let live = self.existing(name).await?;
        let cannot = |reason, help| Err(KubeError::Cannot { verb: "restarted", name: name.to_string(), reason, help });
        if !["Deployment", "StatefulSet", "DaemonSet"].iter().any(|kind| live["kind"] == *kind) {
            return cannot("it is no workload", "restart the Deployment, StatefulSet or DaemonSet it belongs to");
        }
        if live["spec"]["updateStrategy"]["type"] == "OnDelete" {
            return cannot("its pods are replaced only when somebody deletes them (`OnDelete`)", "delete its pods one by one");
        }
        let pods = live["status"]["replicas"].as_u64().or_else(|| live["status"]["currentNumberScheduled"].as_u64()).unwrap_or(0);
        Ok(Preview::action(format!("replace {pods} pods, one after the other")))
    }

    /// Asks the workload's controller to replace every pod.
    pub async fn restart(&self, permit: &Permit, name: &Name, by: &str) -> Result<(), KubeError> {
        let patch = restart_patch(by, &jiff::Timestamp::now().to_string());
        self.cluster.patch(permit, name, &patch).await?;
        Ok(())
    }
}

fn differs(label: &str, live: Option<&Value>, then: Value) -> Preview<Value> {
    let edits = compare::edits(label, live.unwrap_or(&Value::Null), &then);
    if edits.is_empty() && live.is_some() {
        return Preview::Same(masked(then));
    }
    Preview::Differs { diff: Diff { edits, ..Diff::new() }, foretold: Some(masked(then)) }
}

/// `deployment/gitea`, as paths of a difference begin.
fn label(object: &Value) -> String {
    let part = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    format!("{}/{}", part(&object["kind"]).to_lowercase(), part(&object["metadata"]["name"]))
}

fn deletion(live: &Value) -> String {
    let data = match live["kind"].as_str() {
        Some("PersistentVolumeClaim") => " (its volume goes by its reclaim policy)",
        Some("Namespace") => " (with everything in it)",
        _ => "",
    };
    format!("delete it{data}; made {}", live["metadata"]["creationTimestamp"].as_str().unwrap_or("at an unknown time"))
}

fn restart_patch(by: &str, now: &str) -> Value {
    let annotations = json!({"kubectl.kubernetes.io/restartedAt": now, "railrun.dev/restarted-by": by});
    json!({"spec": {"template": {"metadata": {"annotations": annotations}}}})
}

fn happening(event: &Value) -> Happening {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Happening {
        time: when(event).unwrap_or_default().to_owned(),
        kind: text(&event["type"]).to_lowercase(),
        reason: text(&event["reason"]),
        message: text(&event["message"]),
        count: event["count"].as_i64().or_else(|| event["series"]["count"].as_i64()).unwrap_or(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_leaves_its_mark() {
        let patch = restart_patch("01J/3", "2026-01-01T00:00:00Z");
        assert_eq!(patch["spec"]["template"]["metadata"]["annotations"]["railrun.dev/restarted-by"], "01J/3");
    }

    #[test]
    fn an_object_that_stays_as_it_is_is_no_difference() {
        let live = json!({"kind": "ConfigMap", "metadata": {"name": "a", "resourceVersion": "1"}, "data": {"a": "b"}});
        let mut then = live.clone();
        then["metadata"]["resourceVersion"] = "2".into();
        assert!(matches!(differs("configmap/a", Some(&live), then.clone()), Preview::Same(_)));
        assert!(matches!(differs("configmap/a", None, then), Preview::Differs { .. }));
    }
}
