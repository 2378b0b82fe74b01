//! What the command line answers: exit codes, lists, errors in arguments.

#![expect(clippy::disallowed_methods, reason = "tests run programs and write a file that is not text")]

use crate::support::Test;
use std::process::Command;

#[test]
fn without_arguments_it_shows_its_help_and_exits_2() {
    Test::new().run().exits(2).says("Usage: railrun");
}

#[test]
fn an_unknown_option_exits_2() {
    Test::new().arg("--drty-run").run().exits(2).says("--dry-run");
}

#[test]
fn a_missing_script_is_named_with_what_was_meant() {
    let test = Test::new().file("scripts/t02-gitea-migrate.rhai", "fn steps(task) {}").arg("scripts/t02-gitea-migarte.rhai");
    test.run().exits(2).says("did you mean `scripts/t02-gitea-migrate.rhai`?");
}

#[test]
fn an_unknown_environment_names_the_known_ones() {
    let test = Test::new().file("railrun.yaml", "environments: {lab: {}, home: {}}\n").script("fn steps(task) {}").args(["--env", "hmoe"]);
    test.run().exits(2).says("it has: home, lab");
}

#[test]
fn a_global_option_may_stand_before_a_command_but_a_dry_run_may_not_get_lost_there() {
    let test = Test::new().file("scripts/t7.rhai", "//! A try.\nfn steps(task) { task.step(\"one\", || ()); }\n");
    for arguments in [["--env", "default", "list"], ["list", "--env", "default"], ["--output", "json", "list"]] {
        test.run_with(&arguments).success().prints("t7.rhai");
    }
    for arguments in [["--dry-run", "run", "t7"], ["scripts/t7.rhai", "run", "t7"]] {
        test.run_with(&arguments).exits(2).says("do not go before a command");
    }
}

#[test]
fn settings_that_cannot_be_read_are_not_taken_for_none() {
    let test = Test::new().script("fn steps(task) { task.step(\"one\", || note(\"ran\")); }\n");
    std::fs::write(test.path("railrun.yaml"), b"environments: {p: {protected: true}} # Gr\xf6\xdfe\n").expect("railrun.yaml");
    test.run().exits(2).says("settings::invalid").says("railrun.yaml").does_not_say("· ran");
}

#[test]
fn check_says_what_it_looked_at() {
    let test = Test::new().file("scripts/t7.rhai", "fn steps(task) { task.step(\"one\", || ()); }\n");
    test.run_with(&["check"]).success().says("1 script checked: nothing found");
    test.run_with(&["check", "--env", "prodction"]).exits(2).says("settings::unknown_environment");
    let test = test.file("railrun.yaml", "settings: [\n");
    test.run_with(&["check"]).exits(2).says("settings::invalid").does_not_say("nothing found");
    Test::new().run_with(&["check"]).success().says("no script was found").does_not_say("nothing found");
}

#[test]
fn a_setting_of_the_wrong_kind_is_named() {
    let step = "fn steps(task) { task.step(\"one\", || note(\"ran\")); }\n";
    let test = Test::new().script(step);
    let set = |value: &str| test.run_with(&["scripts/it.rhai", "--set", value]);
    set("journal.keep_days=18446744073709551615").success().says("· ran");
    set("journal.keep_runs=many").exits(2).says("`journal.keep_runs` should be a whole number").does_not_say("· ran");
    set("a={b: [1").exits(2).says("settings::bad_set").does_not_say("· ran");
    let nowhere = Test::new().file("railrun.yaml", "default_environment: nope\n").script(step);
    nowhere.run().exits(2).says("settings::unknown_environment").says("nope");
}

#[test]
fn a_plan_that_cannot_be_read_or_written_is_a_failure_and_no_refusal() {
    let test = Test::new().script("fn steps(task) { task.step(\"one\", || ()); }\n");
    test.run_with(&["plan", "scripts/it.rhai", "--out", "nowhere/p.json"]).exits(1).says("plan::unwritable").says("a folder that is there");
    test.run_with(&["apply", "nope.json"]).exits(1).says("plan::unusable").says("`railrun plan TASK… --out FILE` writes one");
}

#[test]
fn a_foreign_colour_does_not_reach_what_shall_have_none() {
    let test = Test::new().script("fn steps(task) { task.step(\"one\", || note(\"\u{1b}[8mhidden\")); }\n");
    test.run().success().says("· hidden").does_not_say("\u{1b}");
}

#[test]
fn an_address_shows_no_secret() {
    let posting = |address: &str| {
        let step = format!("fn steps(task) {{ task.step(\"one\", #{{ done: || false, run: || http::post(\"{address}\") }}); }}\n");
        Test::new().script(&step).dry_run()
    };
    let ran = posting("http://bob:hunter2pass@127.0.0.1:1/x").run().exits(1);
    ran.says("holds a login").says("http://127.0.0.1:1/x").does_not_say("bob").does_not_say("hunter2pass");
    posting("http://127.0.0.1:1/x?access_token=hunter2token&a=b")
        .run()
        .success()
        .says("access_token=[secret]")
        .does_not_say("hunter2token");
}

