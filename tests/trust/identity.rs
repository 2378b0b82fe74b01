//! Which cluster an environment means, on the real cluster.

use super::cluster::{exists, kubectl, locked, putting, remove, test};
use crate::support::{Test, sandbox};

const ELSEWHERE: &str = "    cluster_uid: 00000000-0000-0000-0000-000000000000\n";

fn uid() -> String {
    kubectl("get namespace kube-system -o jsonpath='{.metadata.uid}'")
}

#[test]
fn a_context_that_leads_to_another_cluster_is_refused_and_nothing_is_written() {
    if !sandbox::is_up() {
        return;
    }
    remove(&["wrong-a"]);
    let test = test("wrong", ELSEWHERE).script(&putting("wrong-a", "x"));
    test.run().exits(3).says("kube::wrong_cluster").says("00000000-0000-0000-0000-000000000000").says("railrun env pin");
    test.run_with(&["scripts/it.rhai", "--dry-run"]).exits(3).says("kube::wrong_cluster");
    test.run_with(&["status"]).exits(3);
    assert!(!exists("wrong-a") && !locked("wrong"));
}

#[test]
fn pinning_shows_a_difference_writes_it_and_the_second_time_does_not() {
    if !sandbox::is_up() {
        return;
    }
    let test = test("pinned", "    # a comment that stays\n").script(&putting("pinned-a", "x"));
    let text = || std::fs::read_to_string(test.path("railrun.yaml")).expect("railrun.yaml");
    let before = text();
    test.run_with(&["env", "pin", "--dry-run"]).success().says("cluster_uid");
    assert_eq!(text(), before, "a dry run wrote");
    test.run_with(&["env", "pin"]).success().says(&format!("+    cluster_uid: {}", uid()));
    let after = text();
    assert!(after.contains(&uid()) && after.contains("# a comment that stays") && after.contains("system_identifiers:"), "{after}");
    test.run_with(&["env", "pin"]).success().says("is pinned to");
    assert_eq!(text(), after);
    test.run().success();
}

#[test]
fn pinning_to_another_cluster_needs_a_yes() {
    if !sandbox::is_up() {
        return;
    }
    let test = test("repinned", ELSEWHERE);
    test.run_with(&["env", "pin"]).exits(3).says("environment::pinned_elsewhere");
    test.run_with(&["env", "pin", "--yes"]).success().says(&uid());
}

#[test]
fn a_protected_environment_is_not_changed_without_a_yes() {
    let script = "const TASK = #{ id: \"T90\", title: \"A try\" };\nfn steps(task) { task.step(\"one\", #{ done: || command::run([\"test\", \"-e\", \"done\"], #{ read_only: true }).status == 0, run: || command::run([\"touch\", \"done\"]) }); }\n";
    let test = Test::new().file("railrun.yaml", "default_environment: p\nenvironments: {p: {protected: true}}\n").script(script);
    test.run().exits(3).says("environment::protected");
    assert!(!test.path("done").exists());
    test.run_with(&["scripts/it.rhai", "--dry-run"]).success();
    test.run_with(&["scripts/it.rhai", "--yes"]).success();
    assert!(test.path("done").exists());
}

#[test]
fn pinning_puts_the_right_database_server_in_place_of_a_wrong_one() {
    if !sandbox::is_up() {
        return;
    }
    let test = test("database", "    system_identifiers:\n      gitea/gitea-postgresql-ha-postgresql: \"1\"\n");
    test.run_with(&["env", "pin"]).success();
    let pinned = std::fs::read_to_string(test.path("railrun.yaml")).expect("railrun.yaml");
    assert!(pinned.contains("system_identifiers:") && !pinned.contains("\"1\""), "{pinned}");
}
