//! The figures of a series in which a sample is good or not: when it failed first, when it was good again, and how far
//! both may be off.

use super::sample::{Sample, millis, per_second};
use serde::Serialize;
use std::time::Duration;

/// What a sampler saw; times in milliseconds since the probe began.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Outage {
    pub samples: usize,
    /// How many a second there were.
    pub per_second: f64,
    /// How many questions a second, from the first one with a good answer to the mark, got a good answer: as many as there
    /// can be while nothing is broken.
    pub good_per_second_before: f64,
    pub failed: usize,
    /// Of them, those that were answered before the mark: what was done then is not what made them fail.
    pub failed_before: usize,
    pub first_failure_ms: Option<u64>,
    /// The first good answer to a question that was asked after the last failed one.
    pub first_success_ms: Option<u64>,
    /// From the one to the other; up to the last failed answer where there is no good one after it.
    pub outage_ms: u64,
    /// The longest time between two good answers, or from the last one to the end.
    pub longest_gap_ms: u64,
    /// How far `outage_ms` may be off: the time to the good question before it, and from the last failed one to its end.
    pub sampling_ms: u64,
    /// Whether there was a good answer before the outage: otherwise it had begun before anybody looked.
    pub begins_well: bool,
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

/// The figures of samples in the order in which they were asked. Outages count from the mark on.
pub fn outage<T>(samples: &[Sample<T>], every: Duration, mark: Duration, ended: Duration) -> Outage {
    let all: Vec<&Sample<T>> = samples.iter().filter(|sample| !sample.is_good()).collect();
    let failed: Vec<&Sample<T>> = all.iter().copied().filter(|sample| sample.answered >= mark).collect();
    let gap = longest_gap(samples, mark, ended);
    let mut figures = Outage {
        samples: samples.len(),
        per_second: per_second(samples.len(), ended),
        good_per_second_before: good_before(samples, mark),
        failed: all.len(),
        failed_before: all.len() - failed.len(),
        longest_gap_ms: millis(gap),
        sampling_ms: millis(every),
        begins_well: true,
        ends_well: samples.last().is_some_and(Sample::is_good),
        failures: counted(&all),
        ..Outage::default()
    };
    let (Some(first), Some(last)) = (failed.first(), failed.last()) else { return figures };
    let before = samples.iter().filter(|sample| sample.is_good() && sample.asked < first.asked).map(|sample| sample.asked).max();
    let end = samples.iter().filter(|sample| sample.is_good() && sample.asked > last.asked).map(|sample| sample.answered).min();
    let until = end.unwrap_or(last.answered);
    let doubt = first.asked.saturating_sub(before.unwrap_or_default()) + until.saturating_sub(last.asked);
    figures.begins_well = before.is_some();
    figures.first_failure_ms = Some(millis(first.asked));
    figures.first_success_ms = end.map(millis);
    figures.outage_ms = millis(until.saturating_sub(first.asked));
    figures.sampling_ms = millis(doubt).max(figures.sampling_ms);
    figures
}

fn good_before<T>(samples: &[Sample<T>], mark: Duration) -> f64 {
    let good: Vec<Duration> = samples.iter().filter(|sample| sample.is_good() && sample.asked < mark).map(|sample| sample.asked).collect();
    good.first().map_or(0.0, |first| per_second(good.len(), mark.saturating_sub(*first)))
}

/// The longest time without a good answer that ended after the mark; it may last until the end.
fn longest_gap<T>(samples: &[Sample<T>], mark: Duration, ended: Duration) -> Duration {
    let mut good: Vec<Duration> = samples.iter().filter(|sample| sample.is_good()).map(|sample| sample.answered).collect();
    good.push(ended);
    good.sort_unstable();
    let gaps = good.windows(2).filter(|pair| pair[1] >= mark).map(|pair| pair[1].saturating_sub(pair[0]));
    gaps.max().unwrap_or(ended)
}

fn counted<T>(failed: &[&Sample<T>]) -> Vec<Failure> {
    let mut failures: Vec<Failure> = Vec::new();
    for what in failed.iter().filter_map(|sample| sample.found.as_ref().err()) {
        match failures.iter_mut().find(|failure| failure.what == *what) {
            Some(failure) => failure.count += 1,
            None => failures.push(Failure { what: what.clone(), count: 1 }),
        }
    }
    failures
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_millis(100);
    const ENDED: Duration = Duration::from_millis(500);

    fn sample(asked: u64, answered: u64, failure: Option<&str>) -> Sample<()> {
        let found = failure.map_or(Ok(()), |failure| Err(failure.to_owned()));
        Sample { asked: Duration::from_millis(asked), answered: Duration::from_millis(answered), found }
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
        let seen = outage(&samples, EVERY, Duration::ZERO, ENDED);
        assert_eq!((seen.outage_ms, seen.longest_gap_ms, seen.failed, seen.ends_well), (350, 230, 2, true));
        assert_eq!((seen.first_failure_ms, seen.first_success_ms, seen.sampling_ms), (Some(100), Some(450), 250));
        assert_eq!(seen.failures[1], Failure { what: "HTTP 401".into(), count: 1 });
        assert!((seen.per_second - 10.0).abs() < 0.01);
    }

    #[test]
    fn what_failed_before_the_mark_is_counted_apart() {
        let samples = [sample(0, 10, Some("slow")), sample(100, 110, None), sample(200, 210, Some("refused")), sample(300, 310, None)];
        let seen = outage(&samples, EVERY, Duration::from_millis(150), ENDED);
        assert_eq!((seen.failed, seen.failed_before, seen.outage_ms, seen.longest_gap_ms), (2, 1, 110, 200));
        assert!((seen.good_per_second_before - 1.0 / 0.05).abs() < 0.1, "{seen:?}");
    }

    #[test]
    fn without_a_failure_there_is_no_outage() {
        let seen = outage(&[sample(0, 10, None), sample(100, 110, None)], EVERY, Duration::ZERO, ENDED);
        assert_eq!((seen.outage_ms, seen.failed, seen.first_failure_ms, seen.sampling_ms), (0, 0, None, 100));
    }

    #[test]
    fn an_outage_that_has_not_ended_counts_to_the_last_failure() {
        let seen = outage(&[sample(0, 10, None), sample(100, 1100, Some("refused"))], EVERY, Duration::ZERO, ENDED);
        assert_eq!((seen.outage_ms, seen.ends_well, seen.first_success_ms), (1000, false, None));
    }

    #[test]
    fn an_outage_may_have_begun_before_anybody_looked() {
        let seen = outage(&[sample(0, 10, Some("refused")), sample(100, 110, None)], EVERY, Duration::ZERO, ENDED);
        assert_eq!((seen.outage_ms, seen.begins_well, seen.ends_well), (110, false, true));
        assert!(outage(&[sample(0, 10, None), sample(100, 110, Some("refused"))], EVERY, Duration::ZERO, ENDED).begins_well);
        assert!(outage(&[sample(0, 10, None)], EVERY, Duration::ZERO, ENDED).begins_well);
    }
}
