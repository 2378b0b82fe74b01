//! What a script may say about helm: releases by `namespace/name`, charts and values by one map of options. What the
//! words do is `driver` and the files beside it.

mod claims;
mod command;
mod conceal;
mod difference;
mod driver;
mod error;
mod failure;
mod layers;
mod manifest;
mod pending;
mod preview;
mod release;
mod render;
mod rollback;
mod uninstall;
mod upgrade;
mod values;
mod wait;

pub use error::HelmError;

use crate::effect::{Change, Diff, Edit, Outcome};
use crate::script::{Fault, Primitive, RhaiResultOf, Verb, bind, read, value};
use crate::secret::Secret;
use command::{UpgradeOptions, WaitOptions};
use driver::Helm;
use rhai::plugin::*;
use rhai::{Array, Map};
use rollback::Rollback;
use serde::{Deserialize, Deserializer, Serialize};
use uninstall::Uninstall;
use upgrade::Upgrade;
use values::{Given, Layers};

#[export_module]
mod verbs {
    use super::*;

    /// What is installed under a name: `revision`, `status`, `chart`, `version`, `app_version`, `updated`. A name
    /// without its namespace is looked for everywhere, and must be found once.
    ///
    /// ```rhai
    /// let before = helm::status("gitea/gitea").revision;
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn status(ctx: NativeCallContext, release: &str) -> RhaiResultOf<Dynamic> {
        read(&ctx, &[&about(release)], |host| host.wait(Helm::on(host)?.status(release)))
    }

    /// Every release of the cluster.
    ///
    /// ```rhai
    /// let giteas = helm::list().filter(|release| release.chart == "gitea");
    /// ```
    #[rhai_fn(volatile, return_raw, name = "list")]
    pub fn list_all(ctx: NativeCallContext) -> RhaiResultOf<Dynamic> {
        read(&ctx, &[], |host| host.wait(Helm::on(host)?.list(None)))
    }

    /// Every release of a namespace.
    ///
    /// ```rhai
    /// let names = helm::list("platform").map(|release| release.name);
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn list(ctx: NativeCallContext, namespace: &str) -> RhaiResultOf<Dynamic> {
        read(&ctx, &[&format!("{namespace}/release/")], |host| host.wait(Helm::on(host)?.list(Some(namespace))))
    }

    /// The values that were given to the live release, without the chart's defaults.
    ///
    /// ```rhai
    /// let host = helm::values("gitea/gitea").gitea.config.database.HOST;
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn values(ctx: NativeCallContext, release: &str) -> RhaiResultOf<Dynamic> {
        read(&ctx, &[&about(release)], |host| host.wait(Helm::on(host)?.values(release)))
    }

    /// What an upgrade would change, line by line; empty where the release is as it should be.
    ///
    /// ```rhai
    /// let lines = helm::diff("platform/valkey", #{ chart: "bitnami/valkey", version: "4.0.2", values_files: ["helm/valkey-values.sops.yaml"] });
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn diff(ctx: NativeCallContext, release: &str, options: Map) -> RhaiResultOf<Dynamic> {
        let options = known(options)?;
        read(&ctx, &[&about(release)], |host| {
            let upgrade = Upgrade::new(host, release, value::options(options)?)?;
            host.wait(Helm::on(host)?.diff(&upgrade)).map(lines)
        })
    }

    /// Whether a release is as its chart and values say, on the cluster and not only on paper.
    ///
    /// ```rhai
    /// let done = helm::in_sync("platform/valkey", #{ chart: "bitnami/valkey", values_files: ["helm/valkey-values.sops.yaml"] });
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn in_sync(ctx: NativeCallContext, release: &str, options: Map) -> RhaiResultOf<Dynamic> {
        let options = known(options)?;
        read(&ctx, &[&about(release)], |host| {
            let upgrade = Upgrade::new(host, release, value::options(options)?)?;
            host.wait(Helm::on(host)?.diff(&upgrade)).map(|diff| diff.is_empty())
        })
    }

    /// Brings a release to what its chart and values say, and waits until it is ready. An absent one is installed
    /// only with `install: true`. `rendered_within` is for a release that users wait for: what an earlier `helm::diff` of this run
    /// rendered so lately, with the same values, is compared with the live objects without asking helm again. It is wrong where the
    /// chart looks up something that has changed since, or where its folder or its version's content has.
    ///
    /// ```rhai
    /// helm::upgrade("platform/postgresql-ha", #{
    ///     chart: "bitnami/postgresql-ha", version: "16.3.4",
    ///     values_files: ["helm/postgresql-ha-values.sops.yaml"],
    ///     values: [#{ postgresql: #{ replicaCount: 3 } }],
    ///     install: true, create_namespace: true, timeout: "10m",
    /// });
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn upgrade(ctx: NativeCallContext, release: &str, options: Map) -> RhaiResultOf<Dynamic> {
        let options = known(options)?;
        bind(&ctx, |host| {
            let upgrade = Upgrade::new(host, release, value::options(options)?)?;
            let helm = Helm::on(host)?;
            let what = Change::new("helm upgrade", release)
                .touching(upgrade.release.resource())
                .touching(format!("{}/", upgrade.release.namespace));
            let outcome = host.change::<_, Fault>(
                what,
                || host.wait(helm.preview_upgrade(&upgrade)),
                |permit, _| host.wait(helm.upgrade(permit, &upgrade)),
            )?;
            if let (Outcome::Unchanged(_), false) = (&outcome, host.dry_run()) {
                host.wait::<_, _, Fault>(helm.settle_unchanged(&upgrade))?;
            }
            Ok(outcome)
        })
    }

