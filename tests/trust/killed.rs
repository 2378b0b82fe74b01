//! Kill anywhere: one chain of runs on the real cluster, each killed with SIGKILL one event later than the one before, and
//! each gone on with by the same command.

use super::cluster::{exists, kubectl, locked, put, remove, test};
use crate::support::{Test, sandbox, schema};
use serde_json::Value;
use std::io::{BufRead, BufReader};

const NAMES: [&str; 3] = ["kill-a", "kill-b", "kill-c"];

fn script() -> String {
    let step = |name: &&str| format!(" task.step(\"{name}\", |state| {{ {}; state.last = \"{name}\"; }});\n", put(name, "x"));
    let steps: String = NAMES.iter().map(step).collect();
    format!(
        "const TASK = #{{ id: \"T90\", title: \"Kill\" }};\nfn steps(task) {{\n{steps} task.step(\"tell\", |state| {{ expect(state.last, \"kill-c\"); }});\n}}\n"
    )
}

/// Runs it, and kills it at the first boundary of a change that is not among those that were met before.
fn killed_at_next_boundary(test: &Test, met: &mut Vec<String>) -> bool {
    let mut child = test.start_reading();
    let stdout = child.stdout.take().expect("stdout");
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        schema::check(&line);
        let event: Value = serde_json::from_str(&line).unwrap_or_default();
        let boundary = format!("{} {}", event["event"].as_str().unwrap_or_default(), event["target"].as_str().unwrap_or_default());
        if boundary.starts_with("change-") && !boundary.starts_with("change-unchanged") && !met.contains(&boundary) {
            child.kill().expect("killed");
            let _ = child.wait();
            met.push(boundary);
            return true;
        }
    }
    assert!(child.wait().expect("it ends").success(), "a run that was not killed fails");
    false
}

#[test]
fn killed_at_every_intent_and_every_outcome_it_ends_as_if_nothing_had_happened() {
    if !sandbox::is_up() {
        return;
    }
    remove(&NAMES);
    let test = test("killed", "").script(&script());
    let mut met = Vec::new();
    while killed_at_next_boundary(&test, &mut met) {
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
