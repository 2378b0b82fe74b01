//! The live part of a terminal: the step under way with its progress, and the steps to come below it. What stays on the
//! screen is `talk`'s business.

use super::line::{Mark, Paint, shorten};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;
use unicode_width::UnicodeWidthStr;

/// How many of the steps to come are shown.
const SHOWN: usize = 4;

/// Columns beside step and message: margin, spinner, blanks, a bar of ten, and `1234s left`.
const GAUGE: usize = 28;
const SPINNER: usize = 13;

/// The step under way, and which of how many it is.
pub struct Step {
    pub name: String,
    pub index: usize,
    pub count: usize,
}

pub struct Bar {
    bar: ProgressBar,
    paint: Paint,
    step: Step,
    /// The lines below it, as a part of its template.
    below: String,
}

impl Bar {
    /// Shows that a step is under way until [`Bar::clear`].
    pub fn start(paint: Paint, step: Step, to_come: &[String]) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let below = below(paint, to_come).iter().fold(String::new(), |below, line| below + "\n" + literal(line).as_str());
        let bar = Self { bar, paint, step, below };
        bar.say("");
        bar.bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }

    /// What it does now, of which nothing is known yet but the name.
    pub fn say(&self, text: &str) {
        self.bar.set_style(self.spinner());
        self.fill(text, SPINNER);
    }

    /// How far it is; a gauge where the whole is known.
    pub fn progress(&self, position: u64, total: Option<u64>, text: &str) {
        match total {
            Some(total) if total > 0 => {
                self.bar.set_style(self.gauge());
                self.bar.set_length(total);
                self.bar.set_position(position);
                self.fill(text, GAUGE);
            }
            _ => self.say(text),
        }
    }

    /// Step and message, no longer together than the line has room: a line that wraps cannot be redrawn.
    fn fill(&self, text: &str, beside: usize) {
        let (step, text) = fitted(&self.step, text, self.paint.width.saturating_sub(beside));
        self.bar.set_prefix(step);
        self.bar.set_message(text);
    }

    /// Prints above it.
    pub fn suspend(&self, print: impl FnOnce()) {
        self.bar.suspend(print);
    }

    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }

    fn spinner(&self) -> ProgressStyle {
        let template = self.template("{spinner} {prefix}  {wide_msg:.dim} {elapsed:>5}");
        ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_spinner())
    }

    fn gauge(&self) -> ProgressStyle {
        let template = self.template("{spinner} {prefix}  {msg:.dim} {wide_bar} {eta:>4} left");
        let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
        style.progress_chars("█▉▊▋▌▍▎▏ ")
    }

    fn template(&self, line: &str) -> String {
        let line = if self.paint.colour { line.to_owned() } else { line.replace(":.dim", "") };
        format!("  {line}{}", self.below)
    }
}

/// A step and what it says within this many columns: of a long message a part goes first, of a long name the end.
fn fitted(step: &Step, text: &str, room: usize) -> (String, String) {
    let place = format!(" ({}/{})", step.index, step.count);
    let for_name = room.saturating_sub(text.width().min(room / 2) + place.width());
    let step = shorten(&step.name, for_name) + place.as_str();
    let text = shorten(text, room.saturating_sub(step.width()));
    (step, text)
}

/// The next steps, and how many there are after them.
fn below(paint: Paint, to_come: &[String]) -> Vec<String> {
    let sign = |text: &str| paint.dim(&shorten(text, paint.width.saturating_sub(1)));
    let mut lines: Vec<String> = to_come.iter().take(SHOWN).map(|name| sign(&format!("  {} {name}", Mark::Plain.sign()))).collect();
    match to_come.len().saturating_sub(SHOWN) {
        0 => {}
        more => lines.push(sign(&format!("    … {more} more"))),
    }
    lines
}

/// A text as it stands in a template.
fn literal(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}")
}

/// `1.2/2.1 GiB`, `31/112 tables`
pub fn figure(position: u64, total: Option<u64>, unit: &str) -> String {
    let number = |value: u64| if unit == "bytes" { indicatif::BinaryBytes(value).to_string() } else { value.to_string() };
    let unit = if unit == "bytes" { String::new() } else { format!(" {unit}") };
    match total {
        Some(total) => format!("{}/{}{unit}", number(position), number(total)),
        None => format!("{}{unit}", number(position)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Paint = Paint { colour: false, width: 24 };

    #[test]
    fn the_next_steps_are_shown_and_the_others_counted() {
        let names: Vec<String> = (1..=6).map(|n| format!("step {n}")).collect();
        assert_eq!(below(PLAIN, &names), ["  · step 1", "  · step 2", "  · step 3", "  · step 4", "    … 2 more"]);
        assert_eq!(below(PLAIN, &names[5..]), ["  · step 6"]);
        assert_eq!(below(PLAIN, &["a very long name of a step".into()]), ["  · a very long name o…"]);
    }

    #[test]
    fn without_colour_nothing_is_dimmed() {
        let bar = |colour| Bar { bar: ProgressBar::hidden(), paint: Paint { colour, width: 24 }, step: step("s"), below: "\nnext".into() };
        let template = |colour| bar(colour).template("{spinner} {msg:.dim}");
        assert_eq!((template(true).as_str(), template(false).as_str()), ("  {spinner} {msg:.dim}\nnext", "  {spinner} {msg}\nnext"));
    }

    fn step(name: &str) -> Step {
        Step { name: name.into(), index: 3, count: 12 }
    }

    #[test]
    fn step_and_message_fit_into_the_line() {
        let (long, said) =
            ("back up database and volume, and prove the upload", "gitea/persistentvolumeclaim/gitea-shared-storage  1.2/2.1 GiB");
        assert_eq!(fitted(&step("stop Gitea"), "kube scale", 72), ("stop Gitea (3/12)".into(), "kube scale".into()));
        for room in [72, 52, 32] {
            let (step, text) = fitted(&step(long), said, room);
            assert!(step.width() + text.width() <= room && step.ends_with("… (3/12)") && !text.is_empty(), "{room}: {step}|{text}");
        }
        let (whole, text) = fitted(&step(long), "", 72);
        assert_eq!((whole, text), (format!("{long} (3/12)"), String::new()));
        fitted(&step(long), said, 0);
    }

    #[test]
    fn a_name_with_braces_is_no_template() {
        assert_eq!(literal("{msg}"), "{{msg}}");
        ProgressStyle::with_template(&format!("{{msg}}\n{}", literal("a {b} c"))).expect("a template");
    }

    #[test]
    fn figures_have_their_unit() {
        assert_eq!(figure(31, Some(112), "tables"), "31/112 tables");
        assert_eq!(figure(1 << 20, None, "bytes"), "1.00 MiB");
    }
}
