//! What a run's steps tell each other: one map, shared by all closures, so that writes from helper functions count.

use crate::host::SharedHost;
use crate::script::{Fault, Pending, RhaiResultOf};
use miette::Diagnostic;
use rhai::{Dynamic, Engine, Map};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
#[error("no step has set `state.{key}`")]
#[diagnostic(code(state::not_set), help("set it in the `run` of an earlier step: `state.{key} = …`"))]
struct NotSet {
    key: String,
}

/// `state`, as a step's closure gets it.
#[derive(Clone)]
pub struct State(Arc<Inner>);

struct Inner {
    values: Mutex<Map>,
    dry_run: bool,
    /// Set once a step was not previewed to its end: it might have set any key.
    incomplete: AtomicBool,
}

impl State {
    pub fn new(host: &SharedHost) -> Self {
        Self(Arc::new(Inner { values: Mutex::default(), dry_run: host.dry_run(), incomplete: AtomicBool::new(false) }))
    }

    /// From now on a missing key may be one that a step would have set.
    pub fn mark_incomplete(&self) {
        self.0.incomplete.store(true, Ordering::SeqCst);
    }

    fn get(&self, key: &str) -> RhaiResultOf<Dynamic> {
        if let Some(value) = self.0.values.lock().unwrap_or_else(PoisonError::into_inner).get(key) {
            return Ok(value.clone());
        }
        if self.0.dry_run && self.0.incomplete.load(Ordering::SeqCst) {
            return Ok(Dynamic::from(Pending::new(format!("the step that sets `state.{key}`"))));
        }
        Err(Fault::from(NotSet { key: key.to_owned() }).raise())
    }

    fn set(&self, key: &str, value: Dynamic) {
        self.0.values.lock().unwrap_or_else(PoisonError::into_inner).insert(key.into(), value);
    }
}

pub fn register(engine: &mut Engine) {
    engine.register_type_with_name::<State>("state");
    engine.register_indexer_get(|state: &mut State, key: &str| state.get(key));
    engine.register_indexer_set(|state: &mut State, key: &str, value: Dynamic| state.set(key, value));
}
