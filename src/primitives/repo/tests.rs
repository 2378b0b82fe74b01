//! The verbs on real checkouts.

use crate::effect::Mode;
use crate::primitives::trial::{Setup, Trial};
use crate::process::{Command, Process};
use std::os::unix::fs::PermissionsExt;

/// A folder with the checkout `c`: one commit, the files `a.txt` and `helm/b.txt`.
fn with_checkout() -> Trial {
    let trial = Trial::new(setup(Mode::Live));
    trial.put("c/a.txt", "one\n");
    trial.put("c/helm/b.txt", "b\n");
    for line in ["init --quiet --initial-branch=main", "add .", "-c user.name=t -c user.email=t@t commit --quiet -m first"] {
        git(&trial, line);
    }
    trial
}

fn setup(mode: Mode) -> Setup {
    Setup { mode, process: Process::real(), settings: "settings: {checkouts: {cluster: c}}" }
}

/// The same folder, as a dry run sees it.
fn dry_run(trial: Trial) -> Trial {
    Trial::within(trial.folder, setup(Mode::DryRun))
}

fn git(trial: &Trial, line: &str) -> String {
    let command = Command::new("git", line.split(' ')).folder(trial.folder.path().join("c"));
    trial.host.wait::<_, _, crate::script::Fault>(trial.host.process.read_as_declared(&command)).unwrap().text().trim().to_owned()
}

const COMMIT: &str = "repo::open(\"cluster\").commit(\"more\\n\\nbecause\", [\"a.txt\", \"new.txt\"])";

#[test]
fn files_and_their_last_commit_are_read() {
    let trial = with_checkout();
    trial.put("c/a.txt", "two\n");
    trial.run("let c = repo::open(\"cluster\"); expect([c.exists(\"a.txt\"), c.exists(\"none\"), c.read(\"a.txt\"), c.committed(\"a.txt\")], [true, false, \"two\\n\", \"one\\n\"]); expect([c.clean(), c.branch()], [false, \"main\"]);");
    assert_eq!(trial.text("repo::open(\"c\").head()"), git(&trial, "rev-parse HEAD"));
    assert_eq!(trial.code("repo::open(\"cluster\").committed(\"none\")"), "repo::not_found");
    assert_eq!(trial.code("repo::open(\"cluster\").read(\"none\")"), "file::not_found");
}

#[test]
fn what_is_no_checkout_is_not_opened() {
    let trial = with_checkout();
    trial.put("d/x", "");
    assert_eq!(
        ["none", "d", "c/helm"].map(|folder| trial.code(&format!("repo::open(\"{folder}\")"))),
        ["repo::not_found", "repo::not_found", "repo::not_a_checkout"]
    );
}

#[test]
fn nothing_outside_the_checkout_is_reached() {
    let trial = with_checkout();
    trial.put("secret", "");
    std::os::unix::fs::symlink(trial.folder.path(), trial.folder.path().join("c/out")).unwrap();
    for file in ["../secret", "/etc/passwd", "out/secret", "out/new", ".git/config", "helm/../.git/hooks/x", "", "."] {
        assert_eq!(trial.code(&format!("repo::open(\"cluster\").write(\"{file}\", \"x\")")), "repo::outside", "{file}");
    }
    assert_eq!(trial.code("repo::open(\"cluster\").commit(\"m\", [\"../secret\"])"), "repo::outside");
}

#[test]
fn files_are_written_and_removed_once() {
    let trial = with_checkout();
    let script = "let c = repo::open(\"cluster\"); c.write(\"new/ü.txt\", \"x\"); c.remove(\"a.txt\");";
    trial.run(script);
    trial.run(script);
    assert_eq!(
        trial.said(),
        ["done repo write c/new/ü.txt", "done repo remove c/a.txt", "same repo write c/new/ü.txt", "same repo remove c/a.txt"]
    );
    assert_eq!(trial.disk("c/new/ü.txt"), "x");
}

#[test]
fn only_the_named_files_are_committed_on_a_branch_of_its_own() {
    let trial = with_checkout();
    trial.put("c/a.txt", "two\n");
    trial.put("c/new.txt", "new\n");
    trial.put("c/untracked.txt", "");
    let commit = trial.text(COMMIT);
    assert!(commit.contains("railrun/workplan") && commit.contains(&git(&trial, "rev-parse HEAD")), "{commit}");
    assert_eq!(git(&trial, "log -1 --format=%B"), "more\n\nbecause");
    assert_eq!(git(&trial, "show --name-only --format="), "a.txt\nnew.txt");
    assert_eq!(git(&trial, "log --format=%s main"), "first");
    trial.run(COMMIT);
    assert_eq!(trial.said(), ["done repo commit c", "same repo commit c"]);
    assert_eq!(trial.text("repo::open(\"cluster\").clean()"), "true");
}

