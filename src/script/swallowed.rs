//! Errors that Rhai swallows: inside an interpolated text a failing `to_string` becomes the name of a type, and the
//! script goes on. They are kept here, and the next operation, verb or return to the host ends the evaluation with them.

use crate::script::RhaiResultOf;
use rhai::{Dynamic, EvalAltResult, Position};
use std::cell::RefCell;

thread_local! {
    /// A script runs on one thread, and so do the functions it calls.
    static KEPT: RefCell<Option<Dynamic>> = const { RefCell::new(None) };
}

/// Keeps a [`Fault`](super::Fault) or [`Pending`](super::Pending) that would otherwise be lost, and fails.
pub fn keep<T>(token: impl Into<Dynamic>) -> RhaiResultOf<T> {
    KEPT.with_borrow_mut(|kept| {
        kept.get_or_insert_with(|| token.into());
    });
    Err(EvalAltResult::ErrorRuntime("not a text".into(), Position::NONE).into())
}

/// What was lost since the last look: the token for `Engine::on_progress`.
pub fn take() -> Option<Dynamic> {
    KEPT.with_borrow_mut(Option::take)
}

/// Fails with what was lost, if anything; it cannot be caught.
pub fn raise() -> RhaiResultOf<()> {
    take().map_or(Ok(()), |token| Err(EvalAltResult::ErrorTerminated(token, Position::NONE).into()))
}
