//! The life of a run, with scripts that need no cluster.

use crate::support::Test;

const TASK: &str = "const TASK = #{ id: \"T90\", title: \"A try\" };\n";

fn task(rest: &str) -> Test {
    Test::new().script(&format!("{TASK}{rest}"))
}

#[test]
fn a_task_that_is_done_runs_no_step() {
    let test = task(
        "fn steps(task) { task.step(\"never\", || { throw \"ran\"; }); }\nfn done_when(task) { task.check(\"it holds\", || true); }\n",
    );
    test.run().success().says("T90 is done: nothing to change").does_not_say("never");
}

#[test]
fn all_unmet_preconditions_are_shown_together_and_nothing_runs() {
    let test = task(
        "fn preconditions(task) { task.require(\"a\", || false); task.require(\"b\", || false); task.require(\"c\", || true); }\nfn steps(task) { task.step(\"never\", || { throw \"ran\"; }); }\n",
    );
    test.run().exits(1).says("✗ a").says("✗ b").says("✓ c").says("2 of 3 preconditions do not hold").does_not_say("never");
}

#[test]
fn a_failed_step_undoes_itself_and_those_before_it_newest_first() {
    let test = task(
        "fn steps(task) {\n task.step(\"one\", #{ run: || (), undo: || note(\"back one\") });\n task.step(\"two\", #{ run: || (), undo: || note(\"back two\") });\n task.step(\"three\", #{ run: || { throw \"broken\"; }, undo: || note(\"back three\") });\n}\n",
    );
    let ran = test.run().exits(1).says("undone: three, two, one");
    let places: Vec<usize> = ["back three", "back two", "back one"].iter().map(|text| ran.stderr.find(text).expect(text)).collect();
    assert!(places.is_sorted(), "{}", ran.stderr);
}

#[test]
fn undo_never_crosses_a_commit() {
    let test = task(
        "fn steps(task) {\n task.step(\"one\", #{ run: || (), undo: || note(\"back one\") });\n task.commit(\"users write\");\n task.step(\"two\", #{ run: || { throw \"broken\"; }, undo: || note(\"back two\") });\n}\n",
    );
    test.run().exits(1).says("back two").does_not_say("back one").says("users write");
}

#[test]
fn a_step_whose_done_is_still_false_fails() {
    let test = task("fn steps(task) { task.step(\"one\", #{ done: || false, run: || () }); }\n");
    test.run().exits(1).says("task::not_done");
}

#[test]
fn a_step_that_is_done_is_skipped() {
    let test = task("fn steps(task) { task.step(\"one\", #{ done: || true, run: || { throw \"ran\"; } }); }\n");
    test.run().success().says("already done");
}

#[test]
fn all_steps_done_but_the_task_not_is_a_failure() {
    let test = task("fn steps(task) { task.step(\"one\", || ()); }\nfn done_when(task) { task.check(\"it holds\", || false); }\n");
    test.run().exits(1).says("task::not_proven").says("it holds");
}

#[test]
fn state_set_by_one_step_is_read_by_another_and_an_unset_key_is_an_error() {
    let good = "fn set(state) { state.x = 1; }\nfn steps(task) { task.step(\"one\", |state| set(state)); task.step(\"two\", |state| { if state.x != 1 { throw \"lost\"; } }); }\n";
    task(good).run().success();
    task("fn steps(task) { task.step(\"two\", |state| { let y = state.x; }); }\n").run().exits(2).says("check::unset_state");
}

#[test]
fn two_steps_of_one_name_are_refused() {
    let test = task("fn steps(task) { task.step(\"one\", || ()); task.step(\"one\", || ()); }\n");
    test.run().exits(2).says("check::duplicate_name");
}

#[test]
fn a_dry_run_leaves_out_proof_and_undo_and_exits_1_where_a_live_run_would_stop() {
    let test = task("fn preconditions(task) { task.require(\"a\", || false); }\nfn steps(task) { task.step(\"one\", || ()); }\nfn done_when(task) { task.check(\"it holds\", || false); }\n").dry_run();
    test.run().exits(1).says("would stop here: a").does_not_say("task::not_proven");
}

#[test]
fn a_need_is_asked_now_and_says_what_is_missing() {
    let needed = "const TASK = #{ id: \"T1\", title: \"First\" };\nfn done_when(task) { task.check(\"the floor is there\", || false); }\n";
    let test = Test::new()
        .file("scripts/t1.rhai", needed)
        .script("const TASK = #{ id: \"T2\", title: \"Second\", needs: [\"T1\"] };\nfn steps(task) { task.step(\"never\", || { throw \"ran\"; }); }\n");
    test.run().exits(1).says("✗ T1 is done").says("not true: the floor is there").does_not_say("never");
}

#[test]
fn the_json_stream_tells_the_same_story() {
    let test = task("fn steps(task) { task.step(\"one\", || ()); }\n").args(["--output", "json"]);
    let ran = test.run().success();
    let names: Vec<String> = ran
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON")["event"].as_str().expect("an event").to_owned())
        .collect();
    assert_eq!(names, ["run-started", "steps-declared", "step-started", "step-ended", "run-ended"]);
}

#[test]
fn a_script_that_recurses_without_end_is_an_error_and_no_crash() {
    let test = task("fn deep(n) { deep(n + 1) }\nfn steps(task) { task.step(\"one\", || deep(0)); }\n");
    test.run().exits(1);
}

#[test]
fn a_false_comparison_shows_both_sides_among_its_imports_and_captured_values() {
    let test = Test::new().file("stdlib/wiki.rhai", "fn pages() { [3, 4].len() }\n").script(&format!(
        "import \"wiki\" as wiki;\n{TASK}fn own() {{ #{{ host: \"a.example\" }} }}\nfn done_when(task) {{\n let wanted = 5;\n task.check(\"pages\", || wiki::pages() == wanted);\n task.check(\"host\", || own().host == \"b.example\");\n}}\n"
    ));
    let ran = test.run().exits(1).says("wiki::pages() == wanted").says("left: 2").says("right: 5").says("left: \"a.example\"");
    assert_eq!(ran.stderr.matches("right:").count(), 1, "a literal is not said again:\n{}", ran.stderr);
}

#[test]
fn without_a_cluster_it_is_said_once_and_nothing_more_is_asked() {
    let asks = "|| kube::get(\"namespace/a\") != ()";
    let test = task(&format!(
        "fn preconditions(task) {{ task.require(\"one\", {asks}); task.require(\"two\", {asks}); }}\nfn steps(task) {{ task.step(\"never\", || {{ throw \"ran\"; }}); }}\nfn done_when(task) {{ task.check(\"three\", {asks}); }}\n"
    ));
    for (arguments, code) in [(&["scripts/it.rhai"][..], 1), (&["scripts/it.rhai", "--dry-run"], 1), (&["status"], 1)] {
        let ran = test.run_with(&[arguments, &["--kubeconfig", "gone"]].concat()).exits(code);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert_eq!(said.matches("cannot use the kubeconfig").count(), 1, "{arguments:?}:\n{said}");
        ran.does_not_say("✗ never");
    }
}
