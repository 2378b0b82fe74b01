//! How a verb meets its host: from the engine's tag, with the place of the call pinned on every error.

use crate::effect::Outcome;
use crate::host::{Host, SharedHost};
use crate::script::{Fault, Origin, Pending, RhaiResultOf, swallowed, value};
use miette::Diagnostic;
use rhai::{Dynamic, NativeCallContext};
use serde::Serialize;

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
#[error("`{verb}` reaches the world outside a step")]
#[diagnostic(
    code(script::not_here),
    help("`preconditions`, `steps` and `done_when` only declare: call it inside a closure, or through `task.remember`")
)]
struct NotHere {
    verb: String,
}

/// The host that the engine's tag carries.
pub fn host_of(ctx: &NativeCallContext) -> SharedHost {
    ctx.tag().and_then(|tag| tag.clone().try_cast::<SharedHost>()).expect("the engine is always tagged with its host")
}

/// Runs a changing verb. What a dry run cannot know comes back as [`Pending`].
pub fn bind<T: Serialize>(ctx: &NativeCallContext, verb: impl FnOnce(&Host) -> Result<Outcome<T>, Fault>) -> RhaiResultOf<Dynamic> {
    within(ctx, |host| match verb(host)? {
        Outcome::Unchanged(answer) | Outcome::Changed(answer) => value::answer(&answer),
        Outcome::Pending(after) => Ok(unknown(host, after)),
    })
}

/// What a script is given for an answer that a dry run cannot know.
pub fn unknown(host: &Host, after: String) -> Dynamic {
    host.plan.give_unknown(&after);
    Dynamic::from(Pending::new(after))
}

/// Runs a reading verb about these resources. In a dry run an answer of "nothing", or a failure, about something
/// that an earlier step would have changed by now is [`Pending`].
pub fn read<T: Serialize>(ctx: &NativeCallContext, about: &[&str], verb: impl FnOnce(&Host) -> Result<T, Fault>) -> RhaiResultOf<Dynamic> {
    read_value(ctx, about, |host| value::answer(&verb(host)?))
}

/// Like [`read`], for an answer that is a Rhai value already (a handle, a secret).
pub fn read_value(ctx: &NativeCallContext, about: &[&str], verb: impl FnOnce(&Host) -> Result<Dynamic, Fault>) -> RhaiResultOf<Dynamic> {
    within(ctx, |host| {
        let found = verb(host);
        let doubtful = found.as_ref().map_or(true, value::is_nothing);
        match host.plan.touched_by(about) {
            Some(after) if host.dry_run() && doubtful => Ok(unknown(host, after)),
            _ => found,
        }
    })
}

/// Runs a verb that answers with a Rhai value and needs no look at the plan.
pub fn bind_value(ctx: &NativeCallContext, verb: impl FnOnce(&Host) -> Result<Dynamic, Fault>) -> RhaiResultOf<Dynamic> {
    within(ctx, verb)
}

/// Runs a verb that touches nothing outside and so may be called while a script only declares.
pub fn bind_declaring(ctx: &NativeCallContext, verb: impl FnOnce(&Host) -> Result<Dynamic, Fault>) -> RhaiResultOf<Dynamic> {
    swallowed::raise()?;
    verb(&host_of(ctx)).map_err(|fault| pin(ctx, fault).raise())
}

/// Runs a verb that calls a closure of the script; the closure's errors keep their own places.
pub fn calling_back(ctx: &NativeCallContext, verb: impl FnOnce(&Host) -> RhaiResultOf<Dynamic>) -> RhaiResultOf<Dynamic> {
    let _ = within(ctx, |_| Ok(Dynamic::UNIT))?;
    let result = verb(&host_of(ctx));
    swallowed::raise().and(result)
}

fn within(ctx: &NativeCallContext, verb: impl FnOnce(&Host) -> Result<Dynamic, Fault>) -> RhaiResultOf<Dynamic> {
    swallowed::raise()?;
    let host = host_of(ctx);
    if host.declaring() {
        return Err(pin(ctx, NotHere { verb: ctx.fn_name().to_owned() }.into()).raise());
    }
    verb(&host).map_err(|fault| pin(ctx, fault).raise())
}

fn pin(ctx: &NativeCallContext, fault: Fault) -> Fault {
    fault.at(origin(ctx))
}

/// The place of the call.
pub fn origin(ctx: &NativeCallContext) -> Origin {
    Origin { source: ctx.call_source().unwrap_or_default().to_owned(), position: ctx.call_position() }
}
