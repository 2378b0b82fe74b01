//! How a difference looks under its change: `+` comes, `-` goes, `~` becomes.

use super::line::Paint;
use crate::effect::{Diff, Edit};

/// So many lines of one difference are shown unless everything was asked for.
const SHOWN: usize = 40;

pub fn lines(paint: Paint, diff: &Diff, all: bool) -> Vec<String> {
    let mut lines: Vec<String> = diff.edits.iter().flat_map(|edit| edit_lines(paint, edit)).collect();
    if !all && lines.len() > SHOWN {
        let more = lines.len() - SHOWN;
        lines.truncate(SHOWN);
        lines.push(paint.dim(&format!("… {more} more lines (`--verbose` shows them)")));
    }
    lines
}

fn edit_lines(paint: Paint, edit: &Edit) -> Vec<String> {
    match edit {
        Edit::Field { path, from: None, to: Some(to), .. } => vec![paint.edit(true, &format!("+ {path}: {to}"))],
        Edit::Field { path, from: Some(from), to: None, .. } => vec![paint.edit(false, &format!("- {path}: {from}"))],
        Edit::Field { path, from, to, .. } => {
            let show = |value: &Option<String>| value.clone().unwrap_or_default();
            vec![format!("~ {path}: {} → {}", paint.edit(false, &show(from)), paint.edit(true, &show(to)))]
        }
        Edit::Text { name, unified } => {
            let mut lines = vec![paint.strong(name)];
            lines.extend(unified.lines().filter(|line| !line.starts_with("---") && !line.starts_with("+++")).map(|line| {
                match line.chars().next() {
                    Some('+') => paint.edit(true, line),
                    Some('-') => paint.edit(false, line),
                    _ => paint.dim(line),
                }
            }));
            lines
        }
        Edit::Note(text) | Edit::Aside(text) => text.lines().map(str::to_owned).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_edit_has_its_sign() {
        let diff = Diff::new()
            .field("replicas", Some("1".into()), Some("3".into()))
            .field("new", None, Some("x".into()))
            .field("old", Some("y".into()), None)
            .secret("password", true)
            .text("values.yaml", "a: 1\n", "a: 2\n")
            .note("pods restart");
        let lines = lines(Paint { colour: false, width: 80 }, &diff, true);
        assert_eq!(
            lines,
            [
                "~ replicas: 1 → 3",
                "+ new: x",
                "- old: y",
                "~ password: [secret] → (secret changed)",
                "values.yaml",
                "@@ -1 +1 @@",
                "-a: 1",
                "+a: 2",
                "pods restart"
            ]
        );
    }

    #[test]
    fn a_long_difference_is_cut_and_says_so() {
        let diff = (0..60).fold(Diff::new(), |diff, number| diff.note(number.to_string()));
        let lines = lines(Paint { colour: false, width: 80 }, &diff, false);
        assert_eq!((lines.len(), lines[40].as_str()), (41, "… 20 more lines (`--verbose` shows them)"));
    }
}
