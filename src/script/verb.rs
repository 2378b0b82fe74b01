//! What a primitive says about its verbs beyond their signatures: how they behave and which options they take.
//! `check`, `docs` and completion read it; the verbs themselves are ordinary Rhai functions.

use crate::script::value::fields;
use crate::script::{Fault, value};
use rhai::Map;
use serde::de::DeserializeOwned;

/// How a verb behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Never alters anything.
    Read,
    /// Reaches a state; does nothing when nothing differs.
    State,
    /// Always acts; a step that calls it needs its own `done`.
    Action,
}

#[derive(Clone, Debug)]
pub struct Verb {
    pub name: &'static str,
    pub kind: Kind,
    /// The keys its option map may have; empty where it takes none.
    pub options: &'static [&'static str],
    /// Whether these options, as far as they are given, are of the right types.
    pub accepts: Option<fn(Map) -> Result<(), Fault>>,
    /// May be called while a script only declares.
    pub declaring: bool,
}

impl Verb {
    pub fn read(name: &'static str) -> Self {
        Self { name, kind: Kind::Read, options: &[], accepts: None, declaring: false }
    }

    pub fn state(name: &'static str) -> Self {
        Self { kind: Kind::State, ..Self::read(name) }
    }

    pub fn action(name: &'static str) -> Self {
        Self { kind: Kind::Action, ..Self::read(name) }
    }

    /// Its last argument is a map with the fields of `T`.
    #[must_use]
    pub fn options<T: DeserializeOwned>(mut self) -> Self {
        self.options = fields::<T>();
        self.accepts = Some(|map| value::options::<T>(map).map(drop));
        self
    }

    #[must_use]
    pub fn while_declaring(mut self) -> Self {
        self.declaring = true;
        self
    }
}

/// A namespace of verbs.
pub struct Primitive {
    pub name: &'static str,
    pub module: rhai::Module,
    pub verbs: Vec<Verb>,
    /// Registers the types and their methods that its verbs hand out.
    pub types: fn(&mut rhai::Engine),
}
