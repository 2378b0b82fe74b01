//! Which rights a run takes: printed as roles, and asked for before its first step. What the steps take is found by a silent
//! dry run of them, as things stand; nothing that was found earlier is believed.

use super::args::Global;
use super::{resume, run, setup};
use crate::effect::{Interrupted, Mode};
use crate::engine::{Script, Sources};
use crate::event::{Ending, Event, Listener, Phase, Verdict};
use crate::host::SharedHost;
use crate::rights::{Need, Needs, manifest};
use crate::script::Fault;
use crate::task::Runner;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// What a dry run could not look at, so that the roles do not have it.
#[derive(Clone, Default)]
pub struct Unseen(Arc<Mutex<Vec<String>>>);

impl Listener for Unseen {
    fn hear(&self, event: &Event) {
        let said = match event {
            Event::StepEnded { name, ending: Ending::Pending(after), .. } => {
                format!("step `{name}` is known to its end only after {after}")
            }
            Event::StepEnded { name, ending: Ending::Failed, .. } => format!("step `{name}` could not be previewed to its end"),
            Event::StepEnded { name, ending: Ending::AlreadyDone, .. } => format!("step `{name}` is done and takes nothing"),
            Event::ChangePlanned { verb: "command run", target, .. } => format!("what `{target}` asks of the cluster itself is not known"),
            _ => return,
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(said);
    }
}

/// Prints the roles, and as comments what they may not have.
pub fn print(host: &SharedHost, tasks: &[String], unseen: &Unseen) {
    let mut text = format!("# What `railrun run {}` takes on `{}`, as things stand.\n", tasks.join(" "), host.settings.environment_name);
    for said in unseen.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        let _ = writeln!(text, "# Not in it: {}.", said.lines().next().unwrap_or_default());
    }
    text += &manifest(&host.rights.needs(host));
    let _ = write!(std::io::stdout(), "{}", host.redactor.redact(&text));
}

/// Asks for everything that the steps of a script take, before the first of them. Without a cluster there is nobody to ask.
pub fn ahead(global: &Global, host: &SharedHost, script: &Script) -> Result<(), Fault> {
    if host.cluster().is_err() {
        return Ok(());
    }
    let began = Instant::now();
    let (needs, grants) = foreseen(global, script)?;
    let asked = ask(host, needs, grants, &format!("the steps of {}", crate::task::id_of(script)));
    let verdict = asked.as_ref().map_or_else(|fault| Verdict::False(fault.message()), |()| Verdict::True);
    let name = "the rights for all steps are held".to_owned();
    host.events.emit(&Event::Checked { phase: Phase::Precondition, name, verdict, elapsed: began.elapsed() });
    asked
}

/// On a thread of its own: what a script swallowed there does not come up here.
fn foreseen(global: &Global, script: &Script) -> Result<(Needs, Vec<String>), Fault> {
    let root = setup::root();
    let sources = Sources::new(root.clone());
    let host = setup::silent_host(global, root, Mode::DryRun)?;
    run::on_own_stack(|| {
        let engine = run::engine(&host, &sources);
        Runner { host: &host, engine: &engine, tasks: &[], ahead: None }.look_ahead(script);
        super::Exit::Done
    });
    Ok((host.rights.needs(&host), host.rights.lacking_grants()))
}

/// Fails with every right that is not held. Without a kubeconfig there is nobody to ask.
pub fn ask(host: &SharedHost, needs: Needs, grants: Vec<String>, what: &str) -> Result<(), Fault> {
    if resume::here(host)?.is_none() {
        return Ok(());
    }
    let mut lacking: Vec<String> = host.lacking(needs)?.iter().map(Need::to_string).collect();
    lacking.extend(grants);
    if lacking.is_empty() { Ok(()) } else { Err(Interrupted::lacking(what, &lacking).into()) }
}
