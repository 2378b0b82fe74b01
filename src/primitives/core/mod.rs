//! The words that need no namespace: to compare, to try again, to wait, to say something.

mod retry;

use crate::script::{
    Fault, Primitive, RhaiResultOf, Verb, bind_declaring, bind_value, calling_back, duration, is_interrupt, unknown, value,
};
use miette::Diagnostic;
use retry::{GaveUp, RetryOptions, Tries};
use rhai::plugin::{Dynamic, EvalAltResult, NativeCallContext, export_module, exported_module};
use rhai::{FnPtr, Map};

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
enum CoreError {
    #[error("{about}expected {expected}, found {actual}")]
    #[diagnostic(code(expect::differs))]
    Differs { about: String, expected: String, actual: String },
    #[error("{about}expected {expected}, which is {expected_kind}, found {actual}, which is {actual_kind}")]
    #[diagnostic(code(expect::differs), help("`\"5\"` and `5` are not equal: turn one into the other with `parse_int()` or `to_string()`"))]
    OtherKind { about: String, expected: String, actual: String, expected_kind: String, actual_kind: String },
}

#[export_module]
mod verbs {
    use crate::duration::Span;

    /// Throws a report with both values unless they are equal.
    ///
    /// ```rhai
    /// expect(kube::list("platform/pod").len(), 4);
    /// expect(helm::status("gitea/gitea").revision, 2, "the upgrade made one revision");
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn expect(ctx: NativeCallContext, actual: Dynamic, expected: Dynamic) -> RhaiResultOf<Dynamic> {
        compare(&ctx, actual, expected, "")
    }

    #[rhai_fn(name = "expect", volatile, return_raw)]
    pub fn expect_about(ctx: NativeCallContext, actual: Dynamic, expected: Dynamic, about: &str) -> RhaiResultOf<Dynamic> {
        compare(&ctx, actual, expected, &format!("{about}: "))
    }

    /// Calls a closure until it neither throws nor gives `false`, and gives its answer. Options: `every` (`"1s"`),
    /// `timeout` (`"60s"`), `times` (no limit). When it gives up, the closure's last error is thrown on; at once where
    /// what was asked is itself wrong (an address that is none, an option of the wrong type, a missing setting). A dry run asks once.
    ///
    /// ```rhai
    /// let version = retry(#{ every: "2s", timeout: "90s" }, || http::get("http://localhost:3000/api/v1/version").json);
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn retry(ctx: NativeCallContext, options: Map, attempt: FnPtr) -> RhaiResultOf<Dynamic> {
        let options = value::options(options).map_err(Fault::raise)?;
        try_again(&ctx, options, &attempt)
    }

    #[rhai_fn(name = "retry", volatile, return_raw)]
    pub fn retry_default(ctx: NativeCallContext, attempt: FnPtr) -> RhaiResultOf<Dynamic> {
        try_again(&ctx, RetryOptions::default(), &attempt)
    }

    /// Waits so long. Ctrl-C ends it; a dry run does not wait.
    ///
    /// ```rhai
    /// sleep("5s");
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn sleep(ctx: NativeCallContext, time: &str) -> RhaiResultOf<Dynamic> {
        bind_value(&ctx, |host| Ok(Dynamic::from(host.sleep(duration::read(time)?.0)?)))
    }

    #[rhai_fn(name = "sleep", volatile, return_raw)]
    pub fn sleep_span(ctx: NativeCallContext, time: Span) -> RhaiResultOf<Dynamic> {
        bind_value(&ctx, |host| Ok(Dynamic::from(host.sleep(time.0)?)))
    }

    /// This moment in UTC, as RFC 3339 has it: `2026-11-23T18:01:10Z`.
    ///
    /// ```rhai
    /// note("began at " + now());
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn now(ctx: NativeCallContext) -> RhaiResultOf<Dynamic> {
        bind_value(&ctx, |_| Ok(jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into()))
    }

    /// Says something among the lines of the run.
    ///
    /// ```rhai
    /// note("users sign in again after this");
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn note(ctx: NativeCallContext, text: Dynamic) -> RhaiResultOf<Dynamic> {
        bind_declaring(&ctx, |host| {
            if let Some(pending) = value::pending_in(&text) {
                return Err(pending.into());
            }
            host.events.note(if text.is_string() { text.to_string() } else { shown(&ctx, &text) });
            Ok(Dynamic::UNIT)
        })
    }

