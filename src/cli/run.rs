//! `railrun SCRIPT`, `railrun run` and `railrun status`: find the scripts, check them, hand them to the task floor.

use super::args::{Global, Output, RunArgs};
use super::choose::Found;
use super::exit::Exit;
use super::{check, choose, resume, rights, setup};
use crate::effect::Mode;
use crate::engine::report::Failure;
use crate::engine::{self, Script, Sources};
use crate::event::{Event, Listener, Phase, RunOutcome, Verdict};
use crate::host::SharedHost;
use crate::report::Paint;
use crate::script::{Fault, is_interrupt};
use crate::task::{self, Failed, Runner, id_of};
use miette::Diagnostic;
use std::any::Any;
use std::io::{BufRead, IsTerminal, Write};
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

/// Which tasks are done, and what each still misses.
pub fn status(global: &Global) -> Exit {
    on_own_stack(|| {
        let root = setup::root();
        let sources = Sources::new(root.clone());
        let host = match setup::host(&Global { quiet: true, ..global.clone() }, root, Mode::DryRun) {
            Ok(host) => host,
            Err(fault) => return check::fail(global, &sources, &fault),
        };
        let found = Found::in_folder(&sources);
        // Every task asks the cluster: that there is none is said once.
        if let Err(error) = host.cluster() {
            return check::fail(global, &sources, &error.into());
        }
        let engine = engine(&host, &sources);
        let runner = Runner { host: &host, engine: &engine, tasks: &found.scripts, ahead: None };
        let mut all_done = true;
        for script in found.scripts.iter().filter(|script| script.task.is_some()) {
            all_done &= say_status(global, &runner, script);
        }
        match found.say_broken(global, &sources) {
            Some(exit) => exit,
            None if all_done => Exit::Done,
            None => Exit::Failed,
        }
    })
}

fn say_status(global: &Global, runner: &Runner, script: &Script) -> bool {
    let answers = runner.done(script, Phase::DoneWhen).unwrap_or_else(|error| {
        let said = Fault::find(&error).map_or_else(|| error.to_string(), |fault| fault.message());
        vec![("it can be asked".into(), Verdict::Unknown(said))]
    });
    let done = !answers.is_empty() && answers.iter().all(|(_, verdict)| verdict.holds());
    let title = script.task.as_ref().map(|task| task.title.clone()).unwrap_or_default();
    if global.output == Output::Json {
        let lines: Vec<_> = answers.iter().map(|(name, verdict)| serde_json::json!({"name": name, "verdict": verdict})).collect();
        let line = serde_json::json!({"id": id_of(script), "title": title, "done": done, "done_when": lines});
        let _ = writeln!(std::io::stdout(), "{}", runner.host.redactor.redact(&line.to_string()));
        return done;
    }
    let paint = setup::paint_stdout(global);
    let mut lines = vec![status_line(paint, &id_of(script), &title, done)];
    for (name, verdict) in answers.iter().filter(|(_, verdict)| !verdict.holds()) {
        lines.push(format!("       {}", why(name, verdict)));
    }
    for line in lines {
        let _ = writeln!(std::io::stdout(), "{}", crate::report::harmless(&runner.host.redactor.redact(&line)));
    }
    done
}

fn status_line(paint: Paint, id: &str, title: &str, done: bool) -> String {
    let mark = if done { crate::report::Mark::Yes } else { crate::report::Mark::No };
    paint.line(mark, &format!("{id}  {title}"), "", if done { "done" } else { "not done" })
}

fn why(name: &str, verdict: &Verdict) -> String {
    match verdict {
        Verdict::Unknown(reason) => format!("{name}: could not be asked: {}", reason.lines().next().unwrap_or_default()),
        Verdict::False(detail) if !detail.is_empty() => format!("not true: {name} ({})", detail.replace('\n', " ")),
        _ => format!("not true: {name}"),
    }
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
        confirm(&host, &chosen).map_err(|fault| {
            check::fail(global, &sources, &fault);
            Exit::Refused
        })?;
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
                check::fail(self.global, &self.sources, &fault);
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
                check::fail(self.global, &self.sources, &crashed(panic.as_ref()));
                RunOutcome::Failed
            }
        }
    }
}

/// What a panic said, and how to go on from it.
fn crashed(panic: &(dyn Any + Send)) -> Fault {
    let said = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    RunError::Panic(said.unwrap_or_else(|| "without a word".into())).into()
}

/// Says why a run did not end well, and where things stand.
pub(super) fn explain(global: &Global, sources: &Sources, host: &SharedHost, script: &Script, failed: &Failed) {
    let paint = setup::paint(global);
    let style = engine::report::Style { colour: paint.colour, width: paint.width, redactor: host.redactor.clone() };
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
        lines.push(format!("  NOT undone: {}; the reasons are above", walk.not_undone.join(", ")));
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
    let _ = write!(std::io::stderr(), "`{environment}` is protected (cluster {cluster}). Run {tasks} on it? [y/N] ");
    let mut answer = String::new();
    let _ = std::io::stdin().lock().read_line(&mut answer);
    if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { Err(refused()) }
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
        let panic = catch_unwind(|| panic!("index {} is out of bounds", 7)).unwrap_err();
        let style = engine::report::Style { colour: false, width: 200, redactor: crate::secret::Redactor::default() };
        let report = engine::report::render(&crashed(panic.as_ref()), &Sources::new(PathBuf::from("/nowhere")), &style);
        assert!(report.rendered.contains("railrun stumbled: index 7 is out of bounds"), "{}", report.rendered);
        let line = report.rendered.lines().find(|line| line.contains("the same command goes on")).unwrap_or_default();
        assert!(line.contains("`railrun undo` takes it back"), "{}", report.rendered);
    }
}
