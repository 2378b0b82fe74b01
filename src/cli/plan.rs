//! `railrun plan …` with `--out FILE` or `--rbac`, and `railrun apply FILE`.

use super::args::{Global, RunArgs};
use super::exit::Exit;
use super::{check, rights, run, setup};
use crate::engine::Sources;
use crate::event::{Event, Listener};
use crate::host::SharedHost;
use crate::saved::{Expected, PlanError, Recorder, SavedPlan};
use crate::script::Fault;
use std::io::Write;
use std::path::Path;

/// A dry run whose changes are written down, or the rights that they take printed.
pub fn plan(global: &Global, names: &[String], out: Option<&Path>, rbac: bool) -> Exit {
    run::on_own_stack(|| {
        let recorder = match recorder(global, out) {
            Ok(recorder) => recorder,
            Err(fault) => return check::fail(global, &Sources::new(setup::root()), &fault),
        };
        let unseen = rights::Unseen::default();
        let also = Both(recorder.clone(), unseen.clone());
        let dry = RunArgs { dry_run: true, ..RunArgs::default() };
        let ready = match run::prepare(global, names, &dry, Some(Box::new(also))) {
            Ok(ready) => ready,
            Err(stop) => return stop,
        };
        if let Some(recorder) = &recorder {
            let _ = ready.host().passwords.set(recorder.passwords());
        }
        let exit = ready.run_all();
        if let (Some(out), Some(recorder)) = (out, &recorder)
            && let Err(error) = write(global, ready.host(), recorder, out)
        {
            return check::fail_beside(global, &Sources::new(setup::root()), &ready.host().redactor, &error.into());
        }
        if rbac {
            rights::print(ready.host(), names, &unseen);
        }
        exit
    })
}

/// Two readers of one dry run.
struct Both(Option<Recorder>, rights::Unseen);

impl Listener for Both {
    fn hear(&self, event: &Event) {
        self.0.iter().for_each(|recorder| recorder.hear(event));
        self.1.hear(event);
    }
}

fn recorder(global: &Global, out: Option<&Path>) -> Result<Option<Recorder>, Fault> {
    let root = setup::root();
    let key = || Ok::<_, Fault>(setup::store(&setup::settings(global, &root)?, &root).key()?);
    out.map(|_| Ok(Recorder::new(key()?))).transpose()
}

fn write(global: &Global, host: &SharedHost, recorder: &Recorder, out: &Path) -> Result<(), PlanError> {
    let uid = host.cluster().ok().map(|cluster| cluster.uid().to_owned());
    let plan = recorder.plan(&host.settings.environment_name, uid.as_deref(), host.rights.needs(host));
    let record = host.redactor.record(serde_json::to_value(&plan).unwrap_or_default());
    SavedPlan::write(&(serde_json::to_string_pretty(&record).unwrap_or_default() + "\n"), out)?;
    if !global.quiet {
        let changes: usize = plan.tasks.iter().flat_map(|task| &task.steps).map(|step| step.changes.len()).sum();
        let name = out.display();
        let _ = writeln!(std::io::stderr(), "{changes} changes are written to `{name}`; `railrun apply {name}` makes exactly these");
    }
    Ok(())
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
        let (name, passwords) = (key.name(), plan.passwords(&key));
        let expected = Expected::new(plan, key);
        let ready = match run::prepare(global, &names, &RunArgs::default(), Some(Box::new(expected.clone()))) {
            Ok(ready) => ready,
            Err(stop) => return stop,
        };
        let may = may_apply(&ready, expected.plan(), &name, allow_pending);
        if let Err(fault) = may.and_then(|()| rights::ask(ready.host(), expected.plan().needs.clone(), Vec::new(), "this plan")) {
            return check::fail_beside(global, &Sources::new(root.clone()), &ready.host().redactor, &fault);
        }
        let _ = ready.host().expected.set(expected);
        let _ = ready.host().passwords.set(passwords);
        let exit = ready.run_all();
        ready.host().unlock();
        exit
    })
}

fn may_apply(ready: &run::Ready, plan: &SavedPlan, key: &str, allow_pending: bool) -> Result<(), Fault> {
    let host = ready.host();
    let uid = cluster_of(plan, host)?;
    plan.fits(&host.settings.environment_name, uid.as_deref(), key)?;
    let changed =
        |script: &&crate::engine::Script| !plan.tasks.iter().any(|task| task.script == script.name && task.source == script.fingerprint);
    if let Some(script) = ready.chosen().iter().find(changed) {
        return Err(PlanError::ChangedScript { script: script.name.clone() }.into());
    }
    let steps = plan.pending();
    if steps.is_empty() || allow_pending { Ok(()) } else { Err(PlanError::Pending { steps }.into()) }
}

/// The cluster that is here. Where the plan was made for one, that it cannot be reached is not that there is none.
fn cluster_of(plan: &SavedPlan, host: &SharedHost) -> Result<Option<String>, Fault> {
    match host.cluster() {
        Ok(cluster) => Ok(Some(cluster.uid().to_owned())),
        Err(error) if plan.cluster_uid.is_some() => Err(error.into()),
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effect::Mode;
    use crate::primitives::trial::{Setup, Trial};
    use crate::process::Process;
    use crate::rights::Needs;

    #[test]
    fn a_cluster_that_cannot_be_reached_is_not_taken_for_another_one() {
        let settings = "default_environment: x\nenvironments: {x: {kubeconfig: /nowhere/kubeconfig}}";
        let trial = Trial::new(Setup { mode: Mode::Live, process: Process::real(), settings });
        let plan = |uid| Recorder::new(crate::journal::Key::for_tests()).plan("x", uid, Needs::new());
        let fault = cluster_of(&plan(Some("abc")), &trial.host).unwrap_err();
        assert!(fault.code() == "kube::bad_kubeconfig" && fault.help().is_some(), "{}", fault.message());
        assert_eq!(cluster_of(&plan(None), &trial.host).unwrap(), None);
    }
}
