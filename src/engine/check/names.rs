//! Names that mean nothing: functions, verbs, namespaces, variables, constants, imports.

use super::Findings;
use super::facts::{Call, Mention, Node};
use super::world::{Home, Unit, World};
use crate::engine::wording::arguments;
use crate::script::value::nearest;
use rhai::{ASTFlags, FnAccess, Position, ScriptFuncDef, Stmt};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// What Rhai itself provides under a name, without a function behind it.
const BUILT_IN: [&str; 9] = ["Fn", "call", "curry", "type_of", "is_shared", "is_def_fn", "is_def_var", "print", "debug"];

pub fn check(world: &World<'_>, found: &mut Findings) {
    let keys = keys(world);
    for unit in &world.units {
        for call in unit.facts.calls.iter().filter(|call| !call.is_operator() && !BUILT_IN.contains(&call.name())) {
            match call.namespace() {
                Some(namespace) => qualified(world, unit, call, &namespace, found),
                None if call.is_method => method(world, unit, call, &keys, found),
                None => plain(world, unit, call, found),
            }
        }
        unit.facts.mentions.iter().filter(|mention| mention.binding.is_none()).for_each(|mention| variable(world, unit, mention, found));
        imports(world, unit, found);
    }
}

/// Every key and property that occurs: a closure in a map is called like a method.
fn keys<'a>(world: &World<'a>) -> BTreeSet<&'a str> {
    let of_node = |node: &Node<'a>| match node {
        Node::Property(name) => Some(*name),
        _ => None,
    };
    world.units.iter().flat_map(|unit| unit.facts.nodes.iter().filter_map(of_node)).collect()
}

fn plain(world: &World<'_>, unit: &Unit<'_>, call: &Call<'_>, found: &mut Findings) {
    let name = call.name();
    let arities: BTreeSet<usize> = unit.named(name).map(|def| def.params.len()).collect();
    let natives = world.words.overloads("", name);
    let given = call.written.args.len();
    if arities.contains(&given) || natives.iter().any(|one| one.params.len() == given) {
        return;
    }
    if let Some(def) = unit.named(name).next() {
        return wrong_count(unit, call, name, given, &[signature(name, def)], found);
    }
    if !natives.is_empty() {
        return wrong_count(unit, call, name, given, &shown(natives), found);
    }
    if call.shadowed {
        let help = format!("`{name}` holds a closure: write `{name}.call({})`", if given == 0 { "" } else { "…" });
        return found.error(unit, "check::not_a_function", format!("`{name}` is a variable, not a function"), call.position).help(help);
    }
    let help = match name {
        "exit" => Some("`throw` ends a step and undoes it; `return` leaves a function".into()),
        _ => suggestion(world, unit, name),
    };
    found.error(unit, "check::unknown_function", format!("there is no function `{name}`"), call.position).maybe(help);
}

fn suggestion(world: &World<'_>, unit: &Unit<'_>, name: &str) -> Option<String> {
    let own: BTreeSet<&str> = unit.functions.iter().map(|def| def.name.as_str()).collect();
    if let Some(near) = nearest(name, own.iter().copied()) {
        return Some(format!("did you mean `{near}`?"));
    }
    for (alias, target) in unit.imports {
        if target.is_some_and(|index| world.units[index].named(name).next().is_some()) {
            return Some(format!("did you mean `{alias}::{name}`?"));
        }
    }
    world.words.suggest("", name).map(|near| format!("did you mean `{near}`?"))
}

