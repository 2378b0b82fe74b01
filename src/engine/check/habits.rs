//! Habits from other languages that Rhai answers with silence: each of these runs, and does something else.

use super::Findings;
use super::facts::{Call, Closure, Kind, Node, Use};
use super::options::kind_of;
use super::reach::AT_ONCE;
use super::world::{Target, Unit, World};
use crate::duration;
use crate::engine::vocabulary::Signature;
use crate::script::Kind as VerbKind;
use crate::script::value::kind_named;
use rhai::{Expr, Position};

/// Operators that order two values.
const ORDER: [&str; 4] = ["<", "<=", ">", ">="];

pub fn check(world: &World<'_>, found: &mut Findings) {
    for unit in &world.units {
        for call in &unit.facts.calls {
            if call.is_operator() {
                operator(unit, call, found);
            } else {
                in_place(world, unit, call, found);
            }
        }
        for node in &unit.facts.nodes {
            match node {
                Node::Coalesce(items, position) => swallowed(world, unit, &items[0], "??", *position, found),
                Node::Switch(value, position) => swallowed(world, unit, value, "switch", *position, found),
                Node::Text(text, position) => interpolation(unit, text, *position, found),
                _ => {}
            }
        }
        unit.facts.closures.iter().for_each(|closure| inside_its_own_chain(unit, closure, found));
        for call in unit.facts.calls.iter().filter(|call| call.name() == "type_of") {
            if let Some(value) = call.written.args.first().or(call.receiver) {
                swallowed(world, unit, value, "type_of", call.position, found);
            }
        }
    }
}

/// `list.filter(|one| list.len() > 1)`: Rhai locks a variable for the whole of its chain, and the closure finds it locked.
fn inside_its_own_chain(unit: &Unit<'_>, closure: &Closure<'_>, found: &mut Findings) {
    let Some(call) = closure.handed_to.map(|handed| &unit.facts.calls[handed.call]) else { return };
    let Some(head) = call.head.filter(|_| call.is_method && AT_ONCE.contains(&call.name())) else { return };
    if closure.captured.iter().any(|(name, _)| *name == head) {
        let message = format!("this closure uses `{head}`, in the middle of which it is called");
        let help = format!("take what `{}` goes through into a variable first, or use a loop", call.name());
        found.error(unit, "check::used_while_changed", message, closure.position).help(help);
    }
}

fn operator(unit: &Unit<'_>, call: &Call<'_>, found: &mut Findings) {
    let [left, right] = call.written.args.as_slice() else { return };
    let values = [unit.facts.value_of(left), unit.facts.value_of(right)];
    if ORDER.contains(&call.name())
        && let Some(text) = values.iter().find_map(|value| as_duration(value))
    {
        let message = format!("`{}` compares durations as texts: \"10s\" comes before \"9s\"", call.name());
        found.error(unit, "check::compared_as_text", message, call.position).help(format!("write `duration(\"{text}\")`, on both sides"));
    }
    if let ("/", Expr::IntegerConstant(one, _), Expr::IntegerConstant(other, _)) = (call.name(), values[0], values[1])
        && *other != 0
        && one % other != 0
    {
        let message = format!("`{one} / {other}` is {}: whole numbers give a whole number", one / other);
        found.warning(unit, "check::whole_division", message, call.position).help(format!("write `{one}.0 / {other}.0` for a fraction"));
    }
    if ["==", "!="].contains(&call.name())
        && let (Some(one), Some(other)) = (kind_of(values[0]), kind_of(values[1]))
        && one != other
        && !(["int", "float"].contains(&one) && ["int", "float"].contains(&other))
    {
        let message = format!("`{}` between {} and {} is always {}", call.name(), kind_named(one), kind_named(other), call.name() == "!=");
        found.error(unit, "check::never_equal", message, call.position).help("turn one into the other with `parse_int()` or `to_string()`");
    }
}

/// A text that reads like `90s`.
fn as_duration(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::StringConstant(text, _) if text.starts_with(|first: char| first.is_ascii_digit()) && duration::parse(text).is_ok() => {
            Some(text)
        }
        _ => None,
    }
}

/// `let x = s.trim()`: it changes `s` and gives nothing.
fn in_place(world: &World<'_>, unit: &Unit<'_>, call: &Call<'_>, found: &mut Findings) {
    let is_answer = call.site.becomes == Use::Taken || (call.site.becomes == Use::Last && is_answer_to_a_list(unit, call));
    if is_answer && works_in_place(world, unit, call) {
        let receiver = match call.receiver {
            Some(Expr::Variable(parts, ..)) => parts.1.as_str(),
            _ => "x",
        };
        let help = format!("write `{receiver}.{}(…);` on a line of its own, then use `{receiver}`", call.name());
        found
            .error(unit, "check::works_in_place", format!("`{}` works in place and gives nothing back", call.name()), call.position)
            .help(help);
    }
}

/// `list.map(|s| s.trim())`: what the closure gives is used.
fn is_answer_to_a_list(unit: &Unit<'_>, call: &Call<'_>) -> bool {
    let handed = call.site.closure.and_then(|index| unit.facts.closures[index].handed_to);
    handed.is_some_and(|handed| {
        let outer = &unit.facts.calls[handed.call];
        outer.is_method && ["map", "filter", "all", "some", "find", "reduce"].contains(&outer.name())
    })
}

/// Whether a call changes what it is called on, and has no other answer.
pub fn works_in_place(world: &World<'_>, unit: &Unit<'_>, call: &Call<'_>) -> bool {
    let given = call.written.args.len() + usize::from(call.is_method);
    let fits = |one: &&Signature| one.params.len() == given && one.namespace.is_empty();
    let mut fitting = world.words.overloads("", call.name()).iter().filter(fits).peekable();
    let is_native = call.namespace().is_none() && unit.named(call.name()).next().is_none() && fitting.peek().is_some();
    is_native && fitting.all(|one| one.returns == "()" && one.params.first().is_some_and(|first| first.mutable))
}

/// In a dry run a change's answer may be unknown, and these would take it for a value.
fn swallowed(world: &World<'_>, unit: &Unit<'_>, value: &Expr, by: &str, position: Position, found: &mut Findings) {
    let Some(path) = changing(world, unit, value) else { return };
    let message = format!("`{by}` on the answer of `{path}`, which a dry run may not know");
    found
        .warning(unit, "check::swallows_unknown", message, position)
        .help("ask the world what you need to know instead: a read says so when it is stale");
}

/// The changing verb whose answer this is: called right here, or what a variable was given.
fn changing(world: &World<'_>, unit: &Unit<'_>, value: &Expr) -> Option<String> {
    let binding = unit.facts.binding(value).filter(|binding| binding.kind == Kind::Local);
    let value = binding.and_then(|binding| binding.value).unwrap_or(value);
    let Expr::FnCall(written, _) = value else { return None };
    let call = unit.facts.calls.iter().find(|call| std::ptr::eq(call.written, &raw const **written))?;
    match world.target(unit, call) {
        Target::Verb(path, verb) if verb.kind != VerbKind::Read => Some(path),
        _ => None,
    }
}

/// `"${x}"` is just that; only back-ticks fill it in. (A text with back-ticks is cut at its `${`.)
fn interpolation(unit: &Unit<'_>, text: &str, position: Position, found: &mut Findings) {
    if let Some((_, rest)) = text.split_once("${")
        && rest.contains('}')
    {
        found
            .warning(unit, "check::not_filled_in", "`${…}` is filled in only between back-ticks", position)
            .help("write the text between back-ticks instead of quotes");
    }
}
