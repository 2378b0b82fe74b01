//! How a report looks: code, message, underlined source, then one line per thing worth knowing. What it says is
//! decided by whoever fills it in.

use crate::engine::place::Spot;
use crate::secret::Redactor;
use console::Style as Paint;
use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, Severity, SourceCode};
use std::fmt::{self, Display, Write};
use std::sync::Arc;
use unicode_width::UnicodeWidthStr;

/// How to draw.
#[derive(Clone)]
pub struct Style {
    pub colour: bool,
    pub width: usize,
    /// Masks what nobody may see before lines are broken.
    pub redactor: Redactor,
}

impl Style {
    /// Without colour, 80 columns wide: what a file or a test gets.
    pub fn plain() -> Self {
        Self { colour: false, width: 80, redactor: Redactor::default() }
    }
}

/// A piece of source with something underlined.
pub struct Snippet {
    pub name: String,
    pub text: Arc<str>,
    pub marks: Vec<Mark>,
}

pub struct Mark {
    pub spot: Spot,
    pub label: Option<String>,
}

/// A report before it is drawn.
pub struct Sheet {
    pub code: String,
    pub severity: Severity,
    pub message: String,
    pub snippets: Vec<Snippet>,
    /// `cause`, `help` … and what is said under them.
    pub lines: Vec<(&'static str, String)>,
}

impl Sheet {
    pub fn draw(&self, style: &Style) -> String {
        let (sign, paint) = match self.severity {
            Severity::Error => ("×", Paint::new().red().bold()),
            Severity::Warning => ("⚠", Paint::new().yellow().bold()),
            Severity::Advice => ("☞", Paint::new().cyan()),
        };
        let paint = paint.force_styling(style.colour);
        let message = fold(&style.redactor.redact(&self.message), style.width, 4);
        let mut drawn = format!("{}\n\n  {} {message}\n", paint.apply_to(&self.code), paint.apply_to(sign));
        for snippet in &self.snippets {
            drawn.push_str(&snippet.draw(style));
        }
        let word = Paint::new().cyan().force_styling(style.colour);
        for (name, text) in &self.lines {
            let text = fold(&style.redactor.redact(text), style.width, 4 + name.len());
            let _ = writeln!(drawn, "  {}: {text}", word.apply_to(name));
        }
        drawn
    }
}

impl Snippet {
    /// The frame that miette draws, without the heading that it puts above it.
    fn draw(&self, style: &Style) -> String {
        let theme = if style.colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_width(style.width)
            .with_context_lines(1)
            .with_links(false)
            .without_cause_chain()
            .without_syntax_highlighting();
        let mut drawn = String::new();
        let shown = Shown { text: NamedSource::new(&self.name, self.text.clone()), marks: &self.marks };
        if handler.render_report(&mut drawn, &shown).is_err() {
            return format!("   at {}\n", self.name);
        }
        let frame = drawn.lines().skip_while(|line| !line.contains('╭'));
        frame.map(|line| format!("{}\n", line.trim_end())).filter(|line| line.trim() != "").collect()
    }
}

struct Shown<'s> {
    text: NamedSource<Arc<str>>,
    marks: &'s [Mark],
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("snippet")
    }
}

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("snippet")
    }
}

impl std::error::Error for Shown<'_> {}

impl Diagnostic for Shown<'_> {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.text)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let first = self.marks.iter().enumerate().map(|(index, mark)| {
            let (label, spot) = (mark.label.clone(), (mark.spot.start, mark.spot.length));
            if index == 0 { LabeledSpan::new_primary_with_span(label, spot) } else { LabeledSpan::new_with_span(label, spot) }
        });
        Some(Box::new(first))
    }
}

/// Breaks a text at blanks so that it fits; every line but the first begins after `indent` blanks. Lines that are
/// broken already stay so.
pub fn fold(text: &str, width: usize, indent: usize) -> String {
    let room = width.saturating_sub(indent).max(20);
    let mut lines = Vec::new();
    for line in text.trim_end().lines() {
        let lead = &line[..line.len() - line.trim_start().len()];
        let mut current = lead.to_owned();
        for word in line.split_whitespace() {
            let begun = current.trim() != "";
            if begun && current.width() + 1 + word.width() > room {
                lines.push(std::mem::replace(&mut current, lead.to_owned()));
            } else if begun {
                current.push(' ');
            }
            current.push_str(word);
        }
        lines.push(current);
    }
    lines.join(&format!("\n{}", " ".repeat(indent)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_broken_at_blanks_and_short_ones_kept() {
        assert_eq!(fold("aaaa bbbb cccc dddd eeee ffff\n  x y", 24, 4), "aaaa bbbb cccc dddd\n    eeee ffff\n      x y");
        assert_eq!(fold("a_very_long_word_that_nobody_breaks", 24, 4), "a_very_long_word_that_nobody_breaks");
        assert_eq!(fold("", 80, 4), "");
    }
}
