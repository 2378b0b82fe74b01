//! Saved plans on the real cluster: applied exactly, and refused where something drifted.

#![expect(clippy::disallowed_methods, reason = "tests read and write files")]

use super::cluster::{NAMESPACE, audit, exists, kubectl, locked, put, remove, test, writes};
use crate::support::{Test, sandbox};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;

/// Where the release of these tests lies: nothing else writes there.
const RELEASES: &str = "trust-release";

/// Puts a new ConfigMap, then sets a field of one that is there.
fn two_changes(environment: &str, new: &str, old: &str) -> Test {
    let patch = format!("kube::patch(\"{NAMESPACE}/configmap/{old}\", #{{ data: #{{ word: \"after\" }} }})");
    let script = format!(
        "const TASK = #{{ id: \"T90\", title: \"Two\" }};\nfn steps(task) {{\n task.step(\"new\", || {{ {}; }});\n task.step(\"old\", || {{ {patch}; }});\n}}\n",
        put(new, "x")
    );
    let test = test(environment, "").script(&script);
    remove(&[new, old]);
    kubectl(&format!("-n {NAMESPACE} create configmap {old} --from-literal word=before --from-literal other=1"));
    test
}

fn word(name: &str) -> String {
    kubectl(&format!("-n {NAMESPACE} get configmap {name} -o jsonpath='{{.data.word}}'"))
}

fn plan(test: &Test) -> Value {
    test.run_with(&["plan", "scripts/it.rhai", "--out", "plan.json"]).success().says("changes are written to `plan.json`");
    serde_json::from_str(&std::fs::read_to_string(test.path("plan.json")).expect("a plan")).expect("JSON")
}

fn edit(name: &str, patch: &str) {
    kubectl(&format!("-n {NAMESPACE} patch configmap {name} --field-manager by-hand --type merge -p '{patch}'"));
}

#[test]
fn a_plan_is_applied_exactly_and_a_second_time_changes_nothing() {
    if !sandbox::is_up() {
        return;
    }
    let test = two_changes("plan", "plan-new", "plan-old");
    let saved = plan(&test);
    assert_eq!(saved["tasks"][0]["steps"][1]["changes"][0]["target"], "trust/configmap/plan-old");
    assert_eq!(std::fs::metadata(test.path("plan.json")).expect("a plan").permissions().mode() & 0o777, 0o600);
    assert!(!exists("plan-new") && word("plan-old") == "before", "planning changed something");
    test.run_with(&["apply", "plan.json"]).success();
    assert!(exists("plan-new") && word("plan-old") == "after" && !locked("plan"));
    test.run_with(&["apply", "plan.json"]).success().says("already as planned: `kube patch");
}

