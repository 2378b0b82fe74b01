//! The live part of a terminal: the step under way with its progress, and the steps to come below it. What stays on the
//! screen is `talk`'s business.

use super::line::{Mark, Paint, shorten};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// How many of the steps to come are shown.
const SHOWN: usize = 4;

pub struct Bar {
    bar: ProgressBar,
    colour: bool,
    /// The lines below it, as a part of its template.
    below: String,
}

impl Bar {
    /// Shows that a step is under way until [`Bar::clear`].
    pub fn start(paint: Paint, step: &str, to_come: &[String]) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let below = below(paint, to_come).iter().fold(String::new(), |below, line| below + "\n" + literal(line).as_str());
        let bar = Self { bar, colour: paint.colour, below };
        bar.bar.set_style(bar.spinner());
        bar.bar.set_prefix(step.to_owned());
        bar.bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }

    pub fn say(&self, text: &str) {
        self.bar.set_message(text.to_owned());
    }

    /// How far it is; a gauge where the whole is known.
    pub fn progress(&self, position: u64, total: Option<u64>, text: &str) {
        match total {
            Some(total) if total > 0 => {
                self.bar.set_style(self.gauge());
                self.bar.set_length(total);
                self.bar.set_position(position);
            }
            _ => self.bar.set_style(self.spinner()),
        }
        self.say(text);
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
        let line = if self.colour { line.to_owned() } else { line.replace(":.dim", "") };
        format!("  {line}{}", self.below)
    }
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
        let template = |colour| Bar { bar: ProgressBar::hidden(), colour, below: "\nnext".into() }.template("{spinner} {msg:.dim}");
        assert_eq!((template(true).as_str(), template(false).as_str()), ("  {spinner} {msg:.dim}\nnext", "  {spinner} {msg}\nnext"));
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
