//! What a script may say about outages: `probe::start`, `probe::during` and what is asked of a probe under way.

mod asked;
mod driver;
mod login;
mod members;
mod outage;
mod page;
mod pool;
mod report;
mod sample;
mod timeline;
mod writer;

use crate::database::{Gateway, Lasting, Target};
use crate::duration::Span;
use crate::effect::{Change, Diff, Outcome, Permit, Preview};
use crate::host::Host;
use crate::script::target::Described;
use crate::script::value::{answer, options};
use crate::script::{Fault, Primitive, RhaiResultOf, Verb, bind, bind_value, calling_back, unknown, value};
use crate::secret::Secret;
use driver::{Probe, ProbeError, Samplers};
use login::Login;
use report::Present;
use rhai::plugin::*;
use rhai::{Array, Dynamic, FnPtr, Map, NativeCallContext};
use serde::Deserialize;
use std::time::Duration;
use writer::{TABLE, Writer};

/// The options of `probe::start`.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
pub struct Start {
    login: Option<LoginOptions>,
    writer: Option<Described>,
    members: Option<Described>,
    pool: Option<Described>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LoginOptions {
    url: String,
    user: String,
    password: Secret,
    #[serde(default)]
    form: bool,
    every: Option<Span>,
    timeout: Option<Span>,
}

/// The options of `probe::settle`.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settle {
    timeout: Option<Span>,
    quiet: Option<Span>,
    after: Option<Span>,
}

/// From one insert to the next, and how long one may take; the same for `show pool_nodes`.
const WRITE_EVERY: Duration = Duration::from_millis(15);
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a member may take to answer: it is asked ten times a second.
const MEMBER_TIMEOUT: Duration = Duration::from_millis(500);
/// How long there may be no only primary to read the written ids from.
const READ_BACK: Duration = Duration::from_secs(60);

#[export_module]
mod verbs {
    /// Starts sampling in the background, until `probe::stop`. What it samples, each left out where it is not named:
    ///
    /// - `login`: whether a user can log in. `url`, `user`, `password` (a secret), `form` (whether the URL is a sign-in
    ///   form that is filled in and sent, else basic authentication), `every` (`"100ms"`), `timeout` (`"2s"`);
    /// - `writer`: whether a database takes writes through its own way in: about 65 inserts a second into the table
    ///   `railrun_probe`, which is made anew, read back at the end and dropped;
    /// - `members`: what every member says of itself at its own address, ten times a second;
    /// - `pool`: what pgpool says of its nodes, twice a second.
    ///
    /// The last three are maps that describe a database.
    ///
    /// ```rhai
    /// let password = sops::secret("helm/gitea-values.sops.yaml", "gitea.admin.password");
    /// let probe = probe::start(#{ login: #{ url: "http://localhost:3000/user/login", user: "root", password: password, form: true } });
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn start(ctx: NativeCallContext, samplers: Map) -> RhaiResultOf<Dynamic> {
        bind_value(&ctx, |host| match started(host, samplers)? {
            Outcome::Unchanged(probe) | Outcome::Changed(probe) => Ok(Dynamic::from(probe)),
            Outcome::Pending(after) => Ok(unknown(host, after)),
        })
    }

    /// Stops a probe and says what it saw. `login` and `writer` have `outage_ms`, `first_failure_ms`,
    /// `first_success_ms`, `longest_gap_ms`, `sampling_ms` (how far they may be off), `samples`, `per_second`,
    /// `good_per_second_before` (the first mark), `failed`, `failures` (each with `what` and `count`), `begins_well` (false
    /// where the outage had begun before the probe), `ends_well`; `writer` also `acknowledged`, `lost` (acknowledged ids
    /// that the table does not hold; `()` where it could not be read) and `lost_ids`. `members` has `before`, `after`,
    /// `other_primary_ms`, `most_primaries`, `dual_primary_ms`; `pool` has `wrong_primary_ms`. From the first mark on count
    /// `streaming_ms`, `pool_ms` and `recovery_ms`, which are `()` where that never came about.
    ///
    /// ```rhai
    /// let report = probe::stop(probe);
    /// note(`no good answer for ${report.login.outage_ms} ms`);
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn stop(ctx: NativeCallContext, probe: Probe) -> RhaiResultOf<Dynamic> {
        bind_value(&ctx, |host| stopped(host, &probe))
    }

