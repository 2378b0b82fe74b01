//! Holds a live run to a saved plan: each change is admitted once, with the fingerprint it was planned with, in the step it
//! was planned for. Steps that were pending may do more, where that was allowed. The way back is never held up.

use super::{PlannedChange, SavedPlan, Shown};
use crate::effect::{Change, Diff, Edit};
use crate::event::{Event, Listener};
use crate::journal::{Key, fingerprint};
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Clone)]
pub struct Expected(Arc<Inner>);

struct Inner {
    plan: SavedPlan,
    key: Key,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    task: String,
    step: String,
    undoing: bool,
    /// The planned changes of this step that were met, by their place in it.
    met: Vec<usize>,
    /// What this run has scaled, and from how many replicas: how many it has since is this run's own doing.
    scaled: Vec<(String, Option<String>)>,
}

/// Why a change is not what was planned.
#[derive(Clone, Debug, PartialEq)]
pub struct Drift {
    /// The field that differs, as the difference names it (`statefulset/x: spec.replicas`), if it is one.
    pub field: Option<String>,
    pub said: String,
}

impl Expected {
    pub fn new(plan: SavedPlan, key: Key) -> Self {
        Self(Arc::new(Inner { plan, key, state: Mutex::default() }))
    }

    pub fn plan(&self) -> &SavedPlan {
        &self.0.plan
    }

    /// Whether the plan has this change in the step under way.
    pub fn has(&self, what: &Change) -> bool {
        let state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.changes(&state).0.iter().any(|change| change.verb == what.verb && change.target == what.target)
    }

    fn changes(&self, state: &State) -> (&[PlannedChange], bool) {
        let task = self.0.plan.tasks.iter().find(|task| task.id == state.task);
        let step = task.and_then(|task| task.steps.iter().find(|step| step.name == state.step));
        step.map_or((&[], false), |step| (&step.changes, step.pending.is_some()))
    }

    /// Whether exactly this difference is planned here.
    pub fn admit(&self, what: &Change, diff: &Diff) -> Result<(), Drift> {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.undoing {
            return Ok(());
        }
        let (changes, pending) = self.changes(&state);
        let same = |change: &PlannedChange| change.verb == what.verb && change.target == what.target;
        let open: Vec<usize> = (0..changes.len()).filter(|index| !state.met.contains(index) && same(&changes[*index])).collect();
        let found = [fingerprint(diff, &self.0.key), fingerprint(&without_own(diff, &state.scaled), &self.0.key)];
        let scales = what.verb == "kube scale";
        if let Some(index) = open.iter().find(|index| found.contains(&changes[**index].fingerprint)) {
            state.met.push(*index);
            state.scaled.extend(scales.then(|| (what.target.clone(), replicas(diff).and_then(|(from, _)| from))));
            return Ok(());
        }
        // Whoever stopped it starts it again: a dry run, which stops nothing, finds it running.
        let back =
            |(target, before): &(String, Option<String>)| *target == what.target && replicas(diff).is_none_or(|(_, to)| to == *before);
        if open.is_empty() && scales && state.scaled.iter().any(back) {
            return Ok(());
        }
        // A preview that could not be taken when the plan was made has only a line that says so.
        let unseen = |change: &PlannedChange| matches!(&change.difference[..], [Shown::Note { note }] if note.starts_with("known after"));
        match open.first().map(|index| &changes[*index]) {
            Some(change) if !(pending && unseen(change)) => Err(drift(what, change, diff)),
            None if !pending => Err(Drift { field: None, said: format!("the plan has no change `{what}` in step `{}`", state.step) }),
            _ => Ok(()),
        }
    }
}

impl Listener for Expected {
    fn hear(&self, event: &Event) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::RunStarted { id, .. } => *state = State { task: id.clone(), ..State::default() },
            Event::StepStarted { name, .. } => (state.step, state.met) = (name.clone(), Vec::new()),
            Event::UndoStarted { .. } => state.undoing = true,
            _ => {}
        }
    }
}

