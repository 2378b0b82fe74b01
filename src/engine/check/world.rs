//! The scripts under check with all that they import, and what a call in one of them leads to.

use super::facts::{Call, Facts, Node};
use super::reach::Reached;
use super::task::TaskParams;
use super::tree::{self, Function};
use super::walk::walk;
use crate::engine::vocabulary::{Signature, Vocabulary};
use crate::engine::{Source, Sources, load, resolve};
use crate::script::{Fault, Verb};
use rhai::{FnAccess, Position, ScriptFuncDef};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Every script under check and everything they import, each once.
pub struct Shelf {
    pub sources: Vec<Arc<Source>>,
    functions: Vec<Vec<Function>>,
    /// Imports that failed: in which source, where, why.
    pub failed: Vec<(usize, Position, Fault)>,
    /// Per source: where each alias leads.
    imports: Vec<BTreeMap<String, Option<usize>>>,
}

impl Shelf {
    pub fn gather(scripts: &Sources, given: impl IntoIterator<Item = Arc<Source>>) -> Self {
        let mut shelf = Self { sources: given.into_iter().collect(), functions: Vec::new(), failed: Vec::new(), imports: Vec::new() };
        let mut next = 0;
        while next < shelf.sources.len() {
            let source = shelf.sources[next].clone();
            let found = shelf.imports_of(scripts, next, &source);
            shelf.functions.push(tree::functions(&source.ast));
            shelf.imports.push(found);
            next += 1;
        }
        shelf
    }

    fn imports_of(&mut self, scripts: &Sources, index: usize, source: &Source) -> BTreeMap<String, Option<usize>> {
        let mut found = BTreeMap::new();
        for node in walk(source.ast.statements(), &[]).nodes {
            let Node::Import { name: Some(name), alias, position, .. } = node else { continue };
            let target = match resolve::import(scripts, &source.name, name) {
                Ok(imported) => Some(self.place(imported)),
                Err(fault) => {
                    self.failed.push((index, position, fault));
                    None
                }
            };
            found.insert(alias.to_owned(), target);
        }
        found
    }

    fn place(&mut self, source: Arc<Source>) -> usize {
        if let Some(known) = self.sources.iter().position(|one| one.name == source.name) {
            return known;
        }
        self.sources.push(source);
        self.sources.len() - 1
    }

    /// Import circles: the place that closes each, and the way round.
    pub fn circles(&self) -> Vec<(usize, Vec<usize>)> {
        let mut found = Vec::new();
        let mut done = vec![false; self.sources.len()];
        for start in 0..self.sources.len() {
            self.follow(start, &mut Vec::new(), &mut done, &mut found);
        }
        found
    }

    fn follow(&self, at: usize, way: &mut Vec<usize>, done: &mut [bool], found: &mut Vec<(usize, Vec<usize>)>) {
        if let Some(start) = way.iter().position(|one| *one == at) {
            let mut circle = way[start..].to_vec();
            circle.push(at);
            found.push((way[way.len() - 1], circle));
            return;
        }
        if done[at] {
            return;
        }
        way.push(at);
        for next in self.imports[at].values().flatten() {
            self.follow(*next, way, done, found);
        }
        way.pop();
        done[at] = true;
    }
}

/// One script and its facts.
pub struct Unit<'a> {
    pub index: usize,
    pub source: &'a Source,
    pub facts: Facts<'a>,
    pub functions: Vec<&'a ScriptFuncDef>,
    by_name: HashMap<&'a str, Vec<&'a ScriptFuncDef>>,
    /// The calls that stand in each function, by its address.
    calls: HashMap<*const ScriptFuncDef, Vec<usize>>,
    pub imports: &'a BTreeMap<String, Option<usize>>,
}

impl<'a> Unit<'a> {
    fn of(index: usize, source: &'a Source, shelf: &'a Shelf) -> Self {
        let facts = walk(source.ast.statements(), &shelf.functions[index]);
        let defs = shelf.functions[index].iter().map(|function| &*function.def);
        let functions: Vec<&ScriptFuncDef> = defs.filter(|def| !def.name.starts_with("anon$")).collect();
        let mut by_name: HashMap<&str, Vec<&ScriptFuncDef>> = HashMap::new();
        for def in &functions {
            by_name.entry(def.name.as_str()).or_default().push(def);
        }
        let mut calls: HashMap<*const ScriptFuncDef, Vec<usize>> = HashMap::new();
        for (at, call) in facts.calls.iter().enumerate() {
            if let Some(def) = call.site.function {
                calls.entry(std::ptr::from_ref(def)).or_default().push(at);
            }
        }
        Self { index, source, facts, functions, by_name, calls, imports: &shelf.imports[index] }
    }

