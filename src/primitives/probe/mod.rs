//! What a script may say about outages: `probe::start` and `probe::stop`.

mod driver;

use crate::duration::Span;
use crate::script::value::{answer, options};
use crate::script::{Pending, Primitive, RhaiResultOf, Verb, bind_value};
use crate::secret::Secret;
use driver::{Login, Probe};
use rhai::plugin::*;
use rhai::{Dynamic, Map, NativeCallContext};
use serde::Deserialize;
use std::time::Duration;

/// The options of `probe::start`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    url: String,
    user: String,
    password: Secret,
    every: Option<Span>,
    timeout: Option<Span>,
}

#[export_module]
mod verbs {
    /// Starts asking a URL in the background, with a login, until `probe::stop`.
    ///
    /// Options: `url`, `user`, `password` (a secret), `every` (default `"100ms"`), `timeout` of one answer (default `"2s"`).
    ///
    /// ```rhai
    /// let probe = probe::start(#{ url: "http://localhost:3000/api/v1/user", user: "root", password: sops::secret("helm/gitea-values.sops.yaml", "gitea.admin.password") });
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn start(ctx: NativeCallContext, settings: Map) -> RhaiResultOf<Dynamic> {
        bind_value(&ctx, |host| {
            let start: Start = options(settings)?;
            if host.dry_run() {
                return Ok(Dynamic::from(Pending::new("the run itself: a dry run samples nothing")));
            }
            let password = host.reveal(&start.password)?.to_owned();
            let timeout = start.timeout.map_or(Duration::from_secs(2), |span| span.0);
            let every = start.every.map_or(Duration::from_millis(100), |span| span.0);
            let login = Login { url: start.url, user: start.user, password, every, timeout };
            Ok(Dynamic::from(Probe::start(host.bridge.handle(), login)?))
        })
    }

    /// Stops a probe and says what it saw: `outage_ms`, `longest_gap_ms`, `sampling_ms`, `samples`, `failed`,
    /// `failures` (each with `what` and `count`), `ends_well`.
    ///
    /// ```rhai
    /// let report = probe::stop(probe);
    /// note(`no good answer for ${report.outage_ms} ms`);
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn stop(ctx: NativeCallContext, probe: Probe) -> RhaiResultOf<Dynamic> {
        bind_value(&ctx, |_| answer(&probe.stop()?))
    }
}

pub fn primitive() -> Primitive {
    Primitive {
        name: "probe",
        module: exported_module!(verbs),
        verbs: vec![Verb::read("start").options::<Start>(), Verb::read("stop")],
        types: |engine| {
            engine.register_type_with_name::<Probe>("probe");
        },
    }
}
