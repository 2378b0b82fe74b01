//! One run at a time, on the real cluster.

#![expect(clippy::disallowed_methods, reason = "tests send signals with `kill`")]

use super::cluster::{NAMESPACE, exists, kubectl, locked, put, putting, remove, test, until};
use crate::support::sandbox::shell;
use crate::support::{Test, sandbox};
use std::process::{Child, Command};

const ADMIN: &str = "kubectl --kubeconfig \"$RAILRUN_SANDBOX_ADMIN_KUBECONFIG\"";

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
fn of_two_runs_started_in_the_same_instant_one_works() {
    if !sandbox::is_up() {
        return;
    }
    for round in 0..3 {
        remove(&["at-once-a", "at-once-b", "at-once-c", "at-once-d"]);
        let (one, other) = (slow("at-once", "at-once-a", "at-once-b", 2), slow("at-once", "at-once-c", "at-once-d", 2));
        let mut children = [one.start(), other.start()];
        let codes: Vec<Option<i32>> = children.iter_mut().map(|child| child.wait().expect("it ends").code()).collect();
        assert!([[Some(0), Some(3)], [Some(3), Some(0)]].contains(&[codes[0], codes[1]]), "round {round}: {codes:?}");
        let there = ["at-once-a", "at-once-b", "at-once-c", "at-once-d"].map(exists);
        let first_worked = codes[0] == Some(0);
        assert_eq!(there, [first_worked, first_worked, !first_worked, !first_worked], "round {round}");
    }
}

/// A run of three steps, in whose second somebody takes the lock; how it ended, and what it said.
fn robbed(environment: &str, second: &str, at_work: impl Fn(&Test) -> bool) -> (Test, Option<i32>, String) {
    let (first, third) = (format!("{environment}-a"), format!("{environment}-b"));
    remove(&[&first, &third]);
    let script = format!(
        "const TASK = #{{ id: \"T90\", title: \"In flight\" }};\nfn steps(task) {{\n task.step(\"first\", #{{ run: || {{ {}; }}, undo: || kube::delete(\"{NAMESPACE}/configmap/{first}\") }});\n task.step(\"long\", {second});\n task.step(\"third\", || {{ {}; }});\n}}\n",
        put(&first, "a"),
        put(&third, "b")
    );
    let one = test(environment, "").script(&script);
    let mut child = one.start_reading();
    until("the second step is at work", || at_work(&one));
    kubectl(&format!("-n {NAMESPACE} patch lease railrun-{environment} --type merge -p '{{\"spec\":{{\"holderIdentity\":\"another\"}}}}'"));
    let ended = child.wait().expect("it ends").code();
    let said = std::io::read_to_string(child.stdout.take().expect("stdout")).expect("its events");
    assert!(locked(environment), "the other's lock is left to the other");
    kubectl(&format!("-n {NAMESPACE} delete lease railrun-{environment}"));
    assert!(exists(&first) && !exists(&third), "whoever lost the lock neither goes on nor back: {said}");
    (one, ended, said)
}

#[test]
fn a_change_in_flight_is_cancelled_when_the_lock_is_lost() {
    if !sandbox::is_up() {
        return;
    }
    let began = std::time::Instant::now();
    shell(&format!(
        "{ADMIN} create namespace {NAMESPACE} 2>/dev/null || true
         {ADMIN} -n {NAMESPACE} delete deployment flight --ignore-not-found
         {ADMIN} -n {NAMESPACE} create deployment flight --image localhost/gitea:1.26.0 --replicas 0 -- sleep 1000
         {ADMIN} -n {NAMESPACE} patch deployment flight -p '{{\"spec\":{{\"template\":{{\"spec\":{{\"terminationGracePeriodSeconds\":0,\"containers\":[{{\"name\":\"gitea\",\"readinessProbe\":{{\"exec\":{{\"command\":[\"false\"]}}}}}}]}}}}}}}}'"
    ));
    let replicas = || kubectl(&format!("-n {NAMESPACE} get deployment flight -o jsonpath='{{.spec.replicas}}'"));
    let scale = format!("|| {{ kube::scale(\"{NAMESPACE}/deployment/flight\", 1); }}");
    let (_, ended, said) = robbed("flight", &scale, |_| replicas().trim() == "1");
    assert_eq!(ended, Some(3), "{said}");
    assert!(said.contains("\"code\":\"lock::lost\""), "{said}");
    assert!(began.elapsed().as_secs() < 90, "it waited on for {:?}", began.elapsed());
    kubectl(&format!("-n {NAMESPACE} delete deployment flight"));
}

/// A program cannot be cancelled half-way without harm: it is let end, and nothing follows.
#[test]
fn a_program_in_flight_is_let_end_and_nothing_follows_when_the_lock_is_lost() {
    if !sandbox::is_up() {
        return;
    }
    let done = "command::run([\"test\", \"-e\", \"ended\"], #{ read_only: true }).status == 0";
    let second = format!("#{{ done: || {done}, run: || {{ command::run([\"sh\", \"-c\", \"touch begun; sleep 10; touch ended\"]); }} }}");
    let (one, ended, said) = robbed("program", &second, |one| one.path("begun").exists());
    assert_eq!(ended, Some(3), "{said}");
    assert!(one.path("ended").exists() && said.contains("\"code\":\"lock::lost\""), "{said}");
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
