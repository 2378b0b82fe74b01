//! How one line looks: a mark, a text, a figure at the right edge. Pure text, so that it can be compared.

use unicode_width::UnicodeWidthStr;

/// Colour, or none. Colour never carries meaning alone: every mark has a sign of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paint {
    pub colour: bool,
    pub width: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Yes,
    No,
    Unknown,
    Skipped,
    Changed,
    Warning,
    Plain,
}

impl Mark {
    pub fn sign(self) -> &'static str {
        match self {
            Mark::Yes => "✓",
            Mark::No => "✗",
            Mark::Unknown => "?",
            Mark::Skipped => "-",
            Mark::Changed => "~",
            Mark::Warning => "!",
            Mark::Plain => "·",
        }
    }

    fn style(self) -> console::Style {
        let style = console::Style::new().force_styling(true);
        match self {
            Mark::Yes => style.green(),
            Mark::No => style.red().bold(),
            Mark::Unknown | Mark::Warning => style.yellow(),
            Mark::Changed => style.cyan(),
            Mark::Skipped | Mark::Plain => style.dim(),
        }
    }
}

impl Paint {
    /// `  ✓ back up                2 changed                     3.1s`
    pub fn line(self, mark: Mark, text: &str, middle: &str, right: &str) -> String {
        let sign = self.mark(mark);
        let text = text.replace(['\n', '\r', '\t'], " ");
        let room = self.width.saturating_sub(4 + right.width() + 1);
        let body = if middle.is_empty() { text } else { format!("{}  {middle}", pad(&text, 32)) };
        let body = if right.is_empty() { body } else { pad(&shorten(&body, room), room) };
        format!("  {sign} {body} {right}").trim_end().to_owned()
    }

    pub fn mark(self, mark: Mark) -> String {
        if self.colour { mark.style().apply_to(mark.sign()).to_string() } else { mark.sign().to_owned() }
    }

    pub fn dim(self, text: &str) -> String {
        if self.colour { console::Style::new().force_styling(true).dim().apply_to(text).to_string() } else { text.to_owned() }
    }

    pub fn strong(self, text: &str) -> String {
        if self.colour { console::Style::new().force_styling(true).bold().apply_to(text).to_string() } else { text.to_owned() }
    }

    /// Green for what comes, red for what goes.
    pub fn edit(self, coming: bool, text: &str) -> String {
        let style = console::Style::new().force_styling(true);
        let style = if coming { style.green() } else { style.red() };
        if self.colour { style.apply_to(text).to_string() } else { text.to_owned() }
    }

    /// A text under a line, broken at words where it is longer than the terminal is wide.
    pub fn wrapped(self, text: &str, indent: usize) -> Vec<String> {
        let indent = " ".repeat(indent);
        // Paths and names stay whole, so that they can be copied.
        let options = textwrap::Options::new(self.width.max(40)).break_words(false);
        let options = options.word_separator(textwrap::WordSeparator::AsciiSpace).word_splitter(textwrap::WordSplitter::NoHyphenation);
        let options = options.initial_indent(&indent).subsequent_indent(&indent);
        text.lines().flat_map(|line| textwrap::wrap(line, &options)).map(std::borrow::Cow::into_owned).collect()
    }

    /// Two texts at the two edges.
    pub fn edges(self, left: &str, right: &str) -> String {
        let room = self.width.saturating_sub(right.width() + 1);
        format!("{} {right}", pad(&shorten(left, room), room)).trim_end().to_owned()
    }
}

/// A text that cannot command a terminal: of what programs, pods and scripts said only colours stay, other control
/// characters are shown as what they are.
pub fn harmless(text: &str) -> String {
    let mut rest = text;
    let mut safe = String::with_capacity(text.len());
    while let Some(letter) = rest.chars().next() {
        let colour = colour_at(rest);
        let taken = if colour > 0 { colour } else { letter.len_utf8() };
        match letter {
            _ if colour > 0 => safe.push_str(&rest[..colour]),
            '\n' | '\t' => safe.push(letter),
            '\r' => {}
            // They change the order in which a line is read.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => safe.extend(letter.escape_unicode()),
            _ if letter.is_control() => safe.extend(letter.escape_unicode()),
            _ => safe.push(letter),
        }
        rest = &rest[taken..];
    }
    safe
}

/// How long the colour is that a text begins with: `ESC [ 1 ; 31 m`.
fn colour_at(text: &str) -> usize {
    let Some(inner) = text.strip_prefix("\u{1b}[") else { return 0 };
    match inner.find(|letter: char| !letter.is_ascii_digit() && letter != ';') {
        Some(end) if inner[end..].starts_with('m') => end + 3,
        _ => 0,
    }
}

pub fn pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

pub fn shorten(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    console::truncate_str(text, width, "…").into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Paint = Paint { colour: false, width: 60 };

    #[test]
    fn a_line_has_its_figure_at_the_right_edge() {
        let line = PLAIN.line(Mark::Yes, "back up", "2 changed", "3.1s");
        assert_eq!(line, "  ✓ back up                           2 changed         3.1s");
        assert_eq!(line.width(), 60);
    }

    #[test]
    fn a_long_text_is_cut_and_never_wraps() {
        let line = PLAIN.line(Mark::No, &"a long name ".repeat(9), "", "0.1s");
        assert_eq!(line.width(), 60);
        assert!(line.contains('…'));
    }

    #[test]
    fn a_text_cannot_command_the_terminal() {
        assert_eq!(harmless("a\u{1b}[2Jb\u{1b}]0;x\u{7}\r\n\tc"), "a\\u{1b}[2Jb\\u{1b}]0;x\\u{7}\n\tc");
        assert_eq!(harmless("\u{1b}[1;31mred\u{1b}[0m \u{202e}"), "\u{1b}[1;31mred\u{1b}[0m \\u{202e}");
        assert_eq!(harmless("日本語 ü"), "日本語 ü");
    }

    #[test]
    fn wide_characters_count_twice() {
        assert_eq!(PLAIN.line(Mark::Plain, "日本語", "", "1s").width(), 60);
    }
}