fn method(world: &World<'_>, unit: &Unit<'_>, call: &Call<'_>, keys: &BTreeSet<&str>, found: &mut Findings) {
    let (name, given) = (call.name(), call.written.args.len());
    let natives = world.words.overloads("", name);
    let fits = natives.iter().any(|one| one.params.len() == given + 1) || unit.named(name).any(|def| def.params.len() == given);
    let is_task = super::task::is_task(world, unit, call.receiver);
    if fits || is_task || keys.contains(name) || super::declare::METHODS.iter().any(|method| method.name == name) {
        return;
    }
    let methods: Vec<_> = natives.iter().filter(|one| !one.params.is_empty()).collect();
    if methods.is_empty() {
        let help = nearest(name, world.words.names("")).map(|near| format!("did you mean `{near}`?"));
        found.error(unit, "check::unknown_function", format!("there is no method `{name}`"), call.position).maybe(help);
        return;
    }
    let written = |one: &&crate::engine::vocabulary::Signature| {
        let rest: Vec<_> = one.params[1..].iter().map(|param| param.name.as_str()).collect();
        format!("{name}({})", rest.join(", "))
    };
    let shown: BTreeSet<String> = methods.iter().map(written).collect();
    wrong_count(unit, call, name, given, &shown.into_iter().collect::<Vec<_>>(), found);
}

fn qualified(world: &World<'_>, unit: &Unit<'_>, call: &Call<'_>, namespace: &str, found: &mut Findings) {
    let (name, given) = (call.name(), call.written.args.len());
    let path = format!("{namespace}::{name}");
    match world.home(unit, namespace) {
        Home::Broken => {}
        Home::Script(other) => in_script(unit, other, call, &path, found),
        Home::Primitive if namespace.contains("::") => {}
        Home::Primitive if !world.words.has_namespace(namespace) || namespace.is_empty() => {
            unknown_namespace(world, unit, namespace, call.written.namespace.position(), found);
        }
        Home::Primitive => {
            let known = world.words.overloads(namespace, name);
            if known.is_empty() {
                let help = nearest(name, world.words.names(namespace)).map(|near| format!("did you mean `{namespace}::{near}`?"));
                let all = world.words.names(namespace).into_iter().collect::<Vec<_>>().join(", ");
                let help = help.or_else(|| (!all.is_empty()).then(|| format!("`{namespace}` has: {all}")));
                found.error(unit, "check::unknown_verb", format!("there is no verb `{path}`"), call.position).maybe(help);
            } else if !known.iter().any(|one| one.params.len() == given) {
                wrong_count(unit, call, &path, given, &shown(known), found);
            }
        }
    }
}

fn in_script(unit: &Unit<'_>, other: &Unit<'_>, call: &Call<'_>, path: &str, found: &mut Findings) {
    let (name, given) = (call.name(), call.written.args.len());
    let all: Vec<_> = other.named(name).collect();
    let Some(first) = all.first() else {
        let public = other.functions.iter().filter(|def| def.access == FnAccess::Public).map(|def| def.name.as_str());
        let help = nearest(name, public).map(|near| format!("did you mean `{}`?", path.replace(name, near)));
        found
            .error(unit, "check::unknown_function", format!("`{}` has no function `{name}`", other.source.name), call.position)
            .maybe(help);
        return;
    };
    if !all.iter().any(|def| def.params.len() == given) {
        wrong_count(unit, call, path, given, &[signature(path, first)], found);
    } else if first.access == FnAccess::Private {
        let help = format!("it is declared `private fn {name}` in `{}`", other.source.name);
        found.error(unit, "check::private_function", format!("`{path}` is private"), call.position).help(help);
    }
}

fn unknown_namespace(world: &World<'_>, unit: &Unit<'_>, namespace: &str, position: Position, found: &mut Findings) {
    let known = unit.imports.keys().map(String::as_str).chain(world.words.namespaces());
    let help = match nearest(namespace, known) {
        _ if world.shared().contains(namespace) => Some(format!("`import \"{namespace}\" as {namespace};` is missing")),
        Some(near) => Some(format!("did you mean `{near}`?")),
        None => None,
    };
    found.error(unit, "check::unknown_namespace", format!("there is no namespace `{namespace}`"), position).maybe(help);
}

