//! From a syntax tree to [`Facts`]: every function once, every closure where it is written, with the variables that
//! are in scope there. (`AST::walk` knows no scopes, goes in random order and skips `break <expr>`.)

mod closures;

use super::counters;
use super::facts::{Access, Binding, Call, Facts, Handed, Kind, Mention, Node, Site, Use, namespace};
use super::tree::Function;
use crate::script::value::nearest;
use rhai::{ASTFlags, Expr, FnCallExpr, Position, Stmt};
use std::collections::HashMap;

pub fn walk<'a>(statements: &'a [Stmt], functions: &'a [Function]) -> Facts<'a> {
    let (anonymous, named): (Vec<_>, Vec<_>) = functions.iter().partition(|function| function.def.name.starts_with("anon$"));
    let anonymous = anonymous.into_iter().map(|function| (function.def.name.as_str(), function)).collect();
    let top = Site { function: None, closure: None, becomes: Use::Dropped };
    let mut walker = Walker { facts: Facts::default(), scope: Vec::new(), anonymous, handed: None, written: None, head: None, site: top };
    walker.facts.nodes.extend(statements.iter().map(Node::Top));
    walker.block(statements);
    for function in named {
        walker.function(function);
    }
    walker.facts
}

struct Walker<'a> {
    facts: Facts<'a>,
    scope: Vec<Binding<'a>>,
    anonymous: HashMap<&'a str, &'a Function>,
    handed: Option<Handed<'a>>,
    /// The property that the assignment at hand writes.
    written: Option<Position>,
    /// The variable at the head of the chain at hand.
    head: Option<&'a str>,
    site: Site<'a>,
}

impl<'a> Walker<'a> {
    fn function(&mut self, function: &'a Function) {
        self.scope.clear();
        self.site = Site { function: Some(&function.def), closure: None, becomes: Use::Taken };
        for (index, name) in function.def.params.iter().enumerate() {
            self.declare(name, Kind::Param { index, of_closure: false }, None);
        }
        self.block(&function.body);
    }

    fn declare(&mut self, name: &'a str, kind: Kind, value: Option<&'a Expr>) {
        self.scope.push(Binding { name, kind, value, function: self.site.function, closure: self.site.closure });
    }

