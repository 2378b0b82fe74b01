//! Samples and the series they make. Every time is measured from one monotonic beginning; what a series means is
//! worked out beside this file.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One question: when it was asked and answered since the probe began, and what was found, or the kind of failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample<T> {
    pub asked: Duration,
    pub answered: Duration,
    pub found: Result<T, String>,
}

impl<T> Sample<T> {
    pub fn is_good(&self) -> bool {
        self.found.is_ok()
    }
}

/// The samples of one sampler, from whichever task brings them.
#[derive(Debug)]
pub struct Series<T>(Arc<Mutex<Vec<Sample<T>>>>);

impl<T> Clone for Series<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for Series<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Clone> Series<T> {
    pub fn add(&self, sample: Sample<T>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
    }

    /// What there is so far, in the order in which it was asked.
    pub fn so_far(&self) -> Vec<Sample<T>> {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        samples.sort_by_key(|sample| sample.asked);
        samples
    }
}

/// The probe's clock. It never jumps, whatever the machine's time does.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    pub fn start() -> Self {
        Self(Instant::now())
    }

    pub fn now(self) -> Duration {
        self.0.elapsed()
    }

    /// Asks once, and keeps when.
    pub async fn sample<T>(self, question: impl Future<Output = Result<T, String>>) -> Sample<T> {
        let asked = self.now();
        let found = question.await;
        Sample { asked, answered: self.now(), found }
    }
}

/// How many a second, to one place.
pub fn per_second(count: usize, ended: Duration) -> f64 {
    let rate = f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / ended.as_secs_f64().max(0.001);
    (rate * 10.0).round() / 10.0
}

pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
