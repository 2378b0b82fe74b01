//! One run at a time, on the real cluster.

#![expect(clippy::disallowed_methods, reason = "tests send signals with `kill`")]

use super::cluster::{exists, locked, put, putting, remove, test, until};
use crate::support::{Test, sandbox};
use std::process::{Child, Command};

/// Puts one ConfigMap, stays a while, puts another.
fn slow(environment: &str, first: &str, second: &str, seconds: u32) -> Test {
    let script = format!(
        "const TASK = #{{ id: \"T90\", title: \"Slow\" }};\nfn steps(task) {{\n task.step(\"first\", || {{ {}; }});\n task.step(\"stay\", || {{ sleep(\"{seconds}s\"); }});\n task.step(\"second\", || {{ {}; }});\n}}\n",
        put(first, "a"),
        put(second, "a")
    );
    test(environment, "").script(&script)
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().expect("kill").success());
}

#[test]
fn of_two_runs_at_once_one_works_and_the_other_says_who_does() {
    if !sandbox::is_up() {
        return;
    }
    remove(&["two-a", "two-b", "two-c"]);
    let one = slow("two", "two-a", "two-b", 9);
    let mut child = one.start();
    until("the first run works", || exists("two-a"));
    let other = test("two", "").script(&putting("two-c", "x"));
    other.run().exits(3).says("lock::held").says("is locked by").says("since");
    assert!(!exists("two-c"));
    assert!(child.wait().expect("it ends").success());
    assert!(exists("two-b") && !locked("two"), "the lock is given back at the end");
    other.run().success();
    assert!(exists("two-c") && !locked("two"));
}

#[test]
fn a_holder_that_vanished_is_taken_over_once_its_lease_has_expired() {
    if !sandbox::is_up() {
        return;
    }
    remove(&["gone-a", "gone-b", "gone-c"]);
    let one = slow("gone", "gone-a", "gone-b", 60);
    let mut child = one.start();
    until("the first run works", || exists("gone-a"));
    child.kill().expect("killed");
    child.wait().expect("it ends");
    assert!(locked("gone"));
    let began = std::time::Instant::now();
    test("gone", "").script(&putting("gone-c", "x")).run().success().says("looking whether it is renewed");
    assert!(began.elapsed().as_secs() >= 2, "taken over after {:?}", began.elapsed());
    assert!(exists("gone-c") && !exists("gone-b") && !locked("gone"));
}

#[test]
fn a_holder_that_slept_past_its_lease_writes_nothing_after_waking() {
    if !sandbox::is_up() {
        return;
    }
    remove(&["sleep-a", "sleep-b", "sleep-c"]);
    let one = slow("asleep", "sleep-a", "sleep-b", 2);
    let mut child = one.start();
    until("the first run works", || exists("sleep-a"));
    signal(&child, "-STOP");
    test("asleep", "").script(&putting("sleep-c", "x")).run().success();
    signal(&child, "-CONT");
    assert_eq!(child.wait().expect("it ends").code(), Some(3));
    assert!(!exists("sleep-b"), "the woken holder wrote");
}

#[test]
fn unlock_shows_the_holder_and_needs_a_yes() {
    if !sandbox::is_up() {
        return;
    }
    remove(&["un-a", "un-b"]);
    let one = slow("unlocked", "un-a", "un-b", 60);
    one.run_with(&["unlock"]).success().says("is not locked");
    let mut child = one.start();
    until("the first run works", || exists("un-a"));
    child.kill().expect("killed");
    child.wait().expect("it ends");
    one.run_with(&["unlock"]).exits(3).says("is locked by").says("pid");
    assert!(locked("unlocked"));
    one.run_with(&["unlock", "--yes"]).success().says("the lock is removed");
    assert!(!locked("unlocked"));
}
