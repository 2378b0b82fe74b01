//! The main job, from the starting state to Gitea on the external PostgreSQL, with what must hold on the way.

use super::logs::Mark;
use super::platform::{Repository, checkout, database_host, facts, forget_runs, git_status, gitea_api, kubectl, login_works, output_file};
use super::{argv, failures, killed, secrets};
use crate::support::sandbox;
use std::sync::Mutex;

const T01: &str = "scripts/t01-postgresql-ha.rhai";
const T02: &str = "scripts/t02-gitea-migrate.rhai";

fn every_script() -> Vec<String> {
    let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts")).expect("scripts/");
    let mut names: Vec<String> =
        folder.map(|entry| format!("scripts/{}", entry.expect("an entry").file_name().to_string_lossy())).collect();
    names.sort();
    names
}

/// A dry run of every script leaves all three logs without a write, and says that railrun was there.
fn dry_runs_are_silent(when: &str) {
    let repository = Repository::own();
    let mark = Mark::now();
    let scripts = Mutex::new(every_script());
    // Side by side: what writes nothing disturbs nobody.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(script) = next(&scripts) {
                    let mut args = vec![script.as_str(), "--dry-run"];
                    if ["new-database", "rotate-password"].iter().any(|name| script.contains(name)) {
                        args.extend(["--set", "app.name=wiki"]);
                    }
                    let ran = repository.railrun(&args);
                    assert!(matches!(ran.code, Some(0 | 1)), "{when}: {script} exits {:?}\n{}", ran.code, ran.stderr);
                }
            });
        }
    });
    assert_eq!(mark.writes(), Vec::<String>::new(), "{when}");
    assert!(mark.reads() > 0, "{when}: railrun never asked the cluster");
}

fn next(scripts: &Mutex<Vec<String>>) -> Option<String> {
    scripts.lock().expect("no dry run panics while it takes one").pop()
}

/// T02's dry run before T01: every step, what the values become, what follows from that for the release, and what the rest
/// waits for.
fn the_migration_is_foretold(repository: &Repository) {
    let plan = repository.railrun(&[T02, "--dry-run"]).exits(1).says("would stop here: T01 is done");
    let text = repository.read(T02);
    let steps: Vec<&str> = text.split("task.step(\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(steps.len() >= 12, "{steps:?}");
    let steps = steps.into_iter().filter(|step| !step.starts_with("`make backup`")); // where the settings ask for it
    let values =
        ["~ postgresql-ha.enabled: true → false", "+ gitea.config.database.NAME: gitea", "+ gitea.config.database.PASSWD: [secret]"];
    let release =
        ["~ helm upgrade gitea/gitea", "delete statefulset/gitea-postgresql-ha-postgresql", "data.database: [secret] → (secret changed)"];
    let unknown = ["known after step 9, `kube scale gitea/deployment/gitea`", "the rest is known after helm upgrade gitea/gitea"];
    for line in steps.chain(values).chain(release).chain(unknown) {
        assert!(plan.stderr.contains(line), "T02's dry run before T01 does not say `{line}`:\n{}", plan.stderr);
    }
}

#[expect(clippy::disallowed_methods, reason = "the output of an earlier test run is removed")]
#[test]
fn gitea_moves_onto_the_platforms_database() {
    if !sandbox::is_up() {
        return;
    }
    let repository = Repository::own();
    let _ = std::fs::remove_file(output_file());
    forget_runs();
    let before = facts();
    let watch = argv::Watch::start();

    dry_runs_are_silent("before T01");
    the_migration_is_foretold(&repository);
    for script in [T01, "scripts/backup.rhai"] {
        let elsewhere = repository.railrun(&[script, "--dry-run", "--set", "sandbox=false"]).exits(1);
        elsewhere.says("would stop here: no secret is encrypted to a published key").says("which is published with railrun");
    }

    repository.railrun(&[T01]).exits(0).says("T01 is done");
    let mark = Mark::now();
    repository.railrun(&[T01]).exits(0).says("nothing to change");
    assert_eq!(mark.writes(), Vec::<String>::new(), "a second T01 wrote something");
    dry_runs_are_silent("after T01");

    let mark = Mark::now();
    failures::each_leaves_gitea_on_its_old_database();
    killed::five_times_and_ends_well();
    killed::somebody_starts_gitea_meanwhile();
    failures::users_who_may_have_written_are_not_left_behind();
    repository.railrun(&[T02]).exits(0).says("T02 is done");
    assert!(database_host().starts_with("postgresql-ha-pgpool.platform.svc.cluster.local"), "{}", database_host());
    killed::nothing_written_meanwhile_is_lost();
    assert_eq!(facts(), before, "what users have is not what it was");
    // What proves the silence of the others is heard: each log has writes of these runs.
    mark.has_writes_of_every_kind();
    let pods = kubectl("-n gitea get pods -l app.kubernetes.io/name=postgresql-ha -o name");
    assert_eq!(pods.trim(), "", "pods of the bundled database are left");
    assert_eq!(kubectl("-n gitea get pvc -o name").matches("data-gitea-postgresql-ha").count(), 3, "the old volumes must be kept");
    assert_eq!(git_status(&checkout("railiance-cluster")), "", "the values file is not committed");

    let mark = Mark::now();
    repository.railrun(&[T02]).exits(0).says("T02 is done: nothing to change");
    assert_eq!(mark.writes(), Vec::<String>::new(), "a second T02 wrote something");
    dry_runs_are_silent("after T02");
    assert!(login_works());

    a_write_after_the_commit_survives();
    let command_lines = watch.end();
    assert!(command_lines.contains("helm"), "helm was never seen:\n{command_lines}");
    secrets::are_nowhere(&command_lines);
}

/// Users write to the new database once T02 has passed its point of no return: what fails after that undoes nothing.
fn a_write_after_the_commit_survives() {
    let broken = Repository::copy();
    broken.edit(T02, "fn done_when(task) {", "fn done_when(task) {\n    task.check(\"never\", || false);");
    let repositories = gitea_api("/repos/search?limit=1", None);
    let name = repositories["data"][0]["full_name"].as_str().expect("a repository").to_owned();
    let last = gitea_api(&format!("/repos/{name}/issues?state=all&limit=50"), None);
    let last = last.as_array().expect("issues").iter().filter_map(|issue| issue["number"].as_u64()).max().unwrap_or(0);
    let written = gitea_api(&format!("/repos/{name}/issues"), Some("{\"title\": \"written after the move\"}"));
    assert_eq!(written["number"].as_u64(), Some(last + 1), "the next issue gets the next number");
    broken.railrun(&[T02]).exits(1).says("task::not_proven").says("nothing is undone");
    let number = written["number"].as_u64().expect("a number");
    assert_eq!(gitea_api(&format!("/repos/{name}/issues/{number}"), None)["title"], "written after the move");
    assert!(database_host().starts_with("postgresql-ha-pgpool.platform"), "{}", database_host());
}
