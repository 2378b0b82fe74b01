//! Readers of the event stream: a live terminal, plain lines, JSON. They print what happened and decide nothing.

mod diff;
mod json;
mod junit;
mod line;
mod live;
mod talk;

pub use json::{Json, lost as json_was_lost};
pub use junit::Junit;
pub use line::{Mark, Paint, harmless, pad, shorten};

/// A difference in full, as lines.
pub fn shown(paint: Paint, diff: &crate::effect::Diff) -> Vec<String> {
    diff::lines(paint, diff, true)
}
pub use talk::{Talk, Verbosity};
