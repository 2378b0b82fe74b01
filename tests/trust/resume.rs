//! Runs that are cut short, with scripts that need no cluster: what is written down, and how the same command goes on.

#![expect(clippy::disallowed_methods, reason = "tests read and write files")]

use crate::support::{Ran, Test};
use std::path::PathBuf;

/// Three steps that write their names into `log`; the second kills its own railrun as long as there is no file `go`.
const SCRIPT: &str = r#"
const TASK = #{ id: "T90", title: "A try" };
fn log(word) { command::run(["sh", "-c", `echo ${word} >> log`]); }
fn steps(task) {
    let before = task.remember("the beginning", || command::run(["sh", "-c", "date +%N; cat log 2>/dev/null; true"], #{ read_only: true }).stdout);
    task.step("one", #{ done: || false || command::run(["grep", "-q", "one", "log"], #{ read_only: true }).status == 0, run: |state| { log("one"); state.word = "kept"; }, undo: || log("back-one") });
    task.step("two", #{ done: || command::run(["grep", "-q", "two", "log"], #{ read_only: true }).status == 0, run: || { if command::run(["test", "-e", "go"], #{ read_only: true }).status != 0 { command::run(["sh", "-c", "kill -KILL $PPID; sleep 5"]); } log("two"); }, undo: || log("back-two") });
    task.step("three", #{ done: || command::run(["grep", "-q", "three", "log"], #{ read_only: true }).status == 0, run: |state| { log("three"); note(`${state.word} ${before}`); } });
}
"#;

fn cut_short() -> Test {
    let test = Test::new().script(SCRIPT);
    let ran = test.run();
    assert_eq!(ran.code, None, "{}", ran.stderr);
    test
}

fn journals(test: &Test) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(test.path(".railrun/runs")).expect("runs").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

pub fn log(test: &Test) -> String {
    std::fs::read_to_string(test.path("log")).unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What the oldest run is called.
pub fn name(test: &Test) -> String {
    journals(test)[0].file_name().expect("a name").to_string_lossy().trim_end_matches(".jsonl").to_owned()
}

fn go(test: &Test) {
    std::fs::write(test.path("go"), "").expect("a file");
}

fn railrun(test: &Test, args: &[&str]) -> Ran {
    test.run_with(args)
}

#[test]
fn the_same_command_goes_on_where_it_was_killed_with_its_state_and_memory() {
    let test = cut_short();
    assert_eq!(log(&test), "one");
    let beginning = std::fs::read_to_string(&journals(&test)[0]).expect("a journal");
    let remembered = beginning.lines().find(|line| line.contains("\"remembered\"")).expect("a memory").to_owned();
    let remembered: serde_json::Value = serde_json::from_str(&remembered).expect("JSON");
    go(&test);
    let ran = test
        .run()
        .success()
        .says("goes on with run")
        .says("after step 1, `one`")
        .says("was under way")
        .says("done before the run was cut short");
    assert_eq!(log(&test), "one two three");
    let nanoseconds = remembered["value"].as_str().expect("a text").lines().next().expect("a line");
    assert!(ran.stderr.contains(&format!("kept {nanoseconds}")), "{}", ran.stderr);
    assert_eq!(journals(&test).len(), 1, "a run that goes on writes into its own journal");
}

const NEED: &str = r#"const TASK = #{ id: "T89", title: "A need" };
fn done_when(task) { task.check("it is there", || command::run(["test", "-e", "need"], #{ read_only: true }).status == 0); }
"#;

/// It is killed before it has begun a change, as long as there is no file `go`.
const LOOKS: &str = r#"
const TASK = #{ id: "T90", title: "A try" };
fn steps(task) {
    task.step("look", || { if command::run(["test", "-e", "go"], #{ read_only: true }).status != 0 { command::run(["sh", "-c", "kill -KILL $PPID; sleep 5"], #{ read_only: true }); } });
    task.step("two", #{ done: || command::run(["test", "-e", "log"], #{ read_only: true }).status == 0, run: || { command::run(["sh", "-c", "echo two >> log"]); } });
}
"#;

/// A run of this script that needs T89, and was cut short.
fn needing(script: &str) -> Test {
    let script = script.replace("title: \"A try\"", "title: \"A try\", needs: [\"T89\"]");
    let test = Test::new().file("scripts/need.rhai", NEED).file("need", "").script(&script);
    assert_eq!(test.run().code, None);
    std::fs::remove_file(test.path("need")).expect("the need");
    test
}

#[test]
fn a_need_that_does_not_hold_yet_leaves_the_run_to_be_gone_on_with() {
    let test = needing(LOOKS);
    test.run().exits(1).says("task::unmet");
    let test = test.file("need", "");
    go(&test);
    test.run().success().says("goes on with run");
    assert_eq!(log(&test), "two");
}

#[test]
fn a_need_that_may_be_false_because_of_the_run_does_not_stop_it() {
    let test = needing(SCRIPT);
    go(&test);
    test.run().success().says("goes on with run").says("`T89 is done` may be false because of what this run has begun");
    assert_eq!(log(&test), "one two three");
}

#[test]
fn a_cluster_that_does_not_answer_ends_a_run_before_anything_is_written() {
    let config = "apiVersion: v1\nkind: Config\ncurrent-context: a\ncontexts: [{name: a, context: {cluster: a, user: a}}]\nclusters: [{name: a, cluster: {server: \"http://127.0.0.1:1\"}}]\nusers: [{name: a, user: {}}]\n";
    let test = cut_short().file(".kube/config", config);
    let text = std::fs::read(&journals(&test)[0]).expect("a journal");
    go(&test);
    test.run().exits(1).says("kube::unreachable");
    railrun(&test, &["undo", &name(&test)]).exits(1).says("kube::unreachable");
    assert_eq!((journals(&test).len(), std::fs::read(&journals(&test)[0]).expect("a journal")), (1, text));
    std::fs::remove_file(test.path(".kube/config")).expect("the kubeconfig");
    test.run().success().says("goes on with run");
}

#[test]
fn while_a_run_lives_nobody_else_goes_on_with_it_closes_it_or_takes_it_back() {
    let stay = "sh\", \"-c\", \"for i in $(seq 300); do test -e go && break; sleep 0.1; done";
    let test = Test::new().script(&SCRIPT.replace("sh\", \"-c\", \"kill -KILL $PPID; sleep 5", stay));
    let mut child = test.start();
    let began = std::time::Instant::now();
    let is_at_two =
        || journals(&test).first().is_some_and(|path| std::fs::read_to_string(path).is_ok_and(|text| text.contains("for i in")));
    while !test.path(".railrun/runs").exists() || !is_at_two() {
        assert!(began.elapsed().as_secs() < 30, "it never came to its second step");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let text = std::fs::read(&journals(&test)[0]).expect("a journal");
    let process = format!("is still being carried out by process {}", child.id());
    for args in [&["scripts/it.rhai"][..], &["scripts/it.rhai", "--fresh"], &["undo", &name(&test)]] {
        railrun(&test, args).exits(3).says("journal::held").says(&process);
    }
    assert_eq!((journals(&test).len(), std::fs::read(&journals(&test)[0]).expect("a journal")), (1, text));
    go(&test);
    assert!(child.wait().expect("it ends").success());
    assert_eq!(log(&test), "one two three");
    railrun(&test, &["history"]).success().prints("done");
}

#[test]
fn fresh_starts_over_and_closes_the_old_run() {
    let test = cut_short();
    std::fs::remove_file(test.path("log")).expect("the log");
    go(&test);
    railrun(&test, &["scripts/it.rhai", "--fresh"]).success().does_not_say("goes on");
    assert_eq!(log(&test), "one two three");
    assert_eq!(journals(&test).len(), 2);
    railrun(&test, &["history"]).success().prints("abandoned").prints("done");
}

#[test]
fn a_changed_script_is_refused_without_an_answer() {
    let test = cut_short().file("scripts/it.rhai", &format!("{SCRIPT}\n// changed\n"));
    go(&test);
    test.run().exits(3).says("journal::changed").says("--fresh");
    assert_eq!(log(&test), "one");
    railrun(&test, &["scripts/it.rhai", "--resume"]).success().says("goes on with run");
    assert_eq!(log(&test), "one two three");
}

#[test]
fn a_changed_import_is_a_changed_script() {
    let script = format!("import \"words\" as words;\n{SCRIPT}").replace("fn log(word) {", "fn log(word) { words::check();");
    let test = Test::new().file("scripts/words.rhai", "fn check() {}\n").script(&script);
    assert_eq!(test.run().code, None);
    let test = test.file("scripts/words.rhai", "fn check() { }\n");
    test.run().exits(3).says("journal::changed");
}

/// A refusal undoes nothing; the run was closed all the same.
#[test]
fn a_refused_apply_is_gone_on_with_by_the_next_one_or_by_a_plain_run() {
    let script = r#"
const TASK = #{ id: "T90", title: "A try" };
fn log(word) { command::run(["sh", "-c", `echo ${word} >> log`]); }
fn has(word) { command::run(["grep", "-q", word, "log"], #{ read_only: true }).status == 0 }
fn word() { command::run(["cat", "word"], #{ read_only: true }).stdout }
fn steps(task) {
    task.step("one", #{ done: || has("one"), run: || log("one"), undo: || log("back-one") });
    task.step("two", #{ done: || has("two"), run: || log(word()), undo: || log("back-two") });
}
"#;
    let refused = || {
        let test = Test::new().file("word", "two").script(script);
        railrun(&test, &["plan", "scripts/it.rhai", "--out", "plan.json"]).success();
        let test = test.file("word", "another");
        railrun(&test, &["apply", "plan.json"]).exits(3).says("plan::drift").says("`railrun apply` goes on after the steps that ran");
        assert_eq!(log(&test), "one");
        railrun(&test, &["history", &name(&test)]).success().prints("ended: refused").prints("The same command goes on with it");
        test.file("word", "two")
    };
    for again in [&["apply", "plan.json"][..], &["scripts/it.rhai"]] {
        let test = refused();
        railrun(&test, again).success().says("goes on with run").says("after step 1, `one`");
        assert_eq!(log(&test), "one two");
    }
    let test = refused();
    railrun(&test, &["undo", &name(&test)]).success().says("undone: two, one");
}

#[test]
fn undo_takes_back_what_was_begun_newest_first() {
    let test = cut_short();
    let run = name(&test);
    railrun(&test, &["undo", &run]).success().says("undone: two, one");
    assert_eq!(log(&test), "one back-two back-one");
    railrun(&test, &["undo", &run]).exits(3).says("ended well");
    railrun(&test, &["history", &run]).success().prints("undone: two").prints("ended: undone");
    railrun(&test, &["undo", "nonesuch"]).exits(1).says("no run is called");
}

/// What was half taken back was once skipped, and the run called undone.
#[test]
fn undo_that_was_cut_short_begins_again_with_the_step_it_was_at() {
    let script = r#"
fn log(word) { command::run(["sh", "-c", `echo ${word} >> log`]); }
fn steps(task) {
    task.step("one", #{ done: || command::run(["grep", "-q", "one", "log"], #{ read_only: true }).status == 0, run: || log("one"), undo: || log("back-one") });
    task.step("two", #{ done: || false, run: || { throw "no"; }, undo: || { command::run(["sh", "-c", "test -e go || { kill -KILL $PPID; sleep 5; }"]); log("back-two"); } });
}
"#;
    let test = Test::new().script(script);
    assert_eq!(test.run().code, None);
    go(&test);
    let run = name(&test);
    railrun(&test, &["undo", &run]).success().says("undone: two, one");
    assert_eq!(log(&test), "one back-two back-one");
}

#[test]
fn history_tells_an_unfinished_runs_story() {
    let test = cut_short();
    railrun(&test, &["history"]).success().prints("T90").prints("unfinished");
    let run = name(&test);
    railrun(&test, &["history", &run[..20]]).success().prints("step 1: one").prints("✓ command run").prints("railrun undo");
}

#[test]
fn a_torn_last_record_does_not_stop_a_resume() {
    let test = cut_short();
    let journal = journals(&test)[0].clone();
    let text = std::fs::read_to_string(&journal).expect("a journal");
    std::fs::write(&journal, &text[..text.len() - 20]).expect("a torn journal");
    go(&test);
    test.run().success().says("its last record is torn and left out");
    assert_eq!(log(&test), "one two three");
}

#[test]
fn a_run_that_cannot_be_written_down_changes_nothing() {
    let test = Test::new().script(SCRIPT);
    go(&test);
    test.run().success();
    std::fs::remove_file(test.path("log")).expect("the log");
    std::fs::remove_dir_all(test.path(".railrun/runs")).expect("the runs");
    std::fs::write(test.path(".railrun/runs"), "").expect("a file in their place");
    test.run().exits(1).says("journal::failed");
    assert_eq!(log(&test), "");
}

#[test]
fn a_dry_run_writes_no_journal() {
    let test = Test::new().script(SCRIPT).dry_run();
    test.run().success();
    assert!(!test.path(".railrun").exists());
}
