//! Runs that somebody goes on with, closes or takes back: whose they are, and what is left to do.

use super::*;

/// What the re-run step did once went to the step that came last before the kill.
#[test]
fn what_a_step_does_when_it_runs_again_is_told_of_that_step() {
    let trial = Trial::new(Keep::default());
    let probe = Event::StateSet { key: "probe".into(), value: json!("a probe"), kept: false };
    trial.start(RUN, false);
    trial.step(1, "watch", None);
    trial.journal.hear(&probe);
    trial.end_step(1, "watch", ran());
    trial.step(2, "copy", None);
    trial.start(RUN, true);
    trial.step(1, "watch", None);
    trial.journal.hear(&probe);
    trial.intent(Diff::new().note("a probe"));
    trial.end_step(1, "watch", ran());
    trial.step(2, "copy", Some(Ending::AlreadyDone));
    let story = trial.unfinished().unwrap();
    assert_eq!((story.passed("watch"), story.passed("copy")), (None, Some(Passed::Skipped)));
    assert_eq!([story.touched("watch"), story.touched("copy"), story.to_undo("copy")], [true, false, false]);
}

/// A need that did not hold yet once closed the run for good.
#[test]
fn whoever_cannot_go_on_yet_leaves_the_run_as_it_was() {
    let trial = Trial::new(Keep::default());
    trial.start(RUN, false);
    trial.step(1, "one", Some(ran()));
    for outcome in [RunOutcome::Failed, RunOutcome::Refused, RunOutcome::Interrupted] {
        trial.start(RUN, true);
        trial.end_as(outcome);
        assert_eq!(trial.unfinished().unwrap().passed("one"), Some(Passed::Ran), "{outcome:?}");
    }
    trial.start(RUN, true);
    trial.step(1, "one", Some(Ending::Earlier));
    trial.end_as(RunOutcome::Failed);
    assert!(trial.unfinished().is_none());
    trial.start(RUN, true);
    assert!(trial.unfinished().is_none(), "an undo that cannot begin does not open a run that has failed");
    trial.end_as(RunOutcome::Undone);
    assert_eq!(Story::read(&trial.file(RUN)).unwrap().outcome.as_deref(), Some("undone"));
}

/// A run elsewhere, or one that could not reach the cluster, once hid the unfinished one for good.
#[test]
fn a_run_elsewhere_or_one_that_came_to_nothing_hides_no_unfinished_one() {
    let trial = Trial::new(Keep::default());
    let new = || ulid::Ulid::generate().to_string();
    trial.start(RUN, false);
    trial.step(1, "one", Some(ran()));
    trial.start_on(&new(), false, Some("another"));
    trial.step(1, "one", Some(ran()));
    trial.end();
    trial.start_on(&new(), false, None);
    trial.end_as(RunOutcome::Failed);
    trial.start(&new(), false);
    trial.end_as(RunOutcome::Refused);
    assert_eq!(trial.unfinished().unwrap().run, RUN);
    assert!(trial.journal.store().unfinished("T02", "lab", None).unwrap().is_none());
    let newest = new();
    trial.start(&newest, false);
    assert_eq!(trial.unfinished().unwrap().run, newest);
    trial.start_on(&new(), false, Some("another"));
    trial.journal.abandon(&trial.unfinished().unwrap()).unwrap();
    assert_eq!(trial.unfinished().unwrap().run, RUN);
    trial.start(&new(), false);
    trial.step(1, "one", Some(ran()));
    trial.end();
    assert!(trial.unfinished().is_none(), "a run that did the work is the last word");
}

/// A second start once closed a live run, wrote into its journal, or had its words overwritten.
#[test]
fn a_live_runs_journal_belongs_to_its_process_alone() {
    let trial = Trial::new(Keep::default());
    let other = trial.another();
    trial.start(RUN, false);
    let (story, text) = (trial.unfinished().unwrap(), trial.text());
    let held = other.claim(&story).unwrap_err();
    assert_eq!(held.to_string(), format!("run {RUN}.T02 is still being carried out by process {}", std::process::id()));
    assert!(other.abandon(&story).is_err());
    other.hear(&started(RUN, true, None));
    assert!(other.broken().is_some(), "what cannot be written down changes nothing");
    other.store().prune(Keep { runs: 0, age: Duration::ZERO });
    assert_eq!(trial.text(), text);
    trial.step(1, "one", Some(ran()));
    drop(trial.journal);
    assert_eq!(other.claim(&story).unwrap().passed("one"), Some(Passed::Ran), "it is read once more");
}

#[test]
fn whoever_claimed_a_run_goes_on_with_it_at_its_end() {
    let trial = Trial::new(Keep::default());
    trial.start(RUN, false);
    let text = trial.text();
    let other = trial.another();
    drop(trial.journal);
    let story = other.store().story(RUN).unwrap();
    other.claim(&story).unwrap();
    other.hear(&started(RUN, true, Some("abcdef")));
    let now = std::fs::read_to_string(&story.path).unwrap();
    assert!(now.starts_with(&text) && now.lines().count() == 2, "{now}");
    assert!(other.claim(&story).is_err(), "a run under way is nobody's to claim");
}

#[test]
fn a_run_that_was_refused_between_its_steps_is_gone_on_with() {
    let trial = Trial::new(Keep { runs: 0, age: Duration::ZERO });
    trial.start(RUN, false);
    trial.step(1, "one", Some(ran()));
    trial.step(2, "two", Some(Ending::Failed));
    trial.end_as(RunOutcome::Refused);
    let story = trial.unfinished().unwrap();
    assert_eq!((story.passed("one"), story.passed("two"), story.outcome.as_deref()), (Some(Passed::Ran), None, Some("refused")));
    trial.start_on(&ulid::Ulid::generate().to_string(), false, None);
    assert_eq!(trial.unfinished().unwrap().run, RUN, "an unfinished run is never pruned");
}

#[test]
fn a_step_that_was_being_taken_back_is_still_to_be_undone() {
    let trial = Trial::new(Keep::default());
    trial.start(RUN, false);
    trial.step(1, "one", Some(ran()));
    trial.step(2, "two", Some(ran()));
    trial.step(3, "three", Some(Ending::Failed));
    for (step, error) in [("three", None), ("two", Some("no"))] {
        trial.journal.hear(&Event::UndoStarted { step: step.into() });
        trial.journal.hear(&Event::UndoEnded { step: step.into(), error: error.map(str::to_owned), elapsed: Duration::ZERO });
    }
    trial.journal.hear(&Event::UndoStarted { step: "one".into() });
    let story = trial.unfinished().unwrap();
    assert_eq!(["one", "two", "three"].map(|step| story.to_undo(step)), [true, true, false]);
    assert_eq!(["one", "two", "three"].map(|step| story.passed(step)), [None; 3]);
}
