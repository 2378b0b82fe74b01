//! Any error of a run as a reader sees it: what, where, why and what next, as text and as data. Who prints it, and
//! when, is up to floors above.

use crate::engine::place::{self, spot};
use crate::engine::sheet::{Mark, Sheet, Snippet};
use crate::engine::trace::{Frame, Trace};
use crate::engine::vocabulary::Vocabulary;
use crate::engine::{Finding, Sources, wording};
use crate::script::{Fault, Origin};
use miette::Severity;
use rhai::EvalAltResult;
use std::error::Error;

pub use crate::engine::sheet::Style;

/// What failed.
#[derive(Clone, Copy)]
pub enum Failure<'e> {
    /// An error that came out of this script.
    Script(&'e EvalAltResult, &'e str),
    /// An error outside scripts, or one that was taken out of Rhai already.
    Fault(&'e Fault),
}

impl<'e> From<&'e EvalAltResult> for Failure<'e> {
    fn from(error: &'e EvalAltResult) -> Self {
        Failure::Script(error, "")
    }
}

impl<'e> From<&'e Box<EvalAltResult>> for Failure<'e> {
    fn from(error: &'e Box<EvalAltResult>) -> Self {
        Failure::Script(error, "")
    }
}

impl<'e> From<&'e Fault> for Failure<'e> {
    fn from(fault: &'e Fault) -> Self {
        Failure::Fault(fault)
    }
}

/// A failure, said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// `helm::upgrade_failed`.
    pub code: String,
    /// What happened and why, on one line or few.
    pub message: String,
    pub help: Option<String>,
    /// `scripts/t02.rhai:41:24`.
    pub place: Option<String>,
    /// All of it, drawn.
    pub rendered: String,
}

/// Says what failed.
pub fn render<'e>(failure: impl Into<Failure<'e>>, scripts: &Sources, style: &Style) -> Report {
    match failure.into() {
        Failure::Fault(fault) => of_fault(fault, fault.origin.clone(), &[], scripts, style),
        Failure::Script(error, script) => {
            let trace = Trace::follow(error, script, scripts);
            match Fault::find(trace.cause) {
                Some(fault) => of_fault(&fault, trace.leaf, &trace.frames, scripts, style),
                None => of_rhai(&trace, scripts, style),
            }
        }
    }
}

/// The same in one line, without place and help: why a question could not be asked.
pub fn in_words(error: &EvalAltResult) -> String {
    match Fault::find(error) {
        Some(fault) => fault.message(),
        None => wording::of_runtime(error.unwrap_inner(), None).message,
    }
}

/// Says what `check` found.
pub fn finding(finding: &Finding, style: &Style) -> Report {
    let sheet = Sheet {
        code: finding.code.clone(),
        severity: finding.severity,
        message: finding.message.clone(),
        snippets: finding.snippet().into_iter().collect(),
        lines: finding.help.iter().map(|help| ("help", help.clone())).collect(),
    };
    Report {
        code: sheet.code.clone(),
        message: finding.message.clone(),
        help: finding.help.clone(),
        place: Some(finding.place()),
        rendered: sheet.draw(style),
    }
}

fn of_rhai(trace: &Trace<'_>, scripts: &Sources, style: &Style) -> Report {
    let said = wording::of_runtime(trace.cause, Some(Vocabulary::of_this_binary()));
    let sheet = Sheet {
        code: said.code,
        severity: Severity::Error,
        message: said.message.clone(),
        snippets: snippets(trace.leaf.as_ref(), &trace.frames, scripts),
        lines: through(&trace.frames, trace.leaf.as_ref(), scripts)
            .into_iter()
            .chain(said.help.clone().map(|help| ("help", help)))
            .collect(),
    };
    finish(sheet, said.message, said.help, trace.leaf.as_ref().map(|origin| place_of(origin, scripts)), style)
}

