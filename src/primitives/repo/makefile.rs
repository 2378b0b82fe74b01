//! A target of a Makefile, edited as make reads it: replaced where it is, added beside its kin where it is not, and
//! declared phony. Nothing else of the file is altered.

use serde::Deserialize;
use std::fmt::{self, Display};

/// A target as it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Target {
    /// What `make help` says of it.
    pub help: String,
    /// What it needs made first.
    pub needs: Vec<String>,
    /// Its lines, without the tab.
    pub recipe: Vec<String>,
}

/// Why a target cannot be edited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// One rule makes several targets.
    Shared(String),
    /// Several rules have a recipe for it.
    Twice,
    /// It is a double-colon rule: several of them may make it.
    DoubleColon,
    /// It stands inside a condition: what it is depends on variables.
    Conditional,
    /// A condition begins in its recipe and ends beyond it.
    CutThrough,
    /// Recipes of this file do not begin with a tab.
    OtherPrefix,
}

impl Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Shared(names) => write!(f, "one rule makes `{names}`"),
            Refusal::Twice => f.write_str("several rules make it"),
            Refusal::DoubleColon => f.write_str("its rule has two colons, so that others may add to it"),
            Refusal::Conditional => f.write_str("its rule stands inside a condition"),
            Refusal::CutThrough => f.write_str("a condition begins in its recipe and ends beyond it"),
            Refusal::OtherPrefix => f.write_str("the file sets `.RECIPEPREFIX`"),
        }
    }
}

/// The Makefile with this target in it. Every other line keeps its bytes.
pub fn with_target(text: &str, name: &str, target: &Target) -> Result<String, Refusal> {
    let carriage = text.split_inclusive('\n').next().is_some_and(|line| line.ends_with("\r\n"));
    let mut lines: Vec<String> = text.strip_suffix('\n').unwrap_or(text).split('\n').map(str::to_owned).collect();
    if text.is_empty() {
        lines.clear();
    }
    let seen = Seen::of(&lines);
    if seen.other_prefix {
        return Err(Refusal::OtherPrefix);
    }
    let new: Vec<String> = target.lines(name).into_iter().map(|line| if carriage { line + "\r" } else { line }).collect();
    let own: Vec<&Rule> = seen.rules.iter().filter(|rule| rule.names.iter().any(|one| one == name)).collect();
    match own.as_slice() {
        [] => add(&mut lines, &seen.rules, name, new, if carriage { "\r" } else { "" }),
        [rule] if rule.names.len() > 1 => return Err(Refusal::Shared(rule.names.join(" "))),
        [rule] if rule.double => return Err(Refusal::DoubleColon),
        [rule] if rule.conditional => return Err(Refusal::Conditional),
        [rule] => drop(lines.splice(rule.first..rule.end.ok_or(Refusal::CutThrough)?, new)),
        _ => return Err(Refusal::Twice),
    }
    declare_phony(&mut lines, name, if carriage { "\r" } else { "" });
    let mut made = lines.join("\n");
    if text.ends_with('\n') || text.is_empty() {
        made.push('\n');
    }
    Ok(made)
}

impl Target {
    fn lines(&self, name: &str) -> Vec<String> {
        let needs: String = self.needs.iter().flat_map(|one| [" ", one]).collect();
        let help = if self.help.is_empty() { String::new() } else { format!(" ## {}", self.help) };
        let recipe = self.recipe.iter().map(|line| format!("\t{line}"));
        std::iter::once(format!("{name}:{needs}{help}")).chain(recipe).collect()
    }
}

/// A rule with a recipe, or with nothing but its targets: where it begins and ends, in lines.
struct Rule {
    names: Vec<String>,
    first: usize,
    /// `None` where a condition begins in the recipe and ends beyond it.
    end: Option<usize>,
    conditional: bool,
    double: bool,
}

/// What make would see in a file.
#[derive(Default)]
struct Seen {
    rules: Vec<Rule>,
    /// The first lines of `.PHONY` that hold in any case.
    phony: Vec<usize>,
    other_prefix: bool,
}

impl Seen {
    fn of(lines: &[String]) -> Self {
        let (mut seen, mut at, mut defines, mut conditions) = (Self::default(), 0, 0_usize, 0_usize);
        while at < lines.len() {
            let header_end = logical_end(lines, at);
            let line = joined(&lines[at..header_end]);
            let mut words = line.split_whitespace().skip_while(|word| ["export", "unexport", "override", "private"].contains(word));
            match words.next() {
                Some("define") if !line.starts_with('\t') && !words.next().is_none_or(|word| word.starts_with(['=', ':'])) => defines += 1,
                Some("endef") => defines = defines.saturating_sub(1),
                _ if defines > 0 => {}
                Some("ifeq" | "ifneq" | "ifdef" | "ifndef") => conditions += 1,
                Some("endif") => conditions = conditions.saturating_sub(1),
                Some(word) if word.starts_with(".RECIPEPREFIX") => seen.other_prefix = true,
                Some(word) if conditions == 0 && word.starts_with(".PHONY") && is_phony(&line) => seen.phony.push(at),
                _ => {}
            }
            let header = if defines == 0 { targets(&line) } else { None };
            let Some((names, double)) = header else {
                at = header_end;
                continue;
            };
            let end = recipe_end(lines, header_end);
            seen.rules.push(Rule { names, first: at, end, conditional: conditions > 0, double });
            at = end.unwrap_or(header_end);
        }
        seen
    }
}

