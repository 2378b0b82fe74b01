//! What the command line answers: exit codes, lists, errors in arguments.

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
fn list_reads_headers_and_evaluates_nothing() {
    let script =
        "//! Moves it.\nconst TASK = #{ id: \"T7\", title: \"Move it\", needs: [\"T1\"] };\nfn steps(task) { throw \"evaluated\"; }\n";
    Test::new().file("scripts/t7.rhai", script).arg("list").run().success().prints("T7  Move it  scripts/t7.rhai  needs T1");
}
