//! Waiting for a release's workloads with the cluster's own watch: helm's would only say that a deadline passed.

use super::driver::Helm;
use super::error::{HelmError, Proof};
use super::manifest::Object;
use super::release::ReleaseName;
use crate::cluster::{ClusterError, Name, Waiting};
use std::time::Duration;

impl Helm<'_> {
    /// Waits until everything that starts in a release is ready. Ctrl-C ends this wait and leaves helm's work done.
    pub async fn settle(&self, release: &ReleaseName, objects: &[Object], deadline: Duration) -> Result<(), HelmError> {
        let names = workloads(objects, &release.namespace);
        if names.is_empty() {
            return Ok(());
        }
        self.host.bridge.shield(false);
        let events = &self.host.events;
        let name = release.to_string();
        let heard = |waiting: &Waiting<'_>| {
            let what = if waiting.reason.is_empty() { name.as_str() } else { waiting.reason };
            events.progress(what, waiting.ready as u64, Some(waiting.total as u64), "ready");
            if let Some(sign) = waiting.warning {
                events.warn(format!("`{release}`: {sign}"));
            }
        };
        self.cluster.wait_ready(&names, deadline, heard).await.map_err(|cause| not_ready(release, cause))
    }
}

fn workloads(objects: &[Object], home: &str) -> Vec<Name> {
    let started = objects.iter().filter(|object| object.is_workload());
    started.map(|object| Name::new(object.namespace.as_deref().unwrap_or(home), &object.kind, &object.name)).collect()
}

fn not_ready(release: &ReleaseName, cause: ClusterError) -> HelmError {
    let of = release.to_string();
    match cause {
        ClusterError::NotReady(found) => {
            let proof = std::error::Error::source(&*found).map(ToString::to_string).unwrap_or_default();
            let reason = format!("`{}`: {}", found.name, found.diagnosis.cause);
            HelmError::NotReady { release: of, reason, help: found.diagnosis.help, proof: Proof(proof) }
        }
        ClusterError::TimedOut { waited, last, .. } => HelmError::NotReady {
            help: format!("`kube::events(\"{}\")` shows what happened; `timeout` in the options gives it longer", release.namespace),
            release: of,
            reason: last,
            proof: Proof(format!("waited {waited}")),
        },
        cause => cause.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primitives::helm::manifest;

    #[test]
    fn only_what_starts_is_waited_for() {
        let text = "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n---\napiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: x}\n";
        let (objects, _) = manifest::parse(text).unwrap();
        assert_eq!(workloads(&objects, "home"), [Name::new("home", "statefulset", "x")]);
    }
}
