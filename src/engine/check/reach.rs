//! What a call leads to in the end: verbs that reach the world where a hook only declares, and actions in a step
//! that says by no `done` when it need not run again.

use super::Findings;
use super::declare::{METHODS, closure_at};
use super::facts::Call;
use super::header::HOOKS;
use super::task::is_task;
use super::world::{Target, Unit, World};
use crate::script::Kind;
use rhai::{Expr, ScriptFuncDef};
use std::collections::HashMap;

/// Methods of lists and the like that call their closure at once.
pub const AT_ONCE: [&str; 13] =
    ["map", "filter", "all", "some", "for_each", "reduce", "reduce_rev", "find", "find_map", "sort", "index_of", "drain", "retain"];

pub fn check(world: &World<'_>, found: &mut Findings) {
    for unit in world.scripts_given() {
        for def in unit.functions.iter().filter(|def| HOOKS.contains(&def.name.as_str())) {
            declares_only(world, unit, def, found);
        }
    }
    for unit in &world.units {
        for (index, call) in unit.facts.calls.iter().enumerate() {
            if call.written.args.len() != 2 || !is_task(world, unit, call.receiver) {
                continue;
            }
            match call.name() {
                "step" => {
                    acts(world, unit, index, call, found);
                    asks_only(world, unit, index, call, found);
                }
                "require" | "check" | "remember" => asks_only(world, unit, index, call, found),
                _ => {}
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
                let mut seen = vec![(unit.index, std::ptr::from_ref(def))];
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
    unit.calls_in(def).filter(move |call| is_at_once(world, unit, call.site.closure))
}

fn is_at_once(world: &World<'_>, unit: &Unit<'_>, closure: Option<usize>) -> bool {
    let Some(closure) = closure.map(|index| &unit.facts.closures[index]) else { return true };
    let Some(call) = closure.handed_to.map(|handed| &unit.facts.calls[handed.call]) else { return false };
    let declares = call.is_method
        && METHODS.iter().any(|method| method.name == call.name() && method.name != "each")
        && is_task(world, unit, call.receiver);
    !declares && (AT_ONCE.contains(&call.name()) || call.name() == "each") && is_at_once(world, unit, closure.site.closure)
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
    let run = match &call.written.args[1] {
        Expr::Map(entries, _) if entries.0.iter().any(|(key, _)| key.name == "done") => return,
        Expr::Map(..) => closure_at(unit, index, 1, Some("run")),
        _ => closure_at(unit, index, 1, None),
    };
    let Some((call, path)) = run.and_then(|run| first(world, unit, run, Sought::Action)) else { return };
    let message = format!("{} always acts, and the step has no `done`", through(call, &path));
    found
        .error(unit, "check::no_done", message, call.position)
        .help("write `#{ done: || …, run: || … }`: `done` says when it need not run again");
}

/// A question is asked at any time, by `status` too: it must not change what it asks about.
fn asks_only(world: &World<'_>, unit: &Unit<'_>, index: usize, call: &Call<'_>, found: &mut Findings) {
    let (key, what) = match call.name() {
        "step" => (Some("done"), "`done`".to_owned()),
        name => (None, format!("`task.{name}`")),
    };
    let closure = closure_at(unit, index, 1, key);
    let Some((call, path)) = closure.and_then(|closure| first(world, unit, closure, Sought::Change)) else { return };
    let message = format!("{} changes something, and {what} only asks", through(call, &path));
    found.error(unit, "check::question_changes", message, call.position).help("a change belongs into the `run` of a step");
}

/// `helm::upgrade`, or the function that leads to it.
fn through(call: &Call<'_>, path: &str) -> String {
    if call.name() == path.rsplit("::").next().unwrap_or(path) {
        format!("`{path}`")
    } else {
        format!("`{}` (through `{path}`)", call.name())
    }
}

/// The first call in a closure that leads to such a verb, and the verb.
fn first<'u, 'a>(world: &World<'a>, unit: &'u Unit<'a>, closure: usize, sought: Sought) -> Option<(&'u Call<'a>, String)> {
    let inside = unit.facts.calls.iter().filter(|call| is_inside(unit, call.site.closure, closure));
    inside.into_iter().find_map(|call| {
        let mut seen = Seen::new();
        let found = leads_to(world, unit, call, sought, &mut seen);
        if found.is_none() {
            // None of all that was looked at leads there.
            world.reached.borrow_mut().extend(seen.into_iter().map(|(_, def)| ((def, sought), None)));
        }
        Some((call, found?))
    })
}

/// Which verbs are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sought {
    Action,
    /// A state or an action.
    Change,
}

/// The verb of such a kind that a function leads to, or that there is none.
pub type Reached = HashMap<(*const ScriptFuncDef, Sought), Option<String>>;

impl Sought {
    fn is(self, kind: Kind) -> bool {
        match self {
            Sought::Action => kind == Kind::Action,
            Sought::Change => kind != Kind::Read,
        }
    }
}

fn is_inside(unit: &Unit<'_>, closure: Option<usize>, outer: usize) -> bool {
    closure.is_some_and(|index| index == outer || is_inside(unit, unit.facts.closures[index].site.closure, outer))
}

/// The verb of that kind that a call leads to, however deep.
fn leads_to(world: &World<'_>, unit: &Unit<'_>, call: &Call<'_>, sought: Sought, seen: &mut Seen) -> Option<String> {
    match world.target(unit, call) {
        Target::Verb(path, verb) if sought.is(verb.kind) && !only_reads(call) => Some(path),
        Target::Script(index, def) if !seen.contains(&(index, std::ptr::from_ref(def))) => {
            let key = (std::ptr::from_ref(def), sought);
            if let Some(known) = world.reached.borrow().get(&key) {
                return known.clone();
            }
            seen.push((index, def));
            let other = &world.units[index];
            let found = other.calls_in(def).find_map(|call| leads_to(world, other, call, sought, seen));
            if found.is_some() {
                world.reached.borrow_mut().insert(key, found.clone());
            }
            found
        }
        _ => None,
    }
}

/// `kube::exec(…, #{ read_only: true })` acts on nothing.
fn only_reads(call: &Call<'_>) -> bool {
    call.written.args.iter().any(|argument| match argument {
        Expr::Map(entries, _) => {
            entries.0.iter().any(|(key, value)| key.name == "read_only" && matches!(value, Expr::BoolConstant(true, _)))
        }
        _ => false,
    })
}
