//! The long sweeps of `make test-long`. Each begins by putting back the starting state, so each can be run alone.

use super::logs::Mark;
use super::platform::{GITEA, Repository, checkout, database_host, facts, forget_runs, keep, kubectl, login_works};
use super::{failover, injected, portrait, workplan};
use crate::support::account::{self, Account};
use crate::support::boundary;
use crate::support::sandbox::{self, shell};
use crate::trust::cluster;
use serde_json::{Map, Value};
use std::time::{Duration, Instant};

const T01: &str = "scripts/t01-postgresql-ha.rhai";
const T02: &str = "scripts/t02-gitea-migrate.rhai";
const T06: &str = "scripts/t06-valkey.rhai";
const CHAIN: [&str; 3] = [T01, T02, T06];

fn back_to_the_start() {
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

/// What an uninterrupted run of each task leaves, and how long it took.
struct Undisturbed {
    portraits: Vec<Map<String, Value>>,
    took: Vec<Duration>,
}

fn undisturbed(repository: &Repository) -> Undisturbed {
    let mut seen = Undisturbed { portraits: Vec::new(), took: Vec::new() };
    back_to_the_start();
    for script in CHAIN {
        let begun = Instant::now();
        repository.railrun(&[script]).exits(0);
        seen.took.push(begun.elapsed());
        seen.portraits.push(portrait::taken());
    }
    seen
}

/// The end is the same as that of a run that nobody disturbed, and no lock is left.
fn ends_like(script: &str, undisturbed: &Map<String, Value>) {
    let differences = portrait::differences(&portrait::taken(), undisturbed);
    assert!(differences.is_empty(), "after {script}:\n{}", differences.join("\n"));
    let leases = kubectl("get leases -A -o name");
    assert!(!leases.contains("railrun-sandbox"), "a lock is left: {leases}");
}

#[test]
#[ignore = "ten minutes: a run of each task for every intent and every outcome"]
fn killed_anywhere_a_task_ends_as_if_nothing_had_happened() {
    if !sandbox::is_up() {
        return;
    }
    let repository = Repository::own();
    let undisturbed = undisturbed(&repository);
    back_to_the_start();
    let before = facts();
    for (script, portrait) in CHAIN.into_iter().zip(&undisturbed.portraits) {
        killed_at_every_boundary(&repository, script);
        ends_like(script, portrait);
    }
    assert_eq!(facts(), before, "what users have is not what it was");
}

#[test]
#[ignore = "a quarter of an hour: ten runs of each task killed at random"]
fn killed_at_random_a_task_ends_as_if_nothing_had_happened() {
    if !sandbox::is_up() {
        return;
    }
    let repository = Repository::own();
    let undisturbed = undisturbed(&repository);
    back_to_the_start();
    let before = facts();
    for ((script, portrait), took) in CHAIN.into_iter().zip(&undisturbed.portraits).zip(&undisturbed.took) {
        killed_ten_times_at_random(&repository, script, *took);
        ends_like(script, portrait);
    }
    assert_eq!(facts(), before, "what users have is not what it was");
}

fn killed_at_every_boundary(repository: &Repository, script: &str) {
    let (mut met, begun) = (Vec::new(), Instant::now());
    while boundary::killed_at_next(repository.start(&[script, "--set", "lock.lasts=3s"]), &mut met) {
        assert!(met.len() < 120, "no end of boundaries: {met:#?}");
    }
    let seconds = begun.elapsed().as_secs();
    keep(&format!("{script}: killed at {} boundaries in {seconds} s:\n  {}\n", met.len(), met.join("\n  ")));
    assert!(met.len() >= 2, "only {met:?}"); // T01 finds its values ready: its release is all that it changes
}

fn killed_ten_times_at_random(repository: &Repository, script: &str, took: Duration) {
    let mut before_the_end = 0;
    for _ in 0..10 {
        let mut child = repository.start(&[script, "--set", "lock.lasts=3s"]);
        // Read, so that it does not wait for a reader.
        let mut pipes = (child.stdout.take().expect("stdout"), child.stderr.take().expect("stderr"));
        std::thread::spawn(move || std::io::copy(&mut pipes.0, &mut std::io::sink()));
        std::thread::spawn(move || std::io::copy(&mut pipes.1, &mut std::io::sink()));
        let random = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").subsec_nanos();
        // Each goes on where the one before was killed: together they take as long as one that nobody disturbs.
        let share = f64::from(random % 1000) / 1000.0 * 0.4;
        std::thread::sleep(took.mul_f64(share));
        before_the_end += u32::from(child.try_wait().expect("its state").is_none());
        child.kill().expect("killed");
        child.wait().expect("it ends");
    }
    keep(&format!("{script}: of 10 runs {before_the_end} were killed before their end\n"));
    assert!(before_the_end >= 2, "only {before_the_end} of 10 runs were killed before their end");
    repository.railrun(&[script, "--set", "lock.lasts=3s"]).exits(0);
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
        injected::after_every_step(&[script]);
        repository.railrun(&[&format!("scripts/{script}.rhai")]).exits(0);
    }
    assert!(database_host().starts_with("postgresql-ha-pgpool.platform"), "{}", database_host());
    assert_eq!(facts(), before, "what users have is not what it was");
}

#[test]
#[ignore = "ten minutes: a run for every step of T03, T04, T05 and T06"]
fn a_failure_after_any_step_leaves_gitea_working() {
    if !sandbox::is_up() {
        return;
    }
    let repository = Repository::own();
    migrated(&repository);
    let before = facts();
    injected::after_every_step(&["t04-ha-failover"]);
    while_frozen();
    injected::after_every_step(&["t06-valkey"]);
    repository.railrun(&["run", "t06"]).exits(0);
    injected::after_every_step(&["t03-gitea-relocate", "t05-backup-relocate"]);
    repository.railrun(&["run", "t03", "t05"]).exits(0);
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
