//! `railrun SCRIPT` and `railrun run`: find the scripts, check them, hand them to the task floor.

use super::args::{Global, RunArgs};
use super::choose::Found;
use super::exit::Exit;
use super::{ask, check, choose, resume, rights, setup};
use crate::effect::Mode;
use crate::engine::report::Failure;
use crate::engine::{self, Script, Sources};
use crate::event::{Event, Listener, RunOutcome};
use crate::host::SharedHost;
use crate::script::{Fault, is_interrupt};
use crate::secret::Redactor;
use crate::task::{self, Failed, Runner, id_of};
use miette::Diagnostic;
use std::any::Any;
use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A run gets a stack of its own: deep scripts must not overflow the main thread's.
const STACK: usize = 64 << 20;

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
enum RunError {
    #[error("the environment `{environment}` is protected")]
    #[diagnostic(code(environment::protected), help("look at `--dry-run` first, then answer yes at the prompt or pass `--yes`"))]
    Protected { environment: String },
    #[error("railrun stumbled: {0}")]
    #[diagnostic(
        code(railrun::panic),
        help("this is a fault of railrun, not of your script; the same command goes on where it stopped, `railrun undo` takes it back")
    )]
    Panic(String),
}

/// Runs scripts named by file or by task id.
pub fn scripts(global: &Global, names: &[String], run: &RunArgs) -> Exit {
    on_own_stack(|| match prepare(global, names, run, None) {
        Ok(ready) => {
            let exit = ready.run_all();
            ready.host.unlock();
            exit
        }
        Err(stop) => stop,
    })
}

/// A run that is ready to begin.
pub(super) struct Ready<'g> {
    global: &'g Global,
    sources: Sources,
    host: SharedHost,
    chosen: Vec<Script>,
    tasks: Vec<Script>,
    run: RunArgs,
}

pub(super) fn prepare<'g>(global: &'g Global, names: &[String], run: &RunArgs, also: Option<Box<dyn Listener>>) -> Result<Ready<'g>, Exit> {
    let root = setup::root();
    let sources = Sources::new(root.clone());
    let stop = |fault: Fault| check::fail(global, &sources, &fault);
    let found = Found::in_folder(&sources);
    let chosen = names.iter().map(|name| found.find(&sources, name)).collect::<Result<Vec<_>, _>>().map_err(stop)?;
    let chosen = choose::ordered(chosen).map_err(stop)?;
    let checked = found.with_needed(&chosen).map_err(stop)?;
    if !check::passes(global, &sources, &checked) {
        return Err(Exit::Usage);
    }
    let mode = if run.dry_run { Mode::DryRun } else { Mode::Live };
    let host = setup::heard_host(global, root, mode, also).map_err(stop)?;
    setup::identify(&host).map_err(stop)?;
    if mode == Mode::Live {
        host.want_lock();
    }
    if mode == Mode::Live && host.settings.environment.protected && !global.yes {
        confirm(&host, &chosen).map_err(|fault| check::fail_beside(global, &sources, &host.redactor, &fault))?;
    }
    Ok(Ready { global, sources, host, chosen, tasks: found.scripts, run: run.clone() })
}

impl Ready<'_> {
    pub fn host(&self) -> &SharedHost {
        &self.host
    }

    pub fn chosen(&self) -> &[Script] {
        &self.chosen
    }

    pub fn run_all(&self) -> Exit {
        quiet_panics(&self.host.redactor);
        let engine = engine(&self.host, &self.sources);
        let ahead = |script: &Script| rights::ahead(self.global, &self.host, script);
        let runner = Runner { host: &self.host, engine: &engine, tasks: &self.tasks, ahead: (!self.run.dry_run).then_some(&ahead) };
        let mut exit = Exit::Done;
        for script in &self.chosen {
            match self.run_one(&runner, script) {
                RunOutcome::WouldStop => exit = Exit::Failed,
                outcome if Exit::from(outcome) != Exit::Done => return outcome.into(),
                _ => {}
            }
        }
        exit
    }

    fn run_one(&self, runner: &Runner, script: &Script) -> RunOutcome {
        let earlier = match resume::earlier(&self.host, script, &self.run) {
            Ok(earlier) => earlier,
            Err(fault) => {
                check::fail_beside(self.global, &self.sources, &self.host.redactor, &fault);
                return match () {
                    () if is_interrupt(&fault) => RunOutcome::Interrupted,
                    () if fault.is_refusal() => RunOutcome::Refused,
                    () => RunOutcome::Failed,
                };
            }
        };
        match catch_unwind(AssertUnwindSafe(|| runner.run(script, earlier.as_ref()))) {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(failed)) => {
                explain(self.global, &self.sources, &self.host, script, &failed);
                failed.outcome
            }
            Err(panic) => {
                check::fail_beside(self.global, &self.sources, &self.host.redactor, &crashed(panic.as_ref()));
                RunOutcome::Failed
            }
        }
    }
}

