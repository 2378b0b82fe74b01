//! Durations as scripts hold them: `duration("90s")` compares, adds and subtracts. As text `"10s" < "9s"` would be true.

use crate::duration::{Span, parse};
use crate::script::{Fault, RhaiResultOf, value};
use miette::Diagnostic;
use rhai::{Dynamic, Engine};
use std::time::Duration;

/// The name scripts and Rhai's own messages have for it.
pub const NAME: &str = "duration";

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
enum DurationError {
    #[error("{reason}")]
    #[diagnostic(code(duration::invalid))]
    Invalid { reason: String },
    #[error("`{from}` minus `{taken}` is less than nothing")]
    #[diagnostic(code(duration::negative), help("compare the two first"))]
    Negative { from: Span, taken: Span },
    #[error("the sum of `{left}` and `{right}` is too long")]
    #[diagnostic(code(duration::too_long))]
    TooLong { left: Span, right: Span },
    #[error("a duration is compared with {kind}")]
    #[diagnostic(code(duration::not_comparable), help("write `duration(\"30s\")` on both sides"))]
    NotComparable { kind: String },
}

/// Reads `"90s"`, `"250ms"`, `"1h 30m"`, `"7d"`.
pub fn read(text: &str) -> Result<Span, Fault> {
    parse(text).map(Span).map_err(|reason| DurationError::Invalid { reason }.into())
}

fn add(left: Span, right: Span) -> RhaiResultOf<Span> {
    left.0.checked_add(right.0).map(Span).ok_or_else(|| Fault::from(DurationError::TooLong { left, right }).raise())
}

fn subtract(from: Span, taken: Span) -> RhaiResultOf<Span> {
    from.0.checked_sub(taken.0).map(Span).ok_or_else(|| Fault::from(DurationError::Negative { from, taken }).raise())
}

fn not_comparable(other: &Dynamic) -> RhaiResultOf<bool> {
    Err(Fault::from(DurationError::NotComparable { kind: value::kind(other) }).raise())
}

type Holds = fn(&Duration, &Duration) -> bool;

pub fn register(engine: &mut Engine) {
    engine.register_type_with_name::<Span>(NAME);
    engine.register_fn("to_string", |span: &mut Span| span.to_string());
    engine.register_fn("to_debug", |span: &mut Span| span.to_string());
    engine.register_get("seconds", |span: &mut Span| span.0.as_secs_f64());
    engine.register_fn("+", add);
    engine.register_fn("-", subtract);
    let comparisons: [(&str, Holds); 6] =
        [("==", Duration::eq), ("!=", Duration::ne), ("<", Duration::lt), ("<=", Duration::le), (">", Duration::gt), (">=", Duration::ge)];
    for (operator, holds) in comparisons {
        engine.register_fn(operator, move |left: Span, right: Span| holds(&left.0, &right.0));
        // Rhai answers `false` where two types do not match.
        engine.register_fn(operator, |_: Span, right: Dynamic| not_comparable(&right));
        engine.register_fn(operator, |left: Dynamic, _: Span| not_comparable(&left));
    }
}
