//! The ways back: an earlier revision of a release, or none of it at all.

use super::command::{self, WaitOptions};
use super::conceal;
use super::difference::{self, Found, Wanted};
use super::driver::Helm;
use super::error::HelmError;
use super::manifest::{self, Object};
use super::pending::Unfinished;
use super::release::{Hook, Record, Release, ReleaseName};
use crate::cluster::{KindName, Name};
use crate::effect::{Diff, Permit, Preview};
use futures::stream::{StreamExt, TryStreamExt};
use serde::Serialize;
use serde_json::Value;
use std::sync::OnceLock;
use std::time::Instant;

/// A release and the revision it is to go back to.
pub struct Rollback {
    pub release: ReleaseName,
    pub revision: i64,
    pub options: WaitOptions,
    planned: OnceLock<Return>,
}

impl Rollback {
    pub fn new(release: &str, revision: i64, options: WaitOptions) -> Result<Self, HelmError> {
        Ok(Self { release: ReleaseName::parse(release)?, revision, options, planned: OnceLock::new() })
    }
}

/// What the preview of a rollback found, for the change that may follow.
struct Return {
    objects: Vec<Object>,
    changed: Vec<Value>,
    hooks: Vec<Hook>,
    unfinished: Option<Unfinished>,
}

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
    /// Their pods end a while after them.
    #[serde(skip)]
    pods: Vec<String>,
}

impl Helm<'_> {
    /// What going back would change: nothing, if the release is that revision and its objects agree.
    pub async fn preview_rollback(&self, rollback: &Rollback) -> Result<Preview<Release>, HelmError> {
        let release = &rollback.release;
        let history = self.history(release).await?;
        let Some(latest) = history.present() else { return Err(Self::absent(release.to_string(), "there is nothing to go back to")) };
        let Some(target) = history.revision(rollback.revision) else {
            return Err(HelmError::NoRevision { release: release.to_string(), revision: rollback.revision, known: history.known() });
        };
        let unfinished = Unfinished::of(latest)?;
        if let Some(unfinished) = &unfinished {
            self.refuse_busy(release, unfinished)?;
        }
        let (target, latest) = (target.record()?, latest.record()?);
        let objects = self.objects_of(&target)?;
        let Found { diff, changed } = self.way_back(release, &latest, &target, &objects, unfinished.as_ref()).await?;
        rollback.planned.get_or_init(|| Return { objects, changed, hooks: target.hooks.unwrap_or_default(), unfinished });
        Ok(if diff.is_empty() { Preview::Same(latest.release()) } else { Preview::differs(diff) })
    }

    async fn way_back(
        &self,
        release: &ReleaseName,
        latest: &Record,
        target: &Record,
        objects: &[Object],
        unfinished: Option<&Unfinished>,
    ) -> Result<Found, HelmError> {
        for (old, new) in [(latest, target), (target, latest)] {
            let config = |record: &Record| record.config.clone().unwrap_or_default();
            conceal::learn(&self.host.redactor, &config(old), &config(new));
        }
        let wanted = Wanted {
            objects: objects.to_vec(),
            last: self.objects_of(latest)?,
            server_side: latest.apply_method.as_deref() == Some("ssa"),
            known: Vec::new(),
        };
        let Found { diff: found, changed } = difference::objects(self.cluster, release, &wanted).await?;
        let as_recorded =
            latest.info.status == "deployed" && same_lines(&latest.manifest, &target.manifest) && latest.config == target.config;
        if as_recorded && found.is_empty() {
            return Ok(Found::default());
        }
        let mut diff = unfinished.map_or_else(Diff::new, |unfinished| unfinished.show(Diff::new()));
        let chart = &target.chart.metadata;
        diff = diff.note(format!("back from revision {} to {} ({} {})", latest.version, target.version, chart.name, chart.version));
        diff.extend(found);
        diff.extend(difference::hooks(target.hooks.as_deref().unwrap_or_default(), "rollback"));
        Ok(Found { diff: conceal::conceal(&self.host.redactor, diff), changed })
    }

    /// Goes back. Helm writes a new revision that equals the old one.
    pub async fn rollback(&self, permit: &Permit, rollback: &Rollback) -> Result<Release, HelmError> {
        let begun = Instant::now();
        let Some(planned) = rollback.planned.get() else { return Err(HelmError::NotPreviewed { release: rollback.release.to_string() }) };
        if let Some(unfinished) = &planned.unfinished {
            self.recover(permit, &rollback.release, unfinished).await?;
        }
        let force = self.is_helm4().await? && self.is_server_side(&rollback.release).await?;
        let args = command::rollback(&rollback.release, rollback.revision, rollback.options.timeout(), force);
        if let Err(error) = self.host.process.write(permit, &self.program.command(args)).await {
            return Err(self.failed("roll back", &rollback.release, &planned.hooks, error).await);
        }
        difference::put_back(self.cluster, permit, &planned.changed).await?;
        if rollback.options.waits() {
            let left = rollback.options.timeout().saturating_sub(begun.elapsed());
            self.settle(&rollback.release, &planned.objects, left).await?;
        }
        self.status(&rollback.release.to_string()).await
    }

    async fn is_server_side(&self, release: &ReleaseName) -> Result<bool, HelmError> {
        let history = self.history(release).await?;
        let record = history.latest().map(|latest| latest.record()).transpose()?;
        Ok(record.is_some_and(|record| record.apply_method.as_deref() == Some("ssa")))
    }

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
        let objects = self.objects_of(record)?;
        let asked = objects.iter().map(|object| async move {
            let manifest = difference::placed(self.cluster, object, release).await?;
            let live = match &manifest {
                Some(manifest) => self.cluster.live(manifest).await?,
                None => None,
            };
            Ok::<_, HelmError>(live.map(|live| (object, live)))
        });
        let live: Vec<_> = futures::stream::iter(asked.collect::<Vec<_>>()).buffered(8).try_collect().await?;
        let mut departure = Departure::default();
        for (object, live) in live.iter().flatten() {
            let list = if object.is_kept() { &mut departure.kept } else { &mut departure.deleted };
            list.push(object.label(home));
            if object.is_workload() {
                let pods = self.cluster.pods_of(home, live).await?;
                departure.pods.extend(pods.iter().filter_map(|pod| pod["metadata"]["name"].as_str().map(str::to_owned)));
            }
        }
        departure.kept.extend(self.claims(home, &objects).await?);
        Ok(departure)
    }

    /// The claims that StatefulSets made: they stay when the set goes.
    async fn claims(&self, namespace: &str, objects: &[Object]) -> Result<Vec<String>, HelmError> {
        let prefixes: Vec<String> = objects.iter().filter(|object| object.kind == "statefulset").flat_map(claim_prefixes).collect();
        if prefixes.is_empty() {
            return Ok(Vec::new());
        }
        let kind = KindName { namespace: Some(namespace.into()), kind: "persistentvolumeclaim".into() };
        let claims = self.cluster.list(&kind, None).await?;
        let names = claims.iter().filter_map(|claim| claim["metadata"]["name"].as_str());
        Ok(names
            .filter(|name| prefixes.iter().any(|prefix| is_numbered(name, prefix)))
            .map(|name| format!("persistentvolumeclaim/{name}"))
            .collect())
    }

    /// Takes the release away, and waits until its objects and their pods are gone.
    pub async fn uninstall(&self, permit: &Permit, uninstall: &Uninstall) -> Result<Departure, HelmError> {
        let begun = Instant::now();
        let (release, options) = (&uninstall.release, uninstall.options);
        let command = self.program.command(command::uninstall(release, options.timeout()));
        if let Err(error) = self.host.process.write(permit, &command).await {
            return Err(self.failed("uninstall", release, &[], error).await);
        }
        let departure = uninstall.planned.get().cloned().unwrap_or_default();
        if options.waits() {
            self.host.bridge.shield(false);
            let pods = departure.pods.iter().map(|pod| format!("pod/{pod}"));
            for name in departure.deleted.iter().cloned().chain(pods).filter(|name| name.matches('/').count() == 1) {
                let name = Name::parse(&format!("{}/{name}", release.namespace)).map_err(crate::cluster::ClusterError::from)?;
                self.cluster.wait_gone(&name, options.timeout().saturating_sub(begun.elapsed())).await?;
            }
        }
        Ok(departure)
    }

    fn objects_of(&self, record: &Record) -> Result<Vec<Object>, HelmError> {
        manifest::parse(&record.manifest).map(|(objects, _)| objects).map_err(|reason| HelmError::Unreadable {
            release: format!("{}/{}", record.namespace, record.name),
            secret: format!("sh.helm.release.v1.{}.v{}", record.name, record.version),
            reason,
        })
    }
}

