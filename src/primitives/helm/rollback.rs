//! Going back to an earlier revision of a release.

use super::command::{self, WaitOptions};
use super::conceal;
use super::difference::{self, Found, Wanted};
use super::driver::Helm;
use super::error::HelmError;
use super::manifest::Object;
use super::pending::Unfinished;
use super::release::{Hook, Record, Release, ReleaseName, Stored};
use crate::effect::{Diff, Permit, Preview};
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

impl Helm<'_> {
    /// What going back would change: nothing, if the release is that revision and its objects agree.
    pub async fn preview_rollback(&self, rollback: &Rollback) -> Result<Preview<Release>, HelmError> {
        let release = &rollback.release;
        self.let_another_end(release).await;
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
        let objects = target.objects()?;
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
            last: latest.objects()?,
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
        if let Err(error) = self.write(permit, args, None, rollback.options.timeout()).await {
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
        let record = history.latest().map(Stored::record).transpose()?;
        Ok(record.is_some_and(|record| record.apply_method.as_deref() == Some("ssa")))
    }
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
    fn blank_lines_of_a_manifest_mean_nothing() {
        assert!(same_lines("a: 1\n\nb: 2 \n", "a: 1\nb: 2"));
        assert!(!same_lines("a: 1", "a: 2"));
    }
}