#[test]
fn a_removed_file_is_committed_too_and_the_branch_goes_on() {
    let trial = with_checkout();
    trial.run("let c = repo::open(\"cluster\"); c.write(\"a.txt\", \"2\"); c.commit(\"write\", [\"a.txt\"]); c.remove(\"a.txt\"); c.commit(\"remove\", [\"a.txt\"]);");
    assert_eq!(git(&trial, "log --format=%s"), "remove\nwrite\nfirst");
    // A branch that was merged meanwhile starts again from what is checked out.
    git(&trial, "switch --quiet main");
    git(&trial, "merge --quiet railrun/workplan");
    trial.run("let c = repo::open(\"cluster\"); c.write(\"z.txt\", \"2\"); c.commit(\"later\", [\"z.txt\"]);");
    assert_eq!(git(&trial, "log -2 --format=%s railrun/workplan"), "later\nremove");
}

#[test]
fn a_dry_run_shows_the_difference_and_touches_nothing() {
    let trial = dry_run(with_checkout());
    trial.run("let c = repo::open(\"cluster\"); expect(c.clean(), true); c.write(\"a.txt\", \"two\\n\"); expect(c.clean(), false); expect(c.read(\"a.txt\"), \"two\\n\");");
    trial.run("let c = repo::open(\"cluster\"); c.commit(\"more\", [\"a.txt\"]); c.commit(\"more\", [\"a.txt\"]); expect([c.clean(), c.branch(), c.committed(\"a.txt\")], [true, \"railrun/workplan\", \"two\\n\"]);");
    let unified = r#"{"text":{"name":"a.txt","unified":"@@ -1 +1 @@\n-one\n+two\n"}}"#;
    assert_eq!(
        trial.said(),
        [
            format!("plan repo write c/a.txt: {{\"edits\":[{unified}]}}"),
            format!("plan repo commit c: {{\"edits\":[{{\"note\":\"on `railrun/workplan`: more\"}},{unified}]}}"),
            "same repo commit c".to_owned(),
        ]
    );
    assert_eq!(trial.code("repo::open(\"cluster\").head() + \"\""), "pending");
    assert_eq!((trial.disk("c/a.txt"), git(&trial, "branch --format=%(refname:short)")), ("one\n".into(), "main".into()));
}

#[test]
fn each_thing_in_the_way_of_a_commit_has_its_own_error() {
    let commit =
        |trial: &Trial| trial.code("let c = repo::open(\"cluster\"); c.write(\"a.txt\", now() + \"x\"); c.commit(\"m\", [\"a.txt\"])");
    let trial = with_checkout();
    trial.put("c/helm/b.txt", "changed\n");
    assert_eq!(commit(&trial), "repo::dirty");
    assert_eq!(trial.code("repo::open(\"cluster\").ready()"), "repo::dirty");
    git(&trial, "checkout --quiet -- .");
    assert_eq!(trial.text("repo::open(\"cluster\").ready()"), "true");
    git(&trial, "checkout --quiet --detach");
    assert_eq!(commit(&trial), "repo::detached");
    assert_eq!(trial.text("repo::open(\"cluster\").branch()"), "");
    git(&trial, "checkout --quiet main");
    trial.put("c/.git/MERGE_HEAD", &git(&trial, "rev-parse HEAD"));
    assert_eq!(commit(&trial), "repo::busy");
}

#[test]
fn a_branch_with_commits_of_its_own_is_not_thrown_away() {
    let trial = with_checkout();
    trial.run("let c = repo::open(\"cluster\"); c.write(\"a.txt\", \"2\"); c.commit(\"m\", [\"a.txt\"]);");
    git(&trial, "switch --quiet main");
    assert_eq!(trial.code("let c = repo::open(\"cluster\"); c.write(\"a.txt\", \"3\"); c.commit(\"m\", [\"a.txt\"])"), "repo::diverged");
}

#[test]
fn a_branch_is_merged_once_another_has_its_last_commit() {
    let trial = with_checkout();
    trial.run("let c = repo::open(\"cluster\"); c.write(\"a.txt\", \"2\"); c.commit(\"m\", [\"a.txt\"]);");
    assert_eq!(trial.text("repo::open(\"cluster\").merged()"), "false");
    git(&trial, "branch --force main railrun/workplan");
    assert_eq!(trial.text("repo::open(\"cluster\").merged()"), "true");
}

#[test]
fn bad_requests_are_refused() {
    let trial = with_checkout();
    trial.put("e/x", "");
    assert_eq!(trial.code("repo::open(\"cluster\").commit(\"m\", [])"), "repo::no_files");
    assert_eq!(trial.code("repo::open(\"cluster\").commit(\" \", [\"a.txt\"])"), "repo::no_message");
    assert_eq!(trial.code("repo::open(\"cluster\").commit(\"m\", [1])"), "option::invalid");
    assert_eq!(trial.code("repo::open(\"cluster\").write(\"a.txt\", `${secret::format(\"{}\", \"x\")}`)"), "secret::not_text");
    let command = Command::new("git", ["init", "--quiet"]).folder(trial.folder.path().join("e"));
    let _ = trial.host.wait::<_, _, crate::script::Fault>(trial.host.process.read_as_declared(&command)).unwrap();
    assert_eq!(trial.code("repo::open(\"e\").commit(\"m\", [\"x\"])"), "repo::no_commit");
    let bad =
        Trial::within(trial.folder, Setup { settings: "settings: {checkouts: {cluster: c}, repo: {branch: 'a..b'}}", ..setup(Mode::Live) });
    assert_eq!(bad.code("let c = repo::open(\"cluster\"); c.write(\"a.txt\", \"3\"); c.commit(\"m\", [\"a.txt\"])"), "repo::bad_branch");
}

