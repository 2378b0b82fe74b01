//! Makefiles as people write them.

use super::*;

const MAKEFILE: &str = "# S2\n-include local.mk\nA := b:c\nX ?= 1\nsmoke: X = 2\n\n.PHONY: help smoke \\\n  old-deploy\n\nhelp: ## Show\n\t@grep x\n\nold-deploy: help ## Old\n\tone; \\\n  two\n\n# between\n\tthree\n\nlast:\n\t@true\n";

fn target(recipe: &str) -> Target {
    Target { help: "New".into(), needs: vec![], recipe: vec![recipe.into()] }
}

#[test]
fn a_condition_in_a_recipe_goes_with_it_and_a_comment_behind_phony_stays_one() {
    let text = ".PHONY: a # all of them\n\na:\n\tone\nifdef X\n\ttwo\nendif\n\nb:\n\tthree\n";
    let changed = with_target(text, "a", &target("new")).unwrap();
    assert_eq!(changed, ".PHONY: a # all of them\n\na: ## New\n\tnew\n\nb:\n\tthree\n");
    let added = with_target(text, "c", &target("new")).unwrap();
    assert!(added.starts_with(".PHONY: a c # all of them\n"), "{added}");
    assert_eq!(with_target(&added, "c", &target("new")).unwrap(), added);
}

#[test]
fn an_existing_target_is_replaced_where_it_is_and_nothing_else() {
    let made = with_target(MAKEFILE, "old-deploy", &target("new")).unwrap();
    assert_eq!(made, MAKEFILE.replace("old-deploy: help ## Old\n\tone; \\\n  two\n\n# between\n\tthree\n", "old-deploy: ## New\n\tnew\n"));
    assert_eq!(with_target(&made, "old-deploy", &target("new")).unwrap(), made);
}

#[test]
fn a_missing_target_is_added_beside_its_kin_and_declared_phony() {
    let made = with_target(MAKEFILE, "old-status", &target("s")).unwrap();
    let wanted =
        MAKEFILE.replace("  old-deploy\n", "  old-deploy old-status\n").replace("\tthree\n", "\tthree\n\nold-status: ## New\n\ts\n");
    assert_eq!(made, wanted);
    assert_eq!(with_target(&made, "old-status", &target("s")).unwrap(), made);
}

#[test]
fn without_kin_it_goes_to_the_end_and_without_phony_one_is_made() {
    assert_eq!(with_target("a:\n\tb\n", "new", &target("n")).unwrap(), "a:\n\tb\n\n.PHONY: new\n\nnew: ## New\n\tn\n");
    assert_eq!(with_target("", "new", &target("n")).unwrap(), ".PHONY: new\n\nnew: ## New\n\tn\n");
}

#[test]
fn what_make_would_not_read_as_one_rule_is_refused() {
    assert_eq!(with_target("a b:\n\tx\n", "a", &target("n")), Err(Refusal::Shared("a b".into())));
    assert_eq!(with_target("a:\n\tx\na:\n\ty\n", "a", &target("n")), Err(Refusal::Twice));
}

#[test]
fn a_variable_and_a_definition_are_no_target() {
    let text = "define a\na:\n\tx\nendef\nb: a = 1\na := x\n";
    assert!(with_target(text, "a", &target("n")).unwrap().starts_with(text));
}

#[test]
fn a_condition_is_never_cut() {
    let cut = "a:\n\tone\nifdef X\n\ttwo\nb:\n\tthree\nendif\n";
    assert_eq!(with_target(cut, "a", &target("n")), Err(Refusal::CutThrough));
    let inside = "a:\n\tone\n\nifdef LOCAL\ngitea-up:\n\tx\nendif\n";
    assert_eq!(with_target(inside, "gitea-up", &target("n")), Err(Refusal::Conditional));
    let made = with_target(inside, "gitea-deploy", &target("n")).unwrap();
    assert_eq!(made, format!("{inside}\n.PHONY: gitea-deploy\n\ngitea-deploy: ## New\n\tn\n"), "its kin holds only sometimes");
    let beside = "a:\n\tone\n\nifdef X\nb:\n\ttwo\nendif\n";
    assert_eq!(with_target(beside, "a", &target("n")).unwrap(), beside.replace("a:\n\tone\n", ".PHONY: a\n\na: ## New\n\tn\n"));
}

#[test]
fn every_line_keeps_its_own_end() {
    let mixed = "a:\n\tone\r\n\ttwo\n\nb:\r\n\tx\r\n";
    assert_eq!(with_target(mixed, "a", &target("n")).unwrap(), ".PHONY: a\n\na: ## New\n\tn\n\nb:\r\n\tx\r\n");
    let carriage = ".PHONY: a \\\r\n  b\r\na:\r\n\tx\r\n";
    let made = with_target(carriage, "c", &target("n")).unwrap();
    assert_eq!(made, ".PHONY: a \\\r\n  b c\r\na:\r\n\tx\r\n\r\nc: ## New\r\n\tn\r\n");
    assert_eq!(with_target(&made, "c", &target("n")).unwrap(), made);
    assert_eq!(with_target("a:\n\tx", "a", &target("n")).unwrap(), ".PHONY: a\n\na: ## New\n\tn", "no line end at the end");
}

#[test]
fn a_rule_is_seen_however_it_is_written() {
    let replaced = |text: &str| with_target(&format!(".PHONY : a\n{text}"), "a", &target("n"));
    let whole = Ok(".PHONY : a\na: ## New\n\tn\n".to_owned());
    assert_eq!(replaced("a: $(if $(X),y=z)\n\tx\n"), whole);
    assert_eq!(replaced("  a: b\n\tx\n"), whole);
    assert_eq!(replaced("a: b \\\n  c\n\tx\n"), whole);
    assert_eq!(replaced("a \\\nb: c\n\tx\n"), Err(Refusal::Shared("a b".into())));
    assert_eq!(replaced("a:: b\n\tx\n"), Err(Refusal::DoubleColon));
    assert_eq!(replaced(".RECIPEPREFIX = >\na:\n> x\n"), Err(Refusal::OtherPrefix));
    let defined = "export define b\na:\n\tx\nendef\n";
    assert!(replaced(defined).unwrap().contains(defined), "what is defined is no rule");
}

#[test]
fn what_only_looks_like_make_is_left_alone() {
    let set = |text: &str, name: &str| with_target(text, name, &target("n")).unwrap();
    let again = |text: &str, name: &str| assert_eq!(set(text, name), text, "a second time nothing changes");
    let escaped = set(".PHONY: a b\na:\n\tprintf 'x\\\\\nb:\n\ty\n", "a");
    assert_eq!(escaped, ".PHONY: a b\na: ## New\n\tn\nb:\n\ty\n", "two backslashes go on in no line");
    let comment = set(".PHONY: a # all \\\n  of them\na:\n\tx\n", "c");
    assert!(comment.starts_with(".PHONY: a c # all \\\n  of them\n"), "{comment}");
    again(&comment, "c");
    let assigned = set("define = x\n.PHONY: a\na:\n\tx\n", "a");
    assert_eq!(assigned, "define = x\n.PHONY: a\na: ## New\n\tn\n");
    let recipe = set("%.o:\n\tdefine x\n.PHONY: a\na:\n\tx\n", "a");
    assert_eq!(recipe, "%.o:\n\tdefine x\n.PHONY: a\na: ## New\n\tn\n");
    let between = set(".PHONY: a\na:\n\tone\n# said \\\nin two lines\n\ttwo\n", "a");
    assert_eq!(between, ".PHONY: a\na: ## New\n\tn\n");
}
