//! A release that a killed helm left unfinished (`pending-upgrade` and the like). It is told from one that another
//! helm is at work on, and marked `failed`, as that helm would have done had it been stopped gently: no pod restarts,
//! no object goes, and the next upgrade starts from the revision that was deployed.

use super::command;
use super::driver::Helm;
use super::error::HelmError;
use super::release::{ReleaseName, Stored};
use crate::cluster::Name;
use crate::duration;
use crate::effect::{Diff, Permit};
use crate::process;
use jiff::{SignedDuration, Timestamp};
use std::time::{Duration, Instant};

/// A revision younger than this may belong to a helm on another machine that is still at work.
const GRACE: Duration = Duration::from_secs(30);

/// How long another helm on this machine is waited for, and how often it is looked at.
const PATIENCE: Duration = Duration::from_secs(600);
const LOOK: Duration = Duration::from_millis(500);

/// A revision that no helm has finished.
#[derive(Clone, Debug)]
pub struct Unfinished {
    pub revision: i64,
    pub status: String,
    secret: String,
    began: Option<Timestamp>,
}

impl Unfinished {
    /// The latest revision, if it is unfinished.
    pub fn of(stored: &Stored) -> Result<Option<Self>, HelmError> {
        if !stored.status.starts_with("pending-") {
            return Ok(None);
        }
        let began = stored.record()?.updated();
        Ok(Some(Self { revision: stored.revision, status: stored.status.clone(), secret: stored.secret.clone(), began }))
    }

    pub fn show(&self, diff: Diff) -> Diff {
        diff.note(format!(
            "mark revision {} as failed: a killed helm left it `{}` {} ago",
            self.revision,
            self.status,
            duration::show(self.age(Timestamp::now()))
        ))
    }

    fn age(&self, now: Timestamp) -> Duration {
        let age = self.began.map_or(SignedDuration::MAX, |began| now.duration_since(began));
        Duration::try_from(age).unwrap_or_default()
    }

    pub fn refuse(&self, release: &ReleaseName, why: String, help: &str) -> HelmError {
        let since = self.began.map_or_else(|| "an unknown time".into(), |began| format!("{began:.0}"));
        HelmError::Pending { release: release.to_string(), status: self.status.clone(), since, why, help: help.into() }
    }
}

impl Helm<'_> {
    /// The process of a helm on this machine that is changing the release right now.
    fn another(&self, release: &ReleaseName) -> Option<u32> {
        let helms = ["helm", &self.program.program].into_iter().flat_map(process::running);
        helms.into_iter().find(|(_, words)| command::changes(words, release)).map(|(id, _)| id)
    }

    /// Lets a helm on this machine that is changing the release come to its end: it outlives a run that is killed. A dry
    /// run waits for nobody.
    pub async fn let_another_end(&self, release: &ReleaseName) {
        let Some(id) = self.another(release).filter(|_| !self.host.dry_run()) else { return };
        self.host.events.note(format!("another helm (process {id}) is at work on `{release}`: waiting until it has ended"));
        let begun = Instant::now();
        while self.another(release).is_some() && begun.elapsed() < PATIENCE {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Refuses a release that a helm on this machine is changing right now.
    pub fn refuse_busy(&self, release: &ReleaseName, unfinished: &Unfinished) -> Result<(), HelmError> {
        match self.another(release) {
            None => Ok(()),
            Some(id) => {
                let why = format!("another helm (process {id}) is at work on it");
                Err(unfinished.refuse(release, why, "wait until it has ended, then run the same command again"))
            }
        }
    }

    /// Marks the unfinished revision as failed, once it is old enough to be nobody's any more.
    pub async fn recover(&self, permit: &Permit, release: &ReleaseName, unfinished: &Unfinished) -> Result<(), HelmError> {
        self.refuse_busy(release, unfinished)?;
        let rest = GRACE.saturating_sub(unfinished.age(Timestamp::now()));
        if !rest.is_zero() {
            let text = format!("`{release}` is {}: waiting {} for another helm to finish it", unfinished.status, duration::show(rest));
            self.host.events.note(text);
            tokio::time::sleep(rest).await;
        }
        let history = self.history(release).await?;
        let stored = history.latest().filter(|stored| stored.secret == unfinished.secret && stored.status == unfinished.status);
        let Some(stored) = stored else {
            let why = "another helm has changed it meanwhile".into();
            return Err(unfinished.refuse(release, why, "run the same command again: the difference is computed anew"));
        };
        let patch = stored.marked_failed(&format!("left {} by a killed helm; marked as failed by railrun", stored.status))?;
        self.cluster.patch(permit, &Name::new(&release.namespace, "secret", &stored.secret), &patch).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primitives::helm::release::tests::secret;

    #[test]
    fn only_a_pending_revision_is_unfinished() {
        let of = |status| Unfinished::of(&Stored::of(&secret("g", 2, status)).unwrap()).unwrap();
        assert!(of("deployed").is_none() && of("failed").is_none());
        let unfinished = of("pending-upgrade").unwrap();
        let now = "2026-11-23T18:01:44.875696477Z".parse().unwrap();
        assert_eq!(unfinished.age(now), Duration::from_secs(40));
        assert_eq!(unfinished.age("2020-01-01T00:00:00Z".parse().unwrap()), Duration::ZERO);
    }
}
