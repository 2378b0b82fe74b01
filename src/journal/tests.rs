//! Written and read back, torn and pruned.

mod going_on;

use super::*;
use crate::effect::{Diff, Mode};
use crate::event::{Ending, Event, Listener, RunOutcome};
use crate::secret::Redactor;
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use tempfile::TempDir;

const RUN: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

struct Trial {
    folder: TempDir,
    journal: Journal,
    redactor: Redactor,
}

impl Trial {
    fn new(keep: Keep) -> Self {
        let folder = TempDir::new().unwrap();
        let store = Store::at(folder.path().join(".railrun"));
        let (key, redactor) = (store.key().unwrap(), Redactor::default());
        redactor.learn("hunter22");
        let settings = json!({"gitea": {"password": "hunter33", "signing_key": "sops:a#b"}, "backup": {"password": "sops:a#b"},
            "credentials": {"root": "hunter44", "pin": [5_550_123]}, "apiKey": "hunter55", "port": 5432,
            "mirror": "https://me:hunter66@git.example/x and ssh://git@git.example/x"});
        Self { folder, journal: Journal::new(store, key, redactor.clone(), &settings, keep), redactor }
    }

    /// What another process has at hand.
    fn another(&self) -> Journal {
        let store = self.journal.store().clone();
        let key = store.key().unwrap();
        Journal::new(store, key, Redactor::default(), &json!({}), Keep::default())
    }

    fn start(&self, run: &str, resumed: bool) {
        self.start_on(run, resumed, Some("abcdef"));
    }

    fn start_on(&self, run: &str, resumed: bool, cluster: Option<&str>) {
        self.journal.hear(&started(run, resumed, cluster));
    }

    fn step(&self, index: usize, name: &str, ending: Option<Ending>) {
        self.journal.hear(&Event::StepStarted { index, count: 3, name: name.into() });
        if let Some(ending) = ending {
            self.end_step(index, name, ending);
        }
    }

    fn end_step(&self, index: usize, name: &str, ending: Ending) {
        self.journal.hear(&Event::StepEnded { index, name: name.into(), ending, elapsed: Duration::ZERO });
    }

    fn intent(&self, diff: Diff) {
        self.journal.hear(&Event::ChangeIntent { verb: "kube scale", target: "gitea/deployment/gitea".into(), diff });
    }

    fn end(&self) {
        self.end_as(RunOutcome::Done);
    }

    fn end_as(&self, outcome: RunOutcome) {
        self.journal.hear(&Event::RunEnded { id: "T02".into(), outcome, elapsed: Duration::ZERO });
    }

    fn file(&self, run: &str) -> PathBuf {
        self.folder.path().join(format!(".railrun/runs/{run}.T02.jsonl"))
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.file(RUN)).unwrap()
    }

    fn unfinished(&self) -> Option<Story> {
        self.journal.store().unfinished("T02", "lab", Some("abcdef")).unwrap()
    }
}

fn started(run: &str, resumed: bool, cluster: Option<&str>) -> Event {
    Event::RunStarted {
        id: "T02".into(),
        run: run.into(),
        resumed,
        title: "Move".into(),
        script: "scripts/t02.rhai".into(),
        source: "aa".into(),
        environment: "lab".into(),
        cluster: Some("abc".into()),
        cluster_uid: cluster.map(str::to_owned),
        mode: Mode::Live,
        state_hub_task_id: None,
    }
}

fn ran() -> Ending {
    Ending::Ran { changes: 1, summary: None }
}

