//! Bringing a release to what its chart and values say: what would differ, and the change itself.

use super::command::{self, UpgradeOptions};
use super::conceal;
use super::difference::{self, Found, Known, Wanted};
use super::driver::Helm;
use super::error::{HelmError, said};
use super::manifest::{self, Object};
use super::pending::Unfinished;
use super::release::{History, Hook, Metadata, Record, Release, ReleaseName};
use super::render::Rendered;
use crate::cluster::compare;
use crate::effect::{Diff, Permit, Preview};
use crate::process::ProcessError;
use serde_json::Value;
use std::sync::OnceLock;
use std::time::Instant;

/// A release and how it is to be.
pub struct Upgrade {
    pub release: ReleaseName,
    pub options: UpgradeOptions,
    planned: OnceLock<Planned>,
}

/// What a preview found out, for the change that may follow.
pub struct Planned {
    pub diff: Diff,
    pub objects: Vec<Object>,
    changed: Vec<Value>,
    hooks: Vec<Hook>,
    values: Value,
    /// The release as it is, where there is one.
    current: Option<Release>,
    unfinished: Option<Unfinished>,
    server_side: bool,
}

impl Upgrade {
    pub fn new(release: &str, options: UpgradeOptions) -> Result<Self, HelmError> {
        Ok(Self { release: ReleaseName::parse(release)?, options, planned: OnceLock::new() })
    }

    /// What the last preview found.
    pub fn planned(&self) -> Option<&Planned> {
        self.planned.get()
    }
}

/// The state that a release is in before anything is done.
struct Before {
    record: Option<Record>,
    latest: Option<Release>,
    last: Vec<Object>,
    unfinished: Option<Unfinished>,
}

