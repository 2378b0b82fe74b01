//! What must hold before the first step: the tasks that are needed, asked now, and a task's own preconditions.

use super::ask::{ask, ask_all};
use super::run::{Failed, Runner, failed, id_of};
use crate::engine::Script;
use crate::event::{Event, Phase, Verdict};
use crate::script::{Fault, RhaiResultOf};
use miette::Diagnostic;
use std::time::Instant;

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
enum NeedError {
    #[error("{} of {asked} preconditions do not hold", unmet.len())]
    #[diagnostic(code(task::unmet), help("mend what is marked above, then run the same command again"))]
    Unmet { asked: usize, unmet: Vec<String> },
    #[error("no script has the task `{id}`")]
    #[diagnostic(code(task::not_found), help("`railrun list` shows the tasks"))]
    NoSuchTask { id: String },
}

impl Runner<'_> {
    /// Needs and preconditions: all are asked, all that fail are shown. `Ok(false)` only in a dry run.
    pub(super) fn require(&self, script: &Script) -> Result<bool, Failed> {
        let mut asked = self.needs(script)?;
        if script.has_hook("preconditions") {
            let declared = self.declare(script, "preconditions", None).map_err(|error| failed(error, None))?;
            let verdicts =
                ask_all(self.host, self.engine, Phase::Precondition, &declared.questions).map_err(|fault| failed(fault.raise(), None))?;
            asked.extend(declared.questions.iter().zip(verdicts).map(|(question, verdict)| (question.name.clone(), verdict.holds())));
        }
        if !self.host.dry_run() {
            return unmet(asked).map_or(Ok(true), Err);
        }
        let unmet: Vec<String> = asked.into_iter().filter(|(_, holds)| !holds).map(|(name, _)| name).collect();
        let all_hold = unmet.is_empty();
        for reason in unmet {
            self.host.events.emit(&Event::WouldStop { reason });
        }
        Ok(all_hold)
    }

    /// The tasks that must be done, and whether they are.
    pub(super) fn needs(&self, script: &Script) -> Result<Vec<(String, bool)>, Failed> {
        let needs = script.task.iter().flat_map(|task| &task.needs);
        needs.map(|need| Ok((format!("{need} is done"), self.need(need).map_err(|error| failed(error, None))?))).collect()
    }

    /// Whether another task's `done_when` holds now. Its lines are said only where they do not hold.
    fn need(&self, id: &str) -> RhaiResultOf<bool> {
        let script = self.tasks.iter().find(|script| id_of(script) == id);
        let script = script.ok_or_else(|| Fault::from(NeedError::NoSuchTask { id: id.to_owned() }).raise())?;
        let began = Instant::now();
        let declared = self.declare(script, "done_when", None)?;
        let mut verdict = Verdict::True;
        for question in &declared.questions {
            let answer = ask(self.host, self.engine, &question.ask, None).map_err(Fault::raise)?;
            if !answer.holds() {
                verdict = match answer {
                    Verdict::Unknown(reason) => Verdict::Unknown(format!("{}: {reason}", question.name)),
                    Verdict::Pending(after) => Verdict::Pending(after),
                    _ => Verdict::False(format!("not true: {}", question.name)),
                };
                break;
            }
        }
        let holds = verdict.holds();
        self.host.events.emit(&Event::Checked { phase: Phase::Need, name: format!("{id} is done"), verdict, elapsed: began.elapsed() });
        Ok(holds)
    }
}

/// What must hold and does not, as one failure.
pub(super) fn unmet(asked: Vec<(String, bool)>) -> Option<Failed> {
    let count = asked.len();
    let unmet: Vec<String> = asked.into_iter().filter(|(_, holds)| !holds).map(|(name, _)| name).collect();
    (!unmet.is_empty()).then(|| failed(Fault::from(NeedError::Unmet { asked: count, unmet }).raise(), None))
}
