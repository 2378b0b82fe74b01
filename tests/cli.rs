//! What the command line answers: exit codes, lists, errors in arguments.

#![expect(clippy::disallowed_methods, reason = "a test writes a file that is not text")]

use crate::support::Test;

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
fn what_an_editor_leaves_beside_a_script_is_no_script() {
    let test = Test::new().file("scripts/t7.rhai", "fn steps(task) {}").file("scripts/.#t7.rhai", "").file("scripts/dir.rhai/x", "");
    test.run_with(&["list"]).success().prints("t7.rhai");
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