    /// The functions of this name.
    pub fn named(&self, name: &str) -> impl Iterator<Item = &'a ScriptFuncDef> {
        self.by_name.get(name).into_iter().flatten().copied()
    }

    /// The calls that stand in a function of this script, closures in it included.
    pub fn calls_in(&self, def: &ScriptFuncDef) -> impl Iterator<Item = &Call<'a>> {
        self.calls.get(&std::ptr::from_ref(def)).into_iter().flatten().map(|at| &self.facts.calls[*at])
    }

    /// Where this script imports that one.
    pub fn import_of(&self, target: usize) -> Position {
        let alias = self.imports.iter().find(|(_, index)| **index == Some(target)).map(|(alias, _)| alias.as_str());
        let position = |node: &Node<'a>| match node {
            Node::Import { alias: written, position, .. } if Some(*written) == alias => Some(*position),
            _ => None,
        };
        self.facts.nodes.iter().find_map(position).unwrap_or(Position::NONE)
    }

    pub fn constants(&self) -> impl Iterator<Item = &'a str> {
        self.source.ast.statements().iter().filter_map(|statement| match statement {
            rhai::Stmt::Var(parts, ..) => Some(parts.0.name.as_str()),
            _ => None,
        })
    }
}

/// What a namespace stands for.
pub enum Home<'a, 'w> {
    Script(&'w Unit<'a>),
    /// An import that failed: nothing more is said about what it holds.
    Broken,
    /// No import: a primitive, or nothing.
    Primitive,
}

/// What a call leads to.
pub enum Target<'a, 'w> {
    /// A function of this script or of an imported one: which script, which function.
    Script(usize, &'a ScriptFuncDef),
    /// A primitive's verb.
    Verb(String, &'w Verb),
    /// Something of Rhai's own, or not known.
    Other,
}

pub struct World<'a> {
    pub units: Vec<Unit<'a>>,
    pub words: &'a Vocabulary,
    pub shelf: &'a Shelf,
    pub scripts: &'a Sources,
    pub task_params: TaskParams,
    /// What functions lead to, as far as it has been found out.
    pub reached: RefCell<Reached>,
    /// How many of the units were asked for; the others are imported by them.
    given: usize,
}

impl<'a> World<'a> {
    pub fn new(shelf: &'a Shelf, words: &'a Vocabulary, scripts: &'a Sources, given: usize) -> Self {
        let units = shelf.sources.iter().enumerate().map(|(index, source)| Unit::of(index, source, shelf)).collect();
        Self { units, words, shelf, scripts, task_params: TaskParams::new(), reached: RefCell::default(), given }
    }

    /// The scripts that were asked for, without what only they import.
    pub fn scripts_given(&self) -> impl Iterator<Item = &Unit<'a>> {
        self.units.iter().take(self.given)
    }

    pub fn is_imported(&self, unit: &Unit<'a>) -> bool {
        self.units.iter().any(|other| other.imports.values().any(|target| *target == Some(unit.index)))
    }

    /// The names of the scripts that all others share.
    pub fn shared(&self) -> BTreeSet<String> {
        load::shared(self.scripts)
    }

    /// What a namespace stands for in `unit`.
    pub fn home(&self, unit: &Unit<'a>, namespace: &str) -> Home<'a, '_> {
        match unit.imports.get(namespace) {
            Some(Some(index)) => Home::Script(&self.units[*index]),
            Some(None) => Home::Broken,
            None => Home::Primitive,
        }
    }

    pub fn target(&self, unit: &Unit<'a>, call: &Call<'a>) -> Target<'a, '_> {
        let arity = call.written.args.len();
        let fitting = |unit: &Unit<'a>| unit.named(call.name()).find(|def| def.params.len() == arity).map(|def| (unit.index, def));
        match call.namespace() {
            Some(namespace) => match self.home(unit, &namespace) {
                Home::Script(other) => match fitting(other).filter(|(_, def)| def.access == FnAccess::Public) {
                    Some((index, def)) => Target::Script(index, def),
                    None => Target::Other,
                },
                Home::Broken => Target::Other,
                Home::Primitive => self.verb(&namespace, call.name()),
            },
            None => match fitting(unit) {
                Some((index, def)) => Target::Script(index, def),
                None if call.is_method => self.method(call.name(), arity + 1),
                None => self.verb("", call.name()),
            },
        }
    }

    /// A verb of a handle: `connection.execute(…)`.
    fn method(&self, name: &str, arity: usize) -> Target<'a, '_> {
        let of_handle = |one: &&Signature| !one.namespace.is_empty() && one.params.len() == arity;
        match self.words.overloads("", name).iter().find(of_handle) {
            Some(signature) => self.verb(&signature.namespace, name),
            None => Target::Other,
        }
    }

    fn verb(&self, namespace: &str, name: &str) -> Target<'a, '_> {
        match self.words.verb(namespace, name) {
            Some(verb) => Target::Verb(crate::engine::vocabulary::path(namespace, name), verb),
            None => Target::Other,
        }
    }
}
