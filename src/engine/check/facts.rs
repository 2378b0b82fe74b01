//! What a script's syntax tree says, flattened: calls, variables, closures, each with where it stands. Which of it is
//! wrong is the rules' business.

use rhai::{Expr, FnCallExpr, Position, ScriptFuncDef, Stmt};
use std::borrow::Cow;
use std::collections::HashMap;

/// What a name stands for where it is used.
#[derive(Clone, Copy)]
pub struct Binding<'a> {
    pub name: &'a str,
    pub kind: Kind,
    /// What it was first given.
    pub value: Option<&'a Expr>,
    /// The function it was declared in; nothing at top level.
    pub function: Option<&'a ScriptFuncDef>,
    /// The closure it was declared in.
    pub closure: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Local,
    Constant,
    /// A parameter of the named function, or of a closure in it.
    Param {
        index: usize,
        of_closure: bool,
    },
    /// The variable of a `for`.
    Loop,
    Caught,
}

/// What becomes of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Nothing: it is a statement of its own.
    Dropped,
    /// It ends a block, and may be the block's value.
    Last,
    Taken,
}

/// Where something stands.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    /// The named function around it; nothing at top level.
    pub function: Option<&'a ScriptFuncDef>,
    /// The innermost closure around it.
    pub closure: Option<usize>,
    pub becomes: Use,
}

pub struct Call<'a> {
    pub written: &'a FnCallExpr,
    pub position: Position,
    /// `x` in `x.f()`; nothing for `f()`.
    pub receiver: Option<&'a Expr>,
    /// `x` in `x.a.f()` and `x[1].f()`: the variable at the head of the chain that it stands in.
    pub head: Option<&'a str>,
    pub is_method: bool,
    /// A variable of that name is in scope.
    pub shadowed: bool,
    pub site: Site<'a>,
}

impl<'a> Call<'a> {
    pub fn name(&self) -> &'a str {
        self.written.name.as_str()
    }

    /// `helm` in `helm::upgrade`; deeper paths are joined.
    pub fn namespace(&self) -> Option<Cow<'a, str>> {
        namespace(&self.written.namespace)
    }

    pub fn is_operator(&self) -> bool {
        self.written.op_token.is_some()
    }
}

pub struct Mention<'a> {
    pub name: &'a str,
    pub namespace: Option<Cow<'a, str>>,
    pub position: Position,
    pub binding: Option<Binding<'a>>,
    /// The name in scope that was probably meant, where there is no binding.
    pub near: Option<&'a str>,
}

pub struct Closure<'a> {
    pub position: Position,
    /// What it captures, by name, with what that stands for.
    pub captured: Vec<(&'a str, Option<Binding<'a>>)>,
    /// How many of its parameters are its own.
    pub arity: usize,
    /// The call that it is an argument of, if it is one: index into [`Facts::calls`], and the key if it stands in a map.
    pub handed_to: Option<Handed<'a>>,
    pub site: Site<'a>,
}

#[derive(Clone, Copy)]
pub struct Handed<'a> {
    pub call: usize,
    pub argument: usize,
    pub key: Option<&'a str>,
}

/// A property that is read or written: `state.backup`.
pub struct Access<'a> {
    pub name: &'a str,
    pub position: Position,
    /// What the variable before the dot stands for.
    pub of: Option<Binding<'a>>,
    /// The place of that variable.
    pub at: Position,
    pub written: bool,
}

/// An expression or statement that some rule looks at as a whole.
pub enum Node<'a> {
    /// `??`
    Coalesce(&'a [Expr], Position),
    Switch(&'a Expr, Position),
    Text(&'a str, Position),
    Import {
        name: Option<&'a str>,
        alias: &'a str,
        position: Position,
        alias_position: Position,
        top_level: bool,
    },
    /// A statement at top level.
    Top(&'a Stmt),
    /// A property or a key of a map that is written or read.
    Property(&'a str),
}

#[derive(Default)]
pub struct Facts<'a> {
    pub calls: Vec<Call<'a>>,
    pub mentions: Vec<Mention<'a>>,
    pub closures: Vec<Closure<'a>>,
    pub accesses: Vec<Access<'a>>,
    pub nodes: Vec<Node<'a>>,
    bindings: HashMap<Position, Binding<'a>>,
}

impl<'a> Facts<'a> {
    pub fn mention(&mut self, mention: Mention<'a>) {
        if let Some(binding) = mention.binding {
            self.bindings.insert(mention.position, binding);
        }
        self.mentions.push(mention);
    }

    /// What a variable stands for, where the expression is one.
    pub fn binding(&self, expr: &Expr) -> Option<Binding<'a>> {
        match expr {
            Expr::Variable(_, _, position) => self.bindings.get(position).copied(),
            _ => None,
        }
    }

    /// The expression itself, or what the variable that it is was first given.
    pub fn value_of(&self, expr: &'a Expr) -> &'a Expr {
        self.binding(expr)
            .filter(|binding| matches!(binding.kind, Kind::Local | Kind::Constant))
            .and_then(|binding| binding.value)
            .unwrap_or(expr)
    }
}

pub fn namespace(path: &rhai::Namespace) -> Option<Cow<'_, str>> {
    match path.path.as_slice() {
        [] => None,
        [one] => Some(one.name.as_str().into()),
        several => Some(several.iter().map(|part| part.name.as_str()).collect::<Vec<_>>().join("::").into()),
    }
}