#[test]
fn a_question_changes_nothing_however_it_is_written() {
    let act = "fn act() { command::run([\"touch\", \"made\"]); true }\n";
    for question in [
        "fn done_when(task) { let f = Fn(\"act\"); task.check(\"x\", f); }",
        "fn preconditions(task) { let f = Fn(\"act\"); task.require(\"x\", f); }",
    ] {
        let test = Test::new().script(&format!("{act}{question}\nfn steps(task) {{ task.step(\"one\", || ()); }}\n"));
        test.run().exits(1).says("a question changes nothing");
        assert!(!test.path("made").exists(), "{question}");
    }
}

#[test]
fn a_program_that_prints_without_end_is_ended() {
    let test = Test::new().script("fn steps(task) { task.step(\"one\", || command::run([\"yes\"], #{ read_only: true })); }\n");
    test.run().exits(1).says("`yes`").says("it printed more than 64 MiB");
}

#[test]
fn docs_know_the_methods_of_task() {
    Test::new().run_with(&["docs", "task.step"]).success().prints("task.step(name, step)").prints("`holds`");
}

#[test]
fn what_an_editor_leaves_beside_a_script_is_no_script() {
    let test = Test::new().file("scripts/t7.rhai", "fn steps(task) {}").file("scripts/.#t7.rhai", "").file("scripts/dir.rhai/x", "");
    test.run_with(&["list"]).success().prints("t7.rhai");
}

#[test]
fn a_script_that_cannot_be_read_stops_only_what_is_about_it() {
    let test = Test::new().file(
        "scripts/t7.rhai",
        "const TASK = #{ id: \"T7\", title: \"Whole\" };\nfn steps(task) { task.step(\"one\", || note(\"ran\")); }\n",
    );
    let test = test.file("scripts/t8.rhai", "const TASK = #{ id: \"T8\", title: \"Half");
    test.run_with(&["run", "t7"]).success().says("ran");
    test.run_with(&["list"]).exits(2).prints("T7  Whole").says("scripts/t8.rhai");
    test.run_with(&["check"]).exits(2).says("scripts/t8.rhai");
    test.run_with(&["run", "t8"]).exits(2).says("scripts/t8.rhai").does_not_say("did you mean");
}

#[test]
fn a_record_that_cannot_be_written_is_said_before_anything_runs() {
    let test = Test::new().script("fn steps(task) { task.step(\"one\", || note(\"ran\")); }\n");
    test.run_with(&["scripts/it.rhai", "--junit", "none/such.xml"]).exits(1).says("junit::failed").does_not_say("· ran");
    test.run_with(&["scripts/it.rhai", "--set", "lock.lasts=soon"]).exits(2).says("`lock.lasts`").does_not_say("· ran");
}

#[test]
fn a_reader_that_goes_away_is_no_failure_and_a_full_disk_is_one() {
    let railrun = env!("CARGO_BIN_EXE_railrun");
    let test = Test::new().script("fn steps(task) { task.step(\"one\", || ()); }\n");
    let folder = test.path("").display().to_string();
    for command in ["completions bash", "docs --markdown", "list", "scripts/it.rhai --output json"] {
        let shell = |text: String| Command::new("bash").args(["-c", &text]).output().expect("bash");
        let ended = shell(format!("cd {folder}; set -o pipefail; {railrun} {command} | true"));
        assert!(ended.status.success() && ended.stderr.is_empty(), "{command}: {ended:?}");
        let ended = shell(format!("cd {folder}; {railrun} {command} >/dev/full"));
        assert_eq!(ended.status.code(), Some(1), "{command}: {ended:?}");
    }
}

#[test]
fn doctor_answers_in_json_where_it_is_asked_to() {
    let ran = Test::new().run_with(&["doctor", "--output", "json"]);
    assert!(ran.stdout.lines().count() >= 4 && ran.stdout.lines().all(|line| line.starts_with('{')), "{}", ran.stdout);
}

#[test]
fn a_secret_of_several_lines_is_masked_line_by_line() {
    let script = "fn steps(task) { task.step(\"one\", #{ done: || false, run: || command::run([\"sh\", \"-c\", \"cat >&2; exit 3\"], #{ stdin: secret::format(\"BEGINKEYLINE\\n{}{}\\n\", \"SECRETL\", \"INEONE\") }) }); }\n";
    Test::new().script(script).run().exits(1).says("[secret]").does_not_say("SECRETLINEONE");
}

#[test]
fn list_reads_headers_and_evaluates_nothing() {
    let script =
        "//! Moves it.\nconst TASK = #{ id: \"T7\", title: \"Move it\", needs: [\"T1\"] };\nfn steps(task) { throw \"evaluated\"; }\n";
    Test::new().file("scripts/t7.rhai", script).arg("list").run().success().prints("T7  Move it  scripts/t7.rhai  needs T1");
}

/// Secrets are in the memory of a process that crashes, this one or a program that it started.
#[test]
fn nothing_that_crashes_leaves_its_memory_behind() {
    let script = r#"fn steps(task) { task.step("one", || note("cores: " + command::run(["sh", "-c", "ulimit -Hc"], #{ read_only: true }).stdout)); }"#;
    Test::new().script(script).run().success().says("cores: 0");
}
