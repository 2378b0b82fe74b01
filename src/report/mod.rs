//! Readers of the event stream: a live terminal, plain lines, JSON. They print what happened and decide nothing.

mod diff;
mod json;
mod line;
mod talk;

pub use json::Json;
pub use line::{Mark, Paint};
pub use talk::{Talk, Verbosity};
