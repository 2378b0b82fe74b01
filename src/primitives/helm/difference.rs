//! What an upgrade or a rollback would change: the objects it wants, tried on the API server and compared with the
//! live ones, and what the last manifest had that the new one has not. Nothing is written.

use super::error::HelmError;
use super::manifest::Object;
use super::release::{Hook, ReleaseName};
use crate::cluster::{Cluster, ClusterError, compare};
use crate::effect::{Diff, Edit, Permit};
use futures::stream::{StreamExt, TryStreamExt};
use serde_json::Value;

/// Objects asked about at once.
pub const AT_ONCE: usize = 8;
/// The field manager that helm writes under.
pub const MANAGER: &str = "helm";

/// What a release should consist of, and what it was made of last.
#[derive(Default)]
pub struct Wanted {
    pub objects: Vec<Object>,
    pub last: Vec<Object>,
    /// Server-side apply drops by itself what the last manifest had.
    pub server_side: bool,
    /// Objects that were compared already.
    pub known: Known,
}

/// What is to happen to objects, found before it was known that they are wanted.
pub type Known = Vec<(Object, Fate)>;

/// What differs, and the manifests of the live objects in which it does.
#[derive(Clone, Debug, Default)]
pub struct Found {
    pub diff: Diff,
    pub changed: Vec<Value>,
}

/// What is to happen to one object.
#[derive(Clone, Debug)]
pub enum Fate {
    Same,
    New,
    Changed(Value, Vec<Edit>),
    Deleted,
    Kept,
}

/// Everything that differs, in the order of the manifest; deletions at the end.
pub async fn objects(cluster: &Cluster, release: &ReleaseName, wanted: &Wanted) -> Result<Found, HelmError> {
    let home = release.namespace.as_str();
    let last = |object: &Object| wanted.last.iter().find(|last| last.is_same(object, home));
    let changes = wanted.objects.iter().map(|object| async move {
        let known = wanted.known.iter().find(|(known, _)| known == object);
        let last = last(object).filter(|_| !wanted.server_side);
        let fate = match known {
            Some((_, fate)) => fate.clone(),
            None => fate(cluster, release, object, last).await?,
        };
        Ok::<_, HelmError>((object.label(home), fate))
    });
    let dropped = wanted.last.iter().filter(|last| !wanted.objects.iter().any(|object| object.is_same(last, home)));
    let deletions =
        dropped.map(|object| async move { Ok::<_, HelmError>((object.label(home), farewell(cluster, release, object).await?)) });
    let mut fates: Vec<(String, Fate)> = futures::stream::iter(changes.collect::<Vec<_>>()).buffered(AT_ONCE).try_collect().await?;
    fates.extend(futures::stream::iter(deletions.collect::<Vec<_>>()).buffered(AT_ONCE).try_collect::<Vec<_>>().await?);
    Ok(fates.into_iter().fold(Found::default(), |found, (label, fate)| found.with(&label, fate)))
}

/// Compares the objects of the last manifest with the live ones while the new manifest is still being rendered: of an
/// unchanged release nothing is left to ask then. What cannot be compared is left out.
pub async fn look_ahead(cluster: &Cluster, release: &ReleaseName, last: &[Object]) -> Known {
    let asked = last.iter().map(|object| async move { Some((object.clone(), fate(cluster, release, object, None).await.ok()?)) });
    futures::stream::iter(asked.collect::<Vec<_>>()).buffered(AT_ONCE).filter_map(std::future::ready).collect().await
}

impl Found {
    fn with(mut self, label: &str, fate: Fate) -> Self {
        let note = match fate {
            Fate::Same => return self,
            Fate::Changed(manifest, edits) => {
                self.changed.push(manifest);
                self.diff.edits.extend(edits);
                return self;
            }
            Fate::New => format!("new {label}"),
            Fate::Deleted => format!("delete {label}"),
            Fate::Kept => format!("leave {label} in place (its resource policy is `keep`)"),
        };
        self.diff = self.diff.note(note);
        self
    }
}