fn is_phony(line: &str) -> bool {
    line.trim_start().strip_prefix(".PHONY").is_some_and(|rest| rest.trim_start().starts_with(':'))
}

/// A line with those that it goes on in.
fn joined(lines: &[String]) -> String {
    lines.iter().map(|line| line.trim_end().trim_end_matches('\\')).collect::<Vec<_>>().join(" ")
}

/// The targets that a line begins a rule for, and whether it has two colons; nothing for assignments, directives, special targets.
fn targets(line: &str) -> Option<(Vec<String>, bool)> {
    let line = if line.starts_with('\t') { return None } else { line.trim() };
    if line.starts_with(['#', '.']) || line.is_empty() {
        return None;
    }
    let (names, rest) = line.split_once(':')?;
    if names.contains(['=', '$', '%', '#']) || rest.starts_with('=') || rest.starts_with(":=") || rest.starts_with("::=") {
        return None;
    }
    let needs = rest.trim_start_matches(':').split('#').next().unwrap_or_default();
    let names = names.split_whitespace().map(str::to_owned).collect();
    (!sets_variable(needs)).then(|| (names, rest.starts_with(':')))
}

/// `name: VARIABLE = value` sets a variable for a target; `name: $(if $(A),b=c)` does not.
fn sets_variable(needs: &str) -> bool {
    let Some((before, _)) = needs.split(';').next().and_then(|needs| needs.split_once('=')) else { return false };
    let words: Vec<&str> = before.trim_end_matches([':', '+', '?', '!']).split_whitespace().collect();
    let plain = words.last().is_some_and(|name| !name.contains('$'));
    plain && words.iter().rev().skip(1).all(|word| ["export", "unexport", "override", "private"].contains(word))
}

/// Where a line ends that goes on after a backslash.
fn logical_end(lines: &[String], first: usize) -> usize {
    let goes_on = |at: &usize| {
        lines.get(*at).is_some_and(|line| {
            let line = line.trim_end_matches('\r');
            (line.len() - line.trim_end_matches('\\').len()) % 2 == 1
        })
    };
    let mut at = first;
    while goes_on(&at) {
        at += 1;
    }
    (at + 1).min(lines.len())
}

/// A recipe goes on over blank lines, comments and whole conditions as long as another of its lines follows.
fn recipe_end(lines: &[String], first: usize) -> Option<usize> {
    let (mut end, mut at, mut open, mut own) = (first, first, 0_usize, false);
    while at < lines.len() {
        let line = &lines[at];
        match line.split_whitespace().next() {
            _ if line.starts_with('\t') => {
                at = logical_end(lines, at);
                // What stands in a condition is its recipe's only if the condition ends in it too.
                own |= open > 0;
                end = if open == 0 { at } else { end };
                continue;
            }
            None => {}
            Some("ifeq" | "ifneq" | "ifdef" | "ifndef") => open += 1,
            Some("else") if open > 0 => {}
            Some("endif") if open > 0 => {
                open -= 1;
                end = if open == 0 && own { at + 1 } else { end };
            }
            Some(word) if word.starts_with('#') => {
                at = logical_end(lines, at);
                continue;
            }
            Some(_) => break,
        }
        at += 1;
    }
    (open == 0 || !own).then_some(end)
}

/// Beside the last target with the same first word, else at the end; in no condition.
fn add(lines: &mut Vec<String>, rules: &[Rule], name: &str, mut new: Vec<String>, carriage: &str) {
    let family = name.split('-').next().unwrap_or(name);
    let is_kin = |rule: &&Rule| !rule.conditional && rule.names.iter().any(|one| one.split('-').next() == Some(family));
    let at = match rules.iter().rev().filter(is_kin).find_map(|rule| rule.end) {
        Some(end) => end,
        None => lines.iter().rposition(|line| !line.trim().is_empty()).map_or(0, |last| last + 1),
    };
    if at > 0 {
        new.insert(0, carriage.to_owned());
    }
    lines.splice(at..at, new);
}

fn declare_phony(lines: &mut Vec<String>, name: &str, carriage: &str) {
    let seen = Seen::of(lines);
    let declared = |at: &usize| {
        joined(&lines[*at..logical_end(lines, *at)]).split('#').next().unwrap_or_default().split_whitespace().any(|word| word == name)
    };
    if seen.phony.iter().any(declared) {
        return;
    }
    if let Some(at) = seen.phony.first() {
        // A comment ends what counts, also where it goes on in the next line.
        let end = logical_end(lines, *at);
        let last = (*at..end).find(|at| lines[*at].contains('#')).unwrap_or(end - 1);
        let (line, end) = match lines[last].strip_suffix('\r') {
            Some(line) => (line, "\r"),
            None => (lines[last].as_str(), ""),
        };
        let (names, comment) = line.split_at(line.find('#').unwrap_or(line.len()));
        let gap = if comment.is_empty() { "" } else { " " };
        lines[last] = format!("{} {name}{gap}{comment}{end}", names.trim_end());
    } else {
        let at = seen.rules.iter().find(|rule| rule.names.iter().any(|one| one == name)).map_or(0, |rule| rule.first);
        lines.splice(at..at, [format!(".PHONY: {name}{carriage}"), carriage.to_owned()]);
    }
}

#[cfg(test)]
mod tests;
