//! Failing on purpose, in sequence on one platform: each failure must leave Gitea on its old database, its values file as
//! it was, and a report that names the cause and the next step.

use super::killed::{self, At, Cut};
use super::platform::{Ran, Repository, checkout, database_host, git_status, journal, kubectl, login_works, sql};
use crate::support::flat;
use crate::support::sandbox::shell;
use std::time::Duration;

const T02: &str = "scripts/t02-gitea-migrate.rhai";

fn standin(args: &str) {
    shell(&format!("{}/tests/sandbox/nextcloud/standin {args}", env!("CARGO_MANIFEST_DIR")));
}

/// What must hold after every failed T02.
fn nothing_is_broken(what: &str) {
    assert!(login_works(), "after `{what}` Gitea does not answer a login");
    assert!(database_host().contains("gitea-postgresql-ha-pgpool"), "after `{what}` Gitea uses {}", database_host());
    let replicas = kubectl("-n gitea get deployment gitea -o jsonpath='{.spec.replicas}'");
    assert_eq!(replicas, "1", "after `{what}`");
    assert_eq!(git_status(&checkout("railiance-cluster")), "", "after `{what}` the values file is not as it was");
}

fn fails(what: &str, repository: &Repository, expected: &[&str]) -> Ran {
    println!("== {what}");
    let ran = repository.railrun(&[T02]).exits(1);
    for text in expected {
        assert!(flat(&ran.stderr).contains(&flat(text)), "`{what}` does not say `{text}`:\n{}", ran.stderr);
    }
    nothing_is_broken(what);
    ran
}

pub fn each_leaves_gitea_on_its_old_database() {
    somebodys_edit_of_the_values_is_kept();
    webdav_refuses();
    the_values_have_a_wrong_password();
    the_image_cannot_be_pulled();
    the_target_is_not_empty();
    pgpool_was_not_told_of_the_user();
    with_much_to_copy(|| {
        ctrl_c_during_the_copy();
        the_target_dies_during_the_copy();
    });
}

fn webdav_refuses() {
    let own = Repository::own();
    standin("fault PROPFIND '.*' 401 1000");
    fails("the backup server answers 401", &own, &["the backup target answers", "did not accept user `railrun`"]);
    standin("fault clear");
    standin("fault PUT '.*' 507 1000");
    fails("the backup server is full", &own, &["backup::quota"]);
    standin("fault clear");
    standin("stop");
    fails("the backup server is down", &own, &["the backup target answers", "backup server"]);
    standin("start");
}

/// A failed task puts the values file back as it was committed: an edit that was not would be lost with it.
fn somebodys_edit_of_the_values_is_kept() {
    let folder = checkout("railiance-cluster");
    let file = folder.join("helm/gitea-values.sops.yaml");
    shell(&format!("sops set {} '[\"gitea\"][\"podAnnotations\"]' '{{\"team\": \"wiki\"}}'", file.display()));
    let edited = std::fs::read(&file).expect("the values");
    let ran = Repository::own().railrun(&[T02]).exits(1).says("Gitea's values can be committed");
    assert!(ran.stderr.contains("helm/gitea-values.sops.yaml"), "{}", ran.stderr);
    assert_eq!(std::fs::read(&file).expect("the values"), edited, "the edit is lost");
    shell(&format!("git -C {} checkout -q helm/gitea-values.sops.yaml", folder.display()));
}

/// The target holds a certified copy by now; a table that the source does not have makes it another database. Gitea is not
/// even stopped for it.
fn the_target_is_not_empty() {
    let (namespace, set) = ("platform", "postgresql-ha-postgresql");
    sql(namespace, set, "gitea", "create table stray (i int)");
    fails("the target database is not empty", &Repository::own(), &["sql::", "the target is empty: it holds a copy of", "public.stray"]);
    sql(namespace, set, "gitea", "drop table stray");
}

fn the_values_have_a_wrong_password() {
    let broken = Repository::copy();
    broken.edit("stdlib/gitea.rhai", "PASSWD: target.password", "PASSWD: secret::format(\"{}-wrong\", target.password)");
    fails("the values have a wrong password", &broken, &["sql::authentication_failed", "undone: Gitea's values name it"]);
}

