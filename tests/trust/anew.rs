//! Runs that go on: what an earlier life of theirs had passed and is done anew, and ways back that are cut short.

#![expect(clippy::disallowed_methods, reason = "tests remove files and send signals")]

use super::resume::{log, name};
use crate::support::Test;

/// A step whose state cannot be kept is run anew. What its first life had done behind it once stayed as it was.
#[test]
fn a_step_run_anew_that_fails_takes_back_what_was_done_behind_it() {
    let script = r#"
fn log(word) { command::run(["sh", "-c", `echo ${word} >> log`]); }
fn has(word) { command::run(["grep", "-q", word, "log"], #{ read_only: true }).status == 0 }
fn there(file) { command::run(["test", "-e", file], #{ read_only: true }).status == 0 }
fn steps(task) {
    task.step("zero", #{ done: || has("zero"), run: || log("zero"), undo: || log("back-zero") });
    COMMIT
    task.step("watch", #{ run: |state| { if there("bad") { throw "no key"; } state.watch = || 1; }, undo: || log("back-watch") });
    task.step("stop", #{ done: || has("stop"), run: || log("stop"), undo: || log("back-stop") });
    task.step("never undone", #{ done: || has("never"), run: || log("never") });
    BEHIND
    task.step("kill", #{ done: || has("kill"), run: || { command::run(["sh", "-c", "kill -KILL $PPID; sleep 5"]); }, undo: || log("back-kill") });
    task.step("not begun", #{ done: || has("more"), run: || log("more"), undo: || log("back-more") });
}
"#;
    let gone_on_with = |commit: &str, behind: &str| {
        let test = Test::new().script(&script.replace("COMMIT", commit).replace("BEHIND", behind));
        assert_eq!(test.run().code, None);
        let test = test.file("bad", "");
        let ran = test.run().exits(1).says("goes on with run").says("no key");
        (log(&test), ran)
    };
    let commit = r#"task.commit("from here on only forwards");"#;
    let (all, ran) = gone_on_with("", "");
    assert_eq!(all, "zero stop never back-kill back-stop back-watch back-zero", "{}", ran.stderr);
    let (behind_a_commit, ran) = gone_on_with(commit, "");
    assert_eq!(behind_a_commit, "zero stop never back-kill back-stop back-watch", "{}", ran.stderr);
    let (before_a_commit, ran) = gone_on_with("", commit);
    assert_eq!(before_a_commit, "zero stop never back-kill", "{}", ran.stderr);
    ran.says("from here on only forwards");
}

/// `stop` and what relies on it are done anew where somebody has started again what was stopped; also when the run that
/// found that out is killed itself.
#[test]
fn what_relies_on_a_step_that_does_not_hold_any_more_is_done_anew() {
    let script = r#"
fn log(word) { command::run(["sh", "-c", `echo ${word} >> log`], #{ read_only: true }); } // so that it needs no `done`
fn there(file) { command::run(["test", "-e", file], #{ read_only: true }).status == 0 }
fn die(file) { if !there(file) { command::run(["sh", "-c", `touch ${file}; kill -KILL $PPID; sleep 5`], #{ read_only: true }); } }
fn steps(task) {
    task.step("before", || log("before"));
    task.step("stop", #{ run: |state| { log("stop"); state.at = "1"; }, holds: |state| state.at == "1" && !there("started") });
    task.step("copy", || log("copy"));
    task.step("second", || { if there("once") { die("twice"); } log("second"); });
    task.step("point", || { die("once"); log("point"); });
    task.commit("no way back");
    task.step("behind", || { die("thrice"); log("behind"); });
}
"#;
    let untouched = Test::new().script(script);
    for code in [None, None, Some(0)] {
        assert_eq!(untouched.run().code, code);
    }
    assert_eq!(log(&untouched), "before stop copy second point behind", "while it holds nothing is done twice");

    let test = Test::new().script(script);
    assert_eq!(test.run().code, None);
    let test = test.file("started", "");
    let ran = test.run();
    assert_eq!(ran.code, None, "{}", ran.stderr);
    let ran = ran.says("what `stop` left does not hold any more, so it is done anew, and what follows it");
    assert_eq!(log(&test), "before stop copy second stop copy", "{}", ran.stderr);
    std::fs::remove_file(test.path("started")).expect("the mark");
    assert_eq!(test.run().code, None, "killed behind the point of no return");
    assert_eq!(log(&test), "before stop copy second stop copy second point");
    let test = test.file("started", "");
    test.run().success().does_not_say("does not hold any more");
    assert_eq!(log(&test), "before stop copy second stop copy second point behind");
}

#[test]
fn a_terminal_that_hangs_up_and_a_polite_kill_undo_as_ctrl_c_does() {
    let script = r#"
fn steps(task) {
    task.step("one", #{ run: || { command::run(["sh", "-c", "echo one >> log"], #{ read_only: true }); sleep("60s"); }, undo: || { command::run(["sh", "-c", "echo back-one >> log"], #{ read_only: true }); } });
}
"#;
    for signal in ["-HUP", "-TERM", "-INT"] {
        let test = Test::new().script(script);
        assert_eq!(cut(&test, "log", signal), Some(130), "{signal}");
        assert_eq!(log(&test), "one back-one", "{signal}");
    }
}

/// Starts it, and sends a signal once this file is there; how it ended.
fn cut(test: &Test, file: &str, signal: &str) -> Option<i32> {
    // Whoever runs these tests may have this process ignore a hang-up (`nohup`), and railrun would ignore it, too.
    let (mut child, began) = (test.start_under(&["env", "--default-signal=HUP"]), std::time::Instant::now());
    while !test.path(file).exists() {
        assert!(began.elapsed().as_secs() < 30, "there is never a `{file}`");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let sent = std::process::Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill");
    assert!(sent.success());
    child.wait().expect("it ends").code()
}

#[test]
fn ctrl_c_ends_the_way_back_and_undo_takes_the_rest() {
    let script = r#"
fn log(word) { command::run(["sh", "-c", `echo ${word} >> log`], #{ read_only: true }); } // so that it needs no `done`
fn steps(task) {
    task.step("one", #{ run: || log("one"), undo: || log("back-one") });
    task.step("two", #{ run: || { throw "no"; }, undo: || { command::run(["sh", "-c", "test -e go || { touch undoing; sleep 60; }"], #{ read_only: true }); log("back-two"); } });
}
"#;
    let test = Test::new().script(script);
    assert_eq!(cut(&test, "undoing", "-INT"), Some(130));
    assert_eq!(log(&test), "one");
    std::fs::write(test.path("go"), "").expect("a file");
    test.run_with(&["undo", &name(&test)]).success().says("undone: two, one");
    assert_eq!(log(&test), "one back-two back-one");
}
