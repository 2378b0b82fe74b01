//! What an upgrade would change: the release as it is, the chart as it would be, and the difference of the two on the
//! cluster. Nothing is written here.

use super::claims;
use super::conceal;
use super::difference::{self, Found, Known, Wanted};
use super::driver::Helm;
use super::error::HelmError;
use super::manifest::Object;
use super::pending::Unfinished;
use super::release::{History, Hook, Metadata, Record, Release, ReleaseName};
use super::render::Rendered;
use super::upgrade::Upgrade;
use crate::cluster::compare;
use crate::effect::{Diff, Preview};
use serde_json::Value;

/// What a preview found out, for the change that may follow.
pub struct Planned {
    pub diff: Diff,
    pub objects: Vec<Object>,
    /// Manifests of the live objects that differ.
    pub changed: Vec<Value>,
    /// Workloads that the release no longer has.
    pub dropped: Vec<String>,
    pub hooks: Vec<Hook>,
    pub values: Value,
    /// The release as it is, where there is one.
    pub current: Option<Release>,
    pub unfinished: Option<Unfinished>,
    pub server_side: bool,
    pub warnings: Vec<String>,
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
        self.let_another_end(&upgrade.release).await;
        let history = self.current(&upgrade.release).await?;
        if history.present().is_none() {
            self.may_install(upgrade).await?;
        }
        let planned = self.plan(upgrade, &history).await?;
        self.warn_of_unread_values(upgrade)?;
        planned.warnings.iter().for_each(|warning| self.host.events.warn(format!("helm on `{}`: {warning}", upgrade.options.chart)));
        let found = match &planned.current {
            Some(release) if planned.diff.is_empty() => Preview::Same(release.clone()),
            _ => Preview::differs(planned.diff.clone()),
        };
        upgrade.remember(planned);
        Ok(found)
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
        self.let_another_end(&upgrade.release).await;
        let history = self.current(&upgrade.release).await?;
        Ok(self.plan(upgrade, &history).await?.diff)
    }

    async fn plan(&self, upgrade: &Upgrade, history: &History) -> Result<Planned, HelmError> {
        let before = before(history)?;
        self.refuse_unready(&upgrade.release, &before)?;
        let values = self.values_of(upgrade).await?;
        if let Some(config) = before.record.as_ref().and_then(|record| record.config.as_ref()) {
            conceal::learn(&self.host.redactor, config, &values);
        }
        let revision = before.latest.as_ref().map_or(0, |latest| latest.revision);
        let (rendered, known) = tokio::join!(
            self.render(&upgrade.release, &upgrade.options, &values, revision, before.unfinished.is_some()),
            difference::look_ahead(self.cluster, &upgrade.release, &before.last),
        );
        let rendered = rendered?;
        let Found { diff, changed } = self.compare(&upgrade.release, &before, &rendered, known).await?;
        let dropped = dropped(&before, &rendered, &upgrade.release.namespace);
        Ok(Planned {
            diff,
            changed,
            dropped: dropped.iter().filter(|object| object.is_workload()).map(|object| object.label(&upgrade.release.namespace)).collect(),
            objects: rendered.objects,
            hooks: rendered.hooks,
            values,
            current: before.latest,
            unfinished: before.unfinished,
            server_side: rendered.server_side,
            warnings: rendered.warnings,
        })
    }

    /// A release that something else is at work on, or that is half gone, is left alone.
    fn refuse_unready(&self, release: &ReleaseName, before: &Before) -> Result<(), HelmError> {
        match (&before.unfinished, &before.latest) {
            (Some(unfinished), _) => self.refuse_busy(release, unfinished),
            (None, Some(latest)) if latest.status == "uninstalling" => Err(HelmError::Pending {
                release: release.to_string(),
                status: latest.status.clone(),
                since: latest.updated.clone(),
                why: "its uninstall did not end".into(),
                help: format!("`helm::uninstall(\"{release}\")` brings it to its end"),
            }),
            _ => Ok(()),
        }
    }

    async fn compare(&self, release: &ReleaseName, before: &Before, rendered: &Rendered, known: Known) -> Result<Found, HelmError> {
        let mut diff = self.heading(release, before, rendered).await?;
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
        for claim in claims::left_by(self.cluster, &release.namespace, &dropped(before, rendered, &release.namespace)).await? {
            diff = diff.note(format!("leave {claim} in place: what was dropped had its data there"));
        }
        if !diff.is_empty() {
            diff.extend(difference::hooks(&rendered.hooks, if before.latest.is_some() { "upgrade" } else { "install" }));
        }
        Ok(Found { diff: conceal::conceal(&self.host.redactor, diff), changed })
    }

    /// What is to be said of the release as a whole.
    async fn heading(&self, release: &ReleaseName, before: &Before, rendered: &Rendered) -> Result<Diff, HelmError> {
        let mut diff = standing(before);
        diff.extend(chart_change(before.record.as_ref().map(|record| &record.chart.metadata), rendered.chart.as_ref()));
        if before.latest.is_some() {
            return Ok(diff);
        }
        if self.lacks_namespace(release).await? {
            diff = diff.note(format!("new namespace/{}", release.namespace));
        }
        let chart = rendered.chart.as_ref().map(|chart| format!(", {}", title(chart))).unwrap_or_default();
        Ok(diff.note(format!("new release {release}{chart}")))
    }
}

/// The objects that the release had and that its chart no longer makes.
fn dropped<'b>(before: &'b Before, rendered: &Rendered, home: &str) -> Vec<&'b Object> {
    before.last.iter().filter(|last| !rendered.objects.iter().any(|object| object.is_same(last, home))).collect()
}

fn before(history: &History) -> Result<Before, HelmError> {
    let Some(latest) = history.present() else {
        return Ok(Before { record: None, latest: None, last: Vec::new(), unfinished: None });
    };
    let base = history.base().unwrap_or(latest);
    let record = base.record()?;
    let last = record.objects()?;
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
    Diff { edits: compare::edits("values", record.config.as_ref().unwrap_or(&Value::Null), after), ..Diff::new() }
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
