//! How often and how long something is tried again. Calling it is the verb's business.

use crate::duration::{self, Span};
use miette::Diagnostic;
use serde::Deserialize;
use std::time::{Duration, Instant};

#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryOptions {
    times: Option<u32>,
    every: Span,
    timeout: Span,
}

impl Default for RetryOptions {
    fn default() -> Self {
        Self { times: None, every: Span(Duration::from_secs(1)), timeout: Span(Duration::from_secs(60)) }
    }
}

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
#[error("gave up after {tries} in {elapsed}: the answer was still `false`")]
#[diagnostic(code(retry::gave_up), help("a longer `timeout`, or `throw` what is wrong inside the closure to see it here"))]
pub struct GaveUp {
    tries: String,
    elapsed: String,
}

impl From<&Tries> for GaveUp {
    fn from(tries: &Tries) -> Self {
        let count = if tries.made == 1 { "1 try".to_owned() } else { format!("{} tries", tries.made) };
        Self { tries: count, elapsed: duration::show(tries.began.elapsed()) }
    }
}

/// Counts tries and time.
pub struct Tries {
    options: RetryOptions,
    began: Instant,
    made: u32,
    once: bool,
}

impl Tries {
    pub fn new(options: RetryOptions, once: bool) -> Self {
        Self { options, began: Instant::now(), made: 0, once }
    }

    /// After a try that failed: how long to wait before the next one, `None` if there is none.
    pub fn next(&mut self) -> Option<Duration> {
        self.made += 1;
        let pause = self.options.every.0;
        let late = self.began.elapsed().saturating_add(pause) > self.options.timeout.0;
        let enough = self.options.times.is_some_and(|times| self.made >= times);
        (!self.once && !late && !enough).then_some(pause)
    }
}
