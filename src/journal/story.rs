//! A journal read back: how far a run came, and what it knew. A torn last record (a power cut) is recognised and left out.

use super::{JournalError, VERSION, failed, stem};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The outcomes of a run that something stopped.
const STOPPED: [&str; 3] = ["failed", "refused", "interrupted"];

/// One run, as its journal tells it.
#[derive(Clone, Debug, Default)]
pub struct Story {
    pub path: PathBuf,
    /// The run's name, without the task's.
    pub run: String,
    pub task: String,
    pub title: String,
    pub script: String,
    /// The fingerprint of its script and everything that imports.
    pub source: String,
    pub cluster_uid: Option<String>,
    pub environment: String,
    /// The process that carried it out last.
    pub process: Option<u64>,
    /// When it began, and when its last record was written.
    pub began: String,
    pub last: String,
    pub steps: Vec<StepRecord>,
    pub state: BTreeMap<String, Known>,
    pub remembered: BTreeMap<String, Known>,
    /// A change that was begun and has no outcome.
    pub open: Option<String>,
    pub changes: usize,
    /// The points of no return that it passed.
    pub committed: Vec<String>,
    /// How it ended; nothing where it did not.
    pub outcome: Option<String>,
    pub torn: bool,
    pub records: Vec<Value>,
    /// The step that is being carried out or taken back: what is told of it belongs there.
    under_way: Option<String>,
    /// Somebody wanted to go on with it, and has not come to a step yet.
    waiting: bool,
}

/// A value that was kept; `kept` is false where it could not be (a handle, a text that holds a secret).
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    pub value: Value,
    pub kept: bool,
}

/// How far a step came.
#[derive(Clone, Debug, PartialEq)]
pub struct StepRecord {
    pub index: u64,
    pub name: String,
    pub passed: Option<Passed>,
    /// Whether it has begun a change.
    touched: bool,
    /// Whether it is to run anew, although it was passed.
    reopened: bool,
    /// What it put into `state`.
    set: Vec<String>,
}

/// How a step was passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passed {
    /// It ran: undo covers it.
    Ran,
    /// It was done already.
    Skipped,
}

