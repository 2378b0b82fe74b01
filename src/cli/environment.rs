//! `railrun env pin` and `railrun unlock`: which cluster an environment is, and who works on it.

use super::args::{Global, RunArgs};
use super::exit::Exit;
use super::{ask, check, setup};
use crate::cluster::{Cluster, ClusterError, KindName, PodName};
use crate::effect::{Change, Diff, Mode, Outcome, Preview};
use crate::engine::Sources;
use crate::host::SharedHost;
use crate::script::Fault;
use crate::settings::{FILE, Pins, pin};
use miette::Diagnostic;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write;

/// What the pods of a PostgreSQL server are labelled with, whatever chart made them.
const MEMBERS: &str = "app.kubernetes.io/component=postgresql";
/// Asks a pod's own files which server it is; no password is needed.
const CONTROL: &str = "for d in \"$PGDATA\" /bitnami/postgresql/data /var/lib/postgresql/data; do \
                       if [ -e \"$d/global/pg_control\" ]; then LC_ALL=C exec pg_controldata \"$d\"; fi; done; exit 3";

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
enum EnvironmentError {
    #[error("`{environment}` is pinned to the cluster {pinned}, and leads to {found}")]
    #[diagnostic(code(environment::pinned_elsewhere), help("pass `--yes` if this is meant"))]
    PinnedElsewhere { environment: String, pinned: String, found: String },
    #[error("`{environment}` is locked by {holder}")]
    #[diagnostic(
        code(lock::not_confirmed),
        help("make sure that this run is gone for good, then answer yes at the prompt or pass `--yes`")
    )]
    NotConfirmed { environment: String, holder: String },
}

/// Writes into `railrun.yaml` where this environment leads now.
pub fn pin_here(global: &Global, run: &RunArgs) -> Exit {
    let root = setup::root();
    let mode = if run.dry_run { Mode::DryRun } else { Mode::Live };
    finish(global, setup::unpinned_host(global, root, mode).and_then(|host| pinned(&host, global)))
}

fn pinned(host: &SharedHost, global: &Global) -> Result<(), Fault> {
    let environment = host.settings.environment_name.clone();
    let found = host.cluster()?.uid().to_owned();
    let before = setup::settings(global, host.files.root())?.environment.cluster_uid;
    if let Some(pinned) = before.filter(|pinned| *pinned != found && !global.yes) {
        return Err(EnvironmentError::PinnedElsewhere { environment, pinned, found }.into());
    }
    let pins = Pins { cluster_uid: found, system_identifiers: host.wait::<_, ClusterError, Fault>(servers(host.cluster()?))? };
    let path = host.files.path(FILE);
    let preview = || {
        let text = host.files.read(&path)?;
        let after = pin(&text, &environment, &pins)?;
        Ok(if after == text { Preview::Same(()) } else { Preview::differs(Diff::new().text(FILE, &text, &after)) })
    };
    let outcome = host.change::<(), Fault>(Change::new("env pin", FILE), preview, |permit, diff| {
        say(global, &crate::report::shown(setup::paint(global), diff).join("\n"));
        let text = host.files.read(&path)?;
        Ok(host.files.write(permit, &path, &pin(&text, &environment, &pins)?)?)
    })?;
    if matches!(outcome, Outcome::Unchanged(())) {
        say(global, &format!("`{environment}` is pinned to {} already", pins.cluster_uid));
    }
    Ok(())
}

/// The system identifier of every PostgreSQL server whose pods can be asked.
async fn servers(cluster: &Cluster) -> Result<BTreeMap<String, String>, ClusterError> {
    let pods = cluster.list(&KindName::parse("pod")?, Some(MEMBERS)).await?;
    let mut servers = BTreeMap::new();
    for pod in pods.iter().filter(|pod| pod["status"]["phase"] == "Running") {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (namespace, name) = (text(&pod["metadata"]["namespace"]), text(&pod["metadata"]["name"]));
        let pod = PodName { namespace, name, container: None };
        let set = crate::database::set_of(&pod);
        if servers.contains_key(&set) {
            continue;
        }
        let asked = cluster.exec_read(&pod, &["sh", "-c", CONTROL].map(str::to_owned), b"").await?;
        let said = String::from_utf8_lossy(&asked.stdout).into_owned();
        if let Some(identifier) = said.lines().find_map(|line| line.strip_prefix("Database system identifier:")) {
            servers.insert(set, identifier.trim().to_owned());
        }
    }
    Ok(servers)
}

/// Shows who holds the lock of this environment, and removes it.
pub fn unlock(global: &Global) -> Exit {
    let host = setup::host(&Global { quiet: true, ..global.clone() }, setup::root(), Mode::Live);
    finish(global, host.and_then(|host| removed(&host, global)))
}

fn removed(host: &SharedHost, global: &Global) -> Result<(), Fault> {
    setup::identify(host)?;
    let (wanted, cluster) = (host.lock_wanted(), host.cluster()?);
    let environment = &host.settings.environment_name;
    let Some(held) = host.wait::<_, ClusterError, Fault>(cluster.lease(&wanted.namespace, &wanted.name))? else {
        say(global, &format!("`{environment}` is not locked"));
        return Ok(());
    };
    say(global, &format!("`{environment}` is locked by {}\n  since {}, last renewed {}", held.holder, held.since, held.renewed));
    if !global.yes && !ask::agrees(host, "Remove it?")? {
        return Err(EnvironmentError::NotConfirmed { environment: environment.clone(), holder: held.holder }.into());
    }
    host.wait::<_, ClusterError, Fault>(cluster.remove_lease(&wanted.namespace, &wanted.name, &held))?;
    say(global, "the lock is removed");
    Ok(())
}

fn say(global: &Global, text: &str) {
    if !global.quiet {
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}

fn finish(global: &Global, result: Result<(), Fault>) -> Exit {
    match result {
        Ok(()) => Exit::Done,
        Err(fault) => check::fail(global, &Sources::new(setup::root()), &fault),
    }
}
