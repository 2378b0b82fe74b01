//! Whether a run goes on with one that was cut short: the same task, environment, cluster and script.

use super::args::RunArgs;
use super::ask;
use crate::cluster::ClusterError;
use crate::engine::Script;
use crate::host::SharedHost;
use crate::journal::{JournalError, Story};
use crate::script::Fault;
use crate::task::id_of;
use miette::Diagnostic;

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
    let (store, task, cluster) = (journal.store(), id_of(script), here(host)?);
    while let Some(story) = store.unfinished(&task, &host.settings.environment_name, cluster.as_deref())? {
        let story = match journal.claim(&story) {
            // Scripts that only look may do so side by side.
            Err(JournalError::Held { .. }) if !script.has_hook("steps") => return Ok(None),
            claimed => claimed?,
        };
        if !story.is_unfinished() {
            continue;
        }
        if !run.fresh && story.began_steps() {
            if story.source == script.fingerprint || run.resume {
                return Ok(Some(story));
            }
            match asked(host, &story)? {
                Answer::Resume => return Ok(Some(story)),
                Answer::Fresh => {}
                Answer::None => return Err(Changed { run: story.name() }.into()),
            }
        }
        journal.abandon(&story)?;
    }
    Ok(None)
}

/// Which cluster the environment leads to; none where there is no kubeconfig. One that does not answer is an error: which
/// runs were cut short on it cannot be known.
pub fn here(host: &SharedHost) -> Result<Option<String>, Fault> {
    match host.cluster() {
        Ok(cluster) => Ok(Some(cluster.uid().to_owned())),
        Err(ClusterError::NoKubeconfig { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

enum Answer {
    Resume,
    Fresh,
    None,
}

fn asked(host: &SharedHost, story: &Story) -> Result<Answer, Fault> {
    let question = format!("Run {} was cut short, and its script has changed since. Go on, or start over? [resume/fresh]", story.name());
    Ok(match ask::ask(host, &question)?.as_deref() {
        Some("resume" | "r") => Answer::Resume,
        Some("fresh" | "f") => Answer::Fresh,
        _ => Answer::None,
    })
}