    /// Takes a release away, and waits until its objects are gone. What stays is named: claims of StatefulSets, and
    /// what its chart says to keep. An absent release is no error.
    ///
    /// ```rhai
    /// let left = helm::uninstall("gitea/gitea").kept;
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn uninstall(ctx: NativeCallContext, release: &str) -> RhaiResultOf<Dynamic> {
        leave(&ctx, release, Map::new())
    }

    /// Takes a release away; `timeout` and `wait` say how long that may take.
    ///
    /// ```rhai
    /// helm::uninstall("gitea/gitea", #{ timeout: "2m" });
    /// ```
    #[rhai_fn(volatile, return_raw, name = "uninstall")]
    pub fn uninstall_with(ctx: NativeCallContext, release: &str, options: Map) -> RhaiResultOf<Dynamic> {
        leave(&ctx, release, options)
    }

    /// Goes back to an earlier revision, unless the release is as that revision was.
    ///
    /// ```rhai
    /// helm::rollback("gitea/gitea", 3);
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn rollback(ctx: NativeCallContext, release: &str, revision: i64) -> RhaiResultOf<Dynamic> {
        go_back(&ctx, release, revision, Map::new())
    }

    /// Goes back to an earlier revision; `timeout` and `wait` say how long that may take.
    ///
    /// ```rhai
    /// helm::rollback("gitea/gitea", 3, #{ wait: false });
    /// ```
    #[rhai_fn(volatile, return_raw, name = "rollback")]
    pub fn rollback_with(ctx: NativeCallContext, release: &str, revision: i64, options: Map) -> RhaiResultOf<Dynamic> {
        go_back(&ctx, release, revision, options)
    }
}

pub fn primitive() -> Primitive {
    Primitive {
        name: "helm",
        module: exported_module!(verbs),
        verbs: vec![
            Verb::read("status"),
            Verb::read("list"),
            Verb::read("values"),
            Verb::read("diff").options::<UpgradeOptions>(),
            Verb::read("in_sync").options::<UpgradeOptions>(),
            Verb::state("upgrade").options::<UpgradeOptions>(),
            Verb::state("uninstall").options::<WaitOptions>(),
            Verb::state("rollback").options::<WaitOptions>(),
        ],
        types: |_| {},
    }
}

fn leave(ctx: &NativeCallContext, release: &str, options: Map) -> RhaiResultOf<Dynamic> {
    bind(ctx, |host| {
        let uninstall = Uninstall::new(release, value::options(options)?)?;
        let helm = Helm::on(host)?;
        let what = Change::new("helm uninstall", release)
            .touching(uninstall.release.resource())
            .touching(format!("{}/", uninstall.release.namespace));
        host.change(what, || host.wait(helm.preview_uninstall(&uninstall)), |permit, _| host.wait(helm.uninstall(permit, &uninstall)))
    })
}

fn go_back(ctx: &NativeCallContext, release: &str, revision: i64, options: Map) -> RhaiResultOf<Dynamic> {
    bind(ctx, |host| {
        let rollback = Rollback::new(release, revision, value::options(options)?)?;
        let helm = Helm::on(host)?;
        let what = Change::new("helm rollback", release)
            .touching(rollback.release.resource())
            .touching(format!("{}/", rollback.release.namespace));
        host.change(what, || host.wait(helm.preview_rollback(&rollback)), |permit, _| host.wait(helm.rollback(permit, &rollback)))
    })
}

/// What reads and changes call a release: `gitea/release/gitea`.
fn about(release: &str) -> String {
    release.replacen('/', "/release/", 1)
}

/// Refuses options in which something is still unknown: the step's preview ends there.
fn known(options: Map) -> RhaiResultOf<Map> {
    match value::pending_in(&Dynamic::from(options.clone())) {
        Some(pending) => Err(pending.raise()),
        None => Ok(options),
    }
}

/// One line of a difference, as a script sees it.
#[derive(Serialize)]
#[serde(untagged)]
enum Line {
    Field { path: String, from: Option<String>, to: Option<String> },
    Text { path: String, text: String },
    Note { note: String },
}

fn lines(diff: Diff) -> Vec<Line> {
    let line = |edit| match edit {
        Edit::Field { path, from, to, .. } => Line::Field { path, from, to },
        Edit::Text { name, unified } => Line::Text { path: name, text: unified },
        Edit::Note(note) | Edit::Aside(note) => Line::Note { note },
    };
    diff.edits.into_iter().map(line).collect()
}

/// Values keep their secrets unread until helm needs them.
impl<'de> Deserialize<'de> for Layers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Dynamic::deserialize(deserializer)?;
        Ok(match value.try_cast_result::<Array>() {
            Ok(layers) => Layers(layers.into_iter().map(given).collect()),
            Err(only) => Layers(vec![given(only)]),
        })
    }
}

fn given(value: Dynamic) -> Given {
    if let Some(secret) = value.clone().try_cast::<Secret>() {
        return Given::Secret(secret);
    }
    let value = match value.try_cast_result::<Map>() {
        Ok(map) => return Given::Map(map.into_iter().map(|(key, value)| (key.to_string(), given(value))).collect()),
        Err(value) => value,
    };
    match value.try_cast_result::<Array>() {
        Ok(list) => Given::List(list.into_iter().map(given).collect()),
        Err(value) => Given::Plain(value::plain(&value)),
    }
}
