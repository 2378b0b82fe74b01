//! What a call leads to in the end: verbs that reach the world where a hook only declares, and actions in a step
//! that says by no `done` when it need not run again.

use super::Findings;
use super::declare::{METHODS, closure_at, is_task};
use super::facts::Call;
use super::header::HOOKS;
use super::world::{Target, Unit, World};
use crate::script::Kind;
use rhai::{Expr, ScriptFuncDef};

/// Methods of lists and the like that call their closure at once.
const AT_ONCE: [&str; 14] =
    ["map", "filter", "all", "some", "for_each", "reduce", "reduce_rev", "find", "find_map", "sort", "index_of", "drain", "retain", "each"];

pub fn check(world: &World<'_>, found: &mut Findings) {
    for unit in world.scripts_given() {
        for def in unit.functions.iter().filter(|def| HOOKS.contains(&def.name.as_str())) {
            declares_only(world, unit, def, found);
        }
    }
    for unit in &world.units {
        for (index, call) in unit.facts.calls.iter().enumerate() {
            if call.name() == "step" && call.call.args.len() == 2 && is_task(world, unit, call.receiver) {
                acts(world, unit, index, call, found);
            }
        }
    }
}

/// A hook declares: what it calls outside closures must not reach the world.
fn declares_only(world: &World<'_>, unit: &Unit<'_>, def: &ScriptFuncDef, found: &mut Findings) {
    for call in calls_at_once(world, unit, def) {
        let reached = match world.target(unit, call) {
            Target::Verb(path, verb) if !verb.declaring => Some((format!("`{path}` reaches the world"), path)),
            Target::Script(index, called) => {
                let mut seen = vec![(unit.index, def as *const _)];
                at_once(world, &world.units[index], called, &mut seen)
                    .map(|path| (format!("`{}` reaches the world through `{path}`", call.name()), path))
            }
            _ => None,
        };
        if let Some((message, _)) = reached {
            let help = format!("`{}` only declares: call it inside a closure, or through `task.remember`", def.name);
            found.error(unit, "check::outside_a_step", format!("{message} outside a step"), call.position).help(help);
        }
    }
}

/// The calls that happen when the function itself is called, and not later in a closure that it made.
fn calls_at_once<'u, 'a>(world: &'u World<'a>, unit: &'u Unit<'a>, def: &'u ScriptFuncDef) -> impl Iterator<Item = &'u Call<'a>> {
    let is_own = move |call: &&Call<'a>| call.site.function.is_some_and(|function| std::ptr::eq(function, def));
    unit.facts.calls.iter().filter(is_own).filter(move |call| is_at_once(world, unit, call.site.closure))
}

fn is_at_once(world: &World<'_>, unit: &Unit<'_>, closure: Option<usize>) -> bool {
    let Some(closure) = closure.map(|index| &unit.facts.closures[index]) else { return true };
    let Some(call) = closure.handed_to.map(|handed| &unit.facts.calls[handed.call]) else { return false };
    let declares = call.is_method
        && METHODS.iter().any(|method| method.name == call.name() && method.name != "each")
        && is_task(world, unit, call.receiver);
    !declares && AT_ONCE.contains(&call.name()) && is_at_once(world, unit, closure.site.closure)
}

type Seen = Vec<(usize, *const ScriptFuncDef)>;

/// The first verb that a function reaches when it is called.
fn at_once(world: &World<'_>, unit: &Unit<'_>, def: &ScriptFuncDef, seen: &mut Seen) -> Option<String> {
    if seen.contains(&(unit.index, std::ptr::from_ref(def))) {
        return None;
    }
    seen.push((unit.index, def));
    calls_at_once(world, unit, def).find_map(|call| match world.target(unit, call) {
        Target::Verb(path, verb) if !verb.declaring => Some(path),
        Target::Script(index, called) => at_once(world, &world.units[index], called, seen),
        _ => None,
    })
}

/// A step that acts needs to say when it has been done.
fn acts(world: &World<'_>, unit: &Unit<'_>, index: usize, call: &Call<'_>, found: &mut Findings) {
    let run = match &call.call.args[1] {
        Expr::Map(entries, _) if entries.0.iter().any(|(key, _)| key.name == "done") => return,
        Expr::Map(..) => closure_at(unit, index, 1, Some("run")),
        _ => closure_at(unit, index, 1, None),
    };
    let Some(run) = run.and_then(|run| unit.facts.closures.iter().position(|closure| std::ptr::eq(closure, run))) else { return };
    let inside = unit.facts.calls.iter().filter(|call| is_inside(unit, call.site.closure, run));
    for call in inside {
        if let Some(path) = action(world, unit, call, &mut Seen::new()) {
            let message = if call.name() == path.rsplit("::").next().unwrap_or(&path) {
                format!("`{path}` always acts, and the step has no `done`")
            } else {
                format!("`{}` always acts (through `{path}`), and the step has no `done`", call.name())
            };
            found
                .error(unit, "check::no_done", message, call.position)
                .help("write `#{ done: || …, run: || … }`: `done` says when it need not run again");
            return;
        }
    }
}

fn is_inside(unit: &Unit<'_>, closure: Option<usize>, outer: usize) -> bool {
    closure.is_some_and(|index| index == outer || is_inside(unit, unit.facts.closures[index].site.closure, outer))
}

/// The action that a call leads to, however deep.
fn action(world: &World<'_>, unit: &Unit<'_>, call: &Call<'_>, seen: &mut Seen) -> Option<String> {
    match world.target(unit, call) {
        Target::Verb(path, verb) if verb.kind == Kind::Action && !only_reads(call) => Some(path),
        Target::Script(index, def) if !seen.contains(&(index, std::ptr::from_ref(def))) => {
            seen.push((index, def));
            let other = &world.units[index];
            let own = other.facts.calls.iter().filter(|call| call.site.function.is_some_and(|function| std::ptr::eq(function, def)));
            own.into_iter().find_map(|call| action(world, other, call, seen))
        }
        _ => None,
    }
}

/// `kube::exec(…, #{ read_only: true })` acts on nothing.
fn only_reads(call: &Call<'_>) -> bool {
    call.call.args.iter().any(|argument| match argument {
        Expr::Map(entries, _) => {
            entries.0.iter().any(|(key, value)| key.name == "read_only" && matches!(value, Expr::BoolConstant(true, _)))
        }
        _ => false,
    })
}
