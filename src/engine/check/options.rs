//! Literal arguments of verbs: their kinds, and the keys and values of option maps.

use super::Findings;
use super::facts::Call;
use super::world::{Target, Unit, World};
use crate::cluster::{KindName, Name, NameError, PodName};
use crate::engine::vocabulary::{Param, Signature};
use crate::script::Verb;
use crate::script::value::{kind_named, nearest};
use rhai::{Expr, Map};

/// What the parameter for them is called.
const OPTIONS: &str = "options";

pub fn check(world: &World<'_>, found: &mut Findings) {
    for unit in &world.units {
        for call in unit.facts.calls.iter().filter(|call| !call.is_operator()) {
            let overloads = fitting(world, unit, call);
            kinds(unit, call, &overloads, found);
            named_objects(unit, call, &overloads, found);
            if let Target::Verb(path, verb) = world.target(unit, call) {
                let named = all(world, call).iter().any(|one| one.params.iter().any(|param| param.name == OPTIONS));
                options_of(unit, call, &path, verb, &overloads, named, found);
            }
        }
    }
}

/// The ways to call it with so many arguments; none where a script's own function stands behind the call.
fn fitting<'w>(world: &'w World<'_>, unit: &Unit<'_>, call: &Call<'_>) -> Vec<&'w Signature> {
    let namespace = call.namespace().unwrap_or_default();
    if unit.imports.contains_key(&*namespace) || (namespace.is_empty() && unit.named(call.name()).next().is_some()) {
        return Vec::new();
    }
    let count = call.written.args.len() + usize::from(call.is_method);
    all(world, call).iter().filter(|one| one.params.len() == count).collect()
}

fn all<'w>(world: &'w World<'_>, call: &Call<'_>) -> &'w [Signature] {
    world.words.overloads(&call.namespace().unwrap_or_default(), call.name())
}

/// The parameters that the written arguments fill.
fn params<'s>(call: &Call<'_>, signature: &'s Signature) -> &'s [Param] {
    &signature.params[usize::from(call.is_method)..]
}

fn kinds(unit: &Unit<'_>, call: &Call<'_>, overloads: &[&Signature], found: &mut Findings) {
    for (index, argument) in call.written.args.iter().enumerate() {
        let Some(given) = kind_of(argument) else { continue };
        let wanted: Vec<&str> = overloads.iter().map(|one| params(call, one)[index].kind.as_str()).collect();
        if wanted.is_empty() || wanted.iter().any(|kind| *kind == given || *kind == "any") {
            continue;
        }
        let message = format!("`{}` does not take {} here", path(call), said(given));
        let mut shown: Vec<String> = overloads
            .iter()
            .map(|one| format!("`{}` as {}", params(call, one)[index].name, said(&params(call, one)[index].kind)))
            .collect();
        shown.dedup();
        found.error(unit, "check::wrong_type", message, argument.start_position()).help(format!("it takes {}", shown.join(" or ")));
    }
}

/// A literal that should name something in the cluster, and does not.
fn named_objects(unit: &Unit<'_>, call: &Call<'_>, overloads: &[&Signature], found: &mut Findings) {
    let Some(signature) = overloads.first() else { return };
    for (argument, param) in call.written.args.iter().zip(params(call, signature)) {
        let Expr::StringConstant(text, position) = argument else { continue };
        let wrong = match (signature.namespace.as_str(), param.name.as_str()) {
            ("kube", "name") => Name::parse(text).err(),
            ("kube", "kind") => KindName::parse(text).err(),
            ("kube", "pod") => PodName::parse(text).err().filter(|_| Name::parse(text).is_err()),
            ("helm", "release") if text.split('/').filter(|part| !part.is_empty()).count() != 2 => {
                Some(NameError { text: text.to_string(), wanted: "a release", example: "gitea/gitea" })
            }
            _ => None,
        };
        if let Some(wrong) = wrong {
            found.error(unit, "check::bad_name", wrong.to_string(), *position).help(format!("write it like `{}`", wrong.example));
        }
    }
}

/// What an argument is; Rhai makes no float of an int, so the two are told apart.
fn said(kind: &str) -> String {
    match kind {
        "int" => "a whole number".into(),
        "float" => "a decimal number".into(),
        other => kind_named(other),
    }
}

fn path(call: &Call<'_>) -> String {
    crate::engine::vocabulary::path(&call.namespace().unwrap_or_default(), call.name())
}

/// What a literal is.
pub fn kind_of(expr: &Expr) -> Option<&'static str> {
    Some(match expr {
        Expr::StringConstant(..) | Expr::InterpolatedString(..) => "string",
        Expr::IntegerConstant(..) => "int",
        Expr::FloatConstant(..) => "float",
        Expr::BoolConstant(..) => "bool",
        Expr::CharConstant(..) => "char",
        Expr::Map(..) => "map",
        Expr::Array(..) => "array",
        _ => return None,
    })
}

/// The option map is the argument called so; a verb that calls none so has it last.
fn options_of(unit: &Unit<'_>, call: &Call<'_>, path: &str, verb: &Verb, overloads: &[&Signature], named: bool, found: &mut Findings) {
    if verb.options.is_empty() {
        return;
    }
    for (index, argument) in call.written.args.iter().enumerate() {
        let is_options = overloads.iter().any(|one| is_options(params(call, one), index, named));
        if let (Expr::Map(entries, _), true) = (argument, is_options) {
            keys(unit, entries, path, verb, found);
        }
    }
}

fn is_options(params: &[Param], index: usize, named: bool) -> bool {
    let place =
        if named { params.iter().position(|param| param.name == OPTIONS) } else { params.iter().rposition(|param| param.kind == "map") };
    place == Some(index)
}

type Entries = (rhai::StaticVec<(rhai::Ident, Expr)>, std::collections::BTreeMap<rhai::Identifier, rhai::Dynamic>);

fn keys(unit: &Unit<'_>, entries: &Entries, path: &str, verb: &Verb, found: &mut Findings) {
    for (key, value) in &entries.0 {
        let name = key.name.as_str();
        if !verb.options.contains(&name) {
            let help = match nearest(name, verb.options.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it takes: {}", verb.options.join(", ")),
            };
            found.error(unit, "check::unknown_option", format!("`{path}` has no option `{name}`"), key.pos).help(help);
        } else if let (Some(accepts), Some(literal)) = (verb.accepts, value.get_literal_value(None)) {
            let refused = accepts(Map::from_iter([(name.into(), literal)])).err().map(|fault| fault.message());
            if let Some(message) = refused.filter(|message| message.starts_with(&format!("option `{name}"))) {
                found.error(unit, "check::wrong_option", message, value.start_position()).maybe(None);
            }
        }
    }
}
