//! The whole workplan in one command, a second run that writes nothing, and a status that tells what somebody has undone by
//! hand. It moves Gitea to another namespace, so it comes after `main_job`.

use super::killed::{self, At, Cut};
use super::logs::Mark;
use super::platform::{Repository, checkout, facts, git_status, keep, kubectl, login_works, password, sql};
use super::portrait::CHECKOUTS;
use crate::support::sandbox::{self, shell};
use std::path::Path;
use std::time::{Duration, Instant};

const ALL: &[&str] = &["run", "t01", "t02", "t06", "t03", "t05"];

/// What git has: every head, and nothing that waits for a commit.
pub fn heads() -> Vec<String> {
    let head = |name: &&str| {
        let folder = checkout(name);
        assert_eq!(git_status(&folder), "", "{name} has changes that nobody committed");
        shell(&format!("git -C {} rev-parse HEAD", folder.display()))
    };
    CHECKOUTS.iter().map(head).collect()
}

/// A person who signed in through Gitea's form, and stays so.
struct Session(tempfile::TempDir);

impl Session {
    fn sign_in() -> Self {
        let session = Self(tempfile::tempdir().expect("a temporary folder"));
        let form = format!("-d user_name=root1 --data-urlencode 'password={}'", password("root1"));
        session.curl(&format!("{form} http://10.200.0.2:30300/user/login"));
        assert!(session.is_known(), "signing in failed");
        session
    }

    fn curl(&self, args: &str) -> String {
        let jar = self.0.path().join("cookies");
        shell(&format!("curl -s -o /dev/null -w '%{{http_code}}' --max-time 10 -b {0} -c {0} {args}", jar.display()))
    }

    fn is_known(&self) -> bool {
        self.curl("http://10.200.0.2:30300/user/settings") == "200"
    }
}

#[test]
fn the_workplan_runs_to_its_end_in_one_command() {
    if !sandbox::is_up() {
        return;
    }
    let repository = Repository::own();
    let (before, cloned, session) = (facts(), clones(), Session::sign_in());
    a_gitops_controller_is_named_and_refused(&repository);
    killed_in_the_middle_of_helm(&repository);
    a_move_that_waits_for_its_commit_stays(&repository);
    repository.railrun(ALL).exits(0).says("T06 is done").says("T03 is done").says("T05 is done");
    assert_eq!(facts(), before, "what users have is not what it was");
    assert!(session.is_known(), "whoever was signed in is signed out");
    let volume = policy_of_giteas_volume();
    assert!(volume.starts_with("Delete ") && !volume.contains("railrun.dev/"), "the volume is not as it was: {volume}");

    let (mark, committed, begun) = (Mark::now(), heads(), Instant::now());
    let again = repository.railrun(ALL).exits(0);
    keep(&format!("a second run of all took {:.1} s\n", begun.elapsed().as_secs_f64()));
    assert_eq!(again.stderr.matches("nothing to change").count(), 5, "{}", again.stderr);
    assert_eq!(mark.writes(), Vec::<String>::new(), "a second run wrote something");
    assert_eq!(heads(), committed);

    for script in
        ["t03-gitea-relocate", "t04-ha-failover", "t05-backup-relocate", "t06-valkey", "backup", "boundary", "smoke", "valkey-status"]
    {
        let mark = Mark::now();
        repository.railrun(&[&format!("scripts/{script}.rhai"), "--dry-run"]).exits(0);
        assert_eq!(mark.writes(), Vec::<String>::new(), "{script}'s dry run wrote something");
        assert_eq!(heads(), committed, "{script}'s dry run touched a checkout");
    }
    the_boundary_is_seen(&repository);
    status_tells_what_was_undone(&repository);
    every_target_works();
    old_volumes_go_once_nobody_wants_them(&repository);
    further_applications_get_their_own(&repository);
    assert_eq!(clones(), cloned, "clones are not what they were");
}

/// The last way back: it wants a proven backup, which `make backup` has made by now.
fn old_volumes_go_once_nobody_wants_them(repository: &Repository) {
    let claims = || kubectl("-n gitea get pvc -o name").matches("data-gitea-postgresql-ha").count();
    repository.railrun(&["scripts/t02-cleanup.rhai", "--dry-run"]).exits(0);
    assert_eq!(claims(), 3, "a dry run removed a volume");
    repository.railrun(&["scripts/t02-cleanup.rhai"]).exits(0).says("T02-cleanup is done");
    assert_eq!(claims(), 0);
    repository.railrun(&["scripts/t02-cleanup.rhai"]).exits(0).says("nothing to change");
    assert!(login_works(), "nobody can log in");
}

