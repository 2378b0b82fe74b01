//! What a person reads while a run goes on: lines on stderr, and on a terminal one live line with progress below them.

use super::diff;
use super::line::{Mark, Paint, harmless};
use super::live::{self, Bar, Step};
use crate::duration::show;
use crate::effect::{Diff, Mode};
use crate::event::{Ending, Event, Listener, Phase, RunOutcome, Verdict};
use crate::secret::Redactor;
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    Quiet,
    Normal,
    Verbose,
}

pub struct Talk {
    paint: Paint,
    verbosity: Verbosity,
    redactor: Redactor,
    /// Whether stderr is a terminal that can be redrawn.
    live: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    bar: Option<Bar>,
    /// The names of this run's steps.
    steps: Vec<String>,
    /// `done_when` lines of the first ask: shown only if they are the answer.
    first_ask: Vec<String>,
    began: bool,
    dry_run: bool,
}

impl Talk {
    pub fn new(paint: Paint, verbosity: Verbosity, live: bool, redactor: Redactor) -> Self {
        Self { paint, verbosity, redactor, live, state: Mutex::default() }
    }

    /// Before a text is broken into lines or cut to a width: a part of a secret would not be known as one any more.
    fn clean(&self, text: &str) -> String {
        let text = harmless(&self.redactor.redact(text));
        match text.contains('\u{1b}') {
            // A colour that was not ended would colour, or hide, all that follows.
            true if self.paint.colour => text + "\u{1b}[0m",
            true => console::strip_ansi_codes(&text).into_owned(),
            false => text,
        }
    }

