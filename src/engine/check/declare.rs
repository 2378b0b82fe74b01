//! What hooks declare on `task`: its methods, their arguments, the keys of a step. The words are one table here; what
//! they do is the task floor's business.

use super::Findings;
use super::facts::{Call, Closure, Kind};
use super::header::HOOKS;
use super::task::is_task;
use super::world::{Unit, World};
use crate::engine::wording::arguments;
use crate::script::value::nearest;
use rhai::{Expr, Ident, Position};
use std::collections::{BTreeMap, BTreeSet};

/// A method of `task`.
pub struct Method {
    pub name: &'static str,
    /// One line for the reference.
    pub about: &'static str,
    pub params: &'static [&'static str],
    /// Which of its arguments is a closure, and how many arguments that may take.
    closure: Option<(usize, &'static [usize])>,
    /// The hooks in which it means something; all where it is empty.
    hooks: &'static [&'static str],
    /// Its closure is kept and called after the hook has returned.
    pub kept: bool,
    /// Its first argument must be another one each time.
    unique: bool,
}

const STEPS: &[&str] = &["steps"];

/// Everything that can be said to `task`.
pub const METHODS: [Method; 6] = [
    Method {
        name: "require",
        about: "a precondition: the closure gives true or false; all are asked before anything is done",
        params: &["name", "closure"],
        closure: Some((1, &[0])),
        hooks: &["preconditions"],
        kept: true,
        unique: false,
    },
    Method {
        name: "step",
        about: "a step: a closure, or `#{ done, run, holds, undo }`. `done` says that it need not run; `holds` what later steps rely on, asked again when a run goes on; `undo` takes it back",
        params: &["name", "step"],
        closure: Some((1, &[0, 1])),
        hooks: STEPS,
        kept: true,
        unique: true,
    },
    Method {
        name: "remember",
        about: "reads something at once, and gives a run that goes on later the same value again",
        params: &["name", "closure"],
        closure: Some((1, &[0])),
        hooks: STEPS,
        kept: false,
        unique: true,
    },
    Method {
        name: "commit",
        about: "the point of no return: undo never crosses it",
        params: &["why"],
        closure: None,
        hooks: STEPS,
        kept: false,
        unique: false,
    },
    Method {
        name: "each",
        about: "declares for each item of a list: `task.each(list, |task, item| …)`",
        params: &["list", "closure"],
        closure: Some((1, &[2])),
        hooks: &[],
        kept: false,
        unique: false,
    },
    Method {
        name: "check",
        about: "a line of `done_when`: the closure gives true or false",
        params: &["name", "closure"],
        closure: Some((1, &[0])),
        hooks: &["done_when"],
        kept: true,
        unique: false,
    },
];

/// The keys of a step, and how many arguments their closures may take.
pub const STEP_KEYS: [(&str, &[usize]); 4] = [("done", &[0, 1]), ("run", &[0, 1]), ("holds", &[0, 1]), ("undo", &[0, 1])];

pub fn check(world: &World<'_>, found: &mut Findings) {
    for unit in &world.units {
        let mut named: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
        for (index, call) in unit.facts.calls.iter().enumerate().filter(|(_, call)| call.is_method && is_task(world, unit, call.receiver)) {
            let Some(method) = METHODS.iter().find(|method| method.name == call.name()) else {
                let help = match nearest(call.name(), METHODS.iter().map(|method| method.name)) {
                    Some(near) => format!("did you mean `task.{near}`?"),
                    None => format!("`task` has: {}", METHODS.map(|method| method.name).join(", ")),
                };
                found.error(unit, "check::unknown_function", format!("`task` has no `{}`", call.name()), call.position).help(help);
                continue;
            };
            if method.params.len() != call.written.args.len() {
                let message = format!("`task.{}` does not take {}", method.name, arguments(call.written.args.len()));
                found.error(unit, "check::wrong_arguments", message, call.position).help(format!(
                    "it is called as `task.{}({})`",
                    method.name,
                    method.params.join(", ")
                ));
                continue;
            }
            in_hook(unit, call, method, found);
            too_late(world, unit, call, found);
            once(unit, call, method, &mut named, found);
            closure_of(unit, index, call, method, found);
        }
        captured(world, unit, found);
    }
}

fn in_hook(unit: &Unit<'_>, call: &Call<'_>, method: &Method, found: &mut Findings) {
    let Some(hook) = call.site.function.map(|def| def.name.as_str()).filter(|name| HOOKS.contains(name)) else { return };
    if !method.hooks.is_empty() && !method.hooks.contains(&hook) {
        let message = format!("`task.{}` means nothing in `{hook}`", method.name);
        found.error(unit, "check::wrong_hook", message, call.position).help(format!("it belongs into `{}`", method.hooks.join("`, `")));
    }
}

/// A closure that is called when its time has come declares nothing any more.
fn too_late(world: &World<'_>, unit: &Unit<'_>, call: &Call<'_>, found: &mut Findings) {
    let mut around = call.site.closure;
    while let Some(closure) = around.map(|index| &unit.facts.closures[index]) {
        let keeper = closure.handed_to.map(|handed| &unit.facts.calls[handed.call]);
        let keeper = keeper.filter(|keeper| is_task(world, unit, keeper.receiver));
        if let Some(keeper) = keeper.filter(|keeper| METHODS.iter().any(|method| method.kept && method.name == keeper.name())) {
            let message =
                format!("`task.{}` stands in the closure of `task.{}`, which is called when all is declared", call.name(), keeper.name());
            found.error(unit, "check::wrong_hook", message, call.position).help("declare it beside that one, in the hook itself");
            return;
        }
        around = closure.site.closure;
    }
}

