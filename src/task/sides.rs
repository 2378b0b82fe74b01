//! Both sides of a comparison that came out false. A closure `|| a == b` says no more than that, so its text is split at
//! the comparison, and each side is asked once more among the closure's own imports and captured values.

use super::closure::Closure;
use crate::script::value;
use rhai::{Dynamic, Engine, Position, Token};

/// The longest value that is shown.
const SHOWN: usize = 160;

/// What stands on both sides of a comparison.
#[derive(Debug, PartialEq, Eq)]
struct Split<'t> {
    left: &'t str,
    right: &'t str,
}

/// `left: …` and `right: …`, a literal left out; empty where the closure is no comparison or its sides cannot be asked.
pub fn shown(engine: &Engine, closure: &Closure, text: &str) -> Vec<String> {
    let (_, line) = closure.place();
    let Some(Split { left, right }) = line.and_then(|line| split(text, line)) else { return Vec::new() };
    let sides = [("left", left), ("right", right)].map(|(name, side)| closure.beside(engine, side).map(|value| (name, side, value)));
    let [Some(left), Some(right)] = sides else { return Vec::new() };
    [left, right].into_iter().filter(|(_, text, _)| !is_literal(text)).map(|(name, _, value)| format!("{name}: {}", said(&value))).collect()
}

fn said(value: &Dynamic) -> String {
    let text = if value.is_unit() { "nothing, `()`".to_owned() } else { value::plain(value).to_string() };
    if text.chars().count() <= SHOWN { text } else { text.chars().take(SHOWN).chain(['…']).collect() }
}

fn is_literal(text: &str) -> bool {
    text == "()" || serde_json::from_str::<serde_json::Value>(text).is_ok_and(|value| !value.is_array() && !value.is_object())
}

/// Splits the first closure that is written on this line or after it, if it is one comparison and nothing else.
fn split(text: &str, line: usize) -> Option<Split<'_>> {
    let from: usize = text.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
    let text = &text[from..];
    let engine = Engine::new_raw();
    let inputs = [text];
    let (tokens, _control) = engine.lex(&inputs);
    // The lexer says that it is at the end as often as it is asked.
    let mut tokens = tokens.take_while(|(token, _)| *token != Token::EOF).skip_while(|(token, _)| *token != Token::Or);
    let begin = at(text, tokens.next()?.1)? + 2;
    let (mut depth, mut comparison) = (0_usize, None);
    for (token, position) in tokens {
        match token {
            Token::LeftParen | Token::LeftBracket | Token::MapStart => depth += 1,
            Token::RightParen | Token::RightBracket | Token::RightBrace | Token::Comma if depth == 0 => {
                let (from, to): (usize, usize) = comparison?;
                return Some(Split { left: text[begin..from].trim(), right: text[to..at(text, position)?].trim() });
            }
            Token::RightParen | Token::RightBracket | Token::RightBrace => depth -= 1,
            // Rhai's parser has to help with these, or the closure is more than one expression.
            Token::InterpolatedString(_) | Token::LeftBrace | Token::SemiColon | Token::LexError(_) => return None,
            Token::And | Token::Or if depth == 0 => return None,
            Token::EqualsTo | Token::NotEqualsTo | Token::LessThanEqualsTo | Token::GreaterThanEqualsTo if depth == 0 => {
                let from = at(text, position)?;
                comparison.replace((from, from + 2)).is_none().then_some(())?;
            }
            Token::LessThan | Token::GreaterThan if depth == 0 => {
                let from = at(text, position)?;
                comparison.replace((from, from + 1)).is_none().then_some(())?;
            }
            _ => {}
        }
    }
    None
}

/// Where a position of Rhai's, in lines and characters, is among the bytes.
fn at(text: &str, position: Position) -> Option<usize> {
    let (line, column) = (position.line()?, position.position()?);
    let start: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
    text[start..].char_indices().nth(column.checked_sub(1)?).map(|(offset, _)| start + offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sides(line: &str) -> Vec<String> {
        let text = format!("//! é\nfn done_when(task) {{\n    {line}\n}}\n");
        split(&text, 3).iter().flat_map(|split| [split.left, split.right]).map(str::to_owned).collect()
    }

    #[test]
    fn a_comparison_is_split_where_it_compares() {
        assert_eq!(sides("task.check(\"é\", || kube::list(\"a/pod\").len() == 4);"), ["kube::list(\"a/pod\").len()", "4"]);
        assert_eq!(sides("task.check(\"x\", || f(a == b, [1, 2]) >= #{ a: 1 }.a);"), ["f(a == b, [1, 2])", "#{ a: 1 }.a"]);
        assert_eq!(sides("task.check(\"x\", ||\n  a.b\n  != (c)\n);"), ["a.b", "(c)"]);
        assert_eq!(sides("task.step(\"x\", #{ done: || a < \"==\", run: || b });"), ["a", "\"==\""]);
    }

    #[test]
    fn what_is_more_than_one_comparison_is_left_alone() {
        for line in ["task.check(\"x\", || a == b && c);", "task.check(\"x\", || { a == b });", "task.check(\"x\", || a);", "task.check("] {
            assert!(sides(line).is_empty(), "{line}");
        }
    }

    #[test]
    fn a_literal_says_nothing_new() {
        assert!(is_literal("4") && is_literal("\"a\"") && is_literal("()") && is_literal("true"));
        assert!(!is_literal("a.len()") && !is_literal("[1]"));
    }
}
