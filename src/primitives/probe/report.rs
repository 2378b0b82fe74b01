//! What a probe saw, as a script gets it: the figures of every sampler, and a time line of their states for the page.

use super::driver::Running;
use super::members::{self, Roles, Standing};
use super::outage::{Outage, outage};
use super::pool::{self, Pool};
use super::sample::{Sample, millis, per_second};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

/// Something that was done while the probe ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    pub what: String,
    pub at_ms: u64,
}

impl Mark {
    pub fn new(what: &str, at: Duration) -> Self {
        Self { what: what.into(), at_ms: millis(at) }
    }

    pub fn at(&self) -> Duration {
        Duration::from_millis(self.at_ms)
    }
}

/// What became of the writes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Writes {
    #[serde(flatten)]
    pub outage: Outage,
    pub acknowledged: usize,
    pub acknowledged_per_second: f64,
    /// Acknowledged ids that the table does not hold; `None` where it could not be read.
    pub lost: Option<usize>,
    /// The first of them.
    pub lost_ids: Vec<u64>,
    /// Ids in the table whose insert was never acknowledged: neither lost nor promised.
    pub unacknowledged: usize,
    /// Why the table could not be read.
    pub unread: Option<String>,
}

/// How pgpool saw its nodes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Nodes {
    pub samples: usize,
    pub failed: usize,
    /// For how long it took a standby for the primary.
    pub wrong_primary_ms: u64,
}

/// A sampler's states: from, to, which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Track {
    pub name: String,
    pub states: Vec<(u64, u64, String)>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub lasted_ms: u64,
    pub marks: Vec<Mark>,
    pub login: Option<Outage>,
    pub writer: Option<Writes>,
    pub members: Option<Roles>,
    pub pool: Option<Nodes>,
    /// From the first mark until all members stream from one primary; `None` where they do not.
    pub streaming_ms: Option<u64>,
    /// From the first mark until pgpool shows every node up; `None` where it does not.
    pub pool_ms: Option<u64>,
    /// From the first mark until every sampler was well for good; `None` where one is not.
    pub recovery_ms: Option<u64>,
    pub timeline: Vec<Track>,
}

/// The ids that the table held after everything, or why it could not be read.
pub type Present = Option<Result<BTreeSet<u64>, String>>;

pub fn report(running: &Running, present: Present, ended: Duration) -> Report {
    let mark = running.marks.first().map_or(Duration::ZERO, Mark::at);
    let login = running.login.as_ref().map(|(series, every)| (series.so_far(), *every));
    let writer = running.writer.as_ref().map(|(series, every, _)| (series.so_far(), *every));
    let members: Vec<members::Member> = running.members.iter().map(|(name, series)| (name.clone(), series.so_far())).collect();
    let pool = running.pool.as_ref().map(super::sample::Series::so_far);
    let since_mark = |at: Duration| millis(at.saturating_sub(mark));
    let mut timeline = Vec::new();
    timeline.extend(login.as_ref().map(|(samples, _)| track("login", samples, ended, |()| "good")));
    timeline.extend(writer.as_ref().map(|(samples, _)| track("writer", samples, ended, |_| "good")));
    timeline.extend(members.iter().map(|(name, samples)| track(name, samples, ended, |said: &Standing| role(*said))));
    timeline.extend(pool.as_ref().map(|samples| track("pool", samples, ended, |pool: &Pool| pool.in_words())));
    let login = login.map(|(samples, every)| outage(&samples, every, mark, ended));
    let writer = writer.map(|(samples, every)| writes(&samples, every, (mark, ended), present));
    let streaming = if members.is_empty() { Some(mark) } else { members::whole_since(&members) };
    let pooled = pool.as_deref().map_or(Some(mark), pool::whole_since);
    let answered = [login.as_ref(), writer.as_ref().map(|writes| &writes.outage)];
    let answered = answered.into_iter().flatten().map(|outage| recovered(outage, mark));
    let all = answered.chain([streaming, pooled]).collect::<Option<Vec<_>>>();
    Report {
        lasted_ms: millis(ended),
        marks: running.marks.clone(),
        login,
        writer,
        members: (!members.is_empty()).then(|| members::roles(&members, mark, ended)),
        pool: pool.map(|samples| nodes(&samples)),
        streaming_ms: streaming.map(since_mark),
        pool_ms: pooled.map(since_mark),
        recovery_ms: all.and_then(|moments| moments.into_iter().max()).map(since_mark),
        timeline,
    }
}

fn recovered(outage: &Outage, mark: Duration) -> Option<Duration> {
    // What failed before the mark had nothing to recover from.
    if outage.failed == outage.failed_before { Some(mark) } else { outage.first_success_ms.map(Duration::from_millis) }
}

fn role(standing: Standing) -> &'static str {
    if standing.primary { "primary" } else { "standby" }
}

