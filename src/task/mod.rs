//! The life of a run: from a loaded script to a proof that it holds. What a verb does is not known here.

mod ask;
mod closure;
mod declared;
mod order;
mod run;
mod state;
mod steps;

pub use closure::Closure;
pub use order::{OrderError, in_order};
pub use run::{Failed, Runner, id_of};
pub use steps::Walk;

/// Makes `task` and `state` known to scripts.
pub fn register(engine: &mut rhai::Engine) {
    declared::register(engine);
    state::register(engine);
}