    /// A span of time that compares, adds and subtracts: `"90s"`, `"250ms"`, `"1h 30m"`, `"7d"`. `.seconds` is a number.
    ///
    /// ```rhai
    /// if duration("90s") > duration("1m") + duration("10s") { note("longer"); }
    /// ```
    #[rhai_fn(return_raw)]
    pub fn duration(text: &str) -> RhaiResultOf<Span> {
        crate::script::duration::read(text).map_err(Fault::raise)
    }
}

/// A value as reports show it; secrets in it are masked.
fn shown(ctx: &NativeCallContext, given: &Dynamic) -> String {
    let text = ctx.call_native_fn_raw("to_debug", true, &mut [&mut given.clone()]);
    text.map_or_else(|_| given.type_name().to_owned(), |text| text.to_string())
}

fn compare(ctx: &NativeCallContext, actual: Dynamic, expected: Dynamic, about: &str) -> RhaiResultOf<Dynamic> {
    calling_back(ctx, |_| {
        if let Some(pending) = value::pending_in(&actual).or_else(|| value::pending_in(&expected)) {
            return Err(pending.raise());
        }
        if equal(ctx, &actual, &expected)? { Ok(Dynamic::UNIT) } else { Err(differs(ctx, &actual, &expected, about.to_owned()).raise()) }
    })
}

fn equal(ctx: &NativeCallContext, actual: &Dynamic, expected: &Dynamic) -> RhaiResultOf<bool> {
    match ctx.call_native_fn_raw("==", true, &mut [&mut actual.clone(), &mut expected.clone()]) {
        Ok(answer) => Ok(answer.as_bool().unwrap_or(false)),
        Err(error) if matches!(*error, EvalAltResult::ErrorFunctionNotFound(..)) => Ok(false),
        Err(error) => Err(error),
    }
}

fn differs(ctx: &NativeCallContext, actual: &Dynamic, expected: &Dynamic, about: String) -> Fault {
    let (actual_kind, expected_kind) = (value::kind(actual), value::kind(expected));
    let (actual, expected) = (shown(ctx, actual), shown(ctx, expected));
    let error = if actual_kind == expected_kind {
        CoreError::Differs { about, expected, actual }
    } else {
        CoreError::OtherKind { about, expected, actual, expected_kind, actual_kind }
    };
    Fault::from(error).at(crate::script::origin(ctx))
}

/// Loops where the script is: a future never calls back into it.
fn try_again(ctx: &NativeCallContext, options: RetryOptions, attempt: &FnPtr) -> RhaiResultOf<Dynamic> {
    calling_back(ctx, |host| {
        let mut tries = Tries::new(options, host.dry_run());
        loop {
            let result = attempt.call_raw(ctx, None, []);
            let failed = match &result {
                Ok(answer) => answer.as_bool() == Ok(false),
                Err(error) => may_pass(error),
            };
            if !failed {
                return result;
            }
            // What a live run would have changed by now may be what the answer waits for.
            if let (true, Some(after)) = (host.dry_run(), host.plan.last()) {
                return Ok(unknown(host, after));
            }
            let Some(pause) = tries.next() else {
                return result.and_then(|_| Err(Fault::from(GaveUp::from(&tries)).at(crate::script::origin(ctx)).raise()));
            };
            host.sleep(pause).map_err(|interrupted| Fault::from(interrupted).raise())?;
        }
    })
}

/// Whether an error is one that the world may recover from: what a verb or the script itself threw.
fn may_pass(error: &EvalAltResult) -> bool {
    let thrown = matches!(error.unwrap_inner(), EvalAltResult::ErrorRuntime(..));
    thrown && !Fault::find(error).is_some_and(|fault| is_interrupt(&fault) || fault.cannot_pass())
}

pub fn primitive() -> Primitive {
    let verbs = vec![
        Verb::read("expect"),
        Verb::read("retry").options::<RetryOptions>(),
        Verb::read("sleep"),
        Verb::read("now"),
        Verb::read("note").while_declaring(),
        Verb::read("duration").while_declaring(),
    ];
    Primitive { name: "", module: exported_module!(verbs), verbs, types: duration::register }
}

#[cfg(test)]
mod tests;
