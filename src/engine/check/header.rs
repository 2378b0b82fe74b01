//! `TASK` and the hooks: what a script says about itself, and the functions by which it is run.

use super::Findings;
use super::facts::Node;
use super::world::{Unit, World};
use crate::engine::header::{Named, Written};
use crate::engine::wording::arguments;
use crate::engine::{all, load, place};
use crate::script::value::nearest;
use rhai::{FnAccess, Position, ScriptFuncDef, Stmt};
use std::collections::BTreeMap;

/// The functions that a run calls.
pub const HOOKS: [&str; 3] = ["preconditions", "steps", "done_when"];

pub fn check(world: &World<'_>, found: &mut Findings) {
    let tasks = tasks(world);
    for unit in world.scripts_given() {
        let written = Written::read(unit.source);
        hooks(world, unit, written.as_ref(), found);
        let Some(written) = written else { continue };
        for flaw in &written.flaws {
            found.error(unit, "check::task", flaw.message.clone(), flaw.position).maybe(flaw.help.clone());
        }
        for (key, named) in [("needs", &written.needs), ("after", &written.after)] {
            for named in named {
                known(unit, key, named, written.id.as_ref(), &tasks, found);
            }
        }
        if let Some(id) = &written.id
            && let Some(other) = tasks.iter().find(|(name, other)| **name != unit.source.name && **other == id.id)
        {
            found
                .error(unit, "check::task", format!("`{}` is the id of `{}` too", id.id, other.0), id.position)
                .help("every task has an id of its own");
        }
    }
}

/// The task ids of the repository's scripts and of those under check, by script.
fn tasks(world: &World<'_>) -> BTreeMap<String, String> {
    let loaded = all(world.scripts).into_iter().filter_map(|path| load(world.scripts, &path).ok());
    let mut tasks: BTreeMap<String, String> = loaded.filter_map(|script| Some((script.name.clone(), script.task?.id))).collect();
    let given = world.scripts_given().filter_map(|unit| Some((unit.source.name.clone(), Written::read(unit.source)?.id?.id)));
    tasks.extend(given);
    tasks
}

fn known(unit: &Unit<'_>, key: &str, named: &Named, own: Option<&Named>, tasks: &BTreeMap<String, String>, found: &mut Findings) {
    if own.is_some_and(|own| own.id == named.id) {
        found.error(unit, "check::task", format!("`{}` names itself in `{key}`", named.id), named.position);
    } else if !tasks.values().any(|id| *id == named.id) {
        let help = match nearest(&named.id, tasks.values().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are: {}", tasks.values().cloned().collect::<Vec<_>>().join(", ")),
        };
        found.error(unit, "check::unknown_task", format!("there is no task `{}`", named.id), named.position).help(help);
    }
}

fn hooks(world: &World<'_>, unit: &Unit<'_>, written: Option<&Written>, found: &mut Findings) {
    let mut there = 0;
    for def in &unit.functions {
        let name = def.name.as_str();
        if HOOKS.contains(&name) {
            there += 1;
            shape(unit, def, found);
        } else if let Some(near) = nearest(name, HOOKS).filter(|near| is_misspelt(unit, def, near)) {
            there += 1;
            found.error(unit, "check::hook", format!("`{name}` is never called"), place(unit, def)).help(format!("did you mean `{near}`?"));
        }
    }
    let runs_at_top =
        unit.facts.nodes.iter().any(|node| matches!(node, Node::Top(Stmt::Expr(_) | Stmt::FnCall(..) | Stmt::For(..) | Stmt::If(..))));
    if there == 0 && !runs_at_top && !world.is_imported(unit) {
        let position = written.map_or(Position::new(1, 1), |written| written.position);
        found
            .error(unit, "check::hook", "the script has nothing to run", position)
            .help("it needs one of `preconditions`, `steps`, `done_when`, each with one argument");
    } else if written.is_some() && !unit.functions.iter().any(|def| ["steps", "done_when"].contains(&def.name.as_str())) && there == 1 {
        let position = written.map_or(Position::new(1, 1), |written| written.position);
        found.error(unit, "check::hook", "the task has neither `steps` nor `done_when`", position).maybe(None);
    }
}

/// A name like a hook's that nobody calls, in a script that has no such hook.
fn is_misspelt(unit: &Unit<'_>, def: &ScriptFuncDef, near: &str) -> bool {
    let called = unit.facts.calls.iter().any(|call| call.name() == def.name && call.written.namespace.is_empty());
    !called && unit.named(near).next().is_none()
}

fn shape(unit: &Unit<'_>, def: &ScriptFuncDef, found: &mut Findings) {
    let name = &def.name;
    if def.params.len() != 1 {
        let message = format!("`{name}` takes {}, and would never be called", arguments(def.params.len()));
        found.error(unit, "check::hook", message, place(unit, def)).help(format!("write `fn {name}(task)`"));
    }
    if def.access == FnAccess::Private {
        found
            .error(unit, "check::hook", format!("`{name}` is private, and would never be called"), place(unit, def))
            .help(format!("write `fn {name}(task)`"));
    }
}

/// Where a function's name stands.
pub fn place(unit: &Unit<'_>, def: &ScriptFuncDef) -> Position {
    place::of_function(&unit.source.text, &def.name, def.body.start_position())
}
