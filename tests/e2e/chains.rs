//! The sweeps of kills: each task as one chain of runs, of which all but the last are killed, and an end that must be the
//! one of a run that nobody disturbed. Each begins by putting back the starting state, so each can be run alone.

use super::platform::{Repository, facts, keep, kubectl};
use super::portrait;
use super::sweeps::back_to_the_start;
use crate::support::boundary;
use crate::support::sandbox;
use serde_json::{Map, Value};
use std::time::{Duration, Instant};

const T01: &str = "scripts/t01-postgresql-ha.rhai";
const T02: &str = "scripts/t02-gitea-migrate.rhai";
const T03: &str = "scripts/t03-gitea-relocate.rhai";
const T05: &str = "scripts/t05-backup-relocate.rhai";
const T06: &str = "scripts/t06-valkey.rhai";

/// Tasks that are killed, one after the other, and those that run before them undisturbed.
struct Chain {
    before: &'static [&'static str],
    killed: &'static [&'static str],
}

const SERVICES: Chain = Chain { before: &[], killed: &[T01, T02, T06] };
const MOVES: Chain = Chain { before: &[T01, T02, T06], killed: &[T03, T05] };

/// Ends a task however it likes, as long as it is the end.
type Carry = fn(&Repository, &str, Duration);

/// What an uninterrupted run of a task leaves, and how long it took.
struct Undisturbed {
    portrait: Map<String, Value>,
    took: Duration,
}

impl Chain {
    fn begin(&self, repository: &Repository) {
        back_to_the_start();
        for script in self.before {
            repository.railrun(&[script]).exits(0);
        }
    }

    fn undisturbed(&self, repository: &Repository) -> Vec<Undisturbed> {
        let run = |script: &&str| {
            let begun = Instant::now();
            repository.railrun(&[script]).exits(0);
            Undisturbed { took: begun.elapsed(), portrait: portrait::taken() }
        };
        self.begin(repository);
        self.killed.iter().map(run).collect()
    }

    /// Whatever a task meets on its way: it ends as if nothing had happened.
    fn ends_as_undisturbed(&self, carry: Carry) {
        if !sandbox::is_up() {
            return;
        }
        let repository = Repository::own();
        let undisturbed = self.undisturbed(&repository);
        self.begin(&repository);
        let before = facts();
        for (script, undisturbed) in self.killed.iter().zip(undisturbed) {
            carry(&repository, script, undisturbed.took);
            ends_like(script, &undisturbed.portrait);
        }
        assert_eq!(facts(), before, "what users have is not what it was");
    }
}

/// The end is the same as that of a run that nobody disturbed, and neither a lock nor a helper is left.
fn ends_like(script: &str, undisturbed: &Map<String, Value>) {
    let differences = portrait::differences(&portrait::taken(), undisturbed);
    assert!(differences.is_empty(), "after {script}:\n{}", differences.join("\n"));
    let leases = kubectl("get leases -A -o name");
    assert!(!leases.contains("railrun-sandbox"), "a lock is left: {leases}");
    let helpers = kubectl("get pods -A -l app.kubernetes.io/managed-by=railrun -o name");
    assert_eq!(helpers, "", "after {script} helpers are left");
}

#[test]
#[ignore = "ten minutes: a run of T01, T02 and T06 for every intent and every outcome"]
fn killed_anywhere_a_task_ends_as_if_nothing_had_happened() {
    SERVICES.ends_as_undisturbed(killed_at_every_boundary);
}

#[test]
#[ignore = "a quarter of an hour: a run of T03 and T05 for every intent and every outcome"]
fn killed_anywhere_a_move_ends_as_if_nothing_had_happened() {
    MOVES.ends_as_undisturbed(killed_at_every_boundary);
}

#[test]
#[ignore = "ten minutes: ten runs of T01, T02 and T06 killed at random"]
fn killed_at_random_a_task_ends_as_if_nothing_had_happened() {
    SERVICES.ends_as_undisturbed(killed_ten_times_at_random);
}

#[test]
#[ignore = "ten minutes: ten runs of T03 and T05 killed at random"]
fn killed_at_random_a_move_ends_as_if_nothing_had_happened() {
    MOVES.ends_as_undisturbed(killed_ten_times_at_random);
}

fn killed_at_every_boundary(repository: &Repository, script: &str, _took: Duration) {
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