async fn fate(cluster: &Cluster, release: &ReleaseName, object: &Object, last: Option<&Object>) -> Result<Fate, HelmError> {
    let label = object.label(&release.namespace);
    let Some(manifest) = placed(cluster, object, release).await? else { return Ok(Fate::New) };
    let Some(live) = cluster.live(&manifest).await? else { return Ok(Fate::New) };
    let refused = |error| explain(release, &label, &live, &manifest, error);
    let mut planned = tried(cluster, &manifest).await.map_err(refused)?;
    if last.is_some_and(|last| compare::take_dropped(&last.value, &manifest, &mut planned)) {
        // What was taken out may come back as the server's own default.
        planned = cluster.preview_replace(&planned).await?;
    }
    let edits = compare::edits(&label, &live, &planned);
    Ok(if edits.is_empty() { Fate::Same } else { Fate::Changed(manifest, edits) })
}

/// What the API server would make of a manifest. Some that helm 3 takes, server-side apply does not.
async fn tried(cluster: &Cluster, manifest: &Value) -> Result<Value, ClusterError> {
    match cluster.preview_apply(manifest, MANAGER, true).await {
        Err(ClusterError::Untyped { .. }) => cluster.preview_merge(manifest).await,
        tried => tried,
    }
}

/// Puts back what helm 3 leaves alone: it compares objects of custom kinds with its last manifest only, not with the
/// live ones.
pub async fn put_back(cluster: &Cluster, permit: &Permit, changed: &[Value]) -> Result<(), HelmError> {
    for manifest in changed {
        let Some(live) = cluster.live(manifest).await? else { continue };
        let planned = match cluster.preview_apply(manifest, MANAGER, true).await {
            Err(ClusterError::Untyped { .. }) => continue,
            planned => planned?,
        };
        if !compare::edits("", &live, &planned).is_empty() {
            cluster.apply(permit, manifest, MANAGER, true).await?;
        }
    }
    Ok(())
}

async fn farewell(cluster: &Cluster, release: &ReleaseName, object: &Object) -> Result<Fate, HelmError> {
    let Some(manifest) = placed(cluster, object, release).await? else { return Ok(Fate::Same) };
    let live = cluster.live(&manifest).await?.and_then(Object::of);
    Ok(live.map_or(Fate::Same, |live| if live.is_kept() || object.is_kept() { Fate::Kept } else { Fate::Deleted }))
}

/// The manifest as helm would send it: in its namespace and with helm's own marks; `None` for a kind that the cluster does not know (yet).
pub async fn placed(cluster: &Cluster, object: &Object, release: &ReleaseName) -> Result<Option<Value>, HelmError> {
    let kind = match cluster.kind(&object.word()).await {
        Err(ClusterError::UnknownKind { .. }) => return Ok(None),
        kind => kind?,
    };
    let mut manifest = object.value.clone();
    if kind.namespaced && object.namespace.is_none() {
        manifest["metadata"]["namespace"] = release.namespace.as_str().into();
    } else if !kind.namespaced && object.namespace.is_some() {
        manifest["metadata"].as_object_mut().and_then(|metadata| metadata.shift_remove("namespace"));
    }
    mark(&mut manifest, release);
    Ok(Some(manifest))
}

/// Helm writes onto every object whose it is; these marks are in no manifest.
fn mark(manifest: &mut Value, release: &ReleaseName) {
    let marks = [
        ("labels", "app.kubernetes.io/managed-by", "Helm"),
        ("annotations", "meta.helm.sh/release-name", release.name.as_str()),
        ("annotations", "meta.helm.sh/release-namespace", release.namespace.as_str()),
    ];
    for (part, key, value) in marks {
        let slot = &mut manifest["metadata"][part];
        if slot.is_null() || slot.is_object() {
            slot[key] = value.into();
        }
    }
}

fn explain(release: &ReleaseName, label: &str, live: &Value, manifest: &Value, error: ClusterError) -> HelmError {
    match &error {
        ClusterError::Immutable { reason, .. } => {
            let reason = immutable(live, manifest).unwrap_or_else(|| reason.clone());
            let delete = format!("kubectl delete {label} --namespace {} --cascade=orphan", release.namespace);
            let help = format!("nothing was written; keep the old value, or `{delete}` (its pods go on) and run again");
            HelmError::Immutable { release: release.to_string(), object: label.into(), reason, help }
        }
        ClusterError::Refused { reason, .. } if !error.is_transient() => {
            HelmError::Rejected { chart: release.to_string(), reason: format!("`{label}`: {reason}") }
        }
        _ => error.into(),
    }
}

