//! Asking a yes-or-no question of a script: what counts as yes, as no, and as "could not be asked".

use super::closure::Closure;
use super::declared::Question;
use super::sides;
use crate::event::{Event, Phase, Verdict};
use crate::host::SharedHost;
use crate::script::{Fault, Pending, is_interrupt, value};
use rhai::{Dynamic, Engine, EvalAltResult};
use std::time::Instant;

/// The text in which an error is shown in one line.
pub fn in_words(error: &EvalAltResult) -> String {
    crate::engine::report::in_words(error)
}

/// Asks one closure. `Err` only when nothing further can be asked: the user pressed Ctrl-C, there is no cluster to ask, or the
/// lock is lost.
pub fn ask(host: &SharedHost, engine: &Engine, closure: &Closure, argument: Option<Dynamic>) -> Result<Verdict, Fault> {
    host.set_asking(true);
    let verdict = match closure.call(engine, argument) {
        Ok(answer) => Ok(judge(host, &answer)),
        Err(error) => from_error(host, &error),
    };
    let verdict = verdict.map(|verdict| match verdict {
        Verdict::False(said) if said.is_empty() => Verdict::False(written(host, engine, closure)),
        other => other,
    });
    host.set_asking(false);
    verdict
}

/// The line on which a closure was written, with its place, and what it compares: what a false check is shown with.
fn written(host: &SharedHost, engine: &Engine, closure: &Closure) -> String {
    let (source, line) = closure.place();
    let Some(line) = line else { return source.to_owned() };
    let whole = host.files.read_disk(&host.files.path(source)).unwrap_or_default();
    let text = whole.lines().nth(line - 1).unwrap_or_default();
    let asked = text.split_once("||").map_or(text, |(_, asked)| asked).trim();
    let asked = match (asked.strip_suffix(");").unwrap_or(asked), whole.lines().nth(line)) {
        ("{", Some(first)) => format!("{{ {} …", first.trim()),
        (asked, _) => asked.to_owned(),
    };
    let sides = sides::shown(engine, closure, &whole);
    std::iter::once(format!("{source}:{line}  {asked}")).chain(sides).collect::<Vec<_>>().join("\n")
}

fn judge(host: &SharedHost, answer: &Dynamic) -> Verdict {
    if let Some(pending) = value::pending_in(answer) {
        return Verdict::Pending(pending.after);
    }
    match answer.as_bool() {
        Ok(true) => Verdict::True,
        Ok(false) => Verdict::False(String::new()),
        Err(found) => Verdict::Unknown(format!("the closure gave {} and not true or false", host.redactor.redact(found))),
    }
}

fn from_error(host: &SharedHost, error: &EvalAltResult) -> Result<Verdict, Fault> {
    if let Some(pending) = Pending::find(error) {
        return Ok(Verdict::Pending(pending.after));
    }
    if host.dry_run() && Pending::stumbled(error) {
        return Ok(Verdict::Pending(host.plan.last_unknown()));
    }
    match Fault::find(error) {
        // Without the lock nothing is undone, so it must not look like an answer.
        Some(fault) if is_interrupt(&fault) || fault.is_without_cluster() || fault.code().starts_with("lock::") => Err(fault),
        Some(fault) if fault.is_not_found() => Ok(Verdict::False(fault.message())),
        fault => {
            let help = fault.and_then(|fault| fault.help()).map_or_else(String::new, |help| format!("\nhelp: {help}"));
            Ok(Verdict::Unknown(format!("{}{help}", in_words(error))))
        }
    }
}

/// Asks all questions and says each answer; the answers in order.
pub fn ask_all(host: &SharedHost, engine: &Engine, phase: Phase, questions: &[Question]) -> Result<Vec<Verdict>, Fault> {
    questions
        .iter()
        .map(|question| {
            let began = Instant::now();
            let verdict = ask(host, engine, &question.ask, None)?;
            host.events.emit(&Event::Checked { phase, name: question.name.clone(), verdict: verdict.clone(), elapsed: began.elapsed() });
            Ok(verdict)
        })
        .collect()
}