/// From here on a panic says where it was, as it does by itself, but no secret.
fn quiet_panics(redactor: &Redactor) {
    let redactor = redactor.clone();
    std::panic::set_hook(Box::new(move |panic| {
        let _ = writeln!(std::io::stderr(), "{}", shown(&redactor, panic));
    }));
}

fn shown(redactor: &Redactor, panic: &dyn Display) -> String {
    crate::report::harmless(&redactor.redact(&panic.to_string()))
}

/// What a panic said, and how to go on from it.
fn crashed(panic: &(dyn Any + Send)) -> Fault {
    let said = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    RunError::Panic(said.unwrap_or_else(|| "without a word".into())).into()
}

/// Says why a run did not end well, and where things stand.
pub(super) fn explain(global: &Global, sources: &Sources, host: &SharedHost, script: &Script, failed: &Failed) {
    let style = check::style(global, &host.redactor);
    let report = engine::report::render(Failure::Script(&failed.error, &script.name), sources, &style);
    let mut rendered = report.rendered.trim_end().to_owned();
    if let Some(walk) = &failed.walk {
        rendered.push('\n');
        rendered.push_str(&where_things_stand(walk));
    }
    host.events.emit(&Event::Failure { code: report.code, message: report.message, help: report.help, place: report.place, rendered });
}

/// What the way back did, in words.
pub(super) fn where_things_stand(walk: &task::Walk) -> String {
    let mut lines = Vec::new();
    if let Some(why) = &walk.committed {
        let what = if walk.undone.is_empty() { "nothing was undone" } else { "what was done before the point of no return" };
        lines.push(format!("  stands: {what}, because {why}; running the same command again goes forward"));
    }
    if !walk.undone.is_empty() {
        lines.push(format!("  undone: {}", walk.undone.join(", ")));
    }
    if !walk.not_undone.is_empty() {
        let why = if walk.interrupted { "Ctrl-C ended the way back" } else { "the reasons are above" };
        let names = walk.not_undone.join(", ");
        lines.push(format!("  NOT undone: {names}; {why}. `railrun undo RUN` tries again (`railrun history` shows RUN)"));
    }
    lines.join("\n")
}

/// An engine that knows the verbs, the host and `task`.
pub(super) fn engine(host: &SharedHost, sources: &Sources) -> rhai::Engine {
    let mut engine = engine::profile::engine(Some(host), sources);
    task::register(&mut engine);
    engine
}

/// Asks before changing a protected environment, showing where and what.
pub(super) fn confirm(host: &SharedHost, chosen: &[Script]) -> Result<(), Fault> {
    let environment = host.settings.environment_name.clone();
    let refused = || Fault::from(RunError::Protected { environment: environment.clone() });
    if !std::io::stdin().is_terminal() {
        return Err(refused());
    }
    let cluster = host.cluster()?.uid().to_owned();
    let tasks = chosen.iter().map(id_of).collect::<Vec<_>>().join(", ");
    let question = format!("`{environment}` is protected (cluster {cluster}). Run {tasks} on it?");
    if ask::agrees(host, &question)? { Ok(()) } else { Err(refused()) }
}

pub(super) fn on_own_stack(work: impl FnOnce() -> Exit + Send) -> Exit {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
        thread.map_or(Exit::Failed, |thread| thread.join().unwrap_or(Exit::Failed))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn a_crash_says_in_one_line_how_to_go_on() {
        let panic = catch_unwind(|| panic!("index {} is out of bounds of `hunter22`", 7)).unwrap_err();
        let global = <crate::cli::args::Args as clap::Parser>::parse_from(["railrun", "list"]).global;
        let redactor = Redactor::default();
        redactor.learn("hunter22");
        let style = engine::report::Style { colour: false, width: 200, redactor: redactor.clone() };
        let report = engine::report::render(&crashed(panic.as_ref()), &Sources::new(PathBuf::from("/nowhere")), &style);
        assert!(report.rendered.contains("railrun stumbled: index 7 is out of bounds of `[secret]`"), "{}", report.rendered);
        let line = report.rendered.lines().find(|line| line.contains("the same command goes on")).unwrap_or_default();
        assert!(line.contains("`railrun undo` takes it back"), "{}", report.rendered);
        assert_eq!(shown(&redactor, &"panicked at x: hunter22"), "panicked at x: [secret]");
        assert_eq!(check::style(&global, &redactor).redactor.redact("hunter22"), "[secret]");
    }
}
