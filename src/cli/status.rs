//! `railrun status`: which tasks are done, asked of the cluster now, and what each still misses.

use super::args::{Global, Output};
use super::choose::Found;
use super::exit::Exit;
use super::{check, run, setup};
use crate::effect::Mode;
use crate::engine::{Script, Sources};
use crate::event::{Event, Listener, Phase, Verdict};
use crate::report::{Mark, Paint};
use crate::script::Fault;
use crate::task::{Runner, id_of};
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// What the questions of a task say beside their answers: how old a measurement is, which branch is not merged.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Listener for Notes {
    fn hear(&self, event: &Event) {
        if let Event::Note { text } = event {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(text.clone());
        }
    }
}

impl Notes {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Which tasks are done, and what each still misses.
pub fn status(global: &Global) -> Exit {
    run::on_own_stack(|| {
        let root = setup::root();
        let sources = Sources::new(root.clone());
        let (notes, quiet) = (Notes::default(), Global { quiet: true, ..global.clone() });
        let host = match setup::heard_host(&quiet, root, Mode::DryRun, Some(Box::new(notes.clone()))) {
            Ok(host) => host,
            Err(fault) => return check::fail(global, &sources, &fault),
        };
        let found = Found::in_folder(&sources);
        // Every task asks the cluster: that there is none is said once.
        if let Err(error) = host.cluster() {
            return check::fail_beside(global, &sources, &host.redactor, &error.into());
        }
        let engine = run::engine(&host, &sources);
        let runner = Runner { host: &host, engine: &engine, tasks: &found.scripts, ahead: None };
        let mut all_done = true;
        for script in found.scripts.iter().filter(|script| script.task.is_some()) {
            all_done &= say_status(global, &runner, script, &notes);
        }
        match found.say_broken(global, &sources) {
            Some(exit) => exit,
            None if all_done => Exit::Done,
            None => Exit::Failed,
        }
    })
}

fn say_status(global: &Global, runner: &Runner, script: &Script, notes: &Notes) -> bool {
    let answers = runner.done(script, Phase::DoneWhen).unwrap_or_else(|error| {
        let said = Fault::find(&error).map_or_else(|| error.to_string(), |fault| fault.message());
        vec![("it can be asked".into(), Verdict::Unknown(said))]
    });
    let done = !answers.is_empty() && answers.iter().all(|(_, verdict)| verdict.holds());
    let on_request = script.task.as_ref().is_some_and(|task| task.on_request);
    let notes = notes.take();
    let title = script.task.as_ref().map(|task| task.title.clone()).unwrap_or_default();
    if global.output == Output::Json {
        let lines: Vec<_> = answers.iter().map(|(name, verdict)| serde_json::json!({"name": name, "verdict": verdict})).collect();
        let line = serde_json::json!({"v": 1, "id": id_of(script), "title": title, "done": done, "on_request": on_request, "done_when": lines, "notes": notes});
        let _ = writeln!(std::io::stdout(), "{}", runner.host.redactor.record(line));
        return done || on_request;
    }
    let paint = setup::paint_stdout(global);
    let clean = |text: &str| crate::report::harmless(&runner.host.redactor.redact(text));
    let mut lines = vec![status_line(paint, &id_of(script), &clean(&title), done, on_request)];
    let missing = answers.iter().filter(|(_, verdict)| !verdict.holds()).map(|(name, verdict)| why(name, verdict));
    let notes = notes.iter().flat_map(|note| note.lines()).map(|line| format!("· {line}"));
    // What is read by a program stays on one line.
    let wide = Paint { width: if std::io::stdout().is_terminal() { paint.width } else { usize::MAX }, ..paint };
    lines.extend(missing.chain(notes).flat_map(|text| wide.wrapped(&clean(&text), 7)));
    for line in lines {
        let _ = writeln!(std::io::stdout(), "{line}");
    }
    done || on_request
}

fn status_line(paint: Paint, id: &str, title: &str, done: bool, on_request: bool) -> String {
    let (mark, word) = match (done, on_request) {
        (true, _) => (Mark::Yes, "done"),
        (false, true) => (Mark::Plain, "on request"),
        (false, false) => (Mark::No, "not done"),
    };
    paint.line(mark, &format!("{id}  {title}"), "", word)
}

fn why(name: &str, verdict: &Verdict) -> String {
    match verdict {
        Verdict::Unknown(reason) => format!("{name}: could not be asked: {}", reason.lines().next().unwrap_or_default()),
        Verdict::False(detail) if !detail.is_empty() => format!("not true: {name} ({})", detail.replace('\n', " ")),
        _ => format!("not true: {name}"),
    }
}
