//! Makes a saved plan of what a dry run says.

use super::{PlannedChange, PlannedStep, PlannedTask, SavedPlan, Shown, VERSION, passwords};
use crate::event::{Ending, Event, Listener};
use crate::journal::{Key, fingerprint};
use crate::rights::Needs;
use std::sync::{Arc, Mutex, PoisonError};

/// A reader of a dry run's events.
#[derive(Clone)]
pub struct Recorder(Arc<Inner>);

struct Inner {
    key: Key,
    /// Tells this plan's new passwords from those of any other.
    nonce: String,
    tasks: Mutex<Vec<PlannedTask>>,
}

impl Recorder {
    pub fn new(key: Key) -> Self {
        let nonce = format!("{:032x}", rand::random::<u128>());
        Self(Arc::new(Inner { key, nonce, tasks: Mutex::default() }))
    }

    /// What new passwords are drawn from.
    pub fn passwords(&self) -> Key {
        passwords(&self.0.key, &self.0.nonce)
    }

    /// What was planned.
    pub fn plan(&self, environment: &str, cluster_uid: Option<&str>, needs: Needs) -> SavedPlan {
        SavedPlan {
            version: VERSION,
            made: jiff::Timestamp::now().to_string(),
            environment: environment.to_owned(),
            cluster_uid: cluster_uid.map(str::to_owned),
            key: self.0.key.name(),
            nonce: self.0.nonce.clone(),
            tasks: self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            needs,
        }
    }
}

impl Listener for Recorder {
    fn hear(&self, event: &Event) {
        let mut tasks = self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Event::RunStarted { id, title, script, source, .. } = event {
            let (id, title, script, source) = (id.clone(), title.clone(), script.clone(), source.clone());
            tasks.push(PlannedTask { id, title, script, source, ..PlannedTask::default() });
            return;
        }
        let Some(task) = tasks.last_mut() else { return };
        match event {
            Event::WouldStop { reason } => task.would_stop.push(reason.clone()),
            Event::StepStarted { name, .. } => task.steps.push(PlannedStep { name: name.clone(), ..PlannedStep::default() }),
            Event::StepEnded { ending: Ending::Pending(after), .. } => {
                pending(task, after);
            }
            Event::StepEnded { ending: Ending::Failed, .. } => {
                pending(task, "what would stop it is mended");
            }
            Event::ChangePlanned { verb, target, diff } => {
                let change = PlannedChange {
                    verb: (*verb).to_owned(),
                    target: target.clone(),
                    fingerprint: fingerprint(diff, &self.0.key),
                    difference: diff.edits.iter().map(Shown::of).collect(),
                };
                if let Some(step) = task.steps.last_mut() {
                    step.changes.push(change);
                }
            }
            _ => {}
        }
    }
}

fn pending(task: &mut PlannedTask, after: &str) {
    if let Some(step) = task.steps.last_mut() {
        step.pending = Some(after.to_owned());
    }
}
