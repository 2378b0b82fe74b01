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

    /// What an expression gives among this closure's imports and captured values, if it gives anything.
    pub fn beside(&self, engine: &Engine, expression: &str) -> Option<Dynamic> {
        const NAME: &str = "railrun_side_of_a_comparison";
        let captured = self.function.curry();
        let functions = &self.context.global.lib;
        let own = functions.iter().find_map(|functions| functions.get_script_fn(self.function.fn_name(), captured.len()))?;
        let written = Engine::new_raw().compile(format!("fn {NAME}({}) {{ {expression} }}", own.params.join(", "))).ok()?;
        let mut context = self.context.clone();
        context.global.lib.push(written.shared_lib().clone());
        let mut side = FnPtr::new(NAME).ok()?;
        side.set_curry(captured.iter().cloned());
        let _ = swallowed::take();
        let value = side.call_raw(&context.create_context(engine), None, []).ok()?;
        swallowed::raise().ok().map(|()| value)
    }

    /// Where it was declared: the script's name and the line.
    pub fn place(&self) -> (&str, Option<usize>) {
        (&self.source, self.line)
    }
}
