//! Helm as railrun uses it: what is installed, read from the cluster itself. How a release is changed lies beside
//! this file, a verb each.

use super::command::{self, Program};
use super::error::HelmError;
use super::release::{History, Release, ReleaseName, Stored};
use super::values;
use crate::cluster::{Cluster, KindName, Name};
use crate::duration;
use crate::effect::Permit;
use crate::host::Host;
use crate::process::{Command, Output, ProcessError};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long helm may take to render, which may mean to fetch a chart first.
const ANSWER: Duration = Duration::from_secs(120);

pub struct Helm<'h> {
    pub host: &'h Host,
    pub cluster: &'h Cluster,
    pub program: Program,
}

impl<'h> Helm<'h> {
    /// Helm on the cluster of the chosen environment; its program is the setting `helm.program`, or `helm`.
    pub fn on(host: &'h Host) -> Result<Self, HelmError> {
        let cluster = host.cluster()?;
        let program = host.settings.find("helm.program").and_then(|program| program.as_str()).unwrap_or("helm").to_owned();
        let program = Program { program, folder: host.files.root().to_owned(), environment: cluster.environment() };
        Ok(Self { host, cluster, program })
    }

    /// A release as its latest revision is. A bare name is looked for in every namespace.
    pub async fn status(&self, release: &str) -> Result<Release, HelmError> {
        Ok(self.latest(release).await?.record()?.release())
    }

    /// Every release, in one namespace or in all, as its latest revision is.
    pub async fn list(&self, namespace: Option<&str>) -> Result<Vec<Release>, HelmError> {
        let mut latest: BTreeMap<(String, String), Stored> = BTreeMap::new();
        for stored in self.stored(namespace, "status!=superseded").await? {
            let known = latest.entry((stored.namespace.clone(), stored.name.clone())).or_insert_with(|| stored.clone());
            if stored.revision > known.revision {
                *known = stored;
            }
        }
        latest.into_values().map(|stored| Ok(stored.record()?.release())).collect()
    }

    /// The values that the user gave for the latest revision. What is called like a secret is masked from now on.
    pub async fn values(&self, release: &str) -> Result<Value, HelmError> {
        let given = self.latest(release).await?.record()?.config.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        for secret in values::secrets(&given) {
            self.host.redactor.learn(&secret);
        }
        Ok(given)
    }

    /// Every revision of a release; empty where there is none.
    pub async fn history(&self, release: &ReleaseName) -> Result<History, HelmError> {
        Ok(History::new(self.stored(Some(&release.namespace), &format!("name={}", release.name)).await?))
    }

    /// The revisions of a release that count now: the deployed one, and what came after it.
    pub async fn current(&self, release: &ReleaseName) -> Result<History, HelmError> {
        Ok(History::new(self.stored(Some(&release.namespace), &format!("status!=superseded,name={}", release.name)).await?))
    }

    /// Whether the release's namespace is missing.
    pub async fn lacks_namespace(&self, release: &ReleaseName) -> Result<bool, HelmError> {
        let name = Name { namespace: None, kind: "namespace".into(), name: release.namespace.clone() };
        Ok(self.cluster.get(&name).await?.is_none())
    }

    pub fn absent(release: impl Into<String>, help: &str) -> HelmError {
        HelmError::NotFound { release: release.into(), help: help.into() }
    }

    /// Whether the program is helm 4: it wants to be told that fields may be taken back.
    pub async fn is_helm4(&self) -> Result<bool, HelmError> {
        let output = self.read(command::version(), None).await?;
        Ok(output.text().trim_start_matches('v').starts_with("4."))
    }

    /// Asks helm something.
    pub async fn read(&self, args: Vec<String>, values: Option<&Value>) -> Result<Output, ProcessError> {
        let command = self.command(args, values);
        within(ANSWER, &command, self.host.process.read(&command)).await
    }

    /// The same of a release as it is at a revision, or what it answered `lately`. In a dry run it is always asked:
    /// what it asks of the cluster tells which rights a live run takes.
    pub async fn read_or_take(
        &self,
        args: Vec<String>,
        values: &Value,
        revision: i64,
        lately: Option<Duration>,
    ) -> Result<Output, ProcessError> {
        let command = self.command(args, Some(values));
        let lately = lately.filter(|_| !self.host.dry_run());
        within(ANSWER, &command, self.host.process.read_or_take(&command, &format!("revision {revision}"), lately)).await
    }

    /// Has helm change something. It gets its own deadline as `--timeout`; one that overstays it is ended.
    pub async fn write(
        &self,
        permit: &Permit,
        args: Vec<String>,
        values: Option<&Value>,
        deadline: Duration,
    ) -> Result<Output, ProcessError> {
        let command = self.command(args, values);
        within(deadline + ANSWER, &command, self.host.process.write(permit, &command)).await
    }

    fn command(&self, args: Vec<String>, values: Option<&Value>) -> Command {
        let command = self.program.command(args);
        match values {
            Some(values) => command.stdin(command::stdin(values)),
            None => command,
        }
    }

    async fn latest(&self, release: &str) -> Result<Stored, HelmError> {
        let (namespace, name) = if release.contains('/') {
            ReleaseName::parse(release).map(|release| (Some(release.namespace), release.name))?
        } else {
            ReleaseName::parse(&format!("any/{release}")).map(|release| (None, release.name))?
        };
        let stored = self.stored(namespace.as_deref(), &format!("status!=superseded,name={name}")).await?;
        let mut places: Vec<&str> = stored.iter().map(|stored| stored.namespace.as_str()).collect();
        places.sort_unstable();
        places.dedup();
        if places.len() > 1 {
            return Err(HelmError::Ambiguous { found: places.iter().map(|place| format!("{place}/{name}")).collect(), name });
        }
        let latest = stored.into_iter().max_by_key(|stored| stored.revision);
        latest.ok_or_else(|| Self::absent(release, "`helm::list()` shows the releases there are"))
    }

    async fn stored(&self, namespace: Option<&str>, labels: &str) -> Result<Vec<Stored>, HelmError> {
        let kind = KindName { namespace: namespace.map(str::to_owned), kind: "secret".into() };
        let secrets = self.cluster.list(&kind, Some(&format!("owner=helm,{labels}"))).await?;
        Ok(secrets.iter().filter_map(Stored::of).collect())
    }
}

async fn within(
    deadline: Duration,
    command: &Command,
    work: impl Future<Output = Result<Output, ProcessError>>,
) -> Result<Output, ProcessError> {
    let late = || ProcessError::CannotRun { command: command.to_string(), reason: format!("no end after {}", duration::show(deadline)) };
    tokio::time::timeout(deadline, work).await.unwrap_or_else(|_| Err(late()))
}