fn the_image_cannot_be_pulled() {
    let broken = Repository::copy();
    broken.edit(
        "stdlib/gitea.rhai",
        "values_files: [gitea_values()],\n        timeout",
        "values_files: [gitea_values()],\n        values: [#{ image: #{ tag: \"no-such-tag\", pullPolicy: \"Never\" } }],\n        timeout",
    );
    fails("the image cannot be pulled", &broken, &["no-such-tag", "undone: point Gitea at it"]);
}

fn pgpool_was_not_told_of_the_user() {
    let broken = Repository::copy();
    broken.edit(T02, "retry(#{ timeout: \"1m\"", "retry(#{ timeout: \"5s\"");
    broken.edit("stdlib/postgres.rhai", "    tell_pgpool(target);\n", "    sops::set(own_values_file(), \"pgpool.customUsers\", #{ usernames: \"nobody\", passwords: secret::format(\"{}\", target.password) });\n");
    fails("pgpool was not told of the user", &broken, &["sql::authentication_failed", "customUsers"]);
}

/// Makes the source large enough that the copy can be met half-way.
fn with_much_to_copy(test: impl FnOnce()) {
    let (namespace, set) = ("gitea", "gitea-postgresql-ha-postgresql");
    sql(
        namespace,
        set,
        "gitea",
        "drop table if exists ballast; create table ballast as select i, repeat(md5(i::text), 30) as t from generate_series(1, 250000) i; alter table ballast owner to gitea",
    );
    test();
    sql(namespace, set, "gitea", "drop table ballast");
}

const COPYING: At = At("change-intent", "sql copy", "gitea");

fn ctrl_c_during_the_copy() {
    let (code, printed) =
        killed::run(&Repository::own(), T02, COPYING, &Cut::Signal("-INT", Duration::from_secs(2))).expect("the copy begins");
    assert_eq!(code, Some(130), "{printed}");
    for undone in ["stop Gitea writing", "Gitea's values name it"] {
        let event = format!("{{\"event\":\"undo-ended\",\"step\":\"{undone}\",\"error\":null");
        assert!(printed.contains(&event), "`{undone}` was not undone:\n{printed}");
    }
    nothing_is_broken("Ctrl-C during the copy");
}

fn the_target_dies_during_the_copy() {
    let kill = || {
        for member in 0..3 {
            kubectl(&format!("-n platform delete pod postgresql-ha-postgresql-{member} --grace-period=0 --force --wait=false || true"));
        }
    };
    let (code, printed) = killed::run(&Repository::own(), T02, COPYING, &Cut::Do(&kill, Duration::from_secs(2))).expect("the copy begins");
    assert_eq!(code, Some(1), "{printed}");
    // What it finds of a server that is gone depends on the moment, but it is a cause and a next step.
    let failure = printed.lines().find(|line| line.contains("\"event\":\"failure\"")).expect("a failure");
    let failure: serde_json::Value = serde_json::from_str(failure).expect("JSON");
    assert!(failure["code"].as_str().is_some_and(|code| code.starts_with("sql::") || code.starts_with("kube::")), "{failure}");
    assert!(failure["help"].as_str().is_some_and(|help| !help.is_empty()), "{failure}");
    nothing_is_broken("the target dies during the copy");
    kubectl("-n platform wait pod -l app.kubernetes.io/instance=postgresql-ha --for=condition=Ready --timeout=240s");
}

/// A failure between "Gitea is ready on the new database" and the point of no return: what users write from then on is
/// there only, so nothing leads back, and the next run goes forward.
pub fn users_who_may_have_written_are_not_left_behind() {
    let broken = Repository::copy();
    broken.edit(T02, "run: || gitea::upgrade(gitea::name()),", "run: || { gitea::upgrade(gitea::name()); throw \"too late\"; },");
    // It goes on with the run that was killed; between the two somebody has started Gitea.
    let folder = format!("journal.folder={}", journal().display());
    let ran = broken
        .railrun(&[T02, "--resume", "--set", &folder])
        .exits(1)
        .says("what `stop Gitea writing` left does not hold any more")
        .says("too late")
        .says("NOT undone: point Gitea at it");
    assert!(flat(&ran.stderr).contains("the same command goes forward"), "{}", ran.stderr);
    assert!(login_works(), "nobody can log in");
    assert!(database_host().starts_with("postgresql-ha-pgpool.platform"), "{}", database_host());
    assert!(git_status(&checkout("railiance-cluster")).contains("gitea-values"), "its values were put back under it");
}
