//! Kill anywhere: one chain of runs on the real cluster, each killed with SIGKILL one event later than the one before, and
//! each gone on with by the same command.

use super::cluster::{exists, kubectl, locked, put, remove, test};
use crate::support::{boundary, sandbox};

const NAMES: [&str; 3] = ["kill-a", "kill-b", "kill-c"];

fn script() -> String {
    let step = |name: &&str| format!(" task.step(\"{name}\", |state| {{ {}; state.last = \"{name}\"; }});\n", put(name, "x"));
    let steps: String = NAMES.iter().map(step).collect();
    format!(
        "const TASK = #{{ id: \"T90\", title: \"Kill\" }};\nfn steps(task) {{\n{steps} task.step(\"tell\", |state| {{ expect(state.last, \"kill-c\"); }});\n}}\n"
    )
}

#[test]
fn killed_at_every_intent_and_every_outcome_it_ends_as_if_nothing_had_happened() {
    if !sandbox::is_up() {
        return;
    }
    remove(&NAMES);
    let test = test("killed", "").script(&script());
    let mut met = Vec::new();
    while boundary::killed_at_next(test.start_reading(), &mut met) {
        assert!(met.len() <= 6, "more boundaries than an intent and an outcome each: {met:?}");
    }
    assert!(met.len() >= 3, "only {met:?}");
    for name in NAMES {
        assert!(exists(name), "{name} is missing");
        let versions = kubectl(&format!("-n trust get configmap {name} -o jsonpath='{{.metadata.managedFields[*].operation}}'"));
        assert_eq!(versions.trim(), "Apply", "{name} was written in another way too");
    }
    assert!(!locked("killed"), "a lock is left");
    test.run_with(&["history"]).success().prints("done");
}
