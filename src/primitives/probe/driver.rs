//! A probe under way: its samplers, the marks that were set on it, whether everything has settled again. It asks and
//! counts; what an outage may last is up to whoever asked.

use super::login::{self, Login};
use super::members::{self, Standing};
use super::pool::{self, Pool};
use super::report::Mark;
use super::sample::{Clock, Sample, Series};
use super::writer::{TABLE, Writer};
use crate::database::{DatabaseError, Gateway, Target, Unlocked, Way};
use crate::effect::{Interrupted, Permit};
use miette::Diagnostic;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
pub enum ProbeError {
    #[error("cannot sample {what}: {reason}")]
    #[diagnostic(code(probe::cannot_start), help("{help}"))]
    CannotStart { what: String, reason: String, help: String },
    #[error("this probe was stopped already")]
    #[diagnostic(code(probe::stopped))]
    Stopped,
    #[error("these are no measured rounds: {reason}")]
    #[diagnostic(code(probe::unfit), help("a row has `kind`, `round`, `at`, `limits`, `report`, `passed` and `complaints`"))]
    Unfit { reason: String },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Interrupted(#[from] Interrupted),
}

impl ProbeError {
    pub fn unfit(error: serde_json::Error) -> Self {
        ProbeError::Unfit { reason: error.to_string() }
    }
}

/// How often members are asked, and pgpool.
pub const MEMBERS_EVERY: Duration = Duration::from_millis(100);
pub const POOL_EVERY: Duration = Duration::from_millis(500);

/// What to sample.
#[derive(Default)]
pub struct Samplers {
    pub login: Option<(reqwest::Client, Login)>,
    pub writer: Option<(Writer, Target)>,
    pub members: Vec<(String, Way)>,
    pub pool: Option<Way>,
}

/// A probe under way. Dropping the last handle stops it.
#[derive(Clone)]
pub struct Probe(Arc<Mutex<Option<Running>>>);

/// What a probe has kept. Aborting its tasks when it is dropped is what stops it.
pub struct Running {
    pub clock: Clock,
    pub login: Option<(Series<()>, Duration)>,
    pub writer: Option<(Series<u64>, Duration, Target)>,
    pub members: Vec<(String, Series<Standing>)>,
    pub pool: Option<Series<Pool>>,
    pub marks: Vec<Mark>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Probe {
    pub fn start(runtime: &Handle, samplers: Samplers) -> Self {
        let clock = Clock::start();
        let mut running =
            Running { clock, login: None, writer: None, members: Vec::new(), pool: None, marks: Vec::new(), tasks: Vec::new() };
        if let Some((client, login)) = samplers.login {
            let (series, every) = (Series::default(), login.every);
            running.tasks.push(runtime.spawn(login::sample(client, login, clock, series.clone())));
            running.login = Some((series, every));
        }
        if let Some((writer, target)) = samplers.writer {
            let (series, every) = (Series::default(), writer.every);
            running.tasks.extend(writer.lanes(clock, &series).into_iter().map(|lane| runtime.spawn(lane)));
            running.writer = Some((series, every, target));
        }
        for (name, way) in samplers.members {
            let series = Series::default();
            running.tasks.push(runtime.spawn(members::QUESTION.sample(way, MEMBERS_EVERY, clock, series.clone())));
            running.members.push((name, series));
        }
        if let Some(way) = samplers.pool {
            let series = Series::default();
            running.tasks.push(runtime.spawn(pool::QUESTION.sample(way, POOL_EVERY, clock, series.clone())));
            running.pool = Some(series);
        }
        Self(Arc::new(Mutex::new(Some(running))))
    }

    /// Ends the sampling and hands out what was kept.
    pub fn stop(&self) -> Result<Running, ProbeError> {
        let running = self.0.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or(ProbeError::Stopped)?;
        running.tasks.iter().for_each(JoinHandle::abort);
        Ok(running)
    }

    /// Remembers that something was done now.
    pub fn mark(&self, what: &str) -> Result<(), ProbeError> {
        self.look(|running| {
            let at = running.clock.now();
            running.marks.push(Mark::new(what, at));
        })
    }

    fn look<T>(&self, at: impl FnOnce(&mut Running) -> T) -> Result<T, ProbeError> {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        running.as_mut().map(at).ok_or(ProbeError::Stopped)
    }

    /// Waits until every sampler has had good answers only for `quiet`, no earlier than `after` the last mark. What is
    /// still wrong at the deadline is the answer then.
    pub async fn settle(&self, deadline: Duration, quiet: Duration, after: Duration) -> Result<Vec<String>, ProbeError> {
        let began = self.look(|running| running.clock.now())?;
        loop {
            let (now, troubles, marked) =
                self.look(|running| (running.clock.now(), running.troubles(quiet), running.marks.last().map_or(began, Mark::at)))?;
            let early = now < marked + after || now < began + quiet;
            if !early && troubles.is_empty() || now > began + deadline {
                return Ok(troubles);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

impl Running {
    /// What was not well at any moment of the last `quiet`.
    fn troubles(&self, quiet: Duration) -> Vec<String> {
        let since = self.clock.now().saturating_sub(quiet);
        let members: Vec<members::Member> = self.members.iter().map(|(name, series)| (name.clone(), series.so_far())).collect();
        let late = |whole: Option<Duration>| whole.is_none_or(|whole| whole > since);
        let found = [
            (self.login.as_ref().is_some_and(|(series, _)| failing(&series.so_far(), since)), "the login fails"),
            (self.writer.as_ref().is_some_and(|(series, _, _)| failing(&series.so_far(), since)), "writes fail"),
            (!members.is_empty() && late(members::whole_since(&members)), "not every member streams from one primary"),
            (self.pool.as_ref().is_some_and(|series| late(pool::whole_since(&series.so_far()))), "the pool does not show every node up"),
        ];
        found.iter().filter(|(wrong, _)| *wrong).map(|(_, what)| (*what).to_owned()).collect()
    }
}

/// The ids that the writer's table holds, as soon as there is an only primary to ask; the table is dropped then.
pub async fn read_back(gateway: &Gateway<'_>, permit: &Permit, access: Unlocked<'_>, within: Duration) -> Result<BTreeSet<u64>, String> {
    let began = Instant::now();
    loop {
        match read_ids(gateway, permit, access).await {
            Err(_) if began.elapsed() < within => tokio::time::sleep(Duration::from_millis(500)).await,
            read => return read.map_err(|error| error.to_string()),
        }
    }
}

async fn read_ids(gateway: &Gateway<'_>, permit: &Permit, access: Unlocked<'_>) -> Result<BTreeSet<u64>, DatabaseError> {
    let primary = gateway.primary(access, &access.target().database).await?;
    let rows = primary.session.query(&format!("select id from {TABLE}"), &[]).await?;
    primary.session.execute(permit, &format!("drop table {TABLE}"), &[]).await?;
    Ok(rows.iter().filter_map(|row| row.values().next().and_then(serde_json::Value::as_u64)).collect())
}

/// Whether a sample since then failed, or none was answered.
fn failing<T>(samples: &[Sample<T>], since: Duration) -> bool {
    let recent = samples.iter().filter(|sample| sample.answered >= since);
    let (good, bad): (Vec<_>, Vec<_>) = recent.partition(|sample| sample.is_good());
    good.is_empty() || !bad.is_empty()
}
