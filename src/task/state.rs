//! What a run's steps tell each other: one map, shared by all closures, so that writes from helper functions count.

use crate::event::Event;
use crate::host::SharedHost;
use crate::journal::Known;
use crate::script::{Fault, RhaiResultOf, kept, unknown};
use miette::Diagnostic;
use rhai::{Dynamic, Engine, Map, NativeCallContext};
use std::collections::BTreeMap;
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
    /// What steps set before the run was cut short.
    earlier: BTreeMap<String, Known>,
    host: SharedHost,
    /// Set once a step was not previewed to its end: it might have set any key.
    incomplete: AtomicBool,
}

impl State {
    pub fn new(host: &SharedHost, earlier: BTreeMap<String, Known>) -> Self {
        Self(Arc::new(Inner { values: Mutex::default(), earlier, host: host.clone(), incomplete: AtomicBool::new(false) }))
    }

    /// From now on a missing key may be one that a step would have set.
    pub fn mark_incomplete(&self) {
        self.0.incomplete.store(true, Ordering::SeqCst);
    }

    fn get(&self, engine: &Engine, key: &str) -> RhaiResultOf<Dynamic> {
        if let Some(value) = self.0.values.lock().unwrap_or_else(PoisonError::into_inner).get(key) {
            return Ok(value.clone());
        }
        if let Some(known) = self.0.earlier.get(key) {
            let value = kept::restore(&self.0.host, engine, &format!("state.{key}"), known)?;
            self.0.values.lock().unwrap_or_else(PoisonError::into_inner).insert(key.into(), value.clone());
            return Ok(value);
        }
        if self.0.host.dry_run() && self.0.incomplete.load(Ordering::SeqCst) {
            return Ok(unknown(&self.0.host, format!("the step that sets `state.{key}`")));
        }
        Err(Fault::from(NotSet { key: key.to_owned() }).raise())
    }

    fn set(&self, key: &str, value: Dynamic) {
        let host = &self.0.host;
        if !host.dry_run() {
            let Known { value, kept } = kept::keep(host, &value);
            host.events.emit(&Event::StateSet { key: key.to_owned(), value, kept });
        }
        self.0.values.lock().unwrap_or_else(PoisonError::into_inner).insert(key.into(), value);
    }
}

pub fn register(engine: &mut Engine) {
    engine.register_type_with_name::<State>("state");
    engine.register_indexer_get(|ctx: NativeCallContext, state: &mut State, key: &str| state.get(ctx.engine(), key));
    engine.register_indexer_set(|state: &mut State, key: &str, value: Dynamic| state.set(key, value));
}
