//! The life of a run, in the order in which it happens: done already? needs and preconditions, steps, proof.

use super::ask::{ask_all, in_words};
use super::declared::{Declared, Task};
use super::needs::unmet;
use super::state::State;
use super::steps::{Walk, Walker};
use crate::effect::Mode;
use crate::engine::Script;
use crate::event::{Event, Phase, RunOutcome, Verdict};
use crate::host::SharedHost;
use crate::journal::Story;
use crate::script::{Fault, Pending, RhaiResultOf, is_interrupt};
use miette::Diagnostic;
use rhai::{CallFnOptions, Dynamic, Engine, EvalAltResult, Scope};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Instant;

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
enum RunError {
    #[error("{said}: {}", missing.join("; "))]
    #[diagnostic(code(task::not_proven))]
    NotProven {
        said: &'static str,
        missing: Vec<String>,
        #[help]
        help: String,
    },
}

/// A run that did not end well.
pub struct Failed {
    pub error: Box<EvalAltResult>,
    pub outcome: RunOutcome,
    pub walk: Option<Walk>,
}

/// What a run has at hand.
pub struct Runner<'r> {
    pub host: &'r SharedHost,
    pub engine: &'r Engine,
    /// All tasks that may be needed.
    pub tasks: &'r [Script],
    /// What must be asked before the first step of a live run.
    pub ahead: Option<Ahead<'r>>,
}

/// Looks at what the steps of a script will do, and says why they may not begin.
pub type Ahead<'r> = &'r dyn Fn(&Script) -> Result<(), Fault>;