    /// Samples while a closure runs, and gives the report. The sampling ends however the closure ends. The closure may
    /// take the probe, to set marks on it and to wait until all is well again.
    ///
    /// ```rhai
    /// let report = probe::during(#{ writer: target, members: target, pool: target }, |probe| {
    ///     probe::mark(probe, "primary deleted");
    ///     kube::delete("platform/pod/postgresql-ha-postgresql-0", #{ wait: false });
    ///     probe::settle(probe, #{ timeout: "3m" });
    /// });
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn during(ctx: NativeCallContext, samplers: Map, work: FnPtr) -> RhaiResultOf<Dynamic> {
        calling_back(&ctx, |host| {
            let probe = match started(host, samplers).map_err(Fault::raise)? {
                Outcome::Unchanged(probe) | Outcome::Changed(probe) => probe,
                Outcome::Pending(after) => return Ok(unknown(host, after)),
            };
            let worked = work.call_raw_with_extra_args("closure", &ctx, None, [], [Dynamic::from(probe.clone())], None);
            match worked {
                Ok(_) => stopped(host, &probe).map_err(|fault| fault.at(crate::script::origin(&ctx)).raise()),
                Err(error) => {
                    let _ = stopped(host, &probe);
                    Err(error)
                }
            }
        })
    }

    /// Remembers on a probe that something was done now. Recovery counts from the first mark.
    ///
    /// ```rhai
    /// probe::mark(probe, "primary frozen");
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn mark(ctx: NativeCallContext, probe: Probe, what: &str) -> RhaiResultOf<Dynamic> {
        bind_value(&ctx, |_| Ok(Dynamic::from(probe.mark(what)?)))
    }

    /// Waits until all that a probe samples has been well for a while, and gives what still is not at the `timeout`
    /// (`"3m"`): an empty list is good. Options: `quiet`, for how long it must be well (`"3s"`), and `after`, how long
    /// after the last mark at the earliest (`"5s"`).
    ///
    /// ```rhai
    /// let troubles = probe::settle(probe, #{ timeout: "2m", quiet: "5s" });
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn settle(ctx: NativeCallContext, probe: Probe, how: Map) -> RhaiResultOf<Dynamic> {
        bind_value(&ctx, |host| {
            let how: Settle = options(how)?;
            let span = |given: Option<Span>, default| given.map_or(Duration::from_secs(default), |span| span.0);
            let (timeout, quiet, after) = (span(how.timeout, 180), span(how.quiet, 3), span(how.after, 5));
            answer(&host.wait::<_, ProbeError, Fault>(probe.settle(timeout, quiet, after))?)
        })
    }

    /// Writes measured rounds for people: `FILE.html`, a page with a time line of every round, and `FILE.json`. A row has
    /// `kind`, `round`, `at`, `limits`, `report`, `passed` and `complaints`.
    ///
    /// ```rhai
    /// probe::page("ha-failover", [#{ kind: "graceful", round: 1, at: now(), limits: #{}, report: report, passed: true, complaints: [] }]);
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn page(ctx: NativeCallContext, file: &str, rows: Array) -> RhaiResultOf<Dynamic> {
        bind(&ctx, |host| {
            let rows = value::plain(&Dynamic::from(rows));
            let data = serde_json::to_string_pretty(&rows).map_err(ProbeError::unfit)?;
            let shown: Vec<page::Row> = serde_json::from_value(rows).map_err(ProbeError::unfit)?;
            written(host, &format!("{file}.json"), &data)?;
            written(host, &format!("{file}.html"), &page::page(&shown))
        })
    }
}

fn written(host: &Host, name: &str, content: &str) -> Result<Outcome<()>, Fault> {
    let path = host.files.path(name);
    host.change::<_, Fault>(
        Change::new("probe page", name).touching(crate::files::Files::resource(&path)),
        || {
            let before = if host.files.exists(&path) { host.files.read(&path)? } else { String::new() };
            if before == content {
                return Ok(Preview::Same(()));
            }
            Ok(Preview::differs(Diff::new().note(if before.is_empty() { "a new file" } else { "what was measured before is replaced" })))
        },
        |permit, _| Ok(host.files.write(permit, &path, content)?),
    )
}

