//! The steps of a task, in order, and the way back when one fails.

use super::ask::{ask, in_words};
use super::closure::Closure;
use super::declared::{Item, Step};
use super::state::State;
use crate::event::{Ending, Event, Verdict};
use crate::host::{self, SharedHost};
use crate::journal::{Passed, Story};
use crate::script::{Fault, Pending, RhaiResultOf, is_interrupt};
use miette::Diagnostic;
use rhai::{Dynamic, Engine, EvalAltResult};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Instant;

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
enum StepError {
    #[error("step `{step}` ran, but its `done` does not hold: {reason}")]
    #[diagnostic(code(task::not_done), help("look at what the step changed; `done` must be true once `run` has returned"))]
    NotDone { step: String, reason: String },
    #[error("`{key}` of step `{step}` could not be asked: {reason}")]
    #[diagnostic(code(task::cannot_ask), help("mend what it says and run the same command again"))]
    CannotAsk { key: &'static str, step: String, reason: String },
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
    /// Whether Ctrl-C ended the way back.
    pub interrupted: bool,
    pub failed_step: Option<String>,
}

/// One walk through a task's items.
pub struct Walker<'w> {
    pub host: &'w SharedHost,
    pub engine: &'w Engine,
    pub state: State,
    /// The run that this one goes on with.
    pub earlier: Option<&'w Story>,
    /// What it passed and is done anew.
    pub anew: RefCell<BTreeSet<String>>,
}

impl Walker<'_> {
    pub fn walk(&self, items: &[Item]) -> Walk {
        let mut walk = Walk::default();
        let names: Vec<String> = items.iter().filter_map(Item::step).map(|step| step.name.clone()).collect();
        let count = names.len();
        self.host.events.emit(&Event::StepsDeclared { names });
        let mut finished: Vec<&Step> = Vec::new();
        let mut index = 0;
        for (place, item) in items.iter().enumerate() {
            match item {
                Item::Commit(why) => {
                    finished.clear();
                    walk.committed = Some(why.clone());
                    self.host.events.emit(&Event::Committed { why: why.clone() });
                }
                Item::Step(step) => {
                    index += 1;
                    match self.step(step, &items[place + 1..], index, count) {
                        Ok(Ending::Earlier) if self.was_skipped(step) => {}
                        Ok(Ending::AlreadyDone) if !self.earlier.is_some_and(|story| story.touched(&step.name)) => {}
                        Ok(_) => finished.push(step),
                        Err(_) if self.host.dry_run() => walk.would_stop = true,
                        Err(error) => {
                            finished.push(step);
                            walk.failed_step = Some(step.name.clone());
                            // It may have been run anew: an earlier life of this run has begun steps behind it.
                            if let Some(story) = self.earlier {
                                begun_in(story, &items[place + 1..], &mut finished, &mut walk);
                            }
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

    fn step(&self, step: &Step, behind: &[Item], index: usize, count: usize) -> RhaiResultOf<Ending> {
        self.host.begin_step(Some(host::Step { index, name: step.name.clone() }));
        self.host.events.emit(&Event::StepStarted { index, count, name: step.name.clone() });
        let began = Instant::now();
        let result = match self.still_passed(step, behind) {
            Ok(true) => Ok(Ending::Earlier),
            Ok(false) => self.carry_out(step),
            Err(error) => Err(error),
        };
        let ending = result.as_ref().map_or(Ending::Failed, Clone::clone);
        if let (Err(error), true) = (&result, self.host.dry_run()) {
            self.host.events.emit(&Event::WouldStop { reason: in_words(error) });
        }
        self.host.events.emit(&Event::StepEnded { index, name: step.name.clone(), ending, elapsed: began.elapsed() });
        result
    }

    fn was_skipped(&self, step: &Step) -> bool {
        self.earlier.and_then(|story| story.passed(&step.name)) == Some(Passed::Skipped)
    }

    /// Whether an earlier life of this run has passed a step, and what it left for those behind it is still there. Where it is
    /// not, they are all done anew, up to the next point of no return; behind such a point nothing is asked.
    fn still_passed(&self, step: &Step, behind: &[Item]) -> RhaiResultOf<bool> {
        let Some(story) = self.earlier else { return Ok(false) };
        if story.passed(&step.name).is_none() || self.anew.borrow().contains(&step.name) {
            return Ok(false);
        }
        let committed = |item: &Item| matches!(item, Item::Commit(why) if story.committed.contains(why));
        let Some(holds) = step.holds.as_ref().filter(|_| !behind.iter().any(committed)) else { return Ok(true) };
        match self.ask("holds", step, holds)? {
            Verdict::True => Ok(true),
            Verdict::False(reason) | Verdict::Unknown(reason) | Verdict::Pending(reason) => {
                let following = behind.iter().map_while(Item::step).map(|step| step.name.clone());
                let names: Vec<String> = std::iter::once(step.name.clone()).chain(following).collect();
                let because =
                    format!("what `{}` left does not hold any more, so it is done anew, and what follows it: {reason}", step.name);
                self.anew.borrow_mut().extend(names.iter().cloned());
                self.host.events.emit(&Event::StepsReopened { because, names });
                Ok(false)
            }
        }
    }

    fn carry_out(&self, step: &Step) -> RhaiResultOf<Ending> {
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
        step.done.as_ref().map(|done| self.ask("done", step, done)).transpose()
    }

    fn ask(&self, key: &'static str, step: &Step, closure: &Closure) -> RhaiResultOf<Verdict> {
        match ask(self.host, self.engine, closure, Some(Dynamic::from(self.state.clone()))).map_err(Fault::raise)? {
            Verdict::Unknown(reason) if !self.host.dry_run() => {
                Err(Fault::from(StepError::CannotAsk { key, step: step.name.clone(), reason }).raise())
            }
            verdict => Ok(verdict),
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
        begun_in(story, items, &mut begun, &mut walk);
        self.undo(&begun, &mut walk);
        walk
    }

    /// Newest first; one that fails does not stop the others, a second Ctrl-C does.
    fn undo(&self, finished: &[&Step], walk: &mut Walk) {
        self.host.bridge.acknowledge();
        for (step, undo) in finished.iter().rev().filter_map(|step| step.undo.as_ref().map(|undo| (step, undo))) {
            if walk.interrupted {
                walk.not_undone.push(step.name.clone());
                continue;
            }
            self.host.events.emit(&Event::UndoStarted { step: step.name.clone() });
            let began = Instant::now();
            let result = undo.call(self.engine, Some(Dynamic::from(self.state.clone())));
            let error = result.as_ref().err().map(|error| in_words(error));
            walk.interrupted = result.as_ref().is_err_and(|error| Fault::find(error).is_some_and(|fault| is_interrupt(&fault)));
            let list = if error.is_none() { &mut walk.undone } else { &mut walk.not_undone };
            list.push(step.name.clone());
            self.host.events.emit(&Event::UndoEnded { step: step.name.clone(), error, elapsed: began.elapsed() });
        }
    }
}

/// Adds what the story tells of these items that has been begun and not been taken back, from its last point of no return on.
fn begun_in<'i>(story: &Story, items: &'i [Item], begun: &mut Vec<&'i Step>, walk: &mut Walk) {
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
}