/// Which fields cannot change, where it is one of those that people meet.
fn immutable(live: &Value, manifest: &Value) -> Option<String> {
    const FIXED: [&str; 8] = [
        "volumeClaimTemplates",
        "selector",
        "serviceName",
        "podManagementPolicy",
        "accessModes",
        "storageClassName",
        "clusterIP",
        "volumeName",
    ];
    let fields = FIXED.iter().filter(|field| !manifest["spec"][field].is_null());
    let edits = fields.flat_map(|field| set_otherwise(&format!("spec.{field}"), &live["spec"][field], &manifest["spec"][field]));
    let edits: Vec<String> = edits.collect();
    (!edits.is_empty()).then(|| format!("{} cannot be changed in place", edits.join(", ")))
}

/// The fields that the manifest sets and that are otherwise in the live object: `spec.x 1 → 2`.
fn set_otherwise(path: &str, live: &Value, wanted: &Value) -> Vec<String> {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => {
            let below =
                |(key, wanted): (&String, &Value)| set_otherwise(&format!("{path}.{key}"), live.get(key).unwrap_or(&Value::Null), wanted);
            wanted.iter().flat_map(below).collect()
        }
        (Value::Array(live), Value::Array(wanted)) if live.len() == wanted.len() => {
            let named = |place: usize, item: &Value| item["metadata"]["name"].as_str().map_or_else(|| place.to_string(), str::to_owned);
            let pairs = live.iter().zip(wanted).enumerate();
            pairs.flat_map(|(place, (live, wanted))| set_otherwise(&format!("{path}[{}]", named(place, wanted)), live, wanted)).collect()
        }
        (live, wanted) if live == wanted || wanted.is_null() => Vec::new(),
        (live, wanted) => vec![format!("`{path}` {} → {}", text(live), text(wanted))],
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The hooks that will run, named.
pub fn hooks(hooks: &[Hook], event: &str) -> Diff {
    let runs = |hook: &&Hook| hook.events.iter().any(|known| known.ends_with(event));
    hooks.iter().filter(runs).fold(Diff::new(), |diff, hook| {
        diff.note(format!("run hook {}/{} ({})", hook.kind.to_lowercase(), hook.name, hook.events.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_immutable_field_is_named_with_both_values() {
        let claims = |size: &str, more: bool| {
            let mut claim = json!({"metadata": {"name": "data"}, "spec": {"resources": {"requests": {"storage": size}}}});
            if more {
                claim["spec"]["volumeMode"] = "Filesystem".into();
            }
            json!({"spec": {"volumeClaimTemplates": [claim]}})
        };
        assert_eq!(
            immutable(&claims("8Gi", true), &claims("10Gi", false)).unwrap(),
            "`spec.volumeClaimTemplates[data].spec.resources.requests.storage` 8Gi → 10Gi cannot be changed in place"
        );
        assert_eq!(immutable(&claims("8Gi", true), &claims("8Gi", false)), None);
    }

    #[test]
    fn helms_own_marks_are_added_to_a_manifest() {
        let release = ReleaseName::parse("ns/pg").unwrap();
        let mut manifest = json!({"metadata": {"name": "x", "labels": {"a": "b"}}});
        mark(&mut manifest, &release);
        assert_eq!(manifest["metadata"]["labels"], json!({"a": "b", "app.kubernetes.io/managed-by": "Helm"}));
        assert_eq!(manifest["metadata"]["annotations"]["meta.helm.sh/release-name"], "pg");
        let mut broken = json!({"metadata": {"name": "x", "labels": "text"}});
        mark(&mut broken, &release);
        assert_eq!(broken["metadata"]["labels"], "text");
    }

    #[test]
    fn only_the_hooks_of_the_event_run() {
        let hook = |name: &str, event: &str| Hook { name: name.into(), kind: "Job".into(), events: vec![event.into()] };
        let diff = hooks(&[hook("a", "pre-upgrade"), hook("b", "post-install"), hook("c", "test")], "upgrade");
        assert_eq!(diff, Diff::new().note("run hook job/a (pre-upgrade)"));
    }
}
