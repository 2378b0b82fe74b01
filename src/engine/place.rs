//! Rhai's positions (line and column, no length) as the stretch of text a reader sees underlined.

use rhai::Position;

/// A stretch of a text, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    pub start: usize,
    pub length: usize,
}

/// `scripts/t02.rhai:41:24`; only the name where the position is unknown.
pub fn show(source: &str, position: Position) -> String {
    match (position.line(), position.position()) {
        (Some(line), Some(column)) => format!("{source}:{line}:{column}"),
        (Some(line), None) => format!("{source}:{line}"),
        _ => source.to_owned(),
    }
}

/// The word, string or symbol that begins at `position`. A path (`helm::upgrade`) is taken whole, although Rhai
/// points at its last name.
pub fn spot(text: &str, position: Position) -> Option<Spot> {
    let line = position.line()?;
    let offset = offset_of_line(text, line)?;
    let content = text[offset..].lines().next().unwrap_or_default();
    let Some(column) = position.position() else {
        let indent = content.len() - content.trim_start().len();
        return Some(Spot { start: offset + indent, length: content.trim().len().max(1) });
    };
    let begin = content.char_indices().nth(column - 1).map_or(content.len(), |(at, _)| at);
    let length = token_length(&content[begin..]);
    let start = path_start(content, begin);
    Some(Spot { start: offset + start, length: begin + length - start })
}

/// Where the word at `position` begins: for `helm::upgrade` at `helm`.
pub fn start(text: &str, position: Position) -> Position {
    let (Some(line), Some(_), Some(spot)) = (position.line(), position.position(), spot(text, position)) else { return position };
    let column = text[..spot.start].rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    match (u16::try_from(line), u16::try_from(column)) {
        (Ok(line), Ok(column)) => Position::new(line, column),
        _ => position,
    }
}

/// Where a function's name stands, given where its body begins.
pub fn of_function(text: &str, name: &str, body: Position) -> Position {
    let find = || {
        let offset = offset_of_line(text, body.line()?)?;
        let line = text[offset..].lines().next().unwrap_or_default();
        let column = line.char_indices().nth(body.position()?.saturating_sub(1)).map_or(line.len(), |(at, _)| at);
        let at = text[..offset + column].rfind(name)?;
        let before = &text[..at];
        let line = u16::try_from(before.matches('\n').count() + 1).ok()?;
        let column = u16::try_from(before.rsplit('\n').next().unwrap_or_default().chars().count() + 1).ok()?;
        Some(Position::new(line, column))
    };
    find().unwrap_or(body)
}

fn offset_of_line(text: &str, line: usize) -> Option<usize> {
    if line == 1 {
        return Some(0);
    }
    text.match_indices('\n').nth(line - 2).map(|(at, _)| at + 1)
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// How long the token at the start of `text` is.
fn token_length(text: &str) -> usize {
    let mut characters = text.char_indices();
    match characters.next() {
        None => 0,
        Some((_, first)) if is_word(first) => text.find(|character| !is_word(character)).unwrap_or(text.len()),
        Some((_, quote @ ('"' | '`' | '\''))) => quoted_length(text, quote),
        Some((_, first)) => {
            const LONG: [&str; 22] = [
                "<<=", ">>=", "..=", "**=", "#{", "::", "==", "!=", "<=", ">=", "&&", "||", "??", "?.", "?[", "+=", "-=", "*=", "/=", "%=",
                "=>", "..",
            ];
            LONG.iter().find(|symbol| text.starts_with(**symbol)).map_or(first.len_utf8(), |symbol| symbol.len())
        }
    }
}

fn quoted_length(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            found if found == quote => return at + found.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// Where the path that ends at `begin` starts: `helm::` before `upgrade`.
fn path_start(line: &str, begin: usize) -> usize {
    let mut start = begin;
    while let Some(before) = line[..start].strip_suffix("::") {
        let name = before.trim_end_matches(is_word);
        if name.len() == before.len() {
            break;
        }
        start = name.len();
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    fn underlined(text: &str, line: u16, column: u16) -> &str {
        let spot = spot(text, Position::new(line, column)).unwrap();
        &text[spot.start..spot.start + spot.length]
    }

    #[test]
    fn a_path_is_underlined_whole() {
        assert_eq!(underlined("  run: || helm::upgrade(x)", 1, 17), "helm::upgrade");
        assert_eq!(underlined("a.b", 1, 3), "b");
    }

    #[test]
    fn strings_symbols_and_unicode_are_measured() {
        assert_eq!(underlined("let a = \"ü\\\"x\";\nlet b", 1, 9), "\"ü\\\"x\"");
        assert_eq!(underlined("a\nü == b", 2, 3), "==");
        assert_eq!(underlined("a\n\nlet größe = 1", 3, 5), "größe");
    }

    #[test]
    fn a_place_at_the_end_of_a_line_is_no_panic() {
        assert_eq!(underlined("ab", 1, 3), "");
        assert_eq!(spot("ab", Position::new(9, 1)), None);
        assert_eq!(spot("ab", Position::NONE), None);
    }
}
