//! `railrun undo RUN`: the way back of a run that was cut short or failed, with what it remembered.

use super::args::Global;
use super::exit::Exit;
use super::{check, resume, run, setup};
use crate::effect::Mode;
use crate::engine::{self, Script, Sources};
use crate::host::SharedHost;
use crate::journal::Story;
use crate::script::Fault;
use crate::task::Runner;
use miette::Diagnostic;
use std::io::Write;

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
enum UndoError {
    #[error("run {run} ended well: {outcome}")]
    #[diagnostic(
        code(environment::nothing_to_undo),
        help("only a run that was cut short or failed has a way back; a new task may change what it did")
    )]
    EndedWell { run: String, outcome: String },
    #[error("run {run} was made on another cluster ({there}) than `{environment}` leads to ({here})")]
    #[diagnostic(code(environment::other_cluster), help("choose the environment with `--env`"))]
    OtherCluster { run: String, there: String, here: String, environment: String },
}

pub fn undo(global: &Global, name: &str, although_changed: bool) -> Exit {
    run::on_own_stack(|| {
        let root = setup::root();
        let sources = Sources::new(root.clone());
        let host = match setup::host(global, root, Mode::Live) {
            Ok(host) => host,
            Err(fault) => return check::fail(global, &sources, &fault),
        };
        let (story, script) = match prepare(&sources, &host, global, name, although_changed) {
            Ok(prepared) => prepared,
            Err(fault) => return check::fail_beside(global, &sources, &host.redactor, &fault),
        };
        if !check::passes(global, &sources, std::slice::from_ref(&script)) {
            return Exit::Usage;
        }
        let engine = run::engine(&host, &sources);
        let runner = Runner { host: &host, engine: &engine, tasks: &[], ahead: None };
        let undone = runner.undo(&script, &story);
        host.unlock();
        match undone {
            Ok((outcome, walk)) => {
                if !global.quiet {
                    let _ = writeln!(std::io::stderr(), "{}", run::where_things_stand(&walk));
                }
                Exit::from(outcome)
            }
            Err(failed) => {
                run::explain(global, &sources, &host, &script, &failed);
                failed.outcome.into()
            }
        }
    })
}

fn prepare(sources: &Sources, host: &SharedHost, global: &Global, name: &str, although_changed: bool) -> Result<(Story, Script), Fault> {
    let story = setup::store(&host.settings, host.files.root()).story(name)?;
    let story = host.journal.get().map_or_else(|| Ok(story.clone()), |journal| journal.claim(&story))?;
    let well = ["done", "already-done", "undone"];
    if let Some(outcome) = story.outcome.as_ref().filter(|outcome| well.contains(&outcome.as_str())) {
        return Err(UndoError::EndedWell { run: story.name(), outcome: outcome.clone() }.into());
    }
    setup::identify(host)?;
    host.want_lock();
    let here = resume::here(host)?;
    if story.cluster_uid != here {
        let shown = |uid: &Option<String>| uid.clone().unwrap_or_else(|| "none".into());
        let environment = host.settings.environment_name.clone();
        return Err(UndoError::OtherCluster { run: story.name(), there: shown(&story.cluster_uid), here: shown(&here), environment }.into());
    }
    let script = engine::load(sources, &host.files.root().join(&story.script))?;
    if story.source != script.fingerprint && !although_changed {
        return Err(resume::Changed { run: story.name() }.into());
    }
    if host.settings.environment.protected && !global.yes {
        run::confirm(host, std::slice::from_ref(&script))?;
    }
    Ok((story, script))
}
