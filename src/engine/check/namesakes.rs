//! Functions of the same name in scripts that run together. Rhai 1.27 remembers where an unqualified call leads by name and
//! number of arguments alone, also across modules, so it may call the other one. Qualified calls are not affected.

use super::Findings;
use super::facts::Call;
use super::world::{Unit, World};
use std::collections::{BTreeMap, BTreeSet};

pub fn check(world: &World<'_>, found: &mut Findings) {
    for unit in &world.units {
        let mut known: BTreeMap<(&str, usize), usize> = BTreeMap::new();
        for index in together(world, unit.index) {
            let other = &world.units[index];
            for (name, call) in own_calls(other) {
                let first = *known.entry(name).or_insert(index);
                if first != index {
                    let message = format!("`{}` may be the one of `{}` at run time", name.0, world.units[first].source.name);
                    found.error(other, "check::namesakes", message, call.position).help("give one of the two functions another name");
                }
            }
        }
    }
}

/// A script and all that it imports, directly or not.
fn together(world: &World<'_>, root: usize) -> BTreeSet<usize> {
    let (mut seen, mut left) = (BTreeSet::new(), vec![root]);
    while let Some(index) = left.pop() {
        if seen.insert(index) {
            left.extend(world.units[index].imports.values().flatten());
        }
    }
    seen
}

/// The calls of a script's own functions that name no namespace, by name and number of arguments.
fn own_calls<'u, 'a>(unit: &'u Unit<'a>) -> impl Iterator<Item = ((&'a str, usize), &'u Call<'a>)> {
    let calls = unit.facts.calls.iter().filter(|call| !call.is_method && !call.is_operator() && call.namespace().is_none());
    let named = calls.map(|call| ((call.name(), call.written.args.len()), call));
    named.filter(|((name, given), _)| unit.named(name).any(|def| def.params.len() == *given))
}