impl Helm<'_> {
    /// What an upgrade would change. An absent release is refused unless it may be installed.
    pub async fn preview_upgrade(&self, upgrade: &Upgrade) -> Result<Preview<Release>, HelmError> {
        let history = self.current(&upgrade.release).await?;
        if history.present().is_none() {
            self.may_install(upgrade).await?;
        }
        let planned = self.plan(upgrade, &history).await?;
        self.warn_of_unread_values(upgrade)?;
        let planned = upgrade.planned.get_or_init(|| planned);
        Ok(match &planned.current {
            Some(release) if planned.diff.is_empty() => Preview::Same(release.clone()),
            _ => Preview::differs(planned.diff.clone()),
        })
    }

    async fn may_install(&self, upgrade: &Upgrade) -> Result<(), HelmError> {
        let release = &upgrade.release;
        if !upgrade.options.install {
            let help = "add `install: true` to its options if it is to be installed; `helm::list()` shows the releases there are";
            return Err(Self::absent(release.to_string(), help));
        }
        if !upgrade.options.create_namespace && self.lacks_namespace(release).await? {
            return Err(HelmError::NoNamespace { namespace: release.namespace.clone(), release: release.to_string() });
        }
        Ok(())
    }

    /// What differs between a release as it should be and as it is; an absent one is new.
    pub async fn diff(&self, upgrade: &Upgrade) -> Result<Diff, HelmError> {
        let history = self.current(&upgrade.release).await?;
        Ok(self.plan(upgrade, &history).await?.diff)
    }

    async fn plan(&self, upgrade: &Upgrade, history: &History) -> Result<Planned, HelmError> {
        let before = before(history)?;
        if let Some(unfinished) = &before.unfinished {
            self.refuse_busy(&upgrade.release, unfinished)?;
        }
        let values = self.values_of(upgrade).await?;
        if let Some(config) = before.record.as_ref().and_then(|record| record.config.as_ref()) {
            conceal::learn(&self.host.redactor, config, &values);
        }
        let (rendered, known) = tokio::join!(
            self.render(&upgrade.release, &upgrade.options, &values, before.unfinished.is_some()),
            difference::look_ahead(self.cluster, &upgrade.release, &before.last),
        );
        let rendered = rendered?;
        let Found { diff, changed } = self.compare(upgrade, &before, &rendered, known).await?;
        let Rendered { objects, hooks, server_side, .. } = rendered;
        Ok(Planned { diff, objects, changed, hooks, values, current: before.latest, unfinished: before.unfinished, server_side })
    }

    async fn compare(&self, upgrade: &Upgrade, before: &Before, rendered: &Rendered, known: Known) -> Result<Found, HelmError> {
        let release = &upgrade.release;
        let mut diff = Diff::new();
        if before.latest.is_none() {
            if self.lacks_namespace(release).await? {
                diff = diff.note(format!("new namespace/{}", release.namespace));
            }
            diff = diff.note(format!(
                "new release {release}{}",
                rendered.chart.as_ref().map(|chart| format!(", {}", title(chart))).unwrap_or_default()
            ));
        }
        diff.extend(standing(before));
        diff.extend(chart_change(before.record.as_ref().map(|record| &record.chart.metadata), rendered.chart.as_ref()));
        let wanted = Wanted {
            objects: rendered.objects.clone(),
            last: before.last.clone(),
            server_side: rendered.server_side && before.record.as_ref().is_none_or(|record| record.apply_method.as_deref() == Some("ssa")),
            known,
        };
        let Found { diff: objects, changed } = difference::objects(self.cluster, release, &wanted).await?;
        if objects.is_empty() {
            diff.extend(values_change(before.record.as_ref(), &rendered.config));
        }
        diff.extend(objects);
        if !diff.is_empty() {
            let event = if before.latest.is_some() { "upgrade" } else { "install" };
            diff.extend(difference::hooks(&rendered.hooks, event));
        }
        Ok(Found { diff: conceal::conceal(&self.host.redactor, diff), changed })
    }

    /// Makes the release what its preview said.
    pub async fn upgrade(&self, permit: &Permit, upgrade: &Upgrade) -> Result<Release, HelmError> {
        let begun = Instant::now();
        let Some(planned) = upgrade.planned() else {
            return Err(HelmError::NotPreviewed { release: upgrade.release.to_string() });
        };
        if let Some(unfinished) = &planned.unfinished {
            self.recover(permit, &upgrade.release, unfinished).await?;
        }
        let args = command::upgrade(&upgrade.release, &upgrade.options, planned.server_side);
        let command = self.program.command(args).stdin(command::stdin(&planned.values));
        if let Err(error) = self.host.process.write(permit, &command).await {
            return Err(self.failed("upgrade", &upgrade.release, &planned.hooks, error).await);
        }
        difference::put_back(self.cluster, permit, &planned.changed).await?;
        if upgrade.options.waits() {
            let left = upgrade.options.timeout().saturating_sub(begun.elapsed());
            self.settle(&upgrade.release, &planned.objects, left).await?;
        }
        self.status(&upgrade.release.to_string()).await
    }

    /// Waits for a release in which nothing differed: an earlier run may have been ended while it still started.
    pub async fn settle_unchanged(&self, upgrade: &Upgrade) -> Result<(), HelmError> {
        match upgrade.planned() {
            Some(planned) if upgrade.options.waits() => self.settle(&upgrade.release, &planned.objects, upgrade.options.timeout()).await,
            _ => Ok(()),
        }
    }

    /// What helm's failure means: another one was faster, or it says itself what went wrong.
    pub async fn failed(&self, attempt: &'static str, release: &ReleaseName, hooks: &[Hook], error: ProcessError) -> HelmError {
        let ProcessError::Failed { status, stderr, ending, .. } = error else { return error.into() };
        let history = self.history(release).await.unwrap_or_default();
        let unfinished = history.latest().and_then(|latest| Unfinished::of(latest).ok().flatten());
        if let (Some(_), Some(unfinished)) = (status, unfinished) {
            return unfinished.refuse(
                release,
                "another helm is at work on it".into(),
                "wait until it has ended, then run the same command again",
            );
        }
        if let Some(failed) = self.failed_hook(release, hooks, &stderr).await {
            return failed;
        }
        let reason = if stderr.trim().is_empty() { format!("it {ending}") } else { said(&stderr) };
        let deployed = history.0.iter().rev().find(|stored| stored.status == "deployed");
        let help = match deployed {
            Some(stored) => format!(
                "revision {} is still the deployed one: `helm::rollback(\"{release}\", {})` puts its objects back",
                stored.revision, stored.revision
            ),
            None => "what it had made is still there: mend the cause and run the same command again".into(),
        };
        HelmError::Failed { attempt, release: release.to_string(), reason, help }
    }
}