#[test]
fn a_run_that_was_cut_short_is_found_with_what_it_knew() {
    let trial = Trial::new(Keep::default());
    trial.start(RUN, false);
    trial.journal.hear(&Event::Remembered { name: "the database".into(), value: json!({"host": "a"}), kept: true });
    trial.step(1, "one", Some(ran()));
    trial.step(2, "two", Some(Ending::AlreadyDone));
    trial.step(3, "three", None);
    trial.journal.hear(&Event::StateSet { key: "probe".into(), value: json!("a probe"), kept: false });
    trial.intent(Diff::new().note("1 → 0"));
    let story = trial.unfinished().unwrap();
    assert_eq!((story.passed("one"), story.passed("two"), story.passed("three")), (Some(Passed::Ran), Some(Passed::Skipped), None));
    assert_eq!([story.to_undo("one"), story.to_undo("two"), story.to_undo("three"), story.to_undo("four")], [true, false, true, false]);
    assert_eq!(story.open.as_deref(), Some("kube scale gitea/deployment/gitea"));
    assert_eq!(story.remembered["the database"].value, json!({"host": "a"}));
    assert!(!story.state["probe"].kept && story.touched("three"));
    assert!(story.where_it_stopped().contains("after step 2, `two`"), "{}", story.where_it_stopped());
    assert!(trial.journal.store().unfinished("T02", "production", Some("abcdef")).unwrap().is_none());
    assert!(trial.journal.store().unfinished("T03", "lab", Some("abcdef")).unwrap().is_none());
}

#[test]
fn a_step_whose_handle_died_with_the_process_runs_again() {
    let trial = Trial::new(Keep::default());
    trial.start(RUN, false);
    trial.journal.hear(&Event::StepStarted { index: 1, count: 1, name: "watch".into() });
    trial.journal.hear(&Event::StateSet { key: "probe".into(), value: json!("a probe"), kept: false });
    let ended =
        Event::StepEnded { index: 1, name: "watch".into(), ending: Ending::Ran { changes: 0, summary: None }, elapsed: Duration::ZERO };
    trial.journal.hear(&ended);
    assert_eq!(trial.unfinished().unwrap().passed("watch"), None);
}

#[test]
fn a_step_that_was_reopened_is_passed_again_only_once_it_has_ended_again() {
    let trial = Trial::new(Keep::default());
    trial.start(RUN, false);
    for (index, name) in [(1, "stop"), (2, "copy")] {
        trial.step(index, name, Some(ran()));
    }
    trial.journal.hear(&Event::StepsReopened { because: "it was started".into(), names: vec!["stop".into(), "copy".into()] });
    trial.step(1, "stop", Some(ran()));
    trial.step(2, "copy", None);
    let story = trial.unfinished().unwrap();
    assert_eq!((story.passed("stop"), story.passed("copy")), (Some(Passed::Ran), None));
    assert!(story.to_undo("copy"), "what it did before it was reopened is still to be undone");
}

#[test]
fn a_torn_last_record_is_left_out_and_taken_off_before_the_run_goes_on() {
    let trial = Trial::new(Keep::default());
    trial.start(RUN, false);
    trial.step(1, "one", Some(ran()));
    let whole = trial.text();
    for torn in ["{\"event\":\"step-star", "\0\0\0\0", "\0\0\0\0\n"] {
        std::fs::write(trial.file(RUN), format!("{whole}{torn}")).unwrap();
        let story = trial.unfinished().unwrap();
        assert!(story.torn && story.passed("one").is_some(), "{torn:?}");
    }
    std::fs::write(trial.file(RUN), format!("{whole}{{\"event\":")).unwrap();
    trial.start(RUN, true);
    trial.end();
    let story = Story::read(&trial.file(RUN)).unwrap();
    assert!(!story.torn && story.outcome.as_deref() == Some("done"), "{}", trial.text());
}

#[test]
fn a_damaged_record_in_the_middle_is_an_error_that_names_its_line() {
    let trial = Trial::new(Keep::default());
    trial.start(RUN, false);
    let whole = trial.text();
    std::fs::write(trial.file(RUN), format!("{whole}nonsense\n{whole}")).unwrap();
    let error = Story::read(&trial.file(RUN)).unwrap_err();
    assert!(matches!(error, JournalError::Damaged { line: 2, .. }), "{error}");
}

