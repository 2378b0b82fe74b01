//! An answer that a dry run cannot know yet. Whatever a script does with it ends that step's preview, and `try`
//! cannot swallow that; what the step then prints is the task floor's business.

use crate::script::{RhaiResultOf, swallowed};
use rhai::{Dynamic, Engine, EvalAltResult, Position};

/// "Known after step 2, `helm upgrade platform/postgresql-ha`".
/// As an error (an unknown among a verb's options) it ends the preview too.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
#[error("{after}")]
#[diagnostic(code(pending))]
pub struct Pending {
    pub after: String,
}

/// The name scripts and Rhai's own messages have for it.
pub const NAME: &str = "pending";

impl Pending {
    pub fn new(after: impl Into<String>) -> Self {
        Self { after: after.into() }
    }

    /// The error that ends a step's preview. It cannot be caught.
    pub fn raise(self) -> Box<EvalAltResult> {
        EvalAltResult::ErrorTerminated(Dynamic::from(self), Position::NONE).into()
    }

    /// The unknown that ended an evaluation, however deeply calls wrapped it.
    pub fn find(error: &EvalAltResult) -> Option<Self> {
        match error {
            EvalAltResult::ErrorTerminated(token, _) => token.clone().try_cast::<Pending>(),
            EvalAltResult::ErrorInFunctionCall(_, _, inner, _) | EvalAltResult::ErrorInModule(_, inner, _) => Self::find(inner),
            _ => None,
        }
    }

    /// Whether Rhai itself stumbled over an unknown: as an argument, a condition or a receiver.
    pub fn stumbled(error: &EvalAltResult) -> bool {
        match error {
            EvalAltResult::ErrorInFunctionCall(_, _, inner, _) | EvalAltResult::ErrorInModule(_, inner, _) => Self::stumbled(inner),
            EvalAltResult::ErrorFunctionNotFound(text, _) => text.split(['(', ')', ',', ' ']).any(|word| word == NAME),
            EvalAltResult::ErrorMismatchDataType(_, actual, _) => [NAME, std::any::type_name::<Pending>()].contains(&actual.as_str()),
            _ => false,
        }
    }
}

/// Makes every operator and every access of an unknown end the preview.
pub fn register(engine: &mut Engine) {
    engine.register_type_with_name::<Pending>(NAME);
    for operator in ["==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "in", "contains"] {
        engine.register_fn(operator, |left: Pending, _: Dynamic| -> RhaiResultOf<Dynamic> { Err(left.raise()) });
        engine.register_fn(operator, |_: Dynamic, right: Pending| -> RhaiResultOf<Dynamic> { Err(right.raise()) });
        engine.register_fn(operator, |left: Pending, _: Pending| -> RhaiResultOf<Dynamic> { Err(left.raise()) });
    }
    engine.register_fn("!", |value: Pending| -> RhaiResultOf<Dynamic> { Err(value.raise()) });
    for function in ["to_string", "to_debug", "print", "debug"] {
        engine.register_fn(function, |value: &mut Pending| swallowed::keep::<String>(Dynamic::from(value.clone())));
    }
    engine.register_indexer_get(|value: &mut Pending, _: Dynamic| -> RhaiResultOf<Dynamic> { Err(value.clone().raise()) });
    engine.register_indexer_get(|value: &mut Pending, _: &str| -> RhaiResultOf<Dynamic> { Err(value.clone().raise()) });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eval(script: &str) -> Box<EvalAltResult> {
        let mut engine = Engine::new();
        register(&mut engine);
        engine.register_fn("unknown", || Pending::new("step 1"));
        let result = engine.eval::<Dynamic>(script);
        swallowed::raise().and(result).unwrap_err()
    }

    #[test]
    fn using_an_unknown_ends_the_preview_and_cannot_be_caught() {
        for script in [
            "unknown() == 1",
            "1 == unknown()",
            "\"a\" + unknown()",
            "unknown().name",
            "unknown()[0]",
            "!unknown()",
            "try { unknown() + 1 } catch { 3 }",
            "`${unknown()}`",
        ] {
            let error = eval(script);
            assert_eq!(Pending::find(&error), Some(Pending::new("step 1")), "{script}: {error}");
        }
    }

    #[test]
    fn an_unknown_as_argument_or_condition_is_recognised() {
        for script in ["if unknown() { 1 }", "abs(unknown())", "unknown().len()"] {
            assert!(Pending::stumbled(&eval(script)), "{script}: {}", eval(script));
        }
    }
}