/// The difference without the replicas that this run has set itself: a dry run saw them as they were.
fn without_own(diff: &Diff, scaled: &[(String, Option<String>)]) -> Diff {
    let own = |field: &str| {
        let object = field.strip_suffix(": spec.replicas");
        object.is_some_and(|object| scaled.iter().any(|(target, _)| target.split_once('/').is_some_and(|(_, name)| name == object)))
    };
    let mut diff = diff.clone();
    diff.edits.retain(|edit| !matches!(edit, Edit::Field { path, .. } if own(path)));
    diff
}

/// From how many replicas a scaling goes to how many, if it changes them.
fn replicas(diff: &Diff) -> Option<(Option<String>, Option<String>)> {
    diff.edits.iter().find_map(|edit| match edit {
        Edit::Field { path, from, to, .. } if path == "spec.replicas" => Some((from.clone(), to.clone())),
        _ => None,
    })
}

/// The first line that differs, in words.
fn drift(what: &Change, planned: &PlannedChange, diff: &Diff) -> Drift {
    let found: Vec<Shown> = diff.edits.iter().map(Shown::of).collect();
    let kept = |lines: &[Shown]| lines.iter().filter(|line| !matches!(line, Shown::Aside { .. })).cloned().collect::<Vec<_>>();
    let (planned, found) = (kept(&planned.difference), kept(&found));
    let value = |value: &Option<String>| value.as_ref().map_or_else(|| "nothing".to_owned(), |value| format!("`{value}`"));
    for line in &found {
        let Shown::Field { field, from, to } = line else { continue };
        let was = planned.iter().find_map(|line| match line {
            Shown::Field { field: name, from, to } if name == field => Some((from, to)),
            _ => None,
        });
        let said = match was {
            Some((was, _)) if was != from => {
                format!("`{what}`, field `{field}`: the plan replaces {}, and {} is there now", value(was), value(from))
            }
            Some((_, was)) if was != to => {
                format!("`{what}`, field `{field}`: the plan sets {}, and it would be {} now", value(was), value(to))
            }
            Some(_) => continue,
            None => format!("`{what}`, field `{field}`: {} is there now, which the plan does not replace by {}", value(from), value(to)),
        };
        return Drift { field: Some(field.clone()), said };
    }
    let gone = planned.iter().find(|line| !found.contains(line));
    let came = found.iter().find(|line| !planned.contains(line));
    let text = |line: Option<&Shown>| line.map_or_else(|| "nothing".to_owned(), in_words);
    if gone.is_none() && came.is_none() {
        return Drift {
            field: None,
            said: format!("`{what}`: a secret in it is another one than when the plan was made, or a value that is not shown"),
        };
    }
    Drift { field: None, said: format!("`{what}`: planned was {}; now it would be {}", text(gone), text(came)) }
}

