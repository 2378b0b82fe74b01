//! Bringing a release to what its chart and values say.

use super::command::{self, UpgradeOptions};
use super::difference;
use super::driver::Helm;
use super::error::HelmError;
use super::preview::Planned;
use super::release::{Release, ReleaseName};
use crate::effect::Permit;
use crate::host::Host;
use std::sync::OnceLock;
use std::time::Instant;

/// A release and how it is to be.
pub struct Upgrade {
    pub release: ReleaseName,
    pub options: UpgradeOptions,
    planned: OnceLock<Planned>,
}

impl Upgrade {
    pub fn new(host: &Host, release: &str, mut options: UpgradeOptions) -> Result<Self, HelmError> {
        if options.chart.is_empty() || options.chart.starts_with('-') {
            let help = "name a path, `repo/name`, or an address that starts with `oci://`".into();
            return Err(HelmError::ChartNotFound { chart: options.chart, reason: "that is no name of a chart".into(), help });
        }
        if options.chart.starts_with("~/") {
            options.chart = host.files.path(&options.chart).display().to_string();
        }
        Ok(Self { release: ReleaseName::parse(release)?, options, planned: OnceLock::new() })
    }

    /// Keeps what a preview found, for the change that may follow.
    pub fn remember(&self, planned: Planned) {
        self.planned.get_or_init(|| planned);
    }
}

impl Helm<'_> {
    /// Makes the release what its preview said.
    pub async fn upgrade(&self, permit: &Permit, upgrade: &Upgrade) -> Result<Release, HelmError> {
        let begun = Instant::now();
        let (release, options) = (&upgrade.release, &upgrade.options);
        let Some(planned) = upgrade.planned.get() else { return Err(HelmError::NotPreviewed { release: release.to_string() }) };
        if let Some(unfinished) = &planned.unfinished {
            self.recover(permit, release, unfinished).await?;
        }
        // Helm asks to make the namespace whether it is there or not, which takes a right on the whole cluster. Where a
        // release is, its namespace is.
        let is_new = planned.current.is_none() && planned.unfinished.is_none();
        let create_namespace = options.create_namespace && is_new && self.lacks_namespace(release).await?;
        let args = command::upgrade(release, &UpgradeOptions { create_namespace, ..options.clone() }, planned.server_side);
        if let Err(error) = self.write(permit, args, Some(&planned.values), options.timeout()).await {
            return Err(self.failed("upgrade", release, &planned.hooks, error).await);
        }
        difference::put_back(self.cluster, permit, &planned.changed).await?;
        if !planned.dropped.is_empty() {
            self.host.events.note(format!("not waited for: the pods of {} end by themselves", planned.dropped.join(", ")));
        }
        if options.waits() {
            self.settle(release, &planned.objects, options.timeout().saturating_sub(begun.elapsed())).await?;
        }
        self.status(&release.to_string()).await
    }

    /// Waits for a release in which nothing differed: an earlier run may have been ended while it still started.
    pub async fn settle_unchanged(&self, upgrade: &Upgrade) -> Result<(), HelmError> {
        match upgrade.planned.get() {
            Some(planned) if upgrade.options.waits() => self.settle(&upgrade.release, &planned.objects, upgrade.options.timeout()).await,
            _ => Ok(()),
        }
    }
}