    fn find(&self, name: &str) -> Option<Binding<'a>> {
        self.scope.iter().rev().find(|binding| binding.name == name).copied()
    }

    /// Statements with a scope of their own.
    fn block(&mut self, statements: &'a [Stmt]) {
        let (depth, becomes) = (self.scope.len(), self.site.becomes);
        for (index, statement) in statements.iter().enumerate() {
            let last = index + 1 == statements.len() && becomes != Use::Dropped;
            self.site.becomes = if last { Use::Last } else { Use::Dropped };
            self.statement(statement);
        }
        self.scope.truncate(depth);
        self.site.becomes = becomes;
    }

    /// Like a block, with a variable that only it sees.
    fn block_with(&mut self, name: &'a str, kind: Kind, statements: &'a [Stmt]) {
        self.declare(name, kind, None);
        self.block(statements);
        self.scope.pop();
    }

    fn statement(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::If(flow, _) => {
                self.taken(&flow.expr);
                self.block(flow.body.statements());
                self.block(flow.branch.statements());
            }
            Stmt::Switch(parts, position) => {
                self.facts.nodes.push(Node::Switch(&parts.0, *position));
                self.taken(&parts.0);
                for case in &parts.1.expressions {
                    self.taken(&case.lhs);
                    self.expression(&case.rhs);
                }
            }
            Stmt::While(flow, _) | Stmt::Do(flow, ..) => {
                self.taken(&flow.expr);
                let before = self.scope.clone();
                counters::mark(&mut self.scope, flow.body.statements());
                self.dropped(flow.body.statements());
                self.scope = before;
            }
            Stmt::For(parts, _) => {
                let (variable, counter, flow) = &**parts;
                self.taken(&flow.expr);
                let depth = self.scope.len();
                self.declare(&variable.name, Kind::Loop, None);
                if let Some(counter) = counter {
                    self.declare(&counter.name, Kind::Loop, None);
                }
                self.dropped(flow.body.statements());
                self.scope.truncate(depth);
            }
            Stmt::Var(parts, flags, _) => {
                self.taken(&parts.1);
                let kind = if flags.contains(ASTFlags::CONSTANT) { Kind::Constant } else { Kind::Local };
                self.declare(&parts.0.name, kind, Some(&parts.1));
            }
            Stmt::Assignment(parts) => {
                self.written = if parts.0.is_op_assignment() { None } else { property_of(&parts.1.lhs) };
                self.expression(&parts.1.lhs);
                self.taken(&parts.1.rhs);
            }
            Stmt::FnCall(call, position) => self.call(call, *position, None, false),
            Stmt::Block(block) => self.block(block.statements()),
            Stmt::TryCatch(flow, _) => {
                self.block(flow.body.statements());
                match &flow.expr {
                    Expr::Variable(parts, ..) => self.block_with(&parts.1, Kind::Caught, flow.branch.statements()),
                    _ => self.block(flow.branch.statements()),
                }
            }
            Stmt::Expr(expr) => self.expression(expr),
            Stmt::BreakLoop(Some(expr), ..) | Stmt::Return(Some(expr), ..) => self.taken(expr),
            Stmt::Import(parts, position) => self.import(&parts.0, &parts.1, *position),
            _ => {}
        }
    }

    fn dropped(&mut self, statements: &'a [Stmt]) {
        let becomes = std::mem::replace(&mut self.site.becomes, Use::Dropped);
        self.block(statements);
        self.site.becomes = becomes;
    }

    fn import(&mut self, path: &'a Expr, alias: &'a rhai::Ident, position: Position) {
        let name = match path {
            Expr::StringConstant(name, _) => Some(name.as_str()),
            _ => None,
        };
        let top_level = self.site.function.is_none() && self.site.closure.is_none();
        let position = if name.is_some() { path.position() } else { position };
        self.facts.nodes.push(Node::Import { name, alias: &alias.name, position, alias_position: alias.pos, top_level });
    }

    /// An expression whose value goes somewhere.
    fn taken(&mut self, expr: &'a Expr) {
        let becomes = std::mem::replace(&mut self.site.becomes, Use::Taken);
        self.expression(expr);
        self.site.becomes = becomes;
    }

    fn all_taken(&mut self, exprs: impl IntoIterator<Item = &'a Expr>) {
        exprs.into_iter().for_each(|expr| self.taken(expr));
    }

    fn expression(&mut self, expr: &'a Expr) {
        let handed = self.handed.take();
        if let Some((function, captures, position)) = self.closure_of(expr) {
            return self.closure(function, captures, position, handed);
        }
        match expr {
            Expr::Variable(parts, _, position) => self.variable(&parts.1, &parts.2, *position),
            Expr::StringConstant(text, position) => self.facts.nodes.push(Node::Text(text, *position)),
            Expr::InterpolatedString(parts, _) => {
                self.all_taken(parts.iter().filter(|part| !matches!(part, Expr::StringConstant(..))));
            }
            Expr::Array(items, _) => self.all_taken(items.iter()),
            Expr::Map(entries, _) => {
                for (key, value) in &entries.0 {
                    self.facts.nodes.push(Node::Property(&key.name));
                    self.handed = handed.map(|handed| Handed { key: Some(&key.name), ..handed });
                    self.taken(value);
                }
            }
            Expr::Stmt(block) => self.block(block.statements()),
            Expr::FnCall(call, position) => self.call(call, *position, None, false),
            Expr::Dot(parts, flags, _) => {
                let outer = self.begin_chain(&parts.lhs);
                self.link(&parts.rhs, Some(&parts.lhs), flags.contains(ASTFlags::BREAK));
                self.head = outer;
            }
            Expr::Index(parts, flags, _) => {
                let outer = self.begin_chain(&parts.lhs);
                self.index(&parts.rhs, flags.contains(ASTFlags::BREAK));
                self.head = outer;
            }
            Expr::And(items, _) | Expr::Or(items, _) => self.all_taken(items.iter()),
            Expr::Coalesce(items, position) => {
                self.facts.nodes.push(Node::Coalesce(items, *position));
                self.all_taken(items.iter());
            }
            _ => {}
        }
    }

    /// Walks the head of a chain; the head of the one around it.
    fn begin_chain(&mut self, head: &'a Expr) -> Option<&'a str> {
        self.receiver(head);
        let name = match head {
            Expr::Variable(parts, ..) => Some(parts.1.as_str()),
            _ => None,
        };
        std::mem::replace(&mut self.head, name)
    }

    /// The head of a chain: its value is used, but not handed on.
    fn receiver(&mut self, expr: &'a Expr) {
        let becomes = std::mem::replace(&mut self.site.becomes, Use::Taken);
        self.expression(expr);
        self.site.becomes = becomes;
    }

    /// What follows a `.`: a property, a method, or one of them and the rest of the chain.
    fn link(&mut self, expr: &'a Expr, receiver: Option<&'a Expr>, last: bool) {
        match expr {
            Expr::Property(parts, position) => self.property(&parts.2, *position, receiver),
            Expr::MethodCall(call, position) => self.call(call, *position, receiver, true),
            Expr::Dot(parts, flags, _) if !last => {
                self.inner_link(&parts.lhs, receiver);
                self.link(&parts.rhs, None, flags.contains(ASTFlags::BREAK));
            }
            Expr::Index(parts, flags, _) if !last => {
                self.inner_link(&parts.lhs, receiver);
                self.index(&parts.rhs, flags.contains(ASTFlags::BREAK));
            }
            other => self.expression(other),
        }
    }

    fn property(&mut self, name: &'a str, position: Position, receiver: Option<&'a Expr>) {
        self.facts.nodes.push(Node::Property(name));
        if let Some(Expr::Variable(parts, _, at)) = receiver {
            let written = self.written == Some(position);
            self.facts.accesses.push(Access { name, position, of: self.find(&parts.1), at: *at, written });
        }
    }

    fn inner_link(&mut self, expr: &'a Expr, receiver: Option<&'a Expr>) {
        let becomes = std::mem::replace(&mut self.site.becomes, Use::Taken);
        self.link(expr, receiver, true);
        self.site.becomes = becomes;
    }

    /// What follows a `[`: the index, or the index and the rest of the chain.
    fn index(&mut self, expr: &'a Expr, last: bool) {
        match expr {
            Expr::Dot(parts, flags, _) if !last => {
                self.taken(&parts.lhs);
                self.link(&parts.rhs, None, flags.contains(ASTFlags::BREAK));
            }
            Expr::Index(parts, flags, _) if !last => {
                self.taken(&parts.lhs);
                self.index(&parts.rhs, flags.contains(ASTFlags::BREAK));
            }
            index => self.taken(index),
        }
    }

    fn variable(&mut self, name: &'a str, path: &'a rhai::Namespace, position: Position) {
        let namespace = namespace(path);
        let binding = if namespace.is_none() { self.find(name) } else { None };
        let near = if binding.is_none() { nearest(name, self.scope.iter().map(|binding| binding.name)) } else { None };
        self.facts.mention(Mention { name, namespace, position, binding, near });
    }

    fn call(&mut self, call: &'a FnCallExpr, position: Position, receiver: Option<&'a Expr>, is_method: bool) {
        let shadowed = self.find(&call.name).is_some();
        let index = self.facts.calls.len();
        let head = self.head.take();
        self.facts.calls.push(Call { written: call, position, receiver, head, is_method, shadowed, site: self.site });
        for (argument, expr) in call.args.iter().enumerate() {
            self.handed = Some(Handed { call: index, argument, key: None });
            self.taken(expr);
        }
        self.handed = None;
        self.head = head;
    }
}

/// Where the property stands that `x.property = …` writes.
fn property_of(target: &Expr) -> Option<Position> {
    match target {
        Expr::Dot(parts, ..) => match &parts.rhs {
            Expr::Property(_, position) => Some(*position),
            _ => None,
        },
        _ => None,
    }
}
