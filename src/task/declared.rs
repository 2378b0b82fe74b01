//! What a task's hooks declare: requirements, steps, points of no return, checks. Nothing is carried out here,
//! except `remember`, which must read before the steps change what it reads.

use super::closure::Closure;
use crate::event::Event;
use crate::host::SharedHost;
use crate::journal::Known;
use crate::script::{Fault, RhaiResultOf, host_of, kept};
use miette::Diagnostic;
use rhai::{Dynamic, Engine, FnPtr, Map, NativeCallContext};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Something asked: a precondition, or a line of `done_when`.
#[derive(Clone)]
pub struct Question {
    pub name: String,
    pub ask: Closure,
}

#[derive(Clone)]
pub struct Step {
    pub name: String,
    pub done: Option<Closure>,
    pub run: Closure,
    /// What later steps rely on, asked again by a run that goes on.
    pub holds: Option<Closure>,
    pub undo: Option<Closure>,
}

#[derive(Clone)]
pub enum Item {
    Step(Step),
    /// Undo never crosses it.
    Commit(String),
}

impl Item {
    pub fn step(&self) -> Option<&Step> {
        match self {
            Item::Step(step) => Some(step),
            Item::Commit(_) => None,
        }
    }
}

#[derive(Default)]
pub struct Declared {
    pub questions: Vec<Question>,
    pub items: Vec<Item>,
    remembered: Vec<String>,
}

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
enum DeclareError {
    #[error("a step named `{0}` is declared twice")]
    #[diagnostic(code(task::duplicate_step), help("give each step a name of its own: resume and undo go by it"))]
    DuplicateStep(String),
    #[error("`{0}` is remembered twice")]
    #[diagnostic(code(task::duplicate_memory), help("give each remembered value a name of its own"))]
    DuplicateMemory(String),
    #[error("step `{step}`: {reason}")]
    #[diagnostic(
        code(task::bad_step),
        help("a step is a closure, or a map with `run` and, where it needs them, `done`, `holds` and `undo`")
    )]
    BadStep { step: String, reason: String },
}

/// `task`, as a hook gets it.
#[derive(Clone, Default)]
pub struct Task {
    declared: Arc<Mutex<Declared>>,
    /// What was remembered before the run was cut short.
    earlier: Arc<BTreeMap<String, Known>>,
}

impl Task {
    /// For a run that goes on: what it remembered is not read anew.
    pub fn remembering(earlier: BTreeMap<String, Known>) -> Self {
        Self { declared: Arc::default(), earlier: Arc::new(earlier) }
    }

    /// What was declared, leaving nothing behind.
    pub fn take(&self) -> Declared {
        std::mem::take(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Declared> {
        self.declared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn question(&self, name: &str, ask: Closure) {
        self.lock().questions.push(Question { name: name.to_owned(), ask });
    }

    fn step(&self, step: Step) -> Result<(), Fault> {
        let mut declared = self.lock();
        if declared.items.iter().any(|item| matches!(item, Item::Step(other) if other.name == step.name)) {
            return Err(DeclareError::DuplicateStep(step.name).into());
        }
        declared.items.push(Item::Step(step));
        Ok(())
    }

    fn remember(&self, host: &SharedHost, engine: &Engine, name: &str, closure: &Closure) -> RhaiResultOf<Dynamic> {
        {
            let mut declared = self.lock();
            if declared.remembered.iter().any(|other| other == name) {
                return Err(Fault::from(DeclareError::DuplicateMemory(name.to_owned())).raise());
            }
            declared.remembered.push(name.to_owned());
        }
        if let Some(known) = self.earlier.get(name) {
            return kept::restore(host, engine, name, known);
        }
        let declaring = host.declaring();
        host.set_declaring(false);
        let value = closure.call(engine, None);
        host.set_declaring(declaring);
        if let (Ok(value), false) = (&value, host.dry_run()) {
            let Known { value, kept } = kept::keep(host, value);
            host.events.emit(&Event::Remembered { name: name.to_owned(), value, kept });
        }
        value
    }
}

fn step_from_map(ctx: &NativeCallContext, name: &str, mut map: Map) -> Result<Step, Fault> {
    let bad = |reason: String| DeclareError::BadStep { step: name.to_owned(), reason };
    let mut closure = |key: &str| match map.remove(key) {
        None => Ok(None),
        Some(value) => {
            let given = value.type_name();
            value
                .try_cast::<FnPtr>()
                .map(|function| Some(Closure::keep(ctx, function)))
                .ok_or_else(|| bad(format!("`{key}` should be a closure, not {given}")))
        }
    };
    let (done, run, holds, undo) = (closure("done")?, closure("run")?, closure("holds")?, closure("undo")?);
    if let Some(key) = map.keys().next() {
        return Err(bad(format!("unknown key `{key}`")).into());
    }
    let run = run.ok_or_else(|| bad("it has no `run`".into()))?;
    Ok(Step { name: name.to_owned(), done, run, holds, undo })
}

/// Registers `task` and its methods.
pub fn register(engine: &mut Engine) {
    engine.register_type_with_name::<Task>("task");
    for name in ["require", "check"] {
        engine.register_fn(name, |ctx: NativeCallContext, task: &mut Task, name: &str, ask: FnPtr| {
            task.question(name, Closure::keep(&ctx, ask));
        });
    }
    engine.register_fn("step", |ctx: NativeCallContext, task: &mut Task, name: &str, run: FnPtr| -> RhaiResultOf<()> {
        let run = Closure::keep(&ctx, run);
        task.step(Step { name: name.to_owned(), done: None, run, holds: None, undo: None }).map_err(Fault::raise)
    });
    engine.register_fn("step", |ctx: NativeCallContext, task: &mut Task, name: &str, map: Map| -> RhaiResultOf<()> {
        step_from_map(&ctx, name, map).and_then(|step| task.step(step)).map_err(Fault::raise)
    });
    engine.register_fn("commit", |task: &mut Task, why: &str| task.lock().items.push(Item::Commit(why.to_owned())));
    engine.register_fn("remember", |ctx: NativeCallContext, task: &mut Task, name: &str, read: FnPtr| {
        let closure = Closure::keep(&ctx, read);
        task.clone().remember(&host_of(&ctx), ctx.engine(), name, &closure)
    });
    engine.register_fn("each", |ctx: NativeCallContext, task: &mut Task, list: rhai::Array, body: FnPtr| -> RhaiResultOf<()> {
        for item in list {
            let _: Dynamic = body.call_within_context(&ctx, (task.clone(), item))?;
        }
        Ok(())
    });
}
