//! The verbs as a script says them, against a WebDAV server in memory.

use crate::effect::Mode;
use crate::primitives::trial::{Setup, Trial};
use crate::process::{Command, Output, Process, ProcessError, Runner};
use crate::webdav::standin::Standin;
use futures::FutureExt;
use futures::future::BoxFuture;
use tempfile::TempDir;

/// Answers every `sops decrypt` with the same clear text.
struct Sops;

impl Runner for Sops {
    fn run<'a>(&'a self, _: &'a Command) -> BoxFuture<'a, Result<Output, ProcessError>> {
        let clear = "webdav: {password: right}\nsigning_key: BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\ndb: {password: secret7}\n";
        async move { Ok(Output { status: 0, stdout: clear.into(), stderr: String::new() }) }.boxed()
    }
}

const ENCRYPTED: &str = "webdav: {password: x}\nsigning_key: x\ndb: {password: x}\nsops: {mac: x, version: 3.11.0}\n";

/// A script's world: settings that lead to a server in memory, which runs beside it.
struct World {
    trial: Trial,
    server: Standin,
    _beside: tokio::runtime::Runtime,
}

fn world(mode: Mode) -> World {
    let beside = tokio::runtime::Runtime::new().unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    beside.spawn(async move { tell.send(Standin::start().await).unwrap() });
    let server = told.recv().unwrap();
    let settings = format!(
        "settings: {{backup: {{url: '{}', user: u, root: root, platform: lab, password: 'sops:b.sops.yaml#webdav.password', \
         signing_key: 'sops:b.sops.yaml#signing_key', recipients: [age1nyzmxd3wq6c77qy8wdz6q8zeaynxh80v4ye7knswywxnw4tpk59s7pwadq, \
         age1cmjhcls79ggyhjdnn8gds5e5j33h7yt0vp2hy6u9mke568yu9qeqrnm56h]}}}}",
        server.url
    );
    let folder = TempDir::new().unwrap();
    let trial = Trial::within(folder, Setup { mode, process: Process::with(Sops), settings: Box::leak(settings.into_boxed_str()) });
    trial.put("b.sops.yaml", ENCRYPTED);
    World { trial, server, _beside: beside }
}

const CREATE: &str = r#"backup::create(#{ databases: [#{ host: "pg.platform.svc", database: "gitea", user: "gitea",
    password: sops::secret("b.sops.yaml", "db.password"), admin: #{ user: "postgres", password: sops::secret("b.sops.yaml", "db.password") },
    members: ["platform/pod/pg-0/postgresql"] }] })"#;

fn altered(world: &World) -> Vec<String> {
    world.server.state().log.iter().filter(|line| !line.starts_with("PROPFIND") && !line.starts_with("GET")).cloned().collect()
}

#[test]
fn a_dry_run_says_what_would_be_dumped_and_touches_nothing() {
    let world = world(Mode::DryRun);
    assert_eq!(world.trial.text("backup::list().len()"), "0");
    assert_eq!(world.trial.code(&format!("{CREATE} == 1")), "pending");
    let said = world.trial.said().join("\n");
    assert_eq!(
        said,
        r#"plan backup create lab: {"edits":[{"note":"dump database platform/gitea, encrypted"},{"note":"dump the roles of platform, encrypted"}]}"#
    );
    assert_eq!(world.trial.code("backup::list() == []"), "pending", "a backup was planned, so an empty list is not to be believed");
    assert_eq!(altered(&world), Vec::<String>::new());
}

#[test]
fn a_backup_that_cannot_begin_leaves_nothing() {
    let world = world(Mode::Live);
    assert!(world.trial.code(CREATE).starts_with("kube::"));
    assert_eq!(altered(&world), Vec::<String>::new());
    assert_eq!(world.trial.text("backup::list().len()"), "0");
    assert_eq!(world.trial.text("backup::latest()"), "");
}

#[test]
fn wrong_options_and_settings_are_named() {
    let world = world(Mode::Live);
    for (script, says) in [
        ("backup::create(#{})", "backup::nothing: there is nothing to back up"),
        ("backup::create(#{ databases: [] })", "backup::nothing: there is nothing to back up"),
        ("backup::create(#{ databases: [\"gitea\"] })", "option::invalid: option `databases`: a list of maps is expected"),
        ("backup::create(#{ database: [] })", "option::invalid: unknown option `database`"),
        ("backup::latest(#{ verified_within: 3 })", "option::invalid: option `verified_within`: "),
        ("backup::latest(#{ grade: \"good\" })", "option::invalid: option `grade`: "),
        ("backup::verify(\"\")", "backup::not_found: there is no backup ``"),
        ("backup::verify(\"../ü\", #{})", "backup::not_found: there is no backup `../ü`"),
    ] {
        let said = world.trial.eval(script).unwrap_err();
        assert!(said.starts_with(says), "{script}: {said}");
    }
}

#[test]
fn a_wrong_password_is_told_and_shown_nowhere() {
    let world = world(Mode::Live);
    world.server.fail("PROPFIND", "root", crate::webdav::standin::Fault::Status(401, None), 1);
    let said = world.trial.eval("backup::list()").unwrap_err();
    assert_eq!(said, "backup::unauthorized: the backup server did not accept user `u` for PROPFIND `root/lab`");
}
