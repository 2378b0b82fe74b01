//! From arguments to a host: settings, doors, and who reads the events.

use super::args::{Colour, Global, Output};
use crate::effect::Mode;
use crate::event::{Events, Listener};
use crate::files::Files;
use crate::host::{Host, Parts, SharedHost};
use crate::journal::{Journal, Keep, Store};
use crate::process::Process;
use crate::report::{Json, Junit, Paint, Talk, Verbosity};
use crate::script::Fault;
use crate::secret::Redactor;
use crate::settings::{FILE, Settings, SettingsError};
use miette::Diagnostic;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
pub enum SetupError {
    #[error("cannot write the JUnit file `{}`: {reason}", path.display())]
    #[diagnostic(code(junit::failed), help("name a file in a folder that exists, and that this user may write"))]
    Junit { path: PathBuf, reason: String },
    #[error("cannot start: {0}")]
    #[diagnostic(code(railrun::start), help("it takes a few threads and open files: look at `ulimit -a`, then run the same command again"))]
    Start(String),
}

/// The folder that paths and settings start from: where `railrun.yaml` is, else here.
pub fn root() -> PathBuf {
    let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    Settings::find_root(&here).unwrap_or(here)
}

pub fn settings(global: &Global, root: &Path) -> Result<Settings, Fault> {
    let text = match std::fs::read_to_string(root.join(FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        // Whatever protects an environment stands in this file: it is never taken for empty.
        Err(error) => return Err(SettingsError::Invalid { file: FILE.into(), reason: error.to_string() }.into()),
    };
    let mut settings = Settings::parse(FILE, &text, global.env.as_deref(), &global.set)?;
    settings.time("lock.lasts")?;
    // Whole paths: programs that are started in another folder read the same file.
    let whole = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string();
    settings.environment.kubeconfig = match (&global.kubeconfig, settings.environment.kubeconfig) {
        (Some(typed), _) => Some(whole(typed)),
        (None, Some(written)) if !written.starts_with("~/") => Some(whole(&root.join(written))),
        (None, written) => written,
    };
    Ok(settings)
}

/// Everything a run needs, from what the user typed.
pub fn host(global: &Global, root: PathBuf, mode: Mode) -> Result<SharedHost, Fault> {
    heard_host(global, root, mode, None)
}

/// The same with one more reader of the events.
pub fn heard_host(global: &Global, root: PathBuf, mode: Mode, also: Option<Box<dyn Listener>>) -> Result<SharedHost, Fault> {
    let settings = settings(global, &root)?;
    host_for(settings, global, root, mode, also)
}

/// The same wherever the environment leads: for pinning it there.
pub fn unpinned_host(global: &Global, root: PathBuf, mode: Mode) -> Result<SharedHost, Fault> {
    let mut settings = settings(global, &root)?;
    settings.environment.cluster_uid = None;
    host_for(settings, global, root, mode, None)
}

/// One whose events nobody hears.
pub fn silent_host(global: &Global, root: PathBuf, mode: Mode) -> Result<SharedHost, Fault> {
    let settings = settings(global, &root)?;
    made(settings, root, mode, Events::default(), Redactor::default())
}

fn host_for(settings: Settings, global: &Global, root: PathBuf, mode: Mode, also: Option<Box<dyn Listener>>) -> Result<SharedHost, Fault> {
    let redactor = Redactor::default();
    // The journal hears first: what it has not written down, nobody is told.
    let journal = (mode == Mode::Live).then(|| journal(&settings, &root, &redactor)).transpose()?;
    let writes = journal.clone().map(|journal| Box::new(journal) as Box<dyn Listener>);
    let junit = global.junit.as_ref().map(|path| junit(path, &redactor)).transpose()?;
    let events = Events::new(writes.into_iter().chain(also).chain([listener(global, redactor.clone())]).chain(junit).collect());
    let host = made(settings, root, mode, events, redactor)?;
    if let Some(journal) = journal {
        let _ = host.journal.set(journal);
    }
    Ok(host)
}

fn junit(path: &Path, redactor: &Redactor) -> Result<Box<dyn Listener>, SetupError> {
    let junit = Junit::new(path.to_owned(), redactor.clone());
    let unwritten = |error: std::io::Error| SetupError::Junit { path: path.to_owned(), reason: error.to_string() };
    junit.map(|junit| Box::new(junit) as Box<dyn Listener>).map_err(unwritten)
}

fn made(settings: Settings, root: PathBuf, mode: Mode, events: Events, redactor: Redactor) -> Result<SharedHost, Fault> {
    let files = Files::new(root, mode).within(settings.texts());
    let parts = Parts { process: Process::real(), files, settings, events, redactor, mode };
    Ok(Arc::new(Host::new(parts).map_err(|error| SetupError::Start(error.to_string()))?))
}

/// Refuses a cluster that the environment is not pinned to, before anything else of it is read.
pub fn identify(host: &SharedHost) -> Result<(), Fault> {
    match &host.settings.environment.cluster_uid {
        Some(_) => Ok(host.cluster().map(|_| ())?),
        None => Ok(()),
    }
}

/// Where runs are written down.
pub fn store(settings: &Settings, root: &Path) -> Store {
    let folder = settings.text("journal.folder").unwrap_or_else(|_| ".railrun".into());
    Store::at(root.join(folder))
}

fn journal(settings: &Settings, root: &Path, redactor: &Redactor) -> Result<Journal, Fault> {
    let mut keep = Keep::default();
    if let Some(runs) = settings.number("journal.keep_runs")? {
        keep.runs = usize::try_from(runs).unwrap_or(usize::MAX);
    }
    if let Some(days) = settings.number("journal.keep_days")? {
        keep.age = Duration::from_secs(days.saturating_mul(24 * 3600));
    }
    let store = store(settings, root);
    let key = store.key()?;
    let values = serde_json::to_value(settings.values()).unwrap_or_default();
    Ok(Journal::new(store, key, redactor.clone(), &values, keep))
}

fn listener(global: &Global, redactor: Redactor) -> Box<dyn Listener> {
    match global.output {
        Output::Json => Box::new(Json::new(redactor)),
        Output::Text => Box::new(Talk::new(
            paint(global),
            verbosity(global),
            console::Term::stderr().features().is_attended() && dumb_is_not(),
            redactor,
        )),
    }
}

fn verbosity(global: &Global) -> Verbosity {
    match (global.quiet, global.verbose) {
        (true, _) => Verbosity::Quiet,
        (_, true) => Verbosity::Verbose,
        _ => Verbosity::Normal,
    }
}

fn dumb_is_not() -> bool {
    std::env::var("TERM").is_ok_and(|term| term != "dumb")
}

/// Colour where it was asked for, or on a terminal that does not decline it; at most 100 columns, 80 in a pipe.
pub fn paint(global: &Global) -> Paint {
    paint_for(global, &console::Term::stderr())
}

/// The same for what goes to stdout.
pub fn paint_stdout(global: &Global) -> Paint {
    paint_for(global, &console::Term::stdout())
}

fn paint_for(global: &Global, term: &console::Term) -> Paint {
    let terminal = term.is_term();
    let declined =
        std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) || std::env::var("CLICOLOR").is_ok_and(|value| value == "0");
    let forced = std::env::var("CLICOLOR_FORCE").is_ok_and(|value| value != "0");
    let colour = match global.color {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => forced || (terminal && !declined && dumb_is_not()),
    };
    let width = if terminal { usize::from(term.size().1).clamp(40, 100) } else { 80 };
    Paint { colour, width }
}

#[cfg(test)]
mod tests {
    use super::super::args::Args;
    use super::*;
    use clap::Parser;

    #[test]
    fn a_kubeconfig_is_the_same_file_from_every_folder() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(
            root.path().join(FILE),
            "environments: {a: {kubeconfig: ./user.json}, b: {kubeconfig: ~/k}}\ndefault_environment: a\n",
        )
        .unwrap();
        let of = |words: &[&str]| {
            let args = Args::try_parse_from(["railrun", "list"].iter().chain(words)).unwrap();
            settings(&args.global, root.path()).unwrap().environment.kubeconfig.unwrap()
        };
        assert_eq!(of(&[]), root.path().join("user.json").display().to_string());
        assert_eq!(of(&["--env", "b"]), "~/k");
        assert_eq!(of(&["--kubeconfig", "typed"]), std::env::current_dir().unwrap().join("typed").display().to_string());
    }
}
