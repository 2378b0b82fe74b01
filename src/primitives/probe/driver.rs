//! Samples a URL in the background and measures its outages. It asks and counts; what an outage may last is up to
//! whoever asked.

use miette::Diagnostic;
use serde::Serialize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
pub enum ProbeError {
    #[error("cannot sample `{url}`: {reason}")]
    #[diagnostic(code(probe::cannot_start), help("give `url` as `http://host/path`, with `user` and `password` where it asks for them"))]
    CannotStart { url: String, reason: String },
    #[error("this probe was stopped already")]
    #[diagnostic(code(probe::stopped))]
    Stopped,
}

/// What to ask, and how often.
#[derive(Clone)]
pub struct Login {
    pub url: String,
    pub user: String,
    pub password: String,
    /// From the start of one question to the start of the next.
    pub every: Duration,
    /// So long one answer may take.
    pub timeout: Duration,
}

/// One question: when it was asked and answered, since the probe began, and what was wrong with the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sample {
    asked: Duration,
    answered: Duration,
    failure: Option<String>,
}

/// What a probe saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    pub samples: usize,
    pub failed: usize,
    /// From the first failed question to the first good answer after the last failed one, in milliseconds.
    pub outage_ms: u64,
    /// The longest time between two good answers, in milliseconds.
    pub longest_gap_ms: u64,
    /// How far the figures may be off: the time between two questions, in milliseconds.
    pub sampling_ms: u64,
    /// Whether the last question got a good answer.
    pub ends_well: bool,
    /// What failed answers said, with their number.
    pub failures: Vec<Failure>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    pub what: String,
    pub count: usize,
}

/// A probe under way. Dropping it stops it.
#[derive(Clone)]
pub struct Probe(Arc<Mutex<Option<Running>>>);

struct Running {
    samples: Arc<Mutex<Vec<Sample>>>,
    task: JoinHandle<()>,
    every: Duration,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Probe {
    pub fn start(runtime: &Handle, login: Login) -> Result<Self, ProbeError> {
        let cannot = |reason: String| ProbeError::CannotStart { url: login.url.clone(), reason };
        reqwest::Url::parse(&login.url).map_err(|error| cannot(error.to_string()))?;
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .timeout(login.timeout)
            .connect_timeout(login.timeout)
            // A pooled connection may lead to a pod that is gone.
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|error| cannot(error.to_string()))?;
        let samples = Arc::<Mutex<Vec<Sample>>>::default();
        let (every, kept) = (login.every, samples.clone());
        let task = runtime.spawn(sample(client, login, kept));
        Ok(Self(Arc::new(Mutex::new(Some(Running { samples, task, every })))))
    }

    /// Ends the sampling and says what was seen.
    pub fn stop(&self) -> Result<Report, ProbeError> {
        let running = self.0.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or(ProbeError::Stopped)?;
        let mut samples = running.samples.lock().unwrap_or_else(PoisonError::into_inner).clone();
        samples.sort_by_key(|sample| sample.asked);
        Ok(report(&samples, running.every))
    }
}

async fn sample(client: reqwest::Client, login: Login, samples: Arc<Mutex<Vec<Sample>>>) {
    let began = Instant::now();
    let mut tick = tokio::time::interval(login.every);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        tick.tick().await;
        let (client, login, samples) = (client.clone(), login.clone(), samples.clone());
        tokio::spawn(async move {
            let asked = began.elapsed();
            let failure = ask(&client, &login).await.err();
            let sample = Sample { asked, answered: began.elapsed(), failure };
            samples.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
        });
    }
}

async fn ask(client: &reqwest::Client, login: &Login) -> Result<(), String> {
    let answer = client.get(&login.url).basic_auth(&login.user, Some(&login.password)).send().await;
    match answer {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(format!("HTTP {}", answer.status().as_u16())),
        Err(error) if error.is_timeout() => Err("no answer in time".into()),
        Err(error) if error.is_connect() => Err("refused".into()),
        Err(_) => Err("connection broken".into()),
    }
}

/// The figures of samples in the order in which they were asked.
fn report(samples: &[Sample], every: Duration) -> Report {
    let failed: Vec<&Sample> = samples.iter().filter(|sample| sample.failure.is_some()).collect();
    let mut good: Vec<Duration> = samples.iter().filter(|sample| sample.failure.is_none()).map(|sample| sample.answered).collect();
    good.sort_unstable();
    let outage = failed.first().zip(failed.last()).map_or(Duration::ZERO, |(first, last)| {
        let end = samples.iter().filter(|sample| sample.failure.is_none() && sample.asked > last.asked).map(|sample| sample.answered).min();
        end.unwrap_or(last.answered).saturating_sub(first.asked)
    });
    let gap = good.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).max().unwrap_or_default();
    let mut failures: Vec<Failure> = Vec::new();
    for what in failed.iter().filter_map(|sample| sample.failure.clone()) {
        match failures.iter_mut().find(|failure| failure.what == what) {
            Some(failure) => failure.count += 1,
            None => failures.push(Failure { what, count: 1 }),
        }
    }
    Report {
        samples: samples.len(),
        failed: failed.len(),
        outage_ms: millis(outage),
        longest_gap_ms: millis(gap),
        sampling_ms: millis(every),
        ends_well: samples.last().is_some_and(|sample| sample.failure.is_none()),
        failures,
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(asked: u64, answered: u64, failure: Option<&str>) -> Sample {
        Sample { asked: Duration::from_millis(asked), answered: Duration::from_millis(answered), failure: failure.map(str::to_owned) }
    }

    #[test]
    fn an_outage_lasts_from_the_first_failed_question_to_the_first_good_answer_after_the_last() {
        let samples = [
            sample(0, 10, None),
            sample(100, 110, Some("refused")),
            sample(200, 240, None),
            sample(300, 350, Some("HTTP 401")),
            sample(400, 450, None),
        ];
        let report = report(&samples, Duration::from_millis(100));
        assert_eq!((report.outage_ms, report.longest_gap_ms, report.failed, report.ends_well), (350, 230, 2, true));
        assert_eq!(report.failures[1], Failure { what: "HTTP 401".into(), count: 1 });
    }

    #[test]
    fn without_a_failure_there_is_no_outage() {
        let report = report(&[sample(0, 10, None), sample(100, 110, None)], Duration::from_millis(100));
        assert_eq!((report.outage_ms, report.failed), (0, 0));
    }

    #[test]
    fn an_outage_that_has_not_ended_counts_to_the_last_failure() {
        let report = report(&[sample(0, 10, None), sample(100, 1100, Some("refused"))], Duration::from_millis(100));
        assert_eq!((report.outage_ms, report.ends_well), (1000, false));
    }
}
