//! Which variables hold the `task` that hooks are given, and what steps keep in their `state`.

use super::Findings;
use super::declare::STEP_KEYS;
use super::facts::{Access, Kind};
use super::header::HOOKS;
use super::world::{Target, Unit, World};
use crate::script::value::nearest;
use rhai::{Expr, ScriptFuncDef};
use std::collections::{BTreeSet, HashSet};

/// Whether an expression is the `task` that a hook was given, also under another name or where a hook hands it to a function.
pub fn is_task(world: &World<'_>, unit: &Unit<'_>, expr: Option<&Expr>) -> bool {
    let Some(binding) = expr.and_then(|expr| unit.facts.binding(expr)) else { return false };
    match binding.kind {
        Kind::Param { index, of_closure: false } => {
            binding.function.is_some_and(|def| world.task_params.contains(&(std::ptr::from_ref(def), index)))
        }
        Kind::Param { index: 0, of_closure: true } => {
            let handed = binding.closure.and_then(|index| unit.facts.closures[index].handed_to);
            handed.is_some_and(|handed| {
                let call = &unit.facts.calls[handed.call];
                call.name() == "each" && call.is_method && is_task(world, unit, call.receiver)
            })
        }
        Kind::Local | Kind::Constant => is_task(world, unit, binding.value),
        _ => false,
    }
}

/// A function, by its address, and which of its parameters is `task`.
pub type TaskParams = HashSet<(*const ScriptFuncDef, usize)>;

/// The parameters that hold `task`: the hooks' own, and where they hand it on.
pub fn task_params(world: &mut World<'_>) {
    let hooks = world.scripts_given().flat_map(|unit| unit.functions.iter().copied());
    let hooks = hooks.filter(|def| HOOKS.contains(&def.name.as_str()) && def.params.len() == 1);
    world.task_params = hooks.map(|def| (std::ptr::from_ref(def), 0)).collect();
    loop {
        let more: TaskParams = world.units.iter().flat_map(|unit| handed_on(world, unit)).collect();
        let before = world.task_params.len();
        world.task_params.extend(more);
        if world.task_params.len() == before {
            return;
        }
    }
}

fn handed_on(world: &World<'_>, unit: &Unit<'_>) -> TaskParams {
    let mut found = TaskParams::new();
    for call in &unit.facts.calls {
        let given = call.written.args.iter().enumerate().filter(|(_, argument)| is_task(world, unit, Some(argument)));
        let places: Vec<usize> = given.map(|(place, _)| place).collect();
        if places.is_empty() {
            continue;
        }
        if let Target::Script(_, def) = world.target(unit, call) {
            found.extend(places.into_iter().map(|place| (std::ptr::from_ref(def), place)));
        }
    }
    found
}

/// A step reads from `state` only what some step puts there.
pub fn check(world: &World<'_>, found: &mut Findings) {
    for unit in &world.units {
        for def in &unit.functions {
            state_of(world, unit, def, found);
        }
    }
}

fn state_of(world: &World<'_>, unit: &Unit<'_>, def: &ScriptFuncDef, found: &mut Findings) {
    let is_own = |access: &&Access<'_>| {
        access
            .of
            .is_some_and(|of| of.function.is_some_and(|function| std::ptr::eq(function, def)) && is_state(world, unit, of.kind, of.closure))
    };
    let all: Vec<_> = unit.facts.accesses.iter().filter(is_own).collect();
    let (written, read): (Vec<&Access<'_>>, Vec<&Access<'_>>) = all.iter().partition(|access| access.written);
    if is_handed_on(world, unit, def, &all) {
        return;
    }
    let written: BTreeSet<&str> = written.iter().map(|access| access.name).collect();
    for access in read.iter().filter(|access| !written.contains(access.name)) {
        let help = nearest(access.name, written.iter().copied()).map(|near| format!("did you mean `{near}`?"));
        found.error(unit, "check::unset_state", format!("no step sets `state.{}`", access.name), access.position).maybe(help);
    }
}

/// Whether a closure's parameter is the `state` of a step.
fn is_state(world: &World<'_>, unit: &Unit<'_>, kind: Kind, closure: Option<usize>) -> bool {
    let handed = closure.and_then(|index| unit.facts.closures[index].handed_to);
    kind == Kind::Param { index: 0, of_closure: true }
        && handed.is_some_and(|handed| {
            let call = &unit.facts.calls[handed.call];
            let is_step_key = handed.key.is_none_or(|key| STEP_KEYS.iter().any(|(name, _)| *name == key));
            call.name() == "step" && is_step_key && is_task(world, unit, call.receiver)
        })
}

/// Whether some function gets the whole `state`: then it may set anything.
fn is_handed_on(world: &World<'_>, unit: &Unit<'_>, def: &ScriptFuncDef, accesses: &[&Access<'_>]) -> bool {
    unit.facts.mentions.iter().any(|mention| {
        let is_state = mention.binding.is_some_and(|of| {
            of.function.is_some_and(|function| std::ptr::eq(function, def)) && is_state(world, unit, of.kind, of.closure)
        });
        is_state && !accesses.iter().any(|access| access.at == mention.position)
    })
}