fn of_fault(fault: &Fault, leaf: Option<Origin>, frames: &[Frame], scripts: &Sources, style: &Style) -> Report {
    let diagnostic = fault.diagnostic();
    let mut lines: Vec<_> = causes(fault).into_iter().map(|cause| ("cause", cause)).collect();
    lines.extend(diagnostic.related().into_iter().flatten().map(|related| ("also", related.to_string())));
    lines.extend(through(frames, leaf.as_ref(), scripts));
    lines.extend(fault.help().map(|help| ("help", help)));
    let sheet = Sheet {
        code: fault.code(),
        severity: diagnostic.severity().unwrap_or_default(),
        message: diagnostic.to_string(),
        snippets: snippets(leaf.as_ref(), frames, scripts),
        lines,
    };
    finish(sheet, fault.message(), fault.help(), leaf.as_ref().map(|origin| place_of(origin, scripts)), style)
}

fn finish(sheet: Sheet, message: String, help: Option<String>, place: Option<String>, style: &Style) -> Report {
    let redact = |text: String| style.redactor.redact(&text);
    Report { rendered: sheet.draw(style), code: sheet.code, message: redact(message), help: help.map(redact), place }
}

/// A place as people write it; a path begins at its first name, although Rhai points at its last.
fn place_of(origin: &Origin, scripts: &Sources) -> String {
    scripts.get(&origin.source).map_or_else(
        || place::show(&origin.source, origin.position),
        |source| place::show(&source.name, place::start(&source.text, origin.position)),
    )
}

/// The errors beneath an error, each said once.
fn causes(fault: &Fault) -> Vec<String> {
    let mut said = fault.diagnostic().to_string();
    let mut causes = Vec::new();
    let mut source = Error::source(fault.diagnostic());
    while let Some(inner) = source {
        let text = inner.to_string();
        if !said.contains(&text) {
            said.push_str(&text);
            causes.push(text);
        }
        source = inner.source();
    }
    causes
}

/// The source around the leaf and around the outermost call in a script of the repository's own.
fn snippets(leaf: Option<&Origin>, frames: &[Frame], scripts: &Sources) -> Vec<Snippet> {
    let mut shown = Vec::new();
    let outermost = outermost(frames, leaf).map(|frame| (&frame.called_at, Some("called from here".to_owned())));
    for (origin, label) in leaf.map(|origin| (origin, None)).into_iter().chain(outermost) {
        add(&mut shown, origin, label, scripts);
    }
    shown
}

fn add(shown: &mut Vec<Snippet>, origin: &Origin, label: Option<String>, scripts: &Sources) {
    let Some(source) = scripts.get(&origin.source) else { return };
    let Some(spot) = spot(&source.text, origin.position) else { return };
    let mark = Mark { spot, label };
    match shown.iter_mut().find(|snippet| snippet.name == source.name) {
        Some(snippet) => snippet.marks.push(mark),
        None => shown.push(Snippet { name: source.name.clone(), text: source.text.clone(), marks: vec![mark] }),
    }
}

/// The outermost call in a script of the repository's own. That the host called a step's closure is no news.
fn outermost<'f>(frames: &'f [Frame], leaf: Option<&Origin>) -> Option<&'f Frame> {
    let by_the_host = frames.first().filter(|first| is_closure(first));
    let in_scripts = |frame: &&Frame| !frame.called_at.source.starts_with("stdlib/") && Some(&frame.called_at) != leaf;
    frames.iter().find(|frame| in_scripts(frame) && !by_the_host.is_some_and(|first| std::ptr::eq(*frame, first)))
}

/// The calls between, one line each, from the inside out. A closure that a list's method called is not told twice.
fn through(frames: &[Frame], leaf: Option<&Origin>, scripts: &Sources) -> Vec<(&'static str, String)> {
    let Some(outermost) = outermost(frames, leaf) else { return Vec::new() };
    let after = frames.iter().skip_while(|frame| !std::ptr::eq(*frame, outermost)).skip(1);
    let told_already = |frame: &Frame| {
        let same = frames.iter().filter(|other| other.called_at == frame.called_at).count() > 1;
        Some(&frame.called_at) == leaf || (is_closure(frame) && same)
    };
    let between: Vec<_> = after.filter(|frame| !told_already(frame)).collect();
    between
        .into_iter()
        .rev()
        .map(|frame| ("through", format!("{}, called at {}", name(frame), place_of(&frame.called_at, scripts))))
        .collect()
}

fn is_closure(frame: &Frame) -> bool {
    frame.function.starts_with("anon$")
}

fn name(frame: &Frame) -> String {
    if is_closure(frame) { "a closure".into() } else { format!("`{}`", frame.function) }
}

#[cfg(test)]
mod tests;
