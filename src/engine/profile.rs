//! The one place that makes a Rhai engine: its limits, its verbs, its manners. What the verbs do is the
//! primitives' business; what runs on it, the task floor's.

use crate::engine::Sources;
use crate::engine::resolve::Resolver;
use crate::host::SharedHost;
use crate::primitives;
use crate::script::{Fault, Primitive, RhaiResultOf, pending, swallowed};
use miette::Diagnostic;
use rhai::{Dynamic, Engine, FLOAT, INT, OptimizationLevel};

/// How deep an expression may nest; debug builds of Rhai default far lower, so that tests alone would fail.
const EXPRESSION_DEPTH: usize = 128;
const CALL_LEVELS: usize = 64;
/// A script waits inside verbs, not in loops of its own: more than this is a loop that never ends.
const OPERATIONS: u64 = 50_000_000;
const STRING_SIZE: usize = 16 * 1024 * 1024;
const COLLECTION_SIZE: usize = 1_000_000;

/// The name scripts and Rhai's own messages have for a caught [`Fault`].
pub const ERROR: &str = "error";

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
enum NotOffered {
    #[error("`sleep` takes a duration, not a number")]
    #[diagnostic(code(script::bad_argument), help("write it like `sleep(\"10s\")`"))]
    Sleep,
    #[error("`exit` would leave a run half-way")]
    #[diagnostic(code(script::not_offered), help("`throw` ends a step and undoes it; `return` leaves a function"))]
    Exit,
}

/// An engine for scripts: with a host it can run them, without one it can only be asked what there is.
pub fn engine(host: Option<&SharedHost>, scripts: &Sources) -> Engine {
    let mut engine = Engine::new();
    limit(&mut engine);
    engine.set_strict_variables(true);
    engine.set_module_resolver(Resolver::new(scripts.clone()));
    pending::register(&mut engine);
    register_errors(&mut engine);
    register_refusals(&mut engine);
    for primitive in primitives::all() {
        register(&mut engine, primitive);
    }
    attach(&mut engine, host);
    engine
}

/// An engine that only compiles. Undefined variables pass it, so that `check` can name all of them and not the first.
pub fn parser() -> Engine {
    let mut engine = Engine::new_raw();
    limit(&mut engine);
    engine
}

fn limit(engine: &mut Engine) {
    engine.set_optimization_level(OptimizationLevel::None);
    engine.set_fail_on_invalid_map_property(true);
    engine.set_max_expr_depths(EXPRESSION_DEPTH, EXPRESSION_DEPTH);
    engine.set_max_call_levels(CALL_LEVELS);
    engine.set_max_operations(OPERATIONS);
    engine.set_max_string_size(STRING_SIZE);
    engine.set_max_array_size(COLLECTION_SIZE);
    engine.set_max_map_size(COLLECTION_SIZE);
    engine.disable_symbol("eval");
}

/// Its verbs under its name; a primitive without a name is known everywhere.
fn register(engine: &mut Engine, primitive: Primitive) {
    (primitive.types)(engine);
    if primitive.name.is_empty() {
        engine.register_global_module(primitive.module.into());
    } else {
        engine.register_static_module(primitive.name, primitive.module.into());
    }
}

/// What a script sees of a caught error: `e.code`, `e.message`, `e.help`.
fn register_errors(engine: &mut Engine) {
    engine.register_type_with_name::<Fault>(ERROR);
    engine.register_get("code", |fault: &mut Fault| fault.code());
    engine.register_get("message", |fault: &mut Fault| fault.message());
    engine.register_get("help", |fault: &mut Fault| fault.help().map_or(Dynamic::UNIT, Dynamic::from));
    engine.register_fn("to_string", |fault: &mut Fault| fault.message());
    engine.register_fn("to_debug", |fault: &mut Fault| format!("{fault:?}"));
}

/// Rhai's own `sleep` cannot be interrupted, and its `exit` skips undo and proof.
fn register_refusals(engine: &mut Engine) {
    let refuse = |what: NotOffered| -> RhaiResultOf<()> { Err(Fault::from(what).raise()) };
    engine.register_fn("sleep", move |_: INT| refuse(NotOffered::Sleep));
    engine.register_fn("sleep", move |_: FLOAT| refuse(NotOffered::Sleep));
    engine.register_fn("exit", move || refuse(NotOffered::Exit));
    engine.register_fn("exit", move |_: Dynamic| refuse(NotOffered::Exit));
}

/// Ties an engine to its host: the tag that every verb reads, `print` as a note; Ctrl-C, and what Rhai swallowed,
/// between two operations.
fn attach(engine: &mut Engine, host: Option<&SharedHost>) {
    let Some(host) = host else {
        engine.on_print(|_| {}).on_debug(|_, _, _| {});
        return;
    };
    engine.set_default_tag(Dynamic::from(host.clone()));
    let events = host.events.clone();
    engine.on_print(move |text| events.note(text));
    let events = host.events.clone();
    engine.on_debug(move |text, source, position| events.note(format!("{}:{position:?}: {text}", source.unwrap_or_default())));
    let host = host.clone();
    engine.on_progress(move |_| {
        let interrupted = host.bridge.halted().map(|reason| Dynamic::from(Fault::from(reason)));
        interrupted.or_else(swallowed::take)
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::repo;
    use rhai::EvalAltResult;

    fn eval(script: &str) -> Result<Dynamic, Box<EvalAltResult>> {
        engine(None, &repo::<str>(&[]).sources).eval(script)
    }

    #[test]
    fn a_constant_map_is_a_constant_and_not_a_panic() {
        assert!(eval("const M = #{a: 1}; M.a = 2; M").is_err());
    }

    #[test]
    fn mistakes_that_plain_rhai_lets_pass_are_errors() {
        for script in ["let m = #{a: 1}; m.b", "eval(\"1\")", "unknown", "sleep(1)", "sleep(0.5)", "exit(0)", "exit()"] {
            assert!(eval(script).is_err(), "{script}");
        }
    }

    #[test]
    fn a_caught_error_tells_its_code_and_can_be_thrown_on() {
        assert_eq!(eval("try { sleep(1) } catch (e) { return e.code; }").unwrap().to_string(), "script::bad_argument");
        let thrown = eval("try { sleep(1) } catch (e) { if e.code == \"other\" { return 1; } throw; }").unwrap_err();
        assert_eq!(Fault::find(&thrown).unwrap().code(), "script::bad_argument");
        let thrown = eval("try { sleep(1) } catch (e) { throw e; }").unwrap_err();
        assert!(Fault::find(&thrown).unwrap().help().unwrap().contains("10s"));
    }

    #[test]
    fn a_deep_recursion_ends_as_an_error() {
        let script = "fn f(n) { f(n + 1) } f(0)".to_owned();
        let run = move || eval(&script).unwrap_err().to_string();
        let said = std::thread::Builder::new().stack_size(64 * 1024 * 1024).spawn(run).unwrap().join().unwrap();
        assert!(said.contains("Stack overflow"), "{said}");
    }
}