fn before(history: &History) -> Result<Before, HelmError> {
    let Some(latest) = history.present() else {
        return Ok(Before { record: None, latest: None, last: Vec::new(), unfinished: None });
    };
    let base = history.base().unwrap_or(latest);
    let record = base.record()?;
    let last = manifest::parse(&record.manifest).map_err(|reason| base.unreadable(&reason))?.0;
    let release = if base.revision == latest.revision { record.release() } else { latest.record()?.release() };
    Ok(Before { latest: Some(release), last, unfinished: Unfinished::of(latest)?, record: Some(record) })
}

/// What has to be said of a release that is not simply deployed.
fn standing(before: &Before) -> Diff {
    match (&before.unfinished, &before.latest) {
        (Some(unfinished), _) => unfinished.show(Diff::new()),
        (None, Some(latest)) if latest.status != "deployed" => {
            Diff::new().note(format!("revision {} is `{}`: {}", latest.revision, latest.status, latest.description))
        }
        _ => Diff::new(),
    }
}

fn title(chart: &Metadata) -> String {
    format!("{} {}", chart.name, chart.version)
}

fn chart_change(before: Option<&Metadata>, after: Option<&Metadata>) -> Diff {
    match (before, after) {
        (Some(before), Some(after)) if title(before) != title(after) => Diff::new().field("chart", Some(title(before)), Some(title(after))),
        _ => Diff::new(),
    }
}

/// Values that differ although they change no object: the release's record would.
fn values_change(before: Option<&Record>, after: &Value) -> Diff {
    let Some(record) = before else { return Diff::new() };
    Diff { edits: compare::edits("values", record.config.as_ref().unwrap_or(&Value::Null), after) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effect::Edit;
    use crate::primitives::helm::release::{Stored, tests::secret};

    fn history(revisions: &[(i64, &str)]) -> History {
        History::new(revisions.iter().map(|(revision, status)| Stored::of(&secret("g", *revision, status)).unwrap()).collect())
    }

    #[test]
    fn an_uninstalled_release_is_as_good_as_none() {
        assert!(before(&history(&[(1, "uninstalled")])).unwrap().latest.is_none());
        assert!(before(&history(&[])).unwrap().latest.is_none());
    }

    #[test]
    fn an_unfinished_release_is_explained_and_builds_on_what_was_deployed() {
        let before = before(&history(&[(1, "deployed"), (2, "pending-upgrade")])).unwrap();
        assert_eq!(before.record.as_ref().unwrap().version, 1);
        let Edit::Note(text) = &standing(&before).edits[0] else { panic!("a note") };
        assert!(text.starts_with("mark revision 2 as failed: a killed helm left it `pending-upgrade`"), "{text}");
    }

    #[test]
    fn another_version_of_the_chart_is_a_difference() {
        let chart = |version: &str| Metadata { name: "c".into(), version: version.into(), ..Metadata::default() };
        assert_eq!(chart_change(Some(&chart("1")), Some(&chart("2"))), Diff::new().field("chart", Some("c 1".into()), Some("c 2".into())));
        assert!(chart_change(Some(&chart("1")), Some(&chart("1"))).is_empty());
    }
}
