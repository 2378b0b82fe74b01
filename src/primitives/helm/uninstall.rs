//! Taking a release away: what goes with it, what stays, and the wait until it is gone.

use super::claims;
use super::command::{self, WaitOptions};
use super::difference;
use super::driver::Helm;
use super::error::HelmError;
use super::manifest::Object;
use super::release::{Record, ReleaseName};
use crate::cluster::Name;
use crate::effect::{Diff, Permit, Preview};
use futures::stream::{StreamExt, TryStreamExt};
use serde::Serialize;
use serde_json::Value;
use std::sync::OnceLock;
use std::time::Instant;

/// A release that is to go.
pub struct Uninstall {
    pub release: ReleaseName,
    pub options: WaitOptions,
    planned: OnceLock<Departure>,
}

impl Uninstall {
    pub fn new(release: &str, options: WaitOptions) -> Result<Self, HelmError> {
        Ok(Self { release: ReleaseName::parse(release)?, options, planned: OnceLock::new() })
    }
}

/// What goes with a release, and what stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Departure {
    pub deleted: Vec<String>,
    pub kept: Vec<String>,
    /// What is waited for: the objects, and their pods, which end a while after them.
    #[serde(skip)]
    awaited: Vec<Name>,
}

impl Helm<'_> {
    /// What would go and what would stay.
    pub async fn preview_uninstall(&self, uninstall: &Uninstall) -> Result<Preview<Departure>, HelmError> {
        let history = self.history(&uninstall.release).await?;
        let Some(latest) = history.present() else { return Ok(Preview::Same(Departure::default())) };
        let departure = self.departure(&uninstall.release, &latest.record()?).await?;
        let mut diff = Diff::new().note(format!("delete release {}, revision {}", uninstall.release, latest.revision));
        for name in &departure.deleted {
            diff = diff.note(format!("delete {name}"));
        }
        for name in &departure.kept {
            diff = diff.note(format!("leave {name} in place"));
        }
        uninstall.planned.get_or_init(|| departure);
        Ok(Preview::differs(diff))
    }

    async fn departure(&self, release: &ReleaseName, record: &Record) -> Result<Departure, HelmError> {
        let home = release.namespace.as_str();
        let objects = record.objects()?;
        let asked = objects.iter().map(|object| async move { Ok::<_, HelmError>((object, self.live(release, object).await?)) });
        let found: Vec<_> = futures::stream::iter(asked.collect::<Vec<_>>()).buffered(difference::AT_ONCE).try_collect().await?;
        let mut departure = Departure::default();
        for (object, live) in found.into_iter().filter_map(|(object, live)| Some((object, live?))) {
            if object.is_kept() {
                departure.kept.push(object.label(home));
                continue;
            }
            departure.deleted.push(object.label(home));
            departure.awaited.extend(name(object, &live));
            if object.is_workload() {
                let pods = self.cluster.pods_of(home, &live).await?;
                departure.awaited.extend(pods.iter().filter_map(|pod| Some(Name::new(home, "pod", pod["metadata"]["name"].as_str()?))));
            }
        }
        departure.kept.extend(claims::left_by(self.cluster, home, &objects.iter().collect::<Vec<_>>()).await?);
        Ok(departure)
    }

    async fn live(&self, release: &ReleaseName, object: &Object) -> Result<Option<Value>, HelmError> {
        match difference::placed(self.cluster, object, release).await? {
            Some(manifest) => Ok(self.cluster.live(&manifest).await?),
            None => Ok(None),
        }
    }

    /// Takes the release away, and waits until its objects and their pods are gone.
    pub async fn uninstall(&self, permit: &Permit, uninstall: &Uninstall) -> Result<Departure, HelmError> {
        let begun = Instant::now();
        let (release, options) = (&uninstall.release, uninstall.options);
        let args = command::uninstall(release, options.timeout());
        if let Err(error) = self.write(permit, args, None, options.timeout()).await {
            return Err(self.failed("uninstall", release, &[], error).await);
        }
        let departure = uninstall.planned.get().cloned().unwrap_or_default();
        if options.waits() {
            self.host.bridge.shield(false);
            let left = options.timeout().saturating_sub(begun.elapsed());
            let ends = departure.awaited.iter().map(|name| self.cluster.wait_gone(name, None, left)).collect::<Vec<_>>();
            futures::stream::iter(ends).buffer_unordered(difference::AT_ONCE).try_collect::<()>().await?;
        }
        Ok(departure)
    }
}

/// The full name of a live object, its kind with the group.
fn name(object: &Object, live: &Value) -> Option<Name> {
    let kind = object.word();
    Some(Name {
        namespace: live["metadata"]["namespace"].as_str().map(str::to_owned),
        kind,
        name: live["metadata"]["name"].as_str()?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_is_waited_for_by_its_full_name_wherever_it_lives() {
        let named = |value: Value| name(&Object::of(value.clone()).unwrap(), &value).unwrap().to_string();
        let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "r"}});
        assert_eq!(named(role), "clusterrole.rbac.authorization.k8s.io/r");
        assert_eq!(named(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "n"}})), "n/service/s");
    }
}
