//! Closures, which Rhai keeps as anonymous functions: found where they are written, and walked there.

use super::super::facts::{Closure, Handed, Kind, Site, Use};
use super::super::tree::Function;
use super::Walker;
use rhai::{Expr, FnPtr, Position, Stmt};

impl<'a> Walker<'a> {
    /// A closure as Rhai writes it into its tree: a pointer, or a block that shares and curries what it captures.
    pub(super) fn closure_of(&self, expr: &'a Expr) -> Option<(&'a Function, usize, Position)> {
        match expr {
            Expr::DynamicConstant(value, position) => {
                let pointer = value.read_lock::<FnPtr>()?;
                self.anonymous.get(pointer.fn_name()).map(|function| (*function, 0, *position))
            }
            Expr::Stmt(block) => match block.statements() {
                [Stmt::Share(_), Stmt::Expr(curry)] => match &**curry {
                    Expr::FnCall(call, _) => {
                        self.closure_of(&call.args[0]).map(|(function, _, position)| (function, call.args.len() - 1, position))
                    }
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        }
    }

    pub(super) fn closure(&mut self, function: &'a Function, captures: usize, position: Position, handed_to: Option<Handed<'a>>) {
        let def = &*function.def;
        let names = def.params.iter().take(captures).map(|name| (name.as_str(), self.find(name))).collect();
        let index = self.facts.closures.len();
        let arity = def.params.len() - captures;
        self.facts.closures.push(Closure { position, captured: names, arity, handed_to, site: self.site });
        let outside = self.site;
        self.site = Site { closure: Some(index), becomes: Use::Taken, ..outside };
        let depth = self.scope.len();
        for (index, name) in def.params.iter().skip(captures).enumerate() {
            self.declare(name, Kind::Param { index, of_closure: true }, None);
        }
        self.block(&function.body);
        self.scope.truncate(depth);
        self.site = outside;
    }
}
