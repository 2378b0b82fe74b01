//! The long sweeps of `make test-long`. Each begins by putting back the starting state, so each can be run alone.

use super::logs::Mark;
use super::platform::{GITEA, Repository, checkout, database_host, facts, forget_runs, keep, kubectl, login_works};
use super::{failover, injected, workplan};
use crate::support::account::{self, Account};
use crate::support::sandbox::{self, shell};
use crate::trust::cluster;
use std::time::Instant;

pub fn back_to_the_start() {
    keep("== back to the starting state\n");
    forget_runs();
    // Into a file: what it starts outlives it, and would keep a pipe open.
    let log = concat!(env!("CARGO_TARGET_TMPDIR"), "/sandbox-start.log");
    shell(&format!("{}/tests/sandbox/sandbox start >{log} 2>&1 || {{ cat {log}; exit 1; }}", env!("CARGO_MANIFEST_DIR")));
}

/// From the starting state to Gitea on the platform's database.
fn migrated(repository: &Repository) {
    back_to_the_start();
    repository.railrun(&["run", "t01", "t02"]).exits(0);
}

#[test]
#[ignore = "ten minutes: a run for every step of T01 and T02"]
fn a_failure_after_any_step_of_the_main_job_leaves_gitea_working() {
    if !sandbox::is_up() {
        return;
    }
    let repository = Repository::own();
    back_to_the_start();
    let before = facts();
    for script in ["t01-postgresql-ha", "t02-gitea-migrate"] {
        injected::after_every_step(script);
        repository.railrun(&[&format!("scripts/{script}.rhai")]).exits(0);
    }
    assert!(database_host().starts_with("postgresql-ha-pgpool.platform"), "{}", database_host());
    assert_eq!(facts(), before, "what users have is not what it was");
}

#[test]
#[ignore = "ten minutes: a run for every step of T04 and T06"]
fn a_failure_after_any_step_of_a_service_leaves_gitea_working() {
    if !sandbox::is_up() {
        return;
    }
    let repository = Repository::own();
    migrated(&repository);
    let before = facts();
    injected::after_every_step("t04-ha-failover");
    while_frozen();
    injected::after_every_step("t06-valkey");
    repository.railrun(&["run", "t06"]).exits(0);
    assert_eq!(facts(), before, "what users have is not what it was");
}

#[test]
#[ignore = "ten minutes: a run for every step of T03 and T05"]
fn a_failure_after_any_step_of_a_move_leaves_gitea_working() {
    if !sandbox::is_up() {
        return;
    }
    let repository = Repository::own();
    migrated(&repository);
    repository.railrun(&["run", "t06"]).exits(0);
    let before = facts();
    for (script, task) in [("t03-gitea-relocate", "t03"), ("t05-backup-relocate", "t05")] {
        injected::after_every_step(script);
        repository.railrun(&["run", task]).exits(0);
    }
    assert_eq!(facts(), before, "what users have is not what it was");
}

#[test]
#[ignore = "five minutes: T01, T02 and T06 with nothing but the roles that are printed for each"]
fn the_printed_roles_suffice_for_a_whole_task() {
    if !sandbox::is_up() {
        return;
    }
    let repository = Repository::copy();
    back_to_the_start();
    let account = Account::new("narrow");
    repository.add("user.json", account.kubeconfig());
    for task in ["t01", "t02", "t06"] {
        let run = ["run", task, "--kubeconfig", "user.json"];
        account.grant(&account::roles(&repository.railrun(&["plan", task, "--rbac"]).stdout));
        let since = cluster::audit().len();
        repository.railrun(&run).exits(0);
        assert!(!cluster::writes(&account.user(), since).is_empty(), "{task} wrote nothing as this user");
        repository.railrun(&run).exits(0).says("nothing to change");
    }
}

#[test]
#[ignore = "two minutes: the values move, the release stays"]
fn values_may_move_without_the_release() {
    if !sandbox::is_up() {
        return;
    }
    let repository = Repository::own();
    migrated(&repository);
    let stays = ["run", "t03", "--set", "gitea.move=false"];
    repository.railrun(&stays).exits(0).says("T03 is done");
    assert!(kubectl("-n gitea get pods -o name").contains("pod/gitea-"), "Gitea went away");
    assert!(checkout("railiance-apps").join("helm/gitea-values.sops.yaml").exists());
    repository.railrun(&stays).exits(0).says("nothing to change");
}