fn in_words(line: &Shown) -> String {
    match line {
        Shown::Field { field, from, to } => {
            format!("`{field}` from {} to {}", from.as_deref().unwrap_or("nothing"), to.as_deref().unwrap_or("nothing"))
        }
        Shown::Text { text, unified } => format!("of `{text}`:\n{unified}"),
        Shown::Note { note } | Shown::Aside { aside: note } => format!("`{note}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effect::Mode;
    use crate::rights::Needs;
    use crate::saved::Recorder;
    use std::time::Duration;

    fn started() -> Event {
        Event::RunStarted {
            id: "T01".into(),
            run: "r".into(),
            resumed: false,
            title: String::new(),
            script: "s".into(),
            source: "x".into(),
            environment: "lab".into(),
            cluster: None,
            cluster_uid: None,
            mode: Mode::DryRun,
            state_hub_task_id: None,
        }
    }

    fn step() -> Event {
        Event::StepStarted { index: 1, count: 1, name: "one".into() }
    }

    fn scaling(from: &str, to: &str) -> Diff {
        Diff::new().field("spec.replicas", Some(from.into()), Some(to.into()))
    }

    /// A plan with one change, and a run that is held to it.
    fn planned(diff: Diff, pending: bool) -> Expected {
        let recorder = Recorder::new(Key::for_tests());
        recorder.hear(&started());
        recorder.hear(&step());
        recorder.hear(&Event::ChangePlanned { verb: "kube scale", target: "a/deployment/b".into(), diff });
        if pending {
            let ending = crate::event::Ending::Pending("step 1".into());
            recorder.hear(&Event::StepEnded { index: 1, name: "one".into(), ending, elapsed: Duration::ZERO });
        }
        let plan = serde_json::to_string(&recorder.plan("lab", None, Needs::new())).unwrap();
        let expected = Expected::new(serde_json::from_str(&plan).unwrap(), Key::for_tests());
        expected.hear(&started());
        expected.hear(&step());
        expected
    }

    fn scale() -> Change {
        Change::new("kube scale", "a/deployment/b")
    }

    #[test]
    fn what_was_planned_is_admitted_once() {
        let expected = planned(scaling("1", "3"), false);
        assert!(expected.has(&scale()));
        assert_eq!(expected.admit(&scale(), &scaling("1", "3").aside("since yesterday")), Ok(()));
        assert!(expected.admit(&scale(), &scaling("1", "3")).is_err());
    }

    #[test]
    fn what_the_run_itself_has_stopped_is_no_drift_and_may_be_started_again() {
        let expected = planned(scaling("1", "0"), false);
        let deployed = Diff::new().field("deployment/b: spec.image", Some("x".into()), Some("y".into()));
        let replaced = deployed.clone().field("deployment/b: spec.replicas", Some("0".into()), Some("1".into()));
        assert_eq!(without_own(&replaced, &[("a/deployment/b".into(), None)]).essence(), deployed.essence());
        assert_ne!(without_own(&replaced, &[("a/deployment/c".into(), None)]).essence(), deployed.essence());
        assert!(expected.admit(&scale(), &scaling("0", "1")).is_err(), "it was not stopped yet");
        assert_eq!(expected.admit(&scale(), &scaling("1", "0")), Ok(()));
        assert_eq!(expected.admit(&scale(), &scaling("0", "1")), Ok(()));
        assert!(expected.admit(&scale(), &scaling("0", "2")).is_err());
    }

    #[test]
    fn a_drift_names_the_field_the_planned_value_and_the_one_found() {
        let drift = planned(scaling("1", "3"), false).admit(&scale(), &scaling("2", "3")).unwrap_err();
        let said = "`kube scale a/deployment/b`, field `spec.replicas`: the plan replaces `1`, and `2` is there now";
        assert_eq!((drift.field.as_deref(), drift.said.as_str()), (Some("spec.replicas"), said));
        let said = planned(scaling("1", "3"), false).admit(&scale(), &scaling("1", "4")).unwrap_err().said;
        assert!(said.ends_with("the plan sets `3`, and it would be `4` now"), "{said}");
    }

    #[test]
    fn a_change_that_nobody_planned_is_refused_and_a_way_back_is_not() {
        let expected = planned(scaling("1", "3"), false);
        let other = Change::new("kube delete", "a/deployment/b");
        assert!(expected.admit(&other, &Diff::new().note("x")).unwrap_err().said.contains("the plan has no change"));
        expected.hear(&Event::UndoStarted { step: "one".into() });
        assert_eq!(expected.admit(&other, &Diff::new().note("x")), Ok(()));
    }

    #[test]
    fn a_pending_step_may_do_more_but_not_otherwise() {
        let expected = planned(scaling("1", "3"), true);
        assert_eq!(expected.admit(&Change::new("kube delete", "a/b/c"), &Diff::new().note("x")), Ok(()));
        assert!(expected.admit(&scale(), &scaling("2", "3")).is_err());
    }

    #[test]
    fn another_secret_is_told_by_its_fingerprint_alone() {
        let secret = |value: &str| Diff::new().sealed("password", Some("hunter11"), value);
        let expected = planned(secret("hunter22"), false);
        let text = serde_json::to_string(expected.plan()).unwrap();
        assert!(!text.contains("hunter"), "{text}");
        let drift = expected.admit(&scale(), &secret("hunter33")).unwrap_err();
        assert!(drift.said.contains("a secret in it is another one") && !drift.said.contains("hunter"), "{}", drift.said);
        assert_eq!(expected.admit(&scale(), &secret("hunter22")), Ok(()));
    }
}
