//! Samples what every member of a database says of itself at its own address, and works out how many primaries there
//! were at the same instant.

use super::asked::{Question, Row};
use super::sample::{Sample, millis, per_second};
use serde::Serialize;
use std::time::Duration;

/// What a member says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub primary: bool,
    /// How many standbys stream from it.
    pub streaming: usize,
}

const SQL: &str = "select pg_is_in_recovery(), (select count(*) from pg_stat_replication where state = 'streaming')";

pub const QUESTION: Question<Standing> = Question { sql: SQL, read: standing };

fn standing(rows: &[Row]) -> Result<Standing, String> {
    let row = rows.first().filter(|row| row.len() == 2).ok_or("no row")?;
    Ok(Standing { primary: row[0].1 == "f", streaming: row[1].1.parse().unwrap_or_default() })
}

/// A member and its samples.
pub type Member = (String, Vec<Sample<Standing>>);

/// What the members' samples say together.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Roles {
    /// The primary when the probe began, and when it ended.
    pub before: Option<String>,
    pub after: Option<String>,
    /// From the mark until another member said that it is the primary.
    pub other_primary_ms: Option<u64>,
    /// The most members that said at the same instant that they are the primary, and for how long there were two.
    pub most_primaries: usize,
    pub dual_primary_ms: u64,
    /// The samples of one member that came slowest, one after the other: how far these figures may be off.
    pub sampling_ms: u64,
    /// How many samples each member gave a second, the slowest of them.
    pub per_second: f64,
}

pub fn roles(members: &[Member], mark: Duration, ended: Duration) -> Roles {
    let led =
        |samples: &[Sample<Standing>]| samples.iter().rfind(|sample| sample.is_good() && sample.asked <= mark).is_some_and(is_primary);
    let before = members.iter().find(|(_, samples)| led(samples)).map(|(name, _)| name.clone());
    let after = members.iter().find(|(_, samples)| samples.last().is_some_and(is_primary)).map(|(name, _)| name.clone());
    let others = members.iter().filter(|(name, _)| before.as_ref().is_some_and(|before| before != name));
    let promoted = others.filter_map(|(_, samples)| samples.iter().find(|sample| sample.answered > mark && is_primary(sample)));
    let promoted = promoted.map(|sample| sample.answered).min();
    let (most_primaries, dual) = overlap(&members.iter().map(|(_, samples)| spans(samples)).collect::<Vec<_>>());
    let fewest = members.iter().map(|(_, samples)| samples.len()).min().unwrap_or_default();
    Roles {
        before,
        after,
        other_primary_ms: promoted.map(|at| millis(at.saturating_sub(mark))),
        most_primaries,
        dual_primary_ms: millis(dual),
        sampling_ms: members.iter().map(|(_, samples)| slowest(samples)).max().unwrap_or_default(),
        per_second: per_second(fewest, ended),
    }
}

fn is_primary(sample: &Sample<Standing>) -> bool {
    sample.found.as_ref().is_ok_and(|standing| standing.primary)
}

fn slowest(samples: &[Sample<Standing>]) -> u64 {
    let steps = samples.windows(2).filter(|pair| is_primary(&pair[0]));
    steps.map(|pair| millis(pair[1].answered.saturating_sub(pair[0].answered))).max().unwrap_or_default()
}

/// When a member was the primary: from an answer that says so until the next one, or until a question that it no
/// longer answered.
fn spans(samples: &[Sample<Standing>]) -> Vec<(Duration, Duration)> {
    let pairs = samples.windows(2).filter(|pair| is_primary(&pair[0]));
    pairs.map(|pair| (pair[0].answered, if pair[1].is_good() { pair[1].answered } else { pair[1].asked })).collect()
}

