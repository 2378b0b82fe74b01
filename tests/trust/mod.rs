//! Changes one can trust: what a run leaves written down, what the next one makes of it, and what is refused.

mod anew;
mod canary;
pub mod cluster;
mod guard;
mod identity;
mod killed;
mod least;
mod lock;
mod output;
mod plan;
mod resume;