/// `data-postgresql-` for the claims `data-postgresql-0`, `data-postgresql-1` …
fn claim_prefixes(set: &Object) -> Vec<String> {
    if set.value["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Delete" {
        return Vec::new();
    }
    let templates = set.value["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten();
    templates.filter_map(|template| Some(format!("{}-{}-", template["metadata"]["name"].as_str()?, set.name))).collect()
}

fn is_numbered(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|number| !number.is_empty() && number.chars().all(|char| char.is_ascii_digit()))
}

/// Manifests are compared as helm itself prints them: blank lines mean nothing.
fn same_lines(one: &str, other: &str) -> bool {
    let lines = |text: &str| text.lines().map(|line| line.trim_end().to_owned()).filter(|line| !line.is_empty()).collect::<Vec<_>>();
    lines(one) == lines(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_claims_of_a_stateful_set_are_known_by_their_names() {
        let text = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: pg}\nspec: {volumeClaimTemplates: [{metadata: {name: data}}]}";
        let (objects, _) = manifest::parse(text).unwrap();
        assert_eq!(claim_prefixes(&objects[0]), ["data-pg-"]);
        assert!(is_numbered("data-pg-0", "data-pg-") && is_numbered("data-pg-12", "data-pg-"));
        assert!(!is_numbered("data-pg-old", "data-pg-") && !is_numbered("data-pg-", "data-pg-"));
    }

    #[test]
    fn blank_lines_of_a_manifest_mean_nothing() {
        assert!(same_lines("a: 1\n\nb: 2 \n", "a: 1\nb: 2"));
        assert!(!same_lines("a: 1", "a: 2"));
    }
}