/// Steps and remembered values go by their names.
fn once<'a>(
    unit: &Unit<'a>,
    call: &Call<'a>,
    method: &Method,
    named: &mut BTreeMap<(&'a str, &'a str), BTreeSet<&'a str>>,
    found: &mut Findings,
) {
    let (Expr::StringConstant(name, position), true) = (&call.written.args[0], method.unique) else { return };
    let function = call.site.function.map_or("", |def| def.name.as_str());
    if !named.entry((function, call.name())).or_default().insert(name.as_str()) {
        let message = format!("`task.{}` has had the name `{name}` already", method.name);
        found
            .error(unit, "check::duplicate_name", message, *position)
            .help("give each a name of its own: a run that goes on later finds them by it");
    }
}

fn closure_of(unit: &Unit<'_>, index: usize, call: &Call<'_>, method: &Method, found: &mut Findings) {
    let Some((argument, arities)) = method.closure else { return };
    let expr = &call.written.args[argument];
    match expr {
        Expr::Map(entries, position) if method.name == "step" => step(unit, index, &entries.0, *position, found),
        _ => match closure_at(unit, index, argument, None) {
            Some(closure) => arity(unit, closure, arities, &format!("task.{}", method.name), found),
            None if method.name == "step" => not_written_here(unit, expr, "task.step", found),
            None => {
                not_a_closure(unit, expr, &format!("task.{}", method.name), found);
            }
        },
    }
}

fn step(unit: &Unit<'_>, index: usize, entries: &[(Ident, Expr)], position: Position, found: &mut Findings) {
    for (key, value) in entries {
        let Some((name, arities)) = STEP_KEYS.iter().find(|(name, _)| *name == key.name) else {
            let help = nearest(&key.name, STEP_KEYS.map(|(name, _)| name))
                .map_or("a step has: done, run, holds, undo".into(), |near| format!("did you mean `{near}`?"));
            found.error(unit, "check::unknown_option", format!("a step has no `{}`", key.name), key.pos).help(help);
            continue;
        };
        match closure_at(unit, index, 1, Some(name)) {
            Some(closure) => arity(unit, closure, arities, name, found),
            None => not_written_here(unit, value, name, found),
        }
    }
    if !entries.iter().any(|(key, _)| key.name == "run") {
        found.error(unit, "check::step", "the step has no `run`", position).help("`run` holds the closure that carries it out");
    }
}

/// The closure written as this argument of this call, or under this key of it.
pub fn closure_at(unit: &Unit<'_>, call: usize, argument: usize, key: Option<&str>) -> Option<usize> {
    let matches = |closure: &Closure<'_>| {
        closure.handed_to.is_some_and(|handed| handed.call == call && handed.argument == argument && handed.key == key)
    };
    unit.facts.closures.iter().position(matches)
}

fn arity(unit: &Unit<'_>, closure: usize, arities: &[usize], what: &str, found: &mut Findings) {
    let closure = &unit.facts.closures[closure];
    if !arities.contains(&closure.arity) {
        let wanted: Vec<_> = arities.iter().map(|count| arguments(*count)).collect();
        let message = format!("the closure of `{what}` takes {}", arguments(closure.arity));
        found.error(unit, "check::wrong_arguments", message, closure.position).help(format!("it is called with {}", wanted.join(" or ")));
    }
}

/// A value that is plainly no closure: often the call itself instead of a closure with it.
fn not_a_closure(unit: &Unit<'_>, expr: &Expr, what: &str, found: &mut Findings) -> bool {
    let is_plainly =
        matches!(expr, Expr::FnCall(..) | Expr::Map(..) | Expr::Array(..) | Expr::And(..) | Expr::Or(..)) || expr.is_constant();
    let is_pointer =
        matches!(expr, Expr::FnCall(call, _) if ["Fn", "curry"].contains(&call.name.as_str())) || matches!(expr, Expr::DynamicConstant(..));
    let is_none = is_plainly && !is_pointer;
    if is_none {
        let message = format!("`{what}` needs a closure here");
        found
            .error(unit, "check::wrong_type", message, expr.start_position())
            .help("write `|| …`: it is called when its time has come, not now");
    }
    is_none
}

/// What a step does must stand where `check` can look into it: whether it acts, and what it calls.
fn not_written_here(unit: &Unit<'_>, expr: &Expr, what: &str, found: &mut Findings) {
    if not_a_closure(unit, expr, what, found) {
        return;
    }
    let message = format!("what `{what}` is given is not written here");
    found
        .error(unit, "check::step", message, expr.start_position())
        .help("write the closure, or the map with `run`, where the step is declared: it may call a function");
}

/// A closure sees a loop's variable as it is when it is called: at its last value.
fn captured(world: &World<'_>, unit: &Unit<'_>, found: &mut Findings) {
    for closure in &unit.facts.closures {
        let Some(call) = closure.handed_to.map(|handed| &unit.facts.calls[handed.call]) else { continue };
        let kept = METHODS.iter().any(|method| method.name == call.name() && method.kept);
        if !kept || !is_task(world, unit, call.receiver) {
            continue;
        }
        for (name, _) in closure.captured.iter().filter(|(_, binding)| binding.is_some_and(|binding| binding.kind == Kind::Loop)) {
            let message = format!("the closure would see only the last `{name}` of the loop");
            found
                .error(unit, "check::captured_loop_variable", message, closure.position)
                .help(format!("`task.each(list, |task, {name}| …)` declares for each item"));
        }
    }
}