impl Story {
    pub fn read(path: &Path) -> Result<Self, JournalError> {
        let text = std::fs::read(path).map_err(|error| failed("read", path, &error))?;
        let mut story = Self { path: path.to_owned(), ..Self::default() };
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        story.torn = whole < text.len();
        let lines: Vec<&[u8]> = text[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
        for (index, line) in lines.iter().enumerate() {
            match serde_json::from_slice::<Value>(line) {
                Ok(record) if record.is_object() => story.take(record)?,
                // A file system may lengthen a file before it writes what is in it.
                _ if index + 1 == lines.len() => story.torn = true,
                _ => return Err(JournalError::Damaged { path: path.display().to_string(), line: index + 1 }),
            }
        }
        Ok(story)
    }

    /// How the run is called.
    pub fn name(&self) -> String {
        stem(&self.path)
    }

    /// Where it was cut short, for whoever goes on with it.
    pub fn where_it_stopped(&self) -> String {
        let after = self
            .last_passed()
            .map_or_else(|| "before its first step ended".into(), |step| format!("after step {}, `{}`", step.index, step.name));
        let open = self.open.as_ref().map_or_else(String::new, |open| format!("\n`{open}` was under way: it is looked at again first"));
        let torn = if self.torn { "\nits last record is torn and left out" } else { "" };
        format!("goes on with run {}, begun {} and cut short {after}; `--fresh` starts over{open}{torn}", self.name(), self.began)
    }

    /// Whether it came so far that there is something to go on with, or to undo.
    pub fn began_steps(&self) -> bool {
        !self.steps.is_empty() || self.open.is_some() || self.changes > 0
    }

    /// Whether it has begun a change, whatever became of it.
    pub fn has_changed_anything(&self) -> bool {
        self.changes > 0 || self.open.is_some()
    }

    /// Whether the same command goes on with it: nothing ended it, or a refusal did between its steps, which undoes nothing.
    pub fn is_unfinished(&self) -> bool {
        self.outcome.as_ref().is_none_or(|outcome| outcome == "refused" && self.began_steps())
    }

    /// Whether it ended before it did anything.
    pub fn came_to_nothing(&self) -> bool {
        let stopped = |outcome: &String| outcome == "abandoned" || STOPPED.contains(&outcome.as_str());
        self.outcome.as_ref().is_some_and(stopped) && !self.began_steps()
    }

    /// How a step was passed, if it was and need not run again.
    pub fn passed(&self, step: &str) -> Option<Passed> {
        let record = self.step(step)?;
        // What could not be kept died with the process, and only this step can make it again.
        let whole = record.set.iter().all(|key| self.state.get(key).is_none_or(|known| known.kept));
        record.passed.filter(|_| whole && !record.reopened)
    }

    /// Whether this run has begun a change in it.
    pub fn touched(&self, step: &str) -> bool {
        self.step(step).is_some_and(|record| record.touched)
    }

    /// Whether it was begun and neither skipped nor undone.
    pub fn to_undo(&self, step: &str) -> bool {
        self.step(step).is_some_and(|record| record.passed != Some(Passed::Skipped))
    }

    /// The last step that was passed.
    pub fn last_passed(&self) -> Option<&StepRecord> {
        self.steps.iter().rev().find(|record| record.passed.is_some())
    }

    fn step(&self, name: &str) -> Option<&StepRecord> {
        self.steps.iter().find(|record| record.name == name)
    }

    fn take(&mut self, record: Value) -> Result<(), JournalError> {
        let text = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
        self.last = text("at");
        match record["event"].as_str().unwrap_or_default() {
            "run-started" => self.start(&record)?,
            "run-ended" => self.end(text("outcome")),
            "step-started" => self.step_started(&record),
            "steps-reopened" => self.reopen(&record["names"]),
            "step-ended" => self.step_ended(&record),
            "state-set" => {
                if let Some(step) = self.step_under_way() {
                    step.set.push(text("key"));
                }
                self.state.insert(text("key"), known(&record));
            }
            "remembered" => {
                self.remembered.insert(text("name"), known(&record));
            }
            "change-intent" => {
                self.open = Some(format!("{} {}", text("verb"), text("target")));
                if let Some(step) = self.step_under_way() {
                    step.touched = true;
                }
            }
            "change-done" => {
                self.open = None;
                self.changes += 1;
            }
            "committed" => self.committed.push(text("why")),
            "undo-started" => self.undo_started(&text("step")),
            "undo-ended" => self.undo_ended(&text("step"), record["error"].is_null()),
            _ => {}
        }
        self.records.push(record);
        Ok(())
    }

    fn start(&mut self, record: &Value) -> Result<(), JournalError> {
        if record["v"].as_u64() != Some(u64::from(VERSION)) {
            return Err(JournalError::Version { path: self.path.display().to_string(), found: record["v"].to_string() });
        }
        let text = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
        // A run that is gone on with begins again: what it was at first stays, except its source and, once it does something,
        // its end.
        (self.source, self.under_way, self.waiting) = (text("source"), None, record["resumed"] == true);
        self.process = record["process"].as_u64();
        if self.began.is_empty() {
            (self.run, self.task, self.title) = (text("run"), text("id"), text("title"));
            (self.script, self.environment, self.began) = (text("script"), text("environment"), text("at"));
            self.cluster_uid = record["cluster_uid"].as_str().map(str::to_owned);
        }
        Ok(())
    }

    /// Something is carried out or taken back: from here on the run is open again.
    fn begin(&mut self, step: &str) {
        self.under_way = Some(step.to_owned());
        if std::mem::take(&mut self.waiting) {
            self.outcome = None;
        }
    }

    /// Whoever wanted to go on and was stopped before a step leaves the run as it was.
    fn end(&mut self, outcome: String) {
        if !(self.waiting && STOPPED.contains(&outcome.as_str())) {
            self.outcome = Some(outcome);
        }
        self.waiting = false;
    }

    fn step_under_way(&mut self) -> Option<&mut StepRecord> {
        let name = self.under_way.as_ref()?;
        self.steps.iter_mut().find(|step| step.name == *name)
    }

    fn step_started(&mut self, record: &Value) {
        let name = record["name"].as_str().unwrap_or_default().to_owned();
        self.begin(&name);
        if self.step(&name).is_none() {
            self.steps.push(StepRecord {
                index: record["index"].as_u64().unwrap_or_default(),
                name,
                passed: None,
                touched: false,
                reopened: false,
                set: Vec::new(),
            });
        }
    }

    fn reopen(&mut self, names: &Value) {
        for name in names.as_array().into_iter().flatten() {
            if let Some(step) = self.steps.iter_mut().find(|step| *name == step.name) {
                step.reopened = true;
            }
        }
    }

    /// A step whose way back has begun is neither there nor gone: it is no longer passed, and still to be undone.
    fn undo_started(&mut self, name: &str) {
        self.begin(name);
        if let Some(step) = self.step_under_way().filter(|step| step.passed != Some(Passed::Skipped)) {
            (step.passed, step.touched) = (None, true);
        }
    }

    fn undo_ended(&mut self, name: &str, well: bool) {
        self.under_way = None;
        if well {
            self.steps.retain(|step| step.name != name || step.passed == Some(Passed::Skipped));
        }
    }

    fn step_ended(&mut self, record: &Value) {
        self.under_way = None;
        let passed = match record["ending"]["is"].as_str().unwrap_or_default() {
            "ran" => Some(Passed::Ran),
            "already-done" => Some(Passed::Skipped),
            "earlier" => return,
            _ => None,
        };
        let name = record["name"].as_str().unwrap_or_default();
        if let Some(step) = self.steps.iter_mut().find(|step| step.name == name) {
            // A step that this run had begun before it was interrupted, and that holds now, is this run's to undo.
            let ours = step.passed == Some(Passed::Ran) || step.touched;
            step.reopened = false;
            step.passed = if ours && passed == Some(Passed::Skipped) { Some(Passed::Ran) } else { passed };
        }
    }
}

fn known(record: &Value) -> Known {
    let fields = record.as_object().cloned().unwrap_or_else(Map::new);
    Known { value: fields.get("value").cloned().unwrap_or_default(), kept: fields.get("kept") == Some(&Value::Bool(true)) }
}