    fn say(&self, state: &State, text: &str) {
        let text = self.clean(text);
        let print = || {
            let _ = writeln!(std::io::stderr(), "{text}");
        };
        match &state.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    fn say_all(&self, state: &State, lines: impl IntoIterator<Item = String>) {
        lines.into_iter().for_each(|line| self.say(state, &line));
    }

    /// A short middle column that does not fit is a line of its own.
    fn checked(&self, name: &str, verdict: &Verdict, elapsed: Duration) -> Vec<String> {
        let time = show(elapsed);
        let (mark, detail) = match verdict {
            Verdict::True => (Mark::Yes, String::new()),
            Verdict::False(detail) => (Mark::No, detail.clone()),
            Verdict::Unknown(reason) => (Mark::Unknown, format!("could not be asked: {reason}")),
            Verdict::Pending(after) => (Mark::Plain, format!("known after {after}")),
        };
        let mut lines = vec![self.paint.line(mark, &self.clean(name), "", &time)];
        lines.extend(self.paint.wrapped(&self.clean(&detail), 6));
        lines
    }

    /// A text behind a mark, broken at words.
    fn marked(&self, mark: Mark, text: &str) -> Vec<String> {
        let mut lines = self.paint.wrapped(&self.clean(text), 6);
        let first = lines.first().map_or("", |line| line.trim_start());
        let first = format!("    {} {first}", self.paint.mark(mark));
        lines.splice(..1.min(lines.len()), [first]);
        lines
    }

    fn start_bar(&self, state: &mut State, index: usize, count: usize, name: &str) {
        if self.live && self.verbosity != Verbosity::Quiet {
            let to_come = state.steps.get(index..).unwrap_or_default();
            let step = Step { name: self.clean(name).replace('\n', " "), index, count };
            state.bar = Some(Bar::start(self.paint, step, to_come));
        }
    }

    fn stop_bar(state: &mut State) {
        if let Some(bar) = state.bar.take() {
            bar.clear();
        }
    }

    fn progress(&self, state: &State, what: &str, position: u64, total: Option<u64>, unit: &'static str) {
        let figure = live::figure(position, total, unit);
        match &state.bar {
            Some(bar) => bar.progress(position, total, &self.clean(&format!("{what}  {figure}"))),
            None if self.verbosity == Verbosity::Verbose && !self.live => self.say(state, &format!("      {what}: {figure}")),
            None => {}
        }
    }

    fn change(&self, state: &State, mark: Mark, verb: &str, target: &str, diff: &Diff) {
        self.say(state, &format!("    {} {verb} {}", self.paint.mark(mark), self.paint.strong(target)));
        let lines = diff::lines(self.paint, diff, self.verbosity == Verbosity::Verbose);
        self.say_all(state, lines.into_iter().map(|line| format!("        {line}")));
    }

    fn step_ended(&self, state: &State, name: &str, ending: &Ending, elapsed: Duration) {
        let (mark, middle) = match ending {
            Ending::AlreadyDone => (Mark::Yes, "already done".to_owned()),
            Ending::Earlier => (Mark::Yes, "done before the run was cut short".to_owned()),
            Ending::Ran { changes, summary } => {
                (if state.dry_run { Mark::Changed } else { Mark::Yes }, summary.clone().unwrap_or_else(|| changed(*changes, state.dry_run)))
            }
            Ending::Pending(_) => (Mark::Plain, String::new()),
            Ending::Failed => (Mark::No, "failed".to_owned()),
        };
        self.say(state, &self.paint.line(mark, &self.clean(name), &middle, &show(elapsed)));
        if let Ending::Pending(after) = ending {
            self.say(state, &self.paint.dim(&format!("      the rest is known after {after}")));
        }
    }

    fn ended(&self, state: &mut State, id: &str, outcome: RunOutcome, elapsed: Duration) {
        Self::stop_bar(state);
        let kept = std::mem::take(&mut state.first_ask);
        if !state.began {
            self.say_all(state, kept);
        }
        let time = show(elapsed);
        let said = match outcome {
            RunOutcome::AlreadyDone => format!("{id} is done: nothing to change ({time})"),
            RunOutcome::Done => format!("{id} is done ({time})"),
            RunOutcome::Planned => format!("{id}: this is what a live run would do; nothing was changed ({time})"),
            RunOutcome::WouldStop => format!("{id}: a live run would stop at what is marked above; nothing was changed ({time})"),
            RunOutcome::Failed => format!("{id} failed ({time})"),
            RunOutcome::Interrupted => format!("{id} was interrupted ({time})"),
            RunOutcome::Refused => format!("{id} was refused ({time})"),
            RunOutcome::Undone => format!("{id} is undone ({time})"),
        };
        self.say(state, &self.paint.strong(&said));
    }
}

impl Listener for Talk {
    fn hear(&self, event: &Event) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *state;
        let quiet = self.verbosity == Verbosity::Quiet;
        match event {
            Event::Failure { rendered, .. } => {
                Self::stop_bar(state);
                self.say(state, rendered);
            }
            Event::Warning { text } => self.say_all(state, self.marked(Mark::Warning, text)),
            Event::WouldStop { reason } => self.say_all(state, self.marked(Mark::No, &format!("would stop here: {reason}"))),
            Event::RunEnded { id, outcome, elapsed } => self.ended(state, id, *outcome, *elapsed),
            _ if quiet => {}
            Event::RunStarted { id, title, environment, cluster, mode, .. } => {
                *state = State { dry_run: *mode == Mode::DryRun, ..State::default() };
                let place = cluster.as_ref().map_or_else(|| environment.clone(), |cluster| format!("{environment} · {cluster}"));
                let dry = if state.dry_run { "dry run · " } else { "" };
                let title = if title.is_empty() { id.clone() } else { format!("{id}  {title}") };
                self.say(state, &self.paint.strong(&self.paint.edges(&title, &format!("{dry}{place}"))));
            }
            Event::Checked { phase: Phase::DoneWhen, name, verdict, elapsed } if !state.began => {
                let lines = self.checked(name, verdict, *elapsed);
                state.first_ask.extend(lines);
            }
            Event::Checked { name, verdict, elapsed, phase } => {
                state.began |= *phase != Phase::DoneWhen;
                self.say_all(state, self.checked(name, verdict, *elapsed));
            }
            Event::StepsDeclared { names } => state.steps.clone_from(names),
            Event::StepsReopened { because, .. } => self.say_all(state, self.marked(Mark::Warning, because)),
            Event::StepStarted { index, count, name } => {
                state.began = true;
                self.start_bar(state, *index, *count, name);
            }
            Event::StepEnded { name, ending, elapsed, .. } => {
                Self::stop_bar(state);
                self.step_ended(state, name, ending, *elapsed);
            }
            Event::ChangeUnchanged { verb, target } if self.verbosity == Verbosity::Verbose => {
                self.say(state, &self.paint.dim(&format!("    = {verb} {target}: unchanged")));
            }
            Event::ChangePlanned { verb, target, diff } => self.change(state, Mark::Changed, verb, target, diff),
            Event::ChangeIntent { verb, target, diff } if self.verbosity == Verbosity::Verbose => {
                self.change(state, Mark::Changed, verb, target, diff);
            }
            Event::ChangeIntent { verb, target, .. } => {
                if let Some(bar) = &state.bar {
                    bar.say(&self.clean(&format!("{verb} {target}")));
                }
            }
            Event::Progress { what, position, total, unit } => self.progress(state, what, *position, *total, unit),
            Event::Note { text } => self.say_all(state, self.marked(Mark::Plain, text)),
            Event::Committed { why } => self.say(state, &self.paint.dim(&format!("  ── no way back from here: {why}"))),
            Event::UndoStarted { step } => self.say(state, &self.paint.line(Mark::Changed, &format!("undo: {step}"), "", "")),
            Event::UndoEnded { step, error, elapsed } => match error {
                None => self.say(state, &self.paint.line(Mark::Yes, &format!("undone: {step}"), "", &show(*elapsed))),
                Some(error) => self.say_all(state, self.marked(Mark::No, &format!("could not undo {step}: {error}"))),
            },
            Event::ChangeUnchanged { .. } | Event::ChangeDone { .. } | Event::Remembered { .. } | Event::StateSet { .. } => {}
        }
    }
}

fn changed(changes: usize, dry_run: bool) -> String {
    match (changes, dry_run) {
        (0, _) => String::new(),
        (1, true) => "1 change".to_owned(),
        (n, true) => format!("{n} changes"),
        (n, false) => format!("{n} changed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_of_several_words_is_masked_before_its_line_is_broken_or_cut() {
        let redactor = Redactor::default();
        redactor.learn("correct horse battery staple");
        let talk = Talk::new(Paint { colour: false, width: 40 }, Verbosity::Normal, false, redactor);
        let text = "the login was tried with correct horse battery staple and refused";
        let shown = [talk.marked(Mark::Plain, text), talk.checked(text, &Verdict::False(text.into()), Duration::ZERO)].concat();
        assert!(shown.len() >= 4, "nothing was broken: {shown:?}");
        for part in ["correct", "horse", "battery", "staple"] {
            assert!(!shown.iter().any(|line| line.contains(part)), "{shown:?}");
        }
    }
}
