//! What child programs may reach in a dry run, on the real cluster.

use super::cluster::{NAMESPACE, audit, exists, kubectl, remove, test, writes};
use crate::support::{Test, sandbox};

fn deleting(environment: &str, name: &str) -> Test {
    let words = format!("[\"kubectl\", \"delete\", \"configmap\", \"{name}\", \"-n\", \"{NAMESPACE}\"]");
    let script = format!(
        "fn steps(task) {{ task.step(\"try\", || {{ let r = command::run({words}, #{{ read_only: true }}); note(r.stderr); }}); }}\n"
    );
    test(environment, "").script(&script)
}

#[test]
fn a_command_that_claims_to_read_cannot_delete_in_a_dry_run() {
    if !sandbox::is_up() {
        return;
    }
    let test = deleting("guarded", "guarded-a");
    remove(&["guarded-a"]);
    kubectl(&format!("-n {NAMESPACE} create configmap guarded-a"));
    let since = audit().len();
    let ran = test.run_with(&["scripts/it.rhai", "--dry-run"]).success();
    let seen = audit().iter().skip(since).filter(|line| line.contains("\"username\":\"railrun\"")).count();
    assert!(seen > 0, "railrun was not seen at all");
    assert!(!writes("railrun", since).iter().any(|write| write.contains("guarded-a")), "{:?}", writes("railrun", since));
    let said = ran.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said.contains("a dry run sends no such request: DELETE /api/v1/namespaces/trust/configmaps/guarded-a"), "{}", ran.stderr);
    assert!(exists("guarded-a"));
}

#[test]
fn a_command_may_read_through_the_guard() {
    if !sandbox::is_up() {
        return;
    }
    let script = "fn steps(task) { task.step(\"look\", || { let r = command::run([\"kubectl\", \"get\", \"namespace\", \"kube-system\", \"-o\", \"name\"], #{ read_only: true }); note(r.stdout + r.stderr); }); }\n";
    test("looking", "").script(script).dry_run().run().success().says("namespace/kube-system");
}
