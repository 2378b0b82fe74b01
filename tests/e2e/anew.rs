//! Tasks that are begun again after one that failed, without what its journal knew: on another machine, or with `--fresh`.
//! What stands on the platform itself must be enough to go on by.

use super::killed::{self, At, Cut};
use super::platform::{Repository, checkout, facts, forget_runs, kubectl, login_works};
use super::sweeps::back_to_the_start;
use crate::support::sandbox::{self, shell};
use std::time::Duration;

const T03: &str = "scripts/t03-gitea-relocate.rhai";
const T06: &str = "scripts/t06-valkey.rhai";
const ROTATE: &str = "scripts/rotate-password.rhai";
const FAILING: &str = "    task.step(\"on purpose\", || { throw \"injected on purpose\"; });\n";

fn with_services(repository: &Repository) {
    back_to_the_start();
    repository.railrun(&["run", "t01", "t02", "t06"]).exits(0);
}

/// A copy of this repository in which a script fails right before this text.
fn failing_before(script: &str, text: &str) -> Repository {
    let broken = Repository::copy();
    broken.edit(script, text, &format!("{FAILING}{text}"));
    broken
}

#[test]
#[ignore = "four minutes: T03 without its journal, and without its way back"]
fn a_move_goes_on_by_what_stands_on_the_volume() {
    if !sandbox::is_up() {
        return;
    }
    let repository = Repository::own();
    with_services(&repository);
    let before = facts();
    let killed = || {
        let at = At("change-done", "helm uninstall", "gitea/gitea");
        let cut = killed::run(&repository, T03, at, &Cut::Signal("-KILL", Duration::ZERO));
        assert!(cut.is_some(), "T03 uninstalled nothing");
        forget_runs();
    };

    killed();
    failing_before(T03, "    task.step(\"measure what").railrun(&[T03]).exits(1).says("injected on purpose");
    assert!(login_works(), "Gitea, which an earlier run had taken away, is not back");

    killed();
    let broken = failing_before(T03, "    task.step(\"install it there\"");
    broken.railrun(&[T03]).exits(1).says("injected on purpose");
    assert!(login_works(), "after a failure that could be undone nobody can log in");

    killed();
    broken.edit("stdlib/relocation.rhai", "helm::upgrade(from, gitea::release() + #{ install: true });", "throw \"no way back\";");
    broken.railrun(&[T03]).exits(1).says("no way back").says("the same command goes on from here");
    assert_eq!(kubectl("get deployment -A -l app.kubernetes.io/name=gitea -o name"), "", "Gitea is back, so nothing was tried");
    repository.railrun(&[T03]).exits(0).says("T03 is done");
    assert_eq!(facts(), before, "what users have is not what it was");
}

#[test]
#[ignore = "three minutes: T03 whose commit is refused, with a Gitea that is not ready"]
fn a_move_that_is_not_ready_is_not_taken_back() {
    if !sandbox::is_up() {
        return;
    }
    let repository = Repository::own();
    with_services(&repository);
    let before = facts();
    let hook = checkout("railiance-cluster").join(".git/hooks/pre-commit");
    shell(&format!("printf '#!/bin/sh\\nexit 1\\n' > {0} && chmod +x {0}", hook.display()));
    repository.railrun(&[T03]).exits(1).says("nothing was undone");
    kubectl("-n apps scale deployment gitea --replicas 0");
    forget_runs();
    repository.railrun(&[T03]).exits(1).says("nothing was undone");
    assert_eq!(kubectl("-n gitea get deployment -o name"), "", "a second Gitea was made");
    kubectl("-n apps scale deployment gitea --replicas 1");
    shell(&format!("rm {}", hook.display()));
    repository.railrun(&[T03]).exits(0).says("T03 is done");
    assert_eq!(facts(), before, "what users have is not what it was");
}