fn writes(samples: &[Sample<u64>], every: Duration, (mark, ended): (Duration, Duration), present: Present) -> Writes {
    let acknowledged: BTreeSet<u64> = samples.iter().filter_map(|sample| sample.found.as_ref().ok()).copied().collect();
    let (held, unread) = match present {
        Some(Ok(held)) => (Some(held), None),
        Some(Err(reason)) => (None, Some(reason)),
        None => (None, Some("it was not read".into())),
    };
    let lost: Option<Vec<u64>> = held.as_ref().map(|held| acknowledged.difference(held).copied().collect());
    Writes {
        outage: outage(samples, every, mark, ended),
        acknowledged: acknowledged.len(),
        acknowledged_per_second: per_second(acknowledged.len(), ended),
        lost: lost.as_ref().map(Vec::len),
        lost_ids: lost.unwrap_or_default().into_iter().take(10).collect(),
        unacknowledged: held.map_or(0, |held| held.difference(&acknowledged).count()),
        unread,
    }
}

fn nodes(samples: &[Sample<Pool>]) -> Nodes {
    let wrong = samples.windows(2).filter(|pair| pair[0].found == Ok(Pool::WrongPrimary));
    Nodes {
        samples: samples.len(),
        failed: samples.iter().filter(|sample| !sample.is_good()).count(),
        wrong_primary_ms: wrong.map(|pair| millis(pair[1].answered.saturating_sub(pair[0].answered))).sum(),
    }
}

/// A sampler's states, each from the question that found it to the one that found another.
fn track<T>(name: &str, samples: &[Sample<T>], ended: Duration, state: impl Fn(&T) -> &'static str) -> Track {
    let mut states: Vec<(u64, u64, String)> = Vec::new();
    for sample in samples {
        let (from, what) = (millis(sample.asked), sample.found.as_ref().map_or("no answer", &state));
        match states.last_mut() {
            Some((_, to, last)) if last == what => *to = from,
            last => {
                if let Some((_, to, _)) = last {
                    *to = from;
                }
                states.push((from, from, what.to_owned()));
            }
        }
    }
    if let Some((_, to, _)) = states.last_mut() {
        *to = millis(ended).max(*to);
    }
    Track { name: name.rsplit("/pod/").next().unwrap_or(name).split('/').next().unwrap_or(name).to_owned(), states }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(asked: u64, found: Result<u64, &str>) -> Sample<u64> {
        Sample { asked: Duration::from_millis(asked), answered: Duration::from_millis(asked + 5), found: found.map_err(str::to_owned) }
    }

    #[test]
    fn an_acknowledged_id_that_the_table_does_not_hold_is_lost() {
        let samples = [sample(0, Ok(1)), sample(20, Ok(2)), sample(40, Err("refused")), sample(60, Ok(4))];
        let seen =
            writes(&samples, Duration::from_millis(20), (Duration::ZERO, Duration::from_secs(1)), Some(Ok(BTreeSet::from([1, 3, 4]))));
        assert_eq!((seen.acknowledged, seen.lost, seen.lost_ids, seen.unacknowledged), (3, Some(1), vec![2], 1));
    }

    #[test]
    fn a_table_that_cannot_be_read_proves_nothing() {
        let seen = writes(
            &[sample(0, Ok(1))],
            Duration::from_millis(20),
            (Duration::ZERO, Duration::from_secs(1)),
            Some(Err("two primaries".into())),
        );
        assert_eq!((seen.lost, seen.unread.as_deref()), (None, Some("two primaries")));
    }

    #[test]
    fn what_failed_before_the_mark_had_nothing_to_recover_from() {
        let of = |samples: &[Sample<u64>]| {
            let mark = Duration::from_millis(150);
            recovered(&outage(samples, Duration::from_millis(100), mark, Duration::from_millis(400)), mark)
        };
        assert_eq!(of(&[sample(0, Err("slow")), sample(100, Ok(1)), sample(200, Ok(2))]), Some(Duration::from_millis(150)));
        assert_eq!(of(&[sample(0, Ok(1)), sample(200, Err("x")), sample(300, Ok(2))]), Some(Duration::from_millis(305)));
        assert_eq!(of(&[sample(0, Ok(1)), sample(200, Err("x"))]), None);
    }

    #[test]
    fn a_track_joins_equal_states() {
        let samples = [sample(0, Ok(1)), sample(100, Ok(2)), sample(200, Err("x")), sample(300, Ok(4))];
        let track = track("platform/pod/pg-0/postgresql", &samples, Duration::from_millis(400), |_| "good");
        assert_eq!(track.name, "pg-0");
        assert_eq!(track.states, [(0, 200, "good".into()), (200, 300, "no answer".into()), (300, 400, "good".into())]);
    }
}
