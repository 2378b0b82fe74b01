//! A script's closure, kept so that it can be called after the hook that made it has returned.

#![expect(deprecated, reason = "rhai marks the kept context so; the version is pinned")]

use crate::script::{RhaiResultOf, swallowed};
use rhai::{Dynamic, Engine, FnPtr, NativeCallContext};

/// A Rhai closure with the imports and constants it was made among. (A bare `FnPtr` is only a name.)
#[derive(Clone)]
pub struct Closure {
    function: FnPtr,
    context: rhai::NativeCallContextStore,
    source: String,
    line: Option<usize>,
}

impl Closure {
    pub fn keep(ctx: &NativeCallContext, function: FnPtr) -> Self {
        Self {
            function,
            context: ctx.store_data(),
            source: ctx.call_source().unwrap_or_default().to_owned(),
            line: ctx.call_position().line(),
        }
    }

    /// Calls it with nothing, or with `argument` where it takes one.
    pub fn call(&self, engine: &Engine, argument: Option<Dynamic>) -> RhaiResultOf<Dynamic> {
        let context = self.context.create_context(engine);
        let _ = swallowed::take();
        let result = match argument {
            Some(argument) => self.function.call_raw_with_extra_args("closure", &context, None, [], [argument], None),
            None => self.function.call_raw(&context, None, []),
        };
        swallowed::raise().and(result)
    }

    /// Where it was declared: the script's name and the line.
    pub fn place(&self) -> (&str, Option<usize>) {
        (&self.source, self.line)
    }
}
