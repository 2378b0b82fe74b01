//! The steps of a task, in order, and the way back when one fails.

use super::ask::{ask, in_words};
use super::declared::{Item, Step};
use super::state::State;
use crate::event::{Ending, Event, Verdict};
use crate::host::{self, SharedHost};
use crate::journal::{Passed, Story};
use crate::script::{Fault, Pending, RhaiResultOf, is_interrupt};
use miette::Diagnostic;
use rhai::{Dynamic, Engine, EvalAltResult};
use std::time::Instant;

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
enum StepError {
    #[error("step `{step}` ran, but its `done` does not hold: {reason}")]
    #[diagnostic(code(task::not_done), help("look at what the step changed; `done` must be true once `run` has returned"))]
    NotDone { step: String, reason: String },
    #[error("`done` of step `{step}` could not be asked: {reason}")]
    #[diagnostic(code(task::cannot_ask), help("mend what it says and run the same command again"))]
    CannotAsk { step: String, reason: String },
}

/// How the steps ended.
#[derive(Default)]
pub struct Walk {
    /// What stopped them.
    pub failure: Option<Box<EvalAltResult>>,
    /// In a dry run: something would have stopped a live one.
    pub would_stop: bool,
    /// Whether a point of no return was passed.
    pub committed: Option<String>,
    /// The steps that were undone, newest first, and those whose undo failed.
    pub undone: Vec<String>,
    pub not_undone: Vec<String>,
    pub failed_step: Option<String>,
}

/// One walk through a task's items.
pub struct Walker<'w> {
    pub host: &'w SharedHost,
    pub engine: &'w Engine,
    pub state: State,
    /// The run that this one goes on with.
    pub earlier: Option<&'w Story>,
}

impl Walker<'_> {
    pub fn walk(&self, items: &[Item]) -> Walk {
        let mut walk = Walk::default();
        let names: Vec<String> = items.iter().filter_map(Item::step).map(|step| step.name.clone()).collect();
        let count = names.len();
        self.host.events.emit(&Event::StepsDeclared { names });
        let mut finished: Vec<&Step> = Vec::new();
        let mut index = 0;
        for item in items {
            match item {
                Item::Commit(why) => {
                    finished.clear();
                    walk.committed = Some(why.clone());
                    self.host.events.emit(&Event::Committed { why: why.clone() });
                }
                Item::Step(step) => {
                    index += 1;
                    match self.step(step, index, count) {
                        Ok(Ending::Earlier) if self.passed(step) == Some(Passed::Skipped) => {}
                        Ok(Ending::AlreadyDone) if !self.earlier.is_some_and(|story| story.touched(&step.name)) => {}
                        Ok(_) => finished.push(step),
                        Err(_) if self.host.dry_run() => walk.would_stop = true,
                        Err(error) => {
                            finished.push(step);
                            walk.failed_step = Some(step.name.clone());
                            let refused = Fault::find(&error).is_some_and(|fault| fault.is_refusal());
                            walk.failure = Some(error);
                            // Whoever may not go on may not go back either: `railrun undo` does, once it is known why.
                            if refused {
                                walk.not_undone.extend(finished.iter().filter(|step| step.undo.is_some()).map(|step| step.name.clone()));
                            } else {
                                self.undo(&finished, &mut walk);
                            }
                            break;
                        }
                    }
                }
            }
        }
        self.host.begin_step(None);
        walk
    }

    fn step(&self, step: &Step, index: usize, count: usize) -> RhaiResultOf<Ending> {
        self.host.begin_step(Some(host::Step { index, name: step.name.clone() }));
        self.host.events.emit(&Event::StepStarted { index, count, name: step.name.clone() });
        let began = Instant::now();
        let result = self.carry_out(step);
        let ending = result.as_ref().map_or(Ending::Failed, Clone::clone);
        if let (Err(error), true) = (&result, self.host.dry_run()) {
            self.host.events.emit(&Event::WouldStop { reason: in_words(error) });
        }
        self.host.events.emit(&Event::StepEnded { index, name: step.name.clone(), ending, elapsed: began.elapsed() });
        result
    }

    fn passed(&self, step: &Step) -> Option<Passed> {
        self.earlier.and_then(|story| story.passed(&step.name))
    }

    fn carry_out(&self, step: &Step) -> RhaiResultOf<Ending> {
        if self.passed(step).is_some() {
            return Ok(Ending::Earlier);
        }
        if self.done(step)?.is_some_and(|verdict| verdict.holds()) {
            return Ok(Ending::AlreadyDone);
        }
        if let Err(error) = step.run.call(self.engine, Some(Dynamic::from(self.state.clone()))) {
            return self.unknown(&error).map_or(Err(error), |after| Ok(Ending::Pending(after)));
        }
        if self.host.dry_run() {
            return Ok(self.ran());
        }
        match self.done(step)? {
            None | Some(Verdict::True) => Ok(self.ran()),
            Some(Verdict::False(reason) | Verdict::Unknown(reason) | Verdict::Pending(reason)) => {
                Err(Fault::from(StepError::NotDone { step: step.name.clone(), reason }).raise())
            }
        }
    }

    fn ran(&self) -> Ending {
        Ending::Ran { changes: self.host.changes(), summary: None }
    }

    fn done(&self, step: &Step) -> RhaiResultOf<Option<Verdict>> {
        let Some(done) = &step.done else { return Ok(None) };
        match ask(self.host, self.engine, done).map_err(Fault::raise)? {
            Verdict::Unknown(reason) if !self.host.dry_run() => {
                Err(Fault::from(StepError::CannotAsk { step: step.name.clone(), reason }).raise())
            }
            verdict => Ok(Some(verdict)),
        }
    }

    /// In a dry run: what this step's preview would have to wait for.
    fn unknown(&self, error: &EvalAltResult) -> Option<String> {
        if !self.host.dry_run() {
            return None;
        }
        self.state.mark_incomplete();
        if let Some(pending) = Pending::find(error) {
            return Some(pending.after);
        }
        Pending::stumbled(error).then(|| self.host.plan.last_unknown())
    }

    /// The way back of a run that was cut short or could not be undone.
    pub fn take_back(&self, items: &[Item], story: &Story) -> Walk {
        let mut walk = Walk::default();
        let mut begun: Vec<&Step> = Vec::new();
        for item in items {
            match item {
                Item::Commit(why) if story.committed.contains(why) => {
                    begun.clear();
                    walk.committed = Some(why.clone());
                }
                Item::Step(step) if story.to_undo(&step.name) => begun.push(step),
                Item::Commit(_) | Item::Step(_) => {}
            }
        }
        self.undo(&begun, &mut walk);
        walk
    }

    /// Newest first; one that fails does not stop the others, a second Ctrl-C does.
    fn undo(&self, finished: &[&Step], walk: &mut Walk) {
        self.host.bridge.acknowledge();
        for step in finished.iter().rev() {
            let Some(undo) = &step.undo else { continue };
            self.host.events.emit(&Event::UndoStarted { step: step.name.clone() });
            let began = Instant::now();
            let result = undo.call(self.engine, None);
            let error = result.as_ref().err().map(|error| in_words(error));
            let interrupted = result.as_ref().is_err_and(|error| Fault::find(error).is_some_and(|fault| is_interrupt(&fault)));
            if error.is_none() {
                walk.undone.push(step.name.clone());
            } else {
                walk.not_undone.push(step.name.clone());
            }
            self.host.events.emit(&Event::UndoEnded { step: step.name.clone(), error, elapsed: began.elapsed() });
            if interrupted {
                break;
            }
        }
    }
}