#[test]
fn a_planned_field_that_somebody_edited_is_refused_and_named() {
    if !sandbox::is_up() {
        return;
    }
    let test = two_changes("drift", "drift-new", "drift-old");
    plan(&test);
    edit("drift-old", r#"{"data": {"word": "edited"}}"#);
    let since = audit().len();
    let ran = test.run_with(&["apply", "plan.json"]).exits(3).says("plan::drift");
    let said = ran.stderr.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
    for part in ["trust/configmap/drift-old", "data.word", "the plan replaces `before`, and `edited` is there now", "written by `by-hand`"]
    {
        assert!(said.contains(part), "`{part}` is not in:\n{}", ran.stderr);
    }
    assert!(word("drift-old") == "edited" && exists("drift-new") && !locked("drift"));
    let written: Vec<String> = writes("railrun", since).into_iter().filter(|write| write.contains("/configmaps/drift-")).collect();
    assert!(written.len() == 1 && written[0].contains("drift-new"), "only what came before the refusal: {written:?}");
}

#[test]
fn an_edit_elsewhere_does_not_disturb_a_plan() {
    if !sandbox::is_up() {
        return;
    }
    let test = two_changes("calm", "calm-new", "calm-old");
    plan(&test);
    edit("calm-old", r#"{"data": {"other": "2"}}"#);
    test.run_with(&["apply", "plan.json"]).success();
    assert_eq!(word("calm-old"), "after");
}

#[test]
fn a_plan_is_refused_for_another_script_key_or_environment() {
    if !sandbox::is_up() {
        return;
    }
    let test = two_changes("strict", "strict-new", "strict-old");
    plan(&test);
    let script = std::fs::read_to_string(test.path("scripts/it.rhai")).expect("a script");
    let test = test.file("scripts/it.rhai", &format!("{script}\n// changed\n"));
    test.run_with(&["apply", "plan.json"]).exits(3).says("plan::changed_script");
    let test = test.file("scripts/it.rhai", &script);
    std::fs::remove_file(test.path(".railrun/key")).expect("the key");
    test.run_with(&["apply", "plan.json"]).exits(3).says("plan::elsewhere").says("the key");
    assert!(!exists("strict-new") && word("strict-old") == "before");
}

#[test]
fn a_step_that_was_pending_needs_to_be_allowed() {
    if !sandbox::is_up() {
        return;
    }
    remove(&["pend-a", "pend-b"]);
    let second = format!("let word = kube::get(\"{NAMESPACE}/configmap/pend-a\").data.word; {}", put("pend-b", "y"));
    let script = format!(
        "const TASK = #{{ id: \"T90\", title: \"Pending\" }};\nfn steps(task) {{\n task.step(\"one\", || {{ {}; }});\n task.step(\"two\", || {{ {second}; }});\n}}\n",
        put("pend-a", "x")
    );
    let test = test("pending", "").script(&script);
    assert!(plan(&test)["tasks"][0]["steps"][1]["pending"].is_string());
    test.run_with(&["apply", "plan.json"]).exits(3).says("plan::pending").says("two");
    assert!(!exists("pend-a"));
    test.run_with(&["apply", "plan.json", "--allow-pending"]).success();
    assert!(exists("pend-b"));
}

#[test]
fn a_values_file_and_a_chart_that_changed_are_drift() {
    if !sandbox::is_up() {
        return;
    }
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: planned-c}\ndata: {text: {{ .Values.text | quote }}}\n";
    let chart = |version: &str| format!("apiVersion: v2\nname: small\nversion: {version}\n");
    let script = "const TASK = #{ id: \"T90\", title: \"A release\" };\nfn steps(task) { task.step(\"release\", || { helm::upgrade(\"trust-release/planned\", #{ chart: \"./chart\", install: true, values_files: [\"values.yaml\"] }); }); }\n";
    kubectl(&format!("delete namespace {RELEASES} --ignore-not-found"));
    kubectl(&format!("create namespace {RELEASES}"));
    let test = test("release", "").script(script).file("chart/Chart.yaml", &chart("1.0.0")).file("chart/values.yaml", "{}\n");
    let test = test.file("chart/templates/all.yaml", template).file("values.yaml", "text: one\n");
    test.run().success();
    let test = test.file("values.yaml", "text: two\n");
    plan(&test);
    let since = audit().len();
    let test = test.file("values.yaml", "text: three\n");
    test.run_with(&["apply", "plan.json"]).exits(3).says("plan::drift").says("data.text");
    let test = test.file("values.yaml", "text: two\n").file("chart/Chart.yaml", &chart("1.1.0"));
    test.run_with(&["apply", "plan.json"]).exits(3).says("plan::drift").says("small 1.1.0");
    let written = writes("railrun", since).into_iter().filter(|write| write.contains(RELEASES)).collect::<Vec<_>>();
    assert_eq!(written, Vec::<String>::new(), "a refused apply wrote");
    let test = test.file("chart/Chart.yaml", &chart("1.0.0"));
    test.run_with(&["apply", "plan.json"]).success();
    assert!(kubectl(&format!("-n {RELEASES} get configmap planned-c -o jsonpath='{{.data.text}}'")).contains("two"));
    kubectl(&format!("delete namespace {RELEASES} --wait=false"));
}