#[test]
#[ignore = "three minutes: an edit, keys and a database that are none of a task's"]
fn what_is_somebody_elses_is_named_and_stays() {
    if !sandbox::is_up() {
        return;
    }
    let repository = Repository::own();
    back_to_the_start();
    repository.railrun(&["run", "t01", "t02"]).exits(0);

    let cluster = checkout("railiance-cluster");
    let edit = format!(
        "sops set {}/helm/gitea-values.sops.yaml '[\"gitea\"][\"config\"][\"time\"]' '{{\"FORMAT\": \"RFC3339\"}}'",
        cluster.display()
    );
    shell(&format!("{edit} && make -C {} gitea-deploy 2>&1", cluster.display()));
    repository.railrun(&["run", "t06"]).exits(1).says("helm/gitea-values.sops.yaml");
    shell(&format!("git -C {} diff --quiet && exit 1; git -C {0} checkout -q helm", cluster.display()));

    failing_before(T06, "    task.step(\"watch whether").railrun(&["run", "t06"]).exits(1).says("injected on purpose");
    let keys = |command: &str| {
        let password = "$(kubectl --kubeconfig \"$RAILRUN_SANDBOX_ADMIN_KUBECONFIG\" -n platform get secret valkey -o jsonpath='{.data.valkey-password}' | base64 -d)";
        kubectl(&format!("-n platform exec valkey-primary-0 -c valkey -- env REDISCLI_AUTH={password} valkey-cli -n 1 {command}"))
    };
    keys("set somebody:elses 1");
    repository.railrun(&["run", "t06"]).exits(1).says("database 1 of platform/valkey holds 1 keys that no task has brought there");
    assert_eq!(keys("get somebody:elses").trim(), "1");
    keys("del somebody:elses");
    // What a failed run has carried over goes with it, so that the next finds nothing of anybody's.
    failing_before(T06, "    task.step(\"point Gitea at it\"").railrun(&["run", "t06"]).exits(1).says("undone: carry cache");
    assert_eq!(keys("dbsize").trim(), "0");
    repository.railrun(&["run", "t06"]).exits(0).says("T06 is done");

    let platform = checkout("railiance-platform");
    shell(&format!("sops set {}/helm/databases.sops.yaml '[\"ghost\"]' '{{\"password\": \"never-made\"}}'", platform.display()));
    repository.railrun(&["scripts/backup.rhai"]).exits(1).says("databases.sops.yaml names ghost, which the server does not have");
    shell(&format!("git -C {} checkout -q helm", platform.display()));
    kubectl("-n platform scale statefulset valkey-primary --replicas=0");
    kubectl("-n platform wait --for=delete pod/valkey-primary-0 --timeout=60s");
    std::thread::sleep(Duration::from_secs(60)); // until the backup before is no longer the last minute's
    repository.railrun(&["scripts/backup.rhai"]).exits(1).says("platform/pod/valkey-primary-0 is down");
    kubectl("-n platform scale statefulset valkey-primary --replicas=1");
}

#[test]
#[ignore = "five minutes: passwords of PostgreSQL and Valkey, rotated twice and failing between"]
fn a_rotation_that_failed_goes_on() {
    if !sandbox::is_up() {
        return;
    }
    let repository = Repository::own();
    with_services(&repository);
    let rotate = [ROTATE, "--set", "app.name=gitea"];
    failing_before(ROTATE, "    task.commit(")
        .railrun(&rotate)
        .exits(1)
        .says("injected on purpose")
        .says("undone: the application takes it");
    assert!(login_works(), "after a rotation that was undone nobody can log in");
    for _ in 0..2 {
        repository.railrun(&rotate).exits(0).says("the old one is refused");
        assert!(login_works(), "nobody can log in with the new password");
    }

    let values = checkout("railiance-platform").join("helm/valkey-values.sops.yaml");
    shell(&format!("sops set {} '[\"auth\"][\"password\"]' '\"rotated-by-hand-2\"'", values.display()));
    let broken = failing_before(T06, "    task.step(\"Gitea's values name it\"");
    broken.railrun(&["run", "t06"]).exits(1).says("injected on purpose");
    let broken = failing_before(T06, "    task.commit(");
    broken.railrun(&["run", "t06"]).exits(1).says("the same command goes forward");
    repository.railrun(&["run", "t06"]).exits(0).says("T06 is done");
    assert!(login_works(), "nobody can log in after Valkey's password was rotated");
}
