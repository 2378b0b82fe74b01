//! Whether a run goes on with one that was cut short: the same task, environment, cluster and script.

use super::args::RunArgs;
use crate::engine::Script;
use crate::host::SharedHost;
use crate::journal::{Journal, Story};
use crate::script::Fault;
use crate::task::id_of;
use miette::Diagnostic;
use std::io::{BufRead, IsTerminal, Write};

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
#[error("run {run} was cut short, and its script has changed since")]
#[diagnostic(
    code(journal::changed),
    help("`--resume` goes on where it stopped, with the new script; `--fresh` starts over; `railrun undo {run}` takes back what it did")
)]
pub struct Changed {
    pub run: String,
}

/// The run to go on with, if there is one. One that is not gone on with is closed.
pub fn earlier(host: &SharedHost, script: &Script, run: &RunArgs) -> Result<Option<Story>, Fault> {
    let Some(journal) = host.journal.get() else { return Ok(None) };
    let Some(story) = unfinished(host, journal, script)? else { return Ok(None) };
    if run.fresh || !story.began_steps() {
        journal.abandon(&story);
        return Ok(None);
    }
    if story.source == script.fingerprint || run.resume {
        return Ok(Some(story));
    }
    match ask(&story) {
        Answer::Resume => Ok(Some(story)),
        Answer::Fresh => {
            journal.abandon(&story);
            Ok(None)
        }
        Answer::None => Err(Changed { run: story.name() }.into()),
    }
}

/// A run on another cluster is none of ours, whatever the environment is called.
fn unfinished(host: &SharedHost, journal: &Journal, script: &Script) -> Result<Option<Story>, Fault> {
    let found = journal.store().unfinished(&id_of(script), &host.settings.environment_name)?;
    let Some(story) = found else { return Ok(None) };
    let here = host.cluster().ok().map(|cluster| cluster.uid().to_owned());
    Ok((story.cluster_uid == here).then_some(story))
}

enum Answer {
    Resume,
    Fresh,
    None,
}

fn ask(story: &Story) -> Answer {
    if !std::io::stdin().is_terminal() {
        return Answer::None;
    }
    let _ = write!(
        std::io::stderr(),
        "Run {} was cut short, and its script has changed since. Go on, or start over? [resume/fresh] ",
        story.name()
    );
    let mut answer = String::new();
    let _ = std::io::stdin().lock().read_line(&mut answer);
    match answer.trim() {
        "resume" | "r" => Answer::Resume,
        "fresh" | "f" => Answer::Fresh,
        _ => Answer::None,
    }
}
