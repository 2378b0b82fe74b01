//! A failure after every step of a task, in sequence on one platform: whatever has been done by then is undone, or the point
//! of no return has been passed and the next run goes forward. Either way Gitea works and no checkout is half-edited.

use super::logs::Mark;
use super::platform::{Repository, checkout, git_status, keep, kubectl, login_works};

const FAILING: &str = "    task.step(\"on purpose\", || { throw \"injected on purpose\"; });\n";

/// Values that a task has begun to write and does not take back.
const KEPT: [&str; 3] = ["valkey-values.sops.yaml", "postgresql-ha-values.sops.yaml", "databases.sops.yaml"];

/// Runs a script once for every step in it, with a step put before that one which fails.
pub fn after_every_step(script: &str) {
    let file = format!("scripts/{script}.rhai");
    let text = Repository::own().read(&file);
    let mark = Mark::now();
    Repository::own().railrun(&[&file, "--dry-run"]).exits(0);
    assert_eq!(mark.writes(), Vec::<String>::new(), "{file}'s dry run wrote something");
    for (place, step) in steps(&text) {
        fails_before(&file, &text, place, step);
    }
}

/// Where each step is declared, with its line; those behind the point of no return last, wherever in the file they stand.
fn steps(text: &str) -> Vec<(usize, &str)> {
    let mut found: Vec<(usize, &str)> =
        text.match_indices("\n    task.step(").map(|(at, _)| (at + 1, text[at + 1..].lines().next().unwrap_or_default().trim())).collect();
    assert!(found.len() >= 2, "only {} steps were found", found.len());
    let committed = text.find("\n    task.commit(").unwrap_or(text.len());
    let end = text[committed..].find("\n}\n").map_or(text.len(), |end| committed + end);
    found.sort_by_key(|(at, _)| (committed..end).contains(at));
    found
}

fn fails_before(file: &str, text: &str, place: usize, step: &str) {
    let broken = Repository::copy();
    broken.add(file, &format!("{}{FAILING}{}", &text[..place], &text[place..]));
    // What earlier runs of this sequence did may be all that the task wants: its steps are to be walked all the same.
    broken.edit(file, "fn done_when(task) {", "fn done_when(task) {\n    task.check(\"never\", || false);");
    keep(&format!("== {file} fails before `{step}`\n"));
    let ran = broken.railrun(&[file]).exits(1).says("injected on purpose");
    assert!(login_works(), "{file}: after a failure before `{step}` nobody can log in");
    // Past the point of no return what is done stays, and waits for its commit.
    if !ran.stderr.contains("  stands: ") {
        for name in ["railiance-platform", "railiance-cluster", "railiance-apps"] {
            let left = git_status(&checkout(name));
            // A database's or a Valkey's values with one user more harm nobody, and the next run commits them.
            let left: Vec<&str> = left.lines().filter(|line| !KEPT.iter().any(|file| line.ends_with(file))).collect();
            assert!(left.is_empty(), "{file}: after a failure before `{step}` {name} has {left:?}");
        }
        // Behind T03's point of no return its volume waits for T03 to go on, whatever runs meanwhile.
        if file.contains("t03") {
            no_volume_is_under_way(file, step);
        }
    }
}

/// Gitea's volume is held by one claim, beside the only Gitea there is, with the policy that it had.
fn no_volume_is_under_way(file: &str, step: &str) {
    let after = format!("{file}: after a failure before `{step}`");
    let homes = kubectl("get deployment -A -l app.kubernetes.io/name=gitea -o jsonpath='{.items[*].metadata.namespace}'");
    assert!(["gitea", "apps"].contains(&homes.trim()), "{after} Gitea is in `{homes}`");
    let volume = kubectl(&format!("-n {homes} get pvc gitea-shared-storage -o jsonpath='{{.spec.volumeName}}'"));
    let kept = kubectl(&format!("get pv {volume} -o jsonpath='{{.spec.persistentVolumeReclaimPolicy}} {{.metadata.annotations}}'"));
    assert!(kept.starts_with("Delete ") && !kept.contains("railrun.dev/"), "{after} its volume is {kept}");
}