fn started(host: &Host, samplers: Map) -> Result<Outcome<Probe>, Fault> {
    let Start { login, writer, members, pool } = options(samplers)?;
    let target = |given: Option<Described>| given.map(Described::target).transpose();
    let (writer, members, pool) = (target(writer)?, target(members)?, target(pool)?);
    if writer.is_none() && host.dry_run() {
        return Ok(Outcome::Pending("the run itself: a dry run samples nothing".into()));
    }
    if writer.is_none() {
        return Ok(Outcome::Changed(Probe::start(host.bridge.handle(), readers(host, login, members.as_ref(), pool.as_ref())?)));
    }
    let named = [login.as_ref().map(|login| login.url.clone()), writer.as_ref().or(members.as_ref()).or(pool.as_ref()).map(Target::title)];
    let named = named.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let table = writer.as_ref().map(|writer| format!("write ids into `{TABLE}` of `{}`, and drop it at the end", writer.title()));
    host.change::<_, Fault>(
        Change::new("probe start", named),
        || Ok(Preview::action(table.unwrap_or_else(|| "sample until it is stopped".into()))),
        |permit, _| {
            let mut samplers = readers(host, login, members.as_ref(), pool.as_ref())?;
            samplers.writer = writer.map(|target| Ok::<_, Fault>((prepared(host, permit, &target)?, target))).transpose()?;
            Ok(Probe::start(host.bridge.handle(), samplers))
        },
    )
}

/// The samplers that alter nothing.
fn readers(host: &Host, login: Option<LoginOptions>, members: Option<&Target>, pool: Option<&Target>) -> Result<Samplers, Fault> {
    let mut samplers = Samplers { login: login.map(|login| entering(host, login)).transpose()?, ..Samplers::default() };
    if let Some(target) = members {
        let (gateway, access) = (Gateway::on(host)?, target.unlock(host)?);
        let way = |pod| Ok((format!("{pod}"), gateway.way_to_member(access, pod, MEMBER_TIMEOUT)?));
        samplers.members = target.members.iter().map(way).collect::<Result<_, Fault>>()?;
    }
    if let Some(target) = pool {
        samplers.pool = Some(Gateway::on(host)?.way_to_writer(target.unlock(host)?, WRITE_TIMEOUT)?);
    }
    Ok(samplers)
}

fn entering(host: &Host, login: LoginOptions) -> Result<(reqwest::Client, Login), Fault> {
    let cannot = |reason: String| ProbeError::CannotStart {
        what: format!("`{}`", login.url),
        reason,
        help: "give `url` as `http://host/path`, with `user` and `password`".into(),
    };
    let url = reqwest::Url::parse(&login.url).map_err(|error| cannot(error.to_string()))?;
    let client = crate::http::client().map_err(|error| cannot(error.to_string()))?;
    let span = |given: Option<Span>, default| given.map_or(Duration::from_millis(default), |span| span.0);
    let password = host.reveal(&login.password)?.to_owned();
    let (every, timeout) = (span(login.every, 100), span(login.timeout, 2000));
    Ok((client, Login { url, user: login.user, password, form: login.form, every, timeout }))
}

fn prepared(host: &Host, permit: &Permit, target: &Target) -> Result<Writer, Fault> {
    let way = Gateway::on(host)?.way_to_writer(target.unlock(host)?, WRITE_TIMEOUT)?;
    let writer = Writer { way, right: Lasting::from(permit), every: WRITE_EVERY };
    let cannot = |reason| ProbeError::CannotStart {
        what: format!("writes to `{}`", target.title()),
        reason,
        help: "its user must be able to log in through the writer and to create a table".into(),
    };
    host.wait::<_, ProbeError, Fault>(async { writer.prepare().await.map_err(cannot) })?;
    Ok(writer)
}

fn stopped(host: &Host, probe: &Probe) -> Result<Dynamic, Fault> {
    let running = probe.stop()?;
    let ended = running.clock.now();
    let present = match &running.writer {
        Some((_, _, target)) => read_back(host, target)?,
        None => None,
    };
    answer(&report::report(&running, present, ended))
}

/// The ids that the table holds, read from the only primary; the table is dropped then.
fn read_back(host: &Host, target: &Target) -> Result<Present, Fault> {
    let outcome = host.change::<_, Fault>(
        Change::new("probe stop", target.title()),
        || Ok(Preview::action(format!("read `{TABLE}` back and drop it"))),
        |permit, _| {
            let (gateway, access) = (Gateway::on(host)?, target.unlock(host)?);
            host.wait::<_, ProbeError, Fault>(async { Ok(driver::read_back(&gateway, permit, access, READ_BACK).await) })
        },
    )?;
    Ok(match outcome {
        Outcome::Unchanged(read) | Outcome::Changed(read) => Some(read),
        Outcome::Pending(_) => None,
    })
}

pub fn primitive() -> Primitive {
    Primitive {
        name: "probe",
        module: exported_module!(verbs),
        verbs: vec![
            Verb::read("start").options::<Start>(),
            Verb::read("stop"),
            Verb::action("during").options::<Start>(),
            Verb::read("mark"),
            Verb::read("settle").options::<Settle>(),
            Verb::state("page"),
        ],
        types: |engine| {
            engine.register_type_with_name::<Probe>("probe");
        },
    }
}
