//! What may stand at the top level of a script, and what an import leads to.

use super::Findings;
use super::facts::Node;
use super::world::{Unit, World};
use rhai::{Expr, FnCallExpr, Stmt};

pub fn check(world: &World<'_>, found: &mut Findings) {
    for unit in &world.units {
        for node in &unit.facts.nodes {
            if let Node::Top(statement) = node {
                statement_at_top(unit, statement, found);
            }
        }
    }
    for (index, position, fault) in &world.shelf.failed {
        let unit = &world.units[*index];
        let elsewhere = fault.origin.as_ref().and_then(|origin| Some((world.scripts.get(&origin.source)?, origin.position)));
        match elsewhere {
            Some((source, position)) => found.fault(&source, fault, position),
            None => found.fault(unit.source, fault, *position),
        }
    }
    for (at, circle) in world.shelf.circles() {
        let names: Vec<_> = circle.iter().map(|index| world.units[*index].source.name.as_str()).collect();
        let unit = &world.units[at];
        found
            .error(
                unit,
                "import::circle",
                format!("the imports go in a circle: {}", names.join(" → ")),
                unit.import_of(circle[circle.len() - 1]),
            )
            .help("move what both need into a script of its own");
    }
}

fn statement_at_top(unit: &Unit<'_>, statement: &Stmt, found: &mut Findings) {
    match statement {
        Stmt::Import(..) | Stmt::Export(..) | Stmt::Noop(_) => {}
        Stmt::Var(parts, flags, _) if flags.contains(rhai::ASTFlags::CONSTANT) => {
            if parts.0.name != "TASK" && !is_literal(&parts.1) {
                found
                    .error(unit, "check::top_level", format!("`{}` is not a literal", parts.0.name), parts.1.start_position())
                    .help("what must be asked or computed belongs into a function");
            }
        }
        Stmt::Var(parts, ..) if parts.0.name == "TASK" => {}
        Stmt::Var(parts, ..) => {
            let name = &parts.0.name;
            let help = format!("functions do not see it; `const {name} = …;` is seen as `global::{name}`");
            found.error(unit, "check::top_level", format!("`{name}` is a variable at top level"), parts.0.pos).help(help);
        }
        other => found
            .error(unit, "check::top_level", "only literals, imports and functions stand at top level", other.position())
            .help("put it into a function"),
    }
}

/// Whether a value needs nothing but itself (and operators) to be known.
fn is_literal(expr: &Expr) -> bool {
    match expr {
        Expr::Array(items, _) | Expr::InterpolatedString(items, _) => items.iter().all(is_literal),
        Expr::Map(entries, _) => entries.0.iter().all(|(_, value)| is_literal(value)),
        Expr::FnCall(call, _) => is_operation(call),
        Expr::Variable(..) => true,
        other => other.is_constant(),
    }
}

fn is_operation(call: &FnCallExpr) -> bool {
    call.op_token.is_some() && call.args.iter().all(is_literal)
}