const TAKE: &str = "repo::open(\"d\").take(repo::open(\"cluster\"), \"a.txt\", \"new/a.txt\")";

/// Beside `c` a second checkout, `d`, with one commit.
fn with_two_checkouts() -> Trial {
    let trial = with_checkout();
    trial.put("d/x", "");
    for line in ["-C ../d init --quiet", "-C ../d add .", "-C ../d -c user.name=t -c user.email=t@t commit --quiet -m d"] {
        git(&trial, line);
    }
    trial
}

#[test]
fn a_file_is_taken_once_with_its_mode() {
    let trial = with_two_checkouts();
    let (from, to) = (trial.folder.path().join("c/a.txt"), trial.folder.path().join("d/new/a.txt"));
    std::fs::set_permissions(&from, std::fs::Permissions::from_mode(0o755)).unwrap();
    trial.run(TAKE);
    assert_eq!((trial.disk("d/new/a.txt"), std::fs::metadata(&to).unwrap().permissions().mode() & 0o777), ("one\n".into(), 0o755));
    trial.run(TAKE);
    assert_eq!(trial.said(), ["done repo take d/new/a.txt", "same repo take d/new/a.txt"]);
    assert_eq!(trial.code("repo::open(\"d\").take(repo::open(\"cluster\"), \"none\", \"x\")"), "file::not_found");
    assert_eq!(trial.code("repo::open(\"d\").take(repo::open(\"cluster\"), \"a.txt\", \"../x\")"), "repo::outside");
}

#[test]
fn where_a_file_came_from_is_known_until_its_removal_is_committed() {
    let trial = with_checkout();
    let id = git(&trial, "log -1 --format=%h");
    let origin = "repo::open(\"cluster\").origin(\"a.txt\")";
    let expected = format!("from c/a.txt, last changed there in {id} first");
    assert_eq!(trial.text(origin), expected);
    trial.run("repo::open(\"cluster\").remove(\"a.txt\")");
    assert_eq!(trial.text(origin), expected);
    assert_eq!(trial.text("repo::open(\"cluster\").origin(\"never/was.txt\")"), "from c/never/was.txt, never committed there");
    assert_eq!(trial.code("repo::open(\"cluster\").origin(\"../x\")"), "repo::outside");
}

#[test]
fn a_dry_run_takes_nothing() {
    let trial = dry_run(with_two_checkouts());
    trial.run(&format!("{TAKE}; expect(repo::open(\"d\").read(\"new/a.txt\"), \"one\\n\");"));
    assert!(!trial.folder.path().join("d/new").exists());
    assert!(trial.said()[0].starts_with("plan repo take d/new/a.txt"), "{:?}", trial.said());
}

const TARGET: &str = "repo::open(\"cluster\").set_target(\"Makefile\", \"b\", #{ help: \"B\", recipe: [\"@true\"] })";

#[test]
fn a_target_of_a_makefile_is_set_once() {
    let trial = with_checkout();
    trial.put("c/Makefile", "a:\n\t@true\n");
    trial.run(TARGET);
    trial.run(TARGET);
    assert_eq!(trial.disk("c/Makefile"), "a:\n\t@true\n\n.PHONY: b\n\nb: ## B\n\t@true\n");
    assert_eq!(trial.said(), ["done repo set_target c/Makefile#b", "same repo set_target c/Makefile#b"]);
    trial.put("c/Makefile", "a b:\n\t@true\n");
    assert_eq!(trial.code(TARGET), "repo::bad_makefile");
    let trial = dry_run(trial);
    trial.run("repo::open(\"cluster\").set_target(\"Makefile\", \"c\", #{ recipe: [\"@true\"] })");
    assert_eq!((trial.disk("c/Makefile"), trial.said().len()), ("a b:\n\t@true\n".into(), 1));
}

/// A hook of the checkout's refuses the commit when everything is staged; the next attempt must not stumble over that.
#[test]
fn a_commit_that_was_refused_can_be_made_later() {
    let trial = with_checkout();
    let hook = trial.folder.path().join("c/.git/hooks/pre-commit");
    trial.put("c/.git/hooks/pre-commit", "#!/bin/sh\nexit 1\n");
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    let commit = "let c = repo::open(\"cluster\"); c.remove(\"helm/b.txt\"); c.write(\"new.txt\", \"n\"); c.commit(\"m\", [\"helm/b.txt\", \"new.txt\", \"never.txt\"])";
    assert_eq!(trial.code(commit), "process::failed");
    assert_eq!(git(&trial, "diff --cached --name-only"), "", "nothing is left staged");
    std::fs::remove_file(&hook).unwrap();
    trial.run(commit);
    assert_eq!(git(&trial, "show --name-status --format= HEAD"), "D\thelm/b.txt\nA\tnew.txt");
    assert_eq!(git(&trial, "status --porcelain"), "");
}