fn wrong_count(unit: &Unit<'_>, call: &Call<'_>, path: &str, given: usize, written: &[String], found: &mut Findings) {
    let written: Vec<_> = written.iter().take(3).map(|one| format!("`{one}`")).collect();
    let help = format!("it is called as {}", written.join(" or "));
    let message = format!("`{path}` does not take {}", arguments(given));
    found.error(unit, "check::wrong_arguments", message, call.position).help(help);
}

fn shown(known: &[crate::engine::vocabulary::Signature]) -> Vec<String> {
    known.iter().map(ToString::to_string).collect()
}

fn signature(path: &str, def: &ScriptFuncDef) -> String {
    format!("{path}({})", def.params.iter().map(rhai::ImmutableString::as_str).collect::<Vec<_>>().join(", "))
}

fn variable(world: &World<'_>, unit: &Unit<'_>, mention: &Mention<'_>, found: &mut Findings) {
    let name = mention.name;
    let code = "check::unknown_variable";
    match mention.namespace.as_deref() {
        None if unit.named(name).next().is_some() => {}
        None => {
            let help = match mention.near {
                _ if unit.constants().any(|constant| constant == name) => {
                    Some(format!("a function sees a constant of its script as `global::{name}`"))
                }
                Some(near) => Some(format!("did you mean `{near}`?")),
                None => None,
            };
            found.error(unit, code, format!("there is no variable `{name}` here"), mention.position).maybe(help);
        }
        Some("global") if unit.constants().any(|constant| constant == name) => {}
        Some("global") => {
            let help = nearest(name, unit.constants()).map(|near| format!("did you mean `global::{near}`?"));
            found.error(unit, code, format!("the script has no constant `{name}`"), mention.position).maybe(help);
        }
        Some(namespace) => match world.home(unit, namespace) {
            Home::Script(other) if !exports(other, name) => {
                let help = format!("a constant is shared with `export const {name} = …;` in `{}`", other.source.name);
                found.error(unit, code, format!("`{namespace}` exports no constant `{name}`"), mention.position).help(help);
            }
            Home::Script(_) | Home::Broken => {}
            Home::Primitive if namespace.contains("::") => {}
            Home::Primitive => unknown_namespace(world, unit, namespace, mention.position, found),
        },
    }
}

fn exports(unit: &Unit<'_>, name: &str) -> bool {
    unit.source.ast.statements().iter().any(|statement| match statement {
        Stmt::Var(parts, flags, _) => parts.0.name == name && flags.contains(ASTFlags::EXPORTED),
        Stmt::Export(parts, _) => parts.0.name == name || parts.1.name == name,
        _ => false,
    })
}

/// Imports that nobody uses, hide a namespace, or stand where they are not seen.
fn imports(world: &World<'_>, unit: &Unit<'_>, found: &mut Findings) {
    let used: BTreeSet<Cow<'_, str>> = unit
        .facts
        .calls
        .iter()
        .filter_map(Call::namespace)
        .chain(unit.facts.mentions.iter().filter_map(|mention| mention.namespace.clone()))
        .collect();
    for node in &unit.facts.nodes {
        let Node::Import { name, alias, position, alias_position, top_level } = node else { continue };
        if name.is_none() {
            found.error(unit, "check::import", "the name of an import must be a literal text", *position);
        } else if alias.is_empty() {
            found
                .error(unit, "check::import", "the import has no name to call it by", *position)
                .help("write `import \"gitea\" as gitea;`");
        } else if !top_level {
            found
                .error(unit, "check::import", "an import stands inside a function", *position)
                .help("imports stand at the top of a script");
        } else if world.words.has_namespace(alias) {
            found
                .error(unit, "check::import", format!("`{alias}` hides the verbs of that name"), *alias_position)
                .help("choose another name after `as`");
        } else if !used.contains(*alias) {
            found.warning(unit, "check::unused_import", format!("`{alias}` is imported and not used"), *alias_position);
        }
    }
}
