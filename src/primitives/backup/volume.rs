//! A volume in a backup: a tar of all its files, read through a helper pod that mounts the volume's claim beside whoever
//! uses it. The pod is made for one backup and removed with it; one that was left behind ends by itself.

use crate::cluster::{Cluster, KindName, Name, PodName};
use crate::effect::Permit;
use crate::event::Events;
use crate::primitives::backup::error::BackupError;
use crate::primitives::backup::manifest::Content;
use crate::primitives::backup::output::Checked;
use crate::primitives::backup::producer::{Produced, Producer};
use crate::webdav::hex;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// The setting that names an image with `sh`, `sleep` and `tar`.
pub const IMAGE: &str = "backup.helper_image";
const START: Duration = Duration::from_secs(120);
/// So long it lives at most, whatever becomes of us.
const LIFETIME: u64 = 6 * 3600;
const FOLDER: &str = "/volume";

/// GNU tar exits 1 where a file changed while it was read; that is no failure of a volume in use. Anything else is.
const READ: &str = "tar -C /volume -cf - . ; s=$?; [ $s = 1 ] && tar --version 2>/dev/null | grep -q GNU && exit 0; exit $s";

/// The pod that reads a claim.
#[derive(Clone, Debug)]
pub struct Helper {
    claim: Name,
    pod: Name,
    image: String,
}

/// A claim's files.
pub struct Volume<'h> {
    pub cluster: &'h Cluster,
    pub helper: Helper,
}

impl Helper {
    pub fn new(claim: &Name, image: &str, run: &str) -> Self {
        // Claims of one StatefulSet differ at their ends only.
        let digest = hex(&Sha256::digest(claim.name.as_bytes()));
        let short: String = claim.name.chars().take(24).collect();
        let name = format!("railrun-read-{short}-{}-{}", &digest[..6], run.to_lowercase().chars().rev().take(8).collect::<String>());
        let namespace = claim.namespace.clone().unwrap_or_default();
        Self { claim: claim.clone(), pod: Name::new(&namespace, "pod", &name), image: image.into() }
    }

    /// Runs on the node of whoever uses the claim: a volume may be mounted on one node only.
    pub async fn start(&self, cluster: &Cluster, permit: &Permit) -> Result<(), BackupError> {
        if cluster.get(&self.claim).await?.is_none() {
            return Err(BackupError::NoClaim { claim: self.claim.to_string() });
        }
        let pods = KindName { namespace: self.claim.namespace.clone(), kind: "pod".into() };
        let users = cluster.list(&pods, None).await?;
        let node = users.iter().find(|pod| uses(pod, &self.claim.name)).and_then(|pod| pod["spec"]["nodeName"].as_str());
        cluster.delete(permit, &self.pod).await?;
        cluster.wait_gone(&self.pod, None, START).await?;
        cluster.create(permit, &self.manifest(node)).await?;
        Ok(cluster.wait_ready(std::slice::from_ref(&self.pod), START, |_| {}).await?)
    }

    /// Removes it; where that fails somebody is told.
    pub async fn remove(&self, cluster: &Cluster, permit: &Permit, events: &Events) {
        let removed = async {
            cluster.delete(permit, &self.pod).await?;
            cluster.wait_gone(&self.pod, None, START).await
        };
        if let Err(error) = removed.await {
            events.warn(format!("the helper `{}` is left: {error}", self.pod));
        }
    }

    fn manifest(&self, node: Option<&str>) -> Value {
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": self.pod.name, "namespace": self.pod.namespace,
                "labels": {"app.kubernetes.io/managed-by": "railrun", "app.kubernetes.io/component": "backup"},
            },
            "spec": {
                "restartPolicy": "Never", "automountServiceAccountToken": false, "enableServiceLinks": false,
                "activeDeadlineSeconds": LIFETIME, "terminationGracePeriodSeconds": 0,
                "containers": [{
                    "name": "read", "image": self.image, "command": ["sleep", LIFETIME.to_string()],
                    "securityContext": {"runAsUser": 0, "readOnlyRootFilesystem": true, "allowPrivilegeEscalation": false},
                    "volumeMounts": [{"name": "volume", "mountPath": FOLDER, "readOnly": true}],
                }],
                "volumes": [{"name": "volume", "persistentVolumeClaim": {"claimName": self.claim.name}}],
            },
        });
        if let Some(node) = node {
            pod["spec"]["nodeName"] = node.into();
        }
        pod
    }
}

/// Whether a pod mounts a claim, and still runs.
fn uses(pod: &Value, claim: &str) -> bool {
    let volumes = pod["spec"]["volumes"].as_array();
    pod["status"]["phase"] == "Running"
        && volumes.is_some_and(|all| all.iter().any(|one| one["persistentVolumeClaim"]["claimName"] == claim))
}

impl Producer for Volume<'_> {
    fn title(&self) -> String {
        format!("volume {}", self.helper.claim)
    }

    fn start(&self) -> BoxFuture<'_, Result<Produced, BackupError>> {
        async {
            let pod = PodName {
                namespace: self.helper.pod.namespace.clone().unwrap_or_default(),
                name: self.helper.pod.name.clone(),
                container: None,
            };
            let words = ["sh", "-c", READ].map(str::to_owned);
            let stream = self.cluster.exec_stream(&pod, &words, &[]).await?;
            let output = Checked::new(stream, self.title(), "tar".into());
            let content = Content::Volume { claim: self.helper.claim.to_string() };
            Ok::<_, BackupError>(Produced { content, output: Box::new(output), tool: None })
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_helper_reads_one_claim_on_the_node_that_has_it() {
        let claim = Name::parse("gitea/persistentvolumeclaim/gitea-shared-storage").unwrap();
        let helper = Helper::new(&claim, "busybox", "01KAS3M8R4T5V6W7X8Y9Z0ABCD");
        assert!(helper.pod.to_string().starts_with("gitea/pod/railrun-read-gitea-shared-storage-"), "{}", helper.pod);
        assert!(helper.pod.to_string().ends_with("-dcba0z9y"), "{}", helper.pod);
        let pod = helper.manifest(Some("node1"));
        assert_eq!(pod["spec"]["nodeName"], "node1");
        assert_eq!(pod["spec"]["containers"][0]["volumeMounts"][0]["readOnly"], true);
        assert_eq!(helper.manifest(None)["spec"]["nodeName"], Value::Null);
    }

    #[test]
    fn claims_that_differ_at_their_ends_have_helpers_of_their_own() {
        let pod = |number: u8| {
            let claim = Name::parse(&format!("gitea/persistentvolumeclaim/data-gitea-postgresql-ha-postgresql-{number}")).unwrap();
            Helper::new(&claim, "busybox", "01KAS3M8R4T5V6W7X8Y9Z0ABCD").pod.name
        };
        assert_ne!(pod(0), pod(1));
        assert!(pod(0).len() <= 63, "{}", pod(0));
    }

    #[test]
    fn only_a_running_pod_says_where_the_volume_is() {
        let pod = |phase: &str| json!({"status": {"phase": phase}, "spec": {"volumes": [{"persistentVolumeClaim": {"claimName": "a"}}]}});
        assert!(uses(&pod("Running"), "a") && !uses(&pod("Succeeded"), "a") && !uses(&pod("Running"), "b"));
    }
}
