//! What a `while` or a `loop` counts with: a closure that captures it sees its last value, as with the variable of a `for`.

use super::facts::{Binding, Kind};
use rhai::{Expr, Stmt};

/// Marks the variables that a loop's own statements assign to, inside that loop.
pub fn mark(scope: &mut [Binding<'_>], body: &[Stmt]) {
    for name in body.iter().filter_map(assigned) {
        if let Some(binding) = scope.iter_mut().rev().find(|binding| binding.name == name) {
            binding.kind = Kind::Loop;
        }
    }
}

fn assigned(statement: &Stmt) -> Option<&str> {
    match statement {
        Stmt::Assignment(parts) => match &parts.1.lhs {
            Expr::Variable(parts, ..) => Some(parts.1.as_str()),
            _ => None,
        },
        _ => None,
    }
}