/// Every repository as somebody gets it who clones it: whole, with every ref.
fn clones() -> String {
    shell(&format!("{}/tests/sandbox/platform/clones", env!("CARGO_MANIFEST_DIR")))
}

/// A database in a values file of the cluster is found, whatever the file is called.
fn the_boundary_is_seen(repository: &Repository) {
    repository.railrun(&["scripts/boundary.rhai"]).exits(0);
    let stray = checkout("railiance-cluster").join("helm/wärme-values.yaml");
    shell(&format!("printf 'postgresql:\\n  enabled: true\\n' > {}", stray.display()));
    let ran = repository.railrun(&["scripts/boundary.rhai"]);
    shell(&format!("rm {}", stray.display()));
    ran.exits(1).says("railiance-cluster/helm/wärme-values.yaml: postgresql");
}

/// A database and a user of Valkey for applications after Gitea; passwords are rotated, the old one is refused.
fn further_applications_get_their_own(repository: &Repository) {
    for reserved in ["postgres", "repmgr"] {
        let ran = repository.railrun(&["scripts/new-database.rhai", "--set", &format!("app.name={reserved}")]).exits(1);
        assert!(ran.stderr.contains("the cluster itself has a user or database"), "{}", ran.stderr);
    }
    repository.railrun(&["scripts/new-database.rhai", "--set", "app.name=wiki"]).exits(0).says("postgresql://wiki@");
    for application in ["wiki", "wiki", "gitea"] {
        let rotated = repository.railrun(&["scripts/rotate-password.rhai", "--set", &format!("app.name={application}")]).exits(0);
        assert!(rotated.stderr.contains("the old one is refused"), "{}", rotated.stderr);
    }
    assert!(login_works(), "nobody can log in after its database password was rotated");
    let zulip = Repository::copy();
    zulip.add("scripts/zulip.rhai", &format!("//! A user for Zulip.\n{ZULIP}"));
    zulip.railrun(&["scripts/zulip.rhai"]).exits(0);
    zulip.railrun(&["scripts/zulip.rhai"]).exits(0).says("already done");
    valkeys_password_is_rotated(repository);
}

/// As `docs/valkey.md` has it.
const ZULIP: &str = r#"
import "valkey" as valkey;

fn steps(task) {
    task.step("a user and a database number for Zulip", #{
        done: || valkey::can_use("zulip"),
        run: || {
            valkey::provide("zulip", 3);
            retry(#{ timeout: "1m", every: "1s" }, || valkey::can_use("zulip"));
        },
    });
    task.step("commit", || valkey::commit_values("valkey: a user for Zulip"));
}
"#;

/// A new value and `make valkey-deploy`: Gitea follows.
fn valkeys_password_is_rotated(repository: &Repository) {
    let platform = checkout("railiance-platform");
    let values = platform.join("helm/valkey-values.sops.yaml");
    shell(&format!("sops set {} '[\"auth\"][\"password\"]' '\"rotated-by-hand-1\"'", values.display()));
    repository.railrun(&["run", "t06"]).exits(0).says("T06 is done");
    assert!(login_works(), "nobody can log in after Valkey's password was rotated");
}

/// helm runs on when railrun is killed; the same command finds out what became of it.
fn killed_in_the_middle_of_helm(repository: &Repository) {
    let at = At("change-intent", "helm upgrade", "gitea/gitea");
    let cut = killed::run(repository, "scripts/t06-valkey.rhai", at, &Cut::Signal("-KILL", Duration::from_millis(300)));
    assert!(cut.is_some(), "T06 upgraded nothing");
}

/// T03 has moved Gitea and its volume, and somebody's hook refuses the commit. A second run that fails must not take away
/// what users work with by now.
fn a_move_that_waits_for_its_commit_stays(repository: &Repository) {
    let hook = checkout("railiance-cluster").join(".git/hooks/pre-commit");
    let refuse = "#!/bin/sh\n! git diff --cached --name-only | grep -q MOVED.md\n";
    shell(&format!("printf '{refuse}' > {0} && chmod +x {0}", hook.display()));
    repository.railrun(ALL).exits(1).says("nothing was undone");
    assert!(login_works(), "nobody can log in after the commit was refused");
    let broken = Repository::copy();
    let failing = "    task.step(\"on purpose\", || { throw \"injected on purpose\"; });\n    task.commit(";
    broken.edit("scripts/t03-gitea-relocate.rhai", "    task.commit(", failing);
    broken.railrun(&["run", "t03"]).exits(1).says("injected on purpose");
    assert!(login_works(), "nobody can log in after a second run of T03 has failed");
    assert_eq!(kubectl("-n gitea get deployment -o name"), "", "a second Gitea was made");
    assert!(policy_of_giteas_volume().starts_with("Retain "), "the volume is not kept: {}", policy_of_giteas_volume());
    shell(&format!("rm {}", hook.display()));
}

