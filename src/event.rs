//! What happened in a run, as data. Terminal, plain lines and JSON are three readers of this one stream;
//! nothing here prints.

use crate::effect::{Diff, Mode};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// One thing that happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    RunStarted {
        id: String,
        /// What the journal calls this run.
        run: String,
        /// Whether it goes on with a run that was cut short.
        resumed: bool,
        title: String,
        script: String,
        /// The fingerprint of the script and everything that it imports.
        source: String,
        environment: String,
        cluster: Option<String>,
        cluster_uid: Option<String>,
        mode: Mode,
        state_hub_task_id: Option<String>,
    },
    /// A need, a precondition or a `done_when` line was asked.
    Checked {
        phase: Phase,
        name: String,
        verdict: Verdict,
        #[serde(serialize_with = "millis")]
        elapsed: Duration,
    },
    /// Something that would stop a live run; a dry run goes on.
    WouldStop {
        reason: String,
    },
    /// The steps that there are, in order, before the first begins.
    StepsDeclared {
        names: Vec<String>,
    },
    /// A run that goes on does these anew: what a step had left for them does not hold any more.
    StepsReopened {
        because: String,
        names: Vec<String>,
    },
    StepStarted {
        index: usize,
        count: usize,
        name: String,
    },
    StepEnded {
        index: usize,
        name: String,
        ending: Ending,
        #[serde(serialize_with = "millis")]
        elapsed: Duration,
    },
    /// `task.remember` read this; a value that cannot be kept has `kept: false`.
    Remembered {
        name: String,
        value: Value,
        kept: bool,
    },
    /// A step put this into `state`.
    StateSet {
        key: String,
        value: Value,
        kept: bool,
    },
    ChangeUnchanged {
        verb: &'static str,
        target: String,
    },
    ChangePlanned {
        verb: &'static str,
        target: String,
        diff: Diff,
    },
    ChangeIntent {
        verb: &'static str,
        target: String,
        diff: Diff,
    },
    ChangeDone {
        verb: &'static str,
        target: String,
        error: Option<String>,
    },
    /// How far a long piece of work is: `unit` is `bytes`, `tables`, `pods` …
    Progress {
        what: String,
        position: u64,
        total: Option<u64>,
        unit: &'static str,
    },
    Note {
        text: String,
    },
    Warning {
        text: String,
    },
    /// Point of no return reached.
    Committed {
        why: String,
    },
    UndoStarted {
        step: String,
    },
    UndoEnded {
        step: String,
        error: Option<String>,
        #[serde(serialize_with = "millis")]
        elapsed: Duration,
    },
    RunEnded {
        id: String,
        outcome: RunOutcome,
        #[serde(serialize_with = "millis")]
        elapsed: Duration,
    },
    /// The report of a failure, rendered; JSON carries its parts.
    Failure {
        code: String,
        message: String,
        help: Option<String>,
        place: Option<String>,
        rendered: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    Need,
    Precondition,
    DoneWhen,
}

/// The answer to one check.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "is", content = "detail")]
pub enum Verdict {
    True,
    /// False, with what was compared or why.
    False(String),
    /// It could not be asked.
    Unknown(String),
    /// A dry run cannot know before this change has been made.
    Pending(String),
}

impl Verdict {
    pub fn holds(&self) -> bool {
        matches!(self, Verdict::True)
    }
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "is", content = "detail")]
pub enum Ending {
    /// Its `done` held already.
    AlreadyDone,
    /// It was passed before the run was cut short.
    Earlier,
    /// It ran; the number of changes that were made (or planned).
    Ran {
        changes: usize,
        summary: Option<String>,
    },
    /// A dry run could not look further than this.
    Pending(String),
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunOutcome {
    AlreadyDone,
    Done,
    Planned,
    WouldStop,
    Failed,
    Interrupted,
    /// It was not allowed to go on: the cluster, the lock or the plan is not what it should be.
    Refused,
    /// `railrun undo` took back what it could.
    Undone,
}

fn millis<S: serde::Serializer>(elapsed: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
}

/// Whoever wants to know.
pub trait Listener: Send + Sync {
    fn hear(&self, event: &Event);
}

/// Hands every event to every listener, in order.
#[derive(Clone, Default)]
pub struct Events(Arc<Vec<Box<dyn Listener>>>);

impl Events {
    pub fn new(listeners: Vec<Box<dyn Listener>>) -> Self {
        Self(Arc::new(listeners))
    }

    pub fn emit(&self, event: &Event) {
        for listener in self.0.iter() {
            listener.hear(event);
        }
    }

    pub fn note(&self, text: impl Into<String>) {
        self.emit(&Event::Note { text: text.into() });
    }

    pub fn warn(&self, text: impl Into<String>) {
        self.emit(&Event::Warning { text: text.into() });
    }

    pub fn progress(&self, what: &str, position: u64, total: Option<u64>, unit: &'static str) {
        self.emit(&Event::Progress { what: what.to_owned(), position, total, unit });
    }
}