/// The most spans of different members at once, and how long there were at least two.
fn overlap(members: &[Vec<(Duration, Duration)>]) -> (usize, Duration) {
    let mut edges: Vec<(Duration, bool)> = members.iter().flatten().flat_map(|(from, to)| [(*from, true), (*to, false)]).collect();
    edges.sort_unstable(); // at the same instant an end comes before a beginning
    let (mut now, mut most, mut dual, mut since) = (0_usize, 0, Duration::ZERO, Duration::ZERO);
    for (at, begins) in edges {
        if now > 1 {
            dual += at.saturating_sub(since);
        }
        now = if begins { now + 1 } else { now.saturating_sub(1) };
        most = most.max(now);
        since = at;
    }
    (most, dual)
}

/// When all members last came to stream from one primary; `None` where they do not.
pub fn whole_since(members: &[Member]) -> Option<Duration> {
    let mut answers: Vec<(Duration, usize, Option<Standing>)> = Vec::new();
    for (index, (_, samples)) in members.iter().enumerate() {
        answers.extend(samples.iter().map(|sample| (sample.answered, index, sample.found.as_ref().ok().copied())));
    }
    answers.sort_unstable_by_key(|answer| answer.0);
    let mut last = vec![None; members.len()];
    let mut since = None;
    for (at, index, standing) in answers {
        last[index] = standing;
        match (is_whole(&last), since) {
            (true, None) => since = Some(at),
            (true, Some(_)) => {}
            (false, _) => since = None,
        }
    }
    since
}

fn is_whole(last: &[Option<Standing>]) -> bool {
    let standings: Vec<Standing> = last.iter().flatten().copied().collect();
    let primaries: Vec<&Standing> = standings.iter().filter(|standing| standing.primary).collect();
    standings.len() == last.len() && primaries.len() == 1 && primaries[0].streaming == last.len() - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(asked: u64, found: Said) -> Sample<Standing> {
        let found = found.map(|(primary, streaming)| Standing { primary, streaming }).map_err(str::to_owned);
        Sample { asked: Duration::from_millis(asked), answered: Duration::from_millis(asked + 10), found }
    }

    /// Whether it said that it is primary, and how many stream from it.
    type Said = Result<(bool, usize), &'static str>;
    const P: Said = Ok((true, 1));
    const S: Said = Ok((false, 0));
    const NO: Said = Err("refused");

    fn members(a: &[(u64, Said)], b: &[(u64, Said)]) -> Vec<Member> {
        let series = |samples: &[(u64, Said)]| samples.iter().map(|(asked, found)| at(*asked, *found)).collect();
        vec![("a".into(), series(a)), ("b".into(), series(b))]
    }

    #[test]
    fn a_takeover_has_one_primary_at_a_time() {
        let members = members(&[(0, P), (100, P), (200, NO), (300, NO), (400, S)], &[(0, S), (100, S), (200, S), (300, P), (400, P)]);
        let roles = roles(&members, Duration::from_millis(150), Duration::from_millis(500));
        assert_eq!((roles.most_primaries, roles.dual_primary_ms), (1, 0));
        assert_eq!((roles.before.as_deref(), roles.after.as_deref(), roles.other_primary_ms), (Some("a"), Some("b"), Some(160)));
        assert_eq!(whole_since(&members), Some(Duration::from_millis(410)));
    }

    #[test]
    fn two_primaries_are_seen_for_as_long_as_both_say_so() {
        let members = members(&[(0, P), (100, NO), (400, P), (500, P), (600, S)], &[(0, S), (100, P), (400, P), (500, P), (600, P)]);
        let roles = roles(&members, Duration::from_millis(50), Duration::from_millis(700));
        assert_eq!((roles.most_primaries, roles.dual_primary_ms), (2, 200));
    }

    #[test]
    fn a_primary_that_does_not_answer_counts_only_until_it_was_asked() {
        let members = members(&[(0, P), (100, NO)], &[(0, S), (105, P), (200, P)]);
        assert_eq!(roles(&members, Duration::ZERO, Duration::from_secs(1)).most_primaries, 1);
        assert_eq!(whole_since(&members), None);
    }
}