#[test]
fn a_form_of_another_version_is_refused() {
    let trial = Trial::new(Keep::default());
    trial.start(RUN, false);
    std::fs::write(trial.file(RUN), trial.text().replace("\"v\":1", "\"v\":2")).unwrap();
    assert!(matches!(Story::read(&trial.file(RUN)), Err(JournalError::Version { .. })));
}

#[test]
fn nothing_secret_is_in_it_and_only_its_owner_may_read_it() {
    let trial = Trial::new(Keep::default());
    trial.start(RUN, false);
    trial.intent(Diff::new().field("password", None, Some("hunter22".into())));
    trial.journal.hear(&Event::Warning { text: "hunter22".into() });
    let text = trial.text();
    assert!(!text.contains("hunter") && text.contains("sops:a#b") && text.contains("[secret"), "{text}");
    assert!(!text.contains("5550123") && text.contains("@git.example/x and ssh://git@git.example/x") && text.contains("5432"), "{text}");
    for (path, mode) in
        [(trial.file(RUN), 0o600), (trial.folder.path().join(".railrun/key"), 0o600), (trial.folder.path().join(".railrun"), 0o700)]
    {
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode, "{}", path.display());
    }
}

/// A user called like the application was encrypted with everything else, and a resumed run did not know its steps any more.
#[test]
fn a_secret_that_is_a_common_word_does_not_keep_a_run_from_going_on() {
    let trial = Trial::new(Keep::default());
    for word in ["move", "false", "started", "deploy"] {
        trial.redactor.learn(word);
    }
    trial.start(RUN, false);
    trial.step(1, "move it", Some(ran()));
    trial.intent(Diff::new().note("1 → 0"));
    let story = trial.unfinished().unwrap();
    assert_eq!(story.passed("move it"), Some(Passed::Ran), "{}", trial.text());
    assert_eq!(story.open.as_deref(), Some("kube scale gitea/deployment/gitea"));
}

#[test]
fn old_runs_go_and_an_unfinished_one_never() {
    let trial = Trial::new(Keep { runs: 2, age: Duration::from_secs(3600) });
    let runs = [RUN.to_owned(), ulid::Ulid::generate().to_string(), ulid::Ulid::generate().to_string()];
    for (index, run) in runs.iter().enumerate() {
        trial.start(run, false);
        if index > 0 {
            trial.end();
        }
    }
    assert_eq!(runs.each_ref().map(|run| trial.file(run).exists()), [true, true, true]);
    trial.start(RUN, true);
    trial.end();
    trial.start(&ulid::Ulid::generate().to_string(), false);
    assert!(!trial.file(RUN).exists(), "a finished run of 2016 is kept");
}

#[test]
fn the_key_stays_the_same_and_tells_values_apart() {
    let trial = Trial::new(Keep::default());
    let (one, two) = (trial.journal.store().key().unwrap(), trial.journal.store().key().unwrap());
    assert_eq!(one.fingerprint(b"a"), two.fingerprint(b"a"));
    assert_ne!(one.fingerprint(b"a"), one.fingerprint(b"b"));
    assert_ne!(one.fingerprint(b"a"), Key::for_tests().fingerprint(b"a"));
}

#[test]
fn a_run_is_found_by_the_beginning_of_its_name() {
    let trial = Trial::new(Keep::default());
    trial.start(RUN, false);
    assert_eq!(trial.journal.store().story("01arz").unwrap().run, RUN);
    assert!(matches!(trial.journal.store().story("02"), Err(JournalError::NotFound { .. })));
}

#[test]
fn a_journal_that_cannot_be_written_says_so() {
    let trial = Trial::new(Keep::default());
    std::fs::remove_dir_all(trial.folder.path().join(".railrun")).unwrap();
    std::fs::write(trial.folder.path().join(".railrun"), "").unwrap();
    trial.start(RUN, false);
    assert!(trial.journal.broken().is_some());
}