/// The reclaim policy of the volume, and its annotations.
fn policy_of_giteas_volume() -> String {
    let volume = kubectl("-n apps get pvc gitea-shared-storage -o jsonpath='{.spec.volumeName}'");
    kubectl(&format!("get pv {volume} -o jsonpath='{{.spec.persistentVolumeReclaimPolicy}} {{.metadata.annotations}}'"))
}

/// A controller that prunes would delete what moves away from it.
fn a_gitops_controller_is_named_and_refused(repository: &Repository) {
    let label = "argocd.argoproj.io/instance";
    kubectl(&format!("-n gitea label deployment gitea {label}=gitea"));
    let ran = repository.railrun(&["run", "t03"]);
    kubectl(&format!("-n gitea label deployment gitea {label}-"));
    ran.exits(1).says("Argo CD owns gitea/deployment/gitea").says("move it there, in its own repository");
}

fn status_tells_what_was_undone(repository: &Repository) {
    let cluster = checkout("railiance-cluster");
    let broken = |undo: &str, mend: &str, task: &str, said: &str| {
        shell(undo);
        let status = repository.railrun(&["status"]).exits(1);
        let line = status
            .stdout
            .lines()
            .chain(status.stderr.lines())
            .find(|line| line.contains(task) && line.contains("not done"))
            .map(str::to_owned);
        shell(mend);
        assert!(
            line.is_some() && format!("{}{}", status.stdout, status.stderr).contains(said),
            "{task} {said}:\n{}{}",
            status.stdout,
            status.stderr
        );
    };
    let git = format!("git -C {}", cluster.display());
    let platform = checkout("railiance-platform");
    let values = platform.join("helm/valkey-values.sops.yaml");
    broken(
        &format!("sops set {} '[\"primary\"][\"terminationGracePeriodSeconds\"]' 40", values.display()),
        &format!("git -C {} checkout -q helm", platform.display()),
        "T06",
        "the release matches its values",
    );
    let role = |mark: &str| sql("platform", "postgresql-ha-postgresql", "postgres", &format!("alter role gitea {mark}"));
    role("nologin");
    let status = repository.railrun(&["status"]).exits(1);
    role("login");
    assert!(status.stdout.contains("its user may log in there"), "{}", status.stdout);
    broken(&format!("rm {}/helm/MOVED.md", cluster.display()), &format!("{git} checkout -q helm/MOVED.md"), "T03", "tombstone");
    let kube = "kubectl --kubeconfig \"$RAILRUN_SANDBOX_ADMIN_KUBECONFIG\" -n platform";
    broken(
        &format!("{kube} scale statefulset valkey-primary --replicas=0 && {kube} wait --for=delete pod/valkey-primary-0 --timeout=60s"),
        &format!("{kube} scale statefulset valkey-primary --replicas=1 && {kube} rollout status statefulset valkey-primary --timeout=60s"),
        "T06",
        "Valkey answers to its password",
    );
}

/// Each of the workplan's targets that T03, T05 and T06 leave behind.
fn every_target_works() {
    let (apps, cluster, platform) = (checkout("railiance-apps"), checkout("railiance-cluster"), checkout("railiance-platform"));
    let make = |folder: &Path, target: &str| keep(&shell(&format!("make -C {} {target} 2>&1", folder.display())));
    make(&apps, "gitea-status");
    make(&apps, "gitea-deploy");
    make(&cluster, "smoke");
    let covered = shell(&format!("make -C {} backup 2>&1", cluster.display()));
    keep(&covered);
    for kept in ["backed up cluster-objects.json.gz", "backed up kubeconfig"] {
        assert!(covered.contains(kept), "the cluster's backup lacks `{kept}`:\n{covered}");
    }
    assert!(!covered.contains("backed up postgresql") && !covered.contains("backed up valkey"), "{covered}");
    let railrun = format!("cd {} && {}", env!("CARGO_MANIFEST_DIR"), env!("CARGO_BIN_EXE_railrun"));
    make(&platform, &format!("backup RAILRUN='{railrun}'"));
    for target in ["pg-deploy", "pg-status", "valkey-deploy", "valkey-status", "smoke"] {
        make(Path::new(env!("CARGO_MANIFEST_DIR")), target);
    }
    assert!(kubectl("-n apps get pods -o name").contains("pod/gitea-"));
}
