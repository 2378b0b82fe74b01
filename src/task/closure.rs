//! A script's closure, kept so that it can be called after the hook that made it has returned.

use crate::script::RhaiResultOf;
use rhai::{Dynamic, Engine, FnPtr, NativeCallContext};

/// A Rhai closure with the imports and constants it was made among. (A bare `FnPtr` is only a name.)
#[derive(Clone)]
pub struct Closure {
    function: FnPtr,
    context: rhai::NativeCallContextStore,
}

impl Closure {
    #[expect(deprecated, reason = "rhai marks its internals so; the version is pinned")]
    pub fn keep(ctx: &NativeCallContext, function: FnPtr) -> Self {
        Self { function, context: ctx.store_data() }
    }

    /// Calls it with nothing, or with `argument` where it takes one.
    #[expect(deprecated, reason = "rhai marks its internals so; the version is pinned")]
    pub fn call(&self, engine: &Engine, argument: Option<Dynamic>) -> RhaiResultOf<Dynamic> {
        let context = self.context.create_context(engine);
        match argument {
            Some(argument) => self.function.call_raw_with_extra_args("closure", &context, None, [], [argument], None),
            None => self.function.call_raw(&context, None, []),
        }
    }

    /// The name Rhai gave it: reports find its file by it.
    pub fn name(&self) -> &str {
        self.function.fn_name()
    }

    /// Where it was declared, as file and line.
    #[expect(deprecated, reason = "rhai marks its internals so; the version is pinned")]
    pub fn place(&self) -> String {
        let source = self.context.source.as_deref().unwrap_or("script");
        let file = source.rsplit('/').next().unwrap_or(source);
        self.context.pos.line().map_or_else(|| file.to_owned(), |line| format!("{file}:{line}"))
    }

    #[expect(deprecated, reason = "rhai marks its internals so; the version is pinned")]
    pub fn line(&self) -> Option<usize> {
        self.context.pos.line()
    }
}
