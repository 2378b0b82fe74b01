//! Changes that are lost: an argument is a copy, so what a function does to it stays inside the function.

use super::Findings;
use super::facts::{Binding, Call, Kind, Use};
use super::world::{Unit, World};
use rhai::{Position, ScriptFuncDef};

pub fn check(world: &World<'_>, found: &mut Findings) {
    for unit in &world.units {
        for def in &unit.functions {
            for (index, name) in def.params.iter().enumerate() {
                lost(world, unit, def, index, name, found);
            }
        }
    }
}

/// A parameter that is changed in place and not looked at otherwise.
fn lost(world: &World<'_>, unit: &Unit<'_>, def: &ScriptFuncDef, index: usize, name: &str, found: &mut Findings) {
    let is_param = |binding: &Binding<'_>| {
        binding.kind == (Kind::Param { index, of_closure: false }) && binding.function.is_some_and(|function| std::ptr::eq(function, def))
    };
    let changes: Vec<(&Call<'_>, Position)> = unit.facts.calls.iter().filter_map(|call| change(world, unit, call, &is_param)).collect();
    let uses = unit.facts.mentions.iter().filter(|mention| mention.binding.as_ref().is_some_and(is_param)).map(|mention| mention.position);
    let all_lost = uses.into_iter().all(|at| changes.iter().any(|(_, receiver)| *receiver == at));
    if let (Some((call, _)), true) = (changes.last(), all_lost) {
        let message = format!("`{}` changes only this function's copy of `{name}`", call.name());
        found
            .warning(unit, "check::changes_a_copy", message, call.position)
            .help(format!("give it back: end `{}` with `{name}`", def.name));
    }
}

/// A call that changes the parameter in place, and where the parameter stands.
fn change<'u, 'a>(
    world: &World<'_>,
    unit: &'u Unit<'a>,
    call: &'u Call<'a>,
    is_param: &impl Fn(&Binding<'_>) -> bool,
) -> Option<(&'u Call<'a>, Position)> {
    let receiver = call.receiver.filter(|_| call.is_method && call.site.becomes != Use::Taken)?;
    let binding = unit.facts.binding(receiver).filter(|binding| is_param(binding));
    (binding.is_some() && super::habits::works_in_place(world, unit, call)).then(|| (call, receiver.position()))
}