#[test]
#[ignore = "ten minutes, on a quiet machine: ten rounds of T04 with an observer beside them"]
fn figures_agree_with_an_observer() {
    if !sandbox::is_up() {
        return;
    }
    migrated(&Repository::own());
    failover::figures_agree_with_an_observer(&["graceful"], 1);
    failover::figures_agree_with_an_observer(&["postmaster", "container", "freeze"], 3);
}

#[test]
#[ignore = "five minutes, on a quiet machine: the chart's default values, and the primary frozen"]
fn default_values_fail_on_the_frozen_row() {
    if !sandbox::is_up() {
        return;
    }
    migrated(&Repository::own());
    failover::default_values_fail_on_the_frozen_row();
}

const ALL: [&str; 7] = ["run", "t01", "t02", "t03", "t04", "t05", "t06"];

#[test]
#[ignore = "a quarter of an hour, on a quiet machine: the six tasks in one command, T04 with every kind of failure"]
fn the_six_tasks_run_to_their_end_in_one_command() {
    if !sandbox::is_up() {
        return;
    }
    let repository = Repository::own();
    back_to_the_start();
    let before = facts();
    let ran = repository.railrun(&ALL).exits(0);
    for task in ["T01", "T02", "T03", "T04", "T05", "T06"] {
        assert!(ran.stderr.contains(&format!("{task} is done")), "{task} did not run");
    }
    assert_eq!(facts(), before, "what users have is not what it was");
    let page = repository.read("ha-failover.html");
    assert!(page.contains("<svg") && !page.contains("<script src"), "the page is not whole in itself");

    let (mark, committed, begun) = (Mark::now(), workplan::heads(), Instant::now());
    let again = repository.railrun(&ALL).exits(0);
    keep(&format!("a second run of all six took {:.1} s\n", begun.elapsed().as_secs_f64()));
    assert_eq!(again.stderr.matches("nothing to change").count(), 6, "{}", again.stderr);
    assert_eq!(mark.writes(), Vec::<String>::new(), "a second run wrote something");
    assert_eq!(workplan::heads(), committed);
    // The old volumes are kept until somebody asks for `t02-cleanup`.
    assert!(repository.railrun(&["status"]).exits(0).stdout.contains("8 of 8 rounds within their limits"), "status does not say when");

    let railrun = format!("{} --set ha.kinds=[standby]", env!("CARGO_BIN_EXE_railrun"));
    let folder = env!("CARGO_MANIFEST_DIR");
    let said = shell(&format!("make -C {folder} test-ha-failover GITEA_URL={GITEA} RAILRUN='{railrun}' 2>&1"));
    keep(&said);
    assert!(said.contains("T04 is done"), "{said}");
    let stricter = repository.railrun(&["status", "--set", "ha.limits.graceful.outage=9s"]).exits(1);
    let older = repository.railrun(&["status", "--set", "ha.max_age=1s"]).exits(1);
    assert!(older.stdout.contains("which is longer ago than ha.max_age"), "{}", older.stdout);
    assert!(stricter.stdout.contains("every failure was measured within its limits"), "{}", stricter.stdout);
}

/// T04 fails with the primary frozen: it is woken, the helper is gone, and PostgreSQL is whole.
fn while_frozen() {
    let broken = Repository::copy();
    broken.edit("stdlib/failover.rhai", "sleep(settings::get(\"ha.freeze\"));", "throw \"injected on purpose\";");
    broken.railrun(&["run", "t04", "--set", "ha.kinds=[freeze]"]).exits(1).says("injected on purpose");
    let pods = kubectl("-n platform get pods -o name");
    assert!(!pods.contains("failover-helper"), "the helper is still there: {pods}");
    broken.railrun(&["scripts/pg-status.rhai"]).exits(0);
    assert!(login_works(), "nobody can log in");
}

#[test]
#[ignore = "two minutes: a plan of T02 before T01 was run on it, and one after"]
fn a_saved_plan_of_the_migration_is_applied() {
    if !sandbox::is_up() {
        return;
    }
    let repository = Repository::own();
    back_to_the_start();
    let before = facts();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("plan.json").display().to_string();
    repository.railrun(&["run", "t01"]).exits(0);
    repository.railrun(&["plan", "t02", "--out", &file]).exits(0);
    repository.railrun(&["apply", &file]).exits(3).says("--allow-pending");
    assert!(database_host().contains("gitea-postgresql-ha-pgpool"), "it was moved by a plan that was refused");
    repository.railrun(&["apply", &file, "--allow-pending"]).exits(0).says("T02 is done");
    assert!(database_host().starts_with("postgresql-ha-pgpool.platform"), "{}", database_host());
    assert_eq!(facts(), before, "what users have is not what it was");
}
