//! `railrun plan … --out FILE` and `railrun apply FILE`.

use super::args::{Global, RunArgs};
use super::exit::Exit;
use super::{check, run, setup};
use crate::engine::Sources;
use crate::saved::{Expected, PlanError, Recorder, SavedPlan};
use crate::script::Fault;
use std::io::Write;
use std::path::Path;

/// A dry run whose changes are written down.
pub fn plan(global: &Global, names: &[String], out: Option<&Path>) -> Exit {
    run::on_own_stack(|| {
        let dry = RunArgs { dry_run: true, ..RunArgs::default() };
        let Some(out) = out else {
            return run::prepare(global, names, &dry, None).map_or_else(|stop| stop, |ready| ready.run_all());
        };
        let root = setup::root();
        let key = setup::settings(global, &root).and_then(|settings| Ok(setup::store(&settings, &root).key()?));
        let recorder = match key {
            Ok(key) => Recorder::new(key),
            Err(fault) => return check::fail(global, &Sources::new(root), &fault),
        };
        let ready = match run::prepare(global, names, &dry, Some(Box::new(recorder.clone()))) {
            Ok(ready) => ready,
            Err(stop) => return stop,
        };
        let exit = ready.run_all();
        let host = ready.host();
        let uid = host.cluster().ok().map(|cluster| cluster.uid().to_owned());
        let plan = recorder.plan(&host.settings.environment_name, uid.as_deref());
        let text = serde_json::to_string_pretty(&plan).unwrap_or_default();
        if let Err(error) = SavedPlan::write(&(host.redactor.redact(&text) + "\n"), out) {
            return check::fail(global, &Sources::new(root), &error.into());
        }
        if !global.quiet {
            let changes: usize = plan.tasks.iter().flat_map(|task| &task.steps).map(|step| step.changes.len()).sum();
            let _ = writeln!(
                std::io::stderr(),
                "{changes} changes are written to `{}`; `railrun apply {0}` makes exactly these",
                out.display()
            );
        }
        exit
    })
}

/// A live run that is held to a plan.
pub fn apply(global: &Global, file: &Path, allow_pending: bool) -> Exit {
    run::on_own_stack(|| {
        let root = setup::root();
        let stop = |fault: Fault| check::fail(global, &Sources::new(root.clone()), &fault);
        let key = setup::settings(global, &root).and_then(|settings| Ok(setup::store(&settings, &root).key()?));
        let (plan, key) = match SavedPlan::read(file).map_err(Fault::from).and_then(|plan| Ok((plan, key?))) {
            Ok(read) => read,
            Err(fault) => return stop(fault),
        };
        let names: Vec<String> = plan.tasks.iter().map(|task| task.script.clone()).collect();
        let name = key.name();
        let expected = Expected::new(plan, key);
        let ready = match run::prepare(global, &names, &RunArgs::default(), Some(Box::new(expected.clone()))) {
            Ok(ready) => ready,
            Err(stop) => return stop,
        };
        if let Err(error) = may_apply(&ready, expected.plan(), &name, allow_pending) {
            return stop(error.into());
        }
        let _ = ready.host().expected.set(expected);
        let exit = ready.run_all();
        ready.host().unlock();
        exit
    })
}

fn may_apply(ready: &run::Ready, plan: &SavedPlan, key: &str, allow_pending: bool) -> Result<(), PlanError> {
    let host = ready.host();
    let uid = host.cluster().ok().map(|cluster| cluster.uid().to_owned());
    plan.fits(&host.settings.environment_name, uid.as_deref(), key)?;
    let changed =
        |script: &&crate::engine::Script| !plan.tasks.iter().any(|task| task.script == script.name && task.source == script.fingerprint);
    if let Some(script) = ready.chosen().iter().find(changed) {
        return Err(PlanError::ChangedScript { script: script.name.clone() });
    }
    let steps = plan.pending();
    if steps.is_empty() || allow_pending { Ok(()) } else { Err(PlanError::Pending { steps }) }
}
