//! Every finding in a script before anything runs, several in one go, with its place. No cluster is needed and
//! nothing is evaluated: the rules read the syntax trees and the engine's own metadata.

mod copies;
mod counters;
mod declare;
mod facts;
mod habits;
mod header;
mod names;
mod namesakes;
mod options;
mod reach;
mod task;
#[cfg(test)]
mod tests;
mod top;
mod tree;
mod walk;
mod world;

pub use declare::{METHODS, Method};

use crate::engine::vocabulary::Vocabulary;
use crate::engine::{Finding, Script, Source, Sources};
use crate::script::Fault;
use rhai::Position;
use std::sync::Arc;
use world::{Shelf, Unit, World};

/// A set of rules about the same thing.
type Rule = fn(&World<'_>, &mut Findings);
const RULES: [Rule; 10] = [
    top::check,
    header::check,
    names::check,
    namesakes::check,
    options::check,
    declare::check,
    task::check,
    reach::check,
    habits::check,
    copies::check,
];

/// What is wrong with these scripts and all that they import, in order of place.
pub fn check(scripts: &Sources, given: &[Script]) -> Vec<Finding> {
    let sources: Vec<Arc<Source>> = given.iter().filter_map(|script| scripts.get(&script.name)).collect();
    let shelf = Shelf::gather(scripts, sources.iter().cloned());
    let mut world = World::new(&shelf, Vocabulary::of_this_binary(), scripts, sources.len());
    task::task_params(&mut world);
    let mut found = Findings::default();
    for rule in RULES {
        rule(&world, &mut found);
    }
    found.sorted()
}

/// What has been found so far.
#[derive(Default)]
pub struct Findings(Vec<Finding>);

impl Findings {
    fn error(&mut self, unit: &Unit<'_>, code: &str, message: impl Into<String>, position: Position) -> Latest<'_> {
        self.0.push(Finding::new(unit.source, code, message, position));
        Latest(self.0.last_mut())
    }

    /// Something that works but is probably not meant.
    fn warning(&mut self, unit: &Unit<'_>, code: &str, message: impl Into<String>, position: Position) -> Latest<'_> {
        self.0.push(Finding::new(unit.source, code, message, position).warning());
        Latest(self.0.last_mut())
    }

    /// Something that went wrong while reading a script.
    fn fault(&mut self, source: &Source, fault: &Fault, position: Position) {
        self.0.push(Finding::new(source, fault.code(), fault.message(), position).maybe(fault.help()));
    }

    /// In order of place, each once.
    fn sorted(mut self) -> Vec<Finding> {
        self.0.sort_by(|a, b| key(a).cmp(&key(b)));
        self.0.dedup_by(|a, b| key(a) == key(b));
        self.0
    }
}

fn key(finding: &Finding) -> (&str, Position, &str, &str) {
    (&finding.source, finding.position, &finding.code, &finding.message)
}

/// The finding just made, to which a next step may be added.
struct Latest<'f>(Option<&'f mut Finding>);

impl Latest<'_> {
    fn help(self, help: impl Into<String>) {
        self.maybe(Some(help.into()));
    }

    fn maybe(self, help: Option<String>) {
        if let Some(finding) = self.0 {
            finding.help = help;
        }
    }
}