impl Runner<'_> {
    /// Runs one script from beginning to end, or from where an earlier run of it was cut short.
    pub fn run(&self, script: &Script, earlier: Option<&Story>) -> Result<RunOutcome, Failed> {
        self.told(script, earlier, || match earlier {
            Some(story) => self.go_on(script, story),
            None => self.live(script),
        })
    }

    /// The steps alone, in a dry run: for whoever looks at what they would do.
    pub fn look_ahead(&self, script: &Script) {
        let _ = self.steps(script, None);
    }

    /// Takes back what an earlier run began.
    pub fn undo(&self, script: &Script, story: &Story) -> Result<(RunOutcome, Walk), Failed> {
        let mut taken = Walk::default();
        let outcome = self.told(script, Some(story), || {
            self.lock()?;
            let declared = self.declare(script, "steps", Some(story)).map_err(|error| failed(error, None))?;
            taken = self.walker(Some(story)).take_back(&declared.items, story);
            Ok(match () {
                () if taken.interrupted => RunOutcome::Interrupted,
                () if taken.not_undone.is_empty() => RunOutcome::Undone,
                () => RunOutcome::Failed,
            })
        })?;
        Ok((outcome, taken))
    }

    /// A piece of work with its beginning and its end in the event stream.
    fn told(
        &self,
        script: &Script,
        earlier: Option<&Story>,
        work: impl FnOnce() -> Result<RunOutcome, Failed>,
    ) -> Result<RunOutcome, Failed> {
        let began = Instant::now();
        let id = id_of(script);
        self.announce(script, earlier);
        let result = work();
        let outcome = result.as_ref().map_or_else(|failed| failed.outcome, |outcome| *outcome);
        self.host.events.emit(&Event::RunEnded { id, outcome, elapsed: began.elapsed() });
        result
    }

    /// Asks a task's `done_when`; the answers with their names.
    pub fn done(&self, script: &Script, phase: Phase) -> RhaiResultOf<Vec<(String, Verdict)>> {
        let declared = self.declare(script, "done_when", None)?;
        let verdicts = ask_all(self.host, self.engine, phase, &declared.questions).map_err(Fault::raise)?;
        Ok(declared.questions.iter().map(|question| question.name.clone()).zip(verdicts).collect())
    }

    fn announce(&self, script: &Script, earlier: Option<&Story>) {
        let cluster_uid = self.host.cluster().ok().map(|cluster| cluster.uid().to_owned());
        let cluster = cluster_uid.as_ref().map(|uid| uid.chars().take(6).collect());
        self.host.events.emit(&Event::RunStarted {
            id: id_of(script),
            run: earlier.map_or_else(|| self.host.run_id.clone(), |story| story.run.clone()),
            resumed: earlier.is_some(),
            title: script.task.as_ref().map(|task| task.title.clone()).unwrap_or_default(),
            script: script.name.clone(),
            source: script.fingerprint.clone(),
            environment: self.host.settings.environment_name.clone(),
            cluster,
            cluster_uid,
            mode: if self.host.dry_run() { Mode::DryRun } else { Mode::Live },
            state_hub_task_id: script.task.as_ref().and_then(|task| task.state_hub_task_id.clone()),
        });
    }

    fn live(&self, script: &Script) -> Result<RunOutcome, Failed> {
        if !["preconditions", "steps", "done_when"].iter().any(|hook| script.has_hook(hook)) {
            return self.plain(script);
        }
        if script.has_hook("done_when") {
            let answers = self.done(script, Phase::DoneWhen).map_err(|error| failed(error, None))?;
            let done = answers.iter().all(|(_, verdict)| verdict.holds());
            if done {
                return Ok(RunOutcome::AlreadyDone);
            }
            if !script.has_hook("steps") {
                return Err(failed(
                    not_proven("what this script checks does not hold", &answers, "mend what is marked above; this script changes nothing"),
                    None,
                ));
            }
        }
        let mut would_stop = !self.require(script)?;
        if let Some(ahead) = self.ahead.filter(|_| script.has_hook("steps")) {
            ahead(script).map_err(|fault| failed(fault.raise(), None))?;
        }
        self.lock()?;
        let walk = self.steps(script, None)?;
        would_stop |= walk.would_stop;
        if self.host.dry_run() {
            return Ok(if would_stop { RunOutcome::WouldStop } else { RunOutcome::Planned });
        }
        self.prove(script, walk)
    }

    /// From here on this run works alone on the environment.
    fn lock(&self) -> Result<(), Failed> {
        self.host.lock().map_err(|reason| failed(Fault::from(reason).raise(), None))
    }

    /// After a run that was cut short: whether the task is done, and what it requires, may be false because of us, or true
    /// with work left. Other tasks are asked; they stop a run that has changed nothing yet.
    fn go_on(&self, script: &Script, story: &Story) -> Result<RunOutcome, Failed> {
        self.host.events.note(story.where_it_stopped());
        let needs = self.needs(script)?;
        // T02 adds a user to T01's values: until they are deployed, T01 is not done because of us.
        if story.has_changed_anything() {
            for (need, _) in needs.into_iter().filter(|(_, holds)| !holds) {
                self.host.events.note(format!("`{need}` may be false because of what this run has begun: it goes on"));
            }
        } else if let Some(unmet) = unmet(needs) {
            return Err(unmet);
        }
        self.lock()?;
        let walk = self.steps(script, Some(story))?;
        self.prove(script, walk)
    }

    /// A script without hooks: its top level is the whole of it.
    fn plain(&self, script: &Script) -> Result<RunOutcome, Failed> {
        match self.engine.eval_ast_with_scope::<Dynamic>(&mut Scope::new(), &script.ast) {
            Ok(_) => Ok(RunOutcome::Done),
            Err(error) if self.host.dry_run() && (Pending::find(&error).is_some() || Pending::stumbled(&error)) => Ok(RunOutcome::Planned),
            Err(error) => Err(failed(error, None)),
        }
    }

    fn steps(&self, script: &Script, earlier: Option<&Story>) -> Result<Walk, Failed> {
        let declared = match self.declare(script, "steps", earlier) {
            Ok(declared) => declared,
            Err(error) if self.host.dry_run() => {
                self.host.events.emit(&Event::WouldStop { reason: in_words(&error) });
                return Err(Failed { error, outcome: RunOutcome::WouldStop, walk: None });
            }
            Err(error) => return Err(failed(error, None)),
        };
        let mut walk = self.walker(earlier).walk(&declared.items);
        match walk.failure.take() {
            Some(error) => Err(failed(error, Some(walk))),
            None => Ok(walk),
        }
    }

    fn walker<'w>(&'w self, earlier: Option<&'w Story>) -> Walker<'w> {
        let state = State::new(self.host, earlier.map_or_else(BTreeMap::new, |story| story.state.clone()));
        Walker { host: self.host, engine: self.engine, state, earlier, anew: RefCell::default() }
    }

    fn prove(&self, script: &Script, walk: Walk) -> Result<RunOutcome, Failed> {
        if !script.has_hook("done_when") {
            return Ok(RunOutcome::Done);
        }
        let answers = self.done(script, Phase::DoneWhen).map_err(|error| failed(error, None))?;
        if answers.iter().all(|(_, verdict)| verdict.holds()) {
            return Ok(RunOutcome::Done);
        }
        let help = match &walk.committed {
            Some(why) => format!("nothing is undone, because {why}; mend what is marked above and run the same command again"),
            None => "mend what is marked above and run the same command again".to_owned(),
        };
        Err(failed(not_proven("all steps ran, but `done_when` does not hold", &answers, &help), Some(walk)))
    }

    /// Calls a hook, which only declares.
    pub(super) fn declare(&self, script: &Script, hook: &str, earlier: Option<&Story>) -> RhaiResultOf<Declared> {
        let task = Task::remembering(earlier.map_or_else(BTreeMap::new, |story| story.remembered.clone()));
        if !script.has_hook(hook) {
            return Ok(task.take());
        }
        self.host.set_declaring(true);
        let options = CallFnOptions::new().eval_ast(true).rewind_scope(true);
        let result = self.engine.call_fn_with_options::<Dynamic>(options, &mut Scope::new(), &script.ast, hook, (task.clone(),));
        self.host.set_declaring(false);
        result.map(|_| task.take())
    }
}

/// A task's id; for a script without one its file's name.
pub fn id_of(script: &Script) -> String {
    script.task.as_ref().map_or_else(|| script.path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), |task| task.id.clone())
}

fn not_proven(said: &'static str, answers: &[(String, Verdict)], help: &str) -> Box<EvalAltResult> {
    let missing = answers.iter().filter(|(_, verdict)| !verdict.holds()).map(|(name, _)| name.clone()).collect();
    Fault::from(RunError::NotProven { said, missing, help: help.to_owned() }).raise()
}

pub(super) fn failed(error: Box<EvalAltResult>, walk: Option<Walk>) -> Failed {
    let outcome = match Fault::find(&error) {
        _ if walk.as_ref().is_some_and(|walk| walk.interrupted) => RunOutcome::Interrupted,
        Some(fault) if is_interrupt(&fault) => RunOutcome::Interrupted,
        Some(fault) if fault.is_refusal() => RunOutcome::Refused,
        _ => RunOutcome::Failed,
    };
    Failed { error, outcome, walk }
}
