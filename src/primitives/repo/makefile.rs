//! A target of a Makefile, edited as make reads it: replaced where it is, added beside its kin where it is not, and
//! declared phony. Nothing else of the file is altered.

use serde::Deserialize;

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
}

/// The Makefile with this target in it.
pub fn with_target(text: &str, name: &str, target: &Target) -> Result<String, Refusal> {
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let rules = rules(&lines);
    let own: Vec<&Rule> = rules.iter().filter(|rule| rule.names.iter().any(|one| one == name)).collect();
    match own.as_slice() {
        [] => add(&mut lines, &rules, name, target),
        [rule] if rule.names.len() > 1 => return Err(Refusal::Shared(rule.names.join(" "))),
        [rule] => drop(lines.splice(rule.first..rule.end, target.lines(name))),
        _ => return Err(Refusal::Twice),
    }
    declare_phony(&mut lines, name);
    let mut made = lines.join(end);
    if text.ends_with('\n') || text.is_empty() {
        made.push_str(end);
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
    end: usize,
}

fn rules(lines: &[String]) -> Vec<Rule> {
    let (mut found, mut at, mut defines) = (Vec::new(), 0, 0_usize);
    while at < lines.len() {
        let line = lines[at].trim_end();
        let header_end = logical_end(lines, at);
        match line.split_whitespace().next() {
            Some("define") => defines += 1,
            Some("endef") => defines = defines.saturating_sub(1),
            _ => {}
        }
        let names = if defines == 0 { targets(line) } else { None };
        let Some(names) = names else {
            at = header_end;
            continue;
        };
        let end = recipe_end(lines, header_end);
        found.push(Rule { names, first: at, end });
        at = end;
    }
    found
}

/// The targets that a line begins a rule for; nothing for assignments, directives, special targets.
fn targets(line: &str) -> Option<Vec<String>> {
    if line.starts_with(['\t', ' ', '#', '.']) || line.is_empty() {
        return None;
    }
    let (names, rest) = line.split_once(':')?;
    if names.contains(['=', '$', '%', '#']) || rest.starts_with('=') || rest.starts_with(":=") {
        return None;
    }
    let rest = rest.trim_start_matches(':').split('#').next().unwrap_or_default();
    // `name: VARIABLE = value` sets a variable for a target.
    let sets_variable = rest.split(';').next().is_some_and(|needs| needs.contains('='));
    (!sets_variable).then(|| names.split_whitespace().map(str::to_owned).collect())
}

/// Where a line ends that goes on after a backslash.
fn logical_end(lines: &[String], first: usize) -> usize {
    let goes_on = |at: &usize| lines.get(*at).is_some_and(|line| line.ends_with('\\'));
    let mut at = first;
    while goes_on(&at) {
        at += 1;
    }
    (at + 1).min(lines.len())
}

/// A recipe goes on over blank lines, comments and whole conditions as long as another of its lines follows.
fn recipe_end(lines: &[String], first: usize) -> usize {
    let (mut end, mut at, mut open) = (first, first, 0_usize);
    while at < lines.len() {
        let line = &lines[at];
        match line.split_whitespace().next() {
            _ if line.starts_with('\t') => {
                at = logical_end(lines, at);
                end = at;
                continue;
            }
            None => {}
            Some("ifeq" | "ifneq" | "ifdef" | "ifndef") => open += 1,
            Some("else") if open > 0 => {}
            Some("endif") if open > 0 => {
                open -= 1;
                end = if open == 0 { at + 1 } else { end };
            }
            Some(word) if word.starts_with('#') => {}
            Some(_) => break,
        }
        at += 1;
    }
    end
}

/// Beside the last target with the same first word, else at the end.
fn add(lines: &mut Vec<String>, rules: &[Rule], name: &str, target: &Target) {
    let family = name.split('-').next().unwrap_or(name);
    let kin = rules.iter().rev().find(|rule| rule.names.iter().any(|one| one.split('-').next() == Some(family)));
    let mut new = target.lines(name);
    let at = match kin {
        Some(rule) => rule.end,
        None => lines.iter().rposition(|line| !line.trim().is_empty()).map_or(0, |last| last + 1),
    };
    if at > 0 {
        new.insert(0, String::new());
    }
    lines.splice(at..at, new);
}

fn declare_phony(lines: &mut Vec<String>, name: &str) {
    let declared = |at: usize, lines: &[String]| {
        lines[at..logical_end(lines, at)].iter().flat_map(|line| uncommented(line).split_whitespace()).any(|word| word == name)
    };
    let phony: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].starts_with(".PHONY:")).collect();
    if phony.iter().any(|at| declared(*at, lines)) {
        return;
    }
    if let Some(at) = phony.first() {
        let last = logical_end(lines, *at) - 1;
        let (names, comment) = lines[last].split_at(uncommented(&lines[last]).len());
        let gap = if comment.is_empty() { "" } else { " " };
        lines[last] = format!("{} {name}{gap}{comment}", names.trim_end());
    } else {
        let at = rules(lines).iter().find(|rule| rule.names.iter().any(|one| one == name)).map_or(0, |rule| rule.first);
        lines.splice(at..at, [format!(".PHONY: {name}"), String::new()]);
    }
}

fn uncommented(line: &str) -> &str {
    line.split('#').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAKEFILE: &str = "# S2\n-include local.mk\nA := b:c\nX ?= 1\nsmoke: X = 2\n\n.PHONY: help smoke \\\n  old-deploy\n\nhelp: ## Show\n\t@grep x\n\nold-deploy: help ## Old\n\tone; \\\n  two\n\n# between\n\tthree\n\nlast:\n\t@true\n";

    fn target(recipe: &str) -> Target {
        Target { help: "New".into(), needs: vec![], recipe: vec![recipe.into()] }
    }

    #[test]
    fn a_condition_in_a_recipe_goes_with_it_and_a_comment_behind_phony_stays_one() {
        let text = ".PHONY: a # all of them\n\na:\n\tone\nifdef X\n\ttwo\nendif\n\nb:\n\tthree\n";
        let changed = with_target(text, "a", &target("new")).unwrap();
        assert_eq!(changed, ".PHONY: a # all of them\n\na: ## New\n\tnew\n\nb:\n\tthree\n");
        let added = with_target(text, "c", &target("new")).unwrap();
        assert!(added.starts_with(".PHONY: a c # all of them\n"), "{added}");
        assert_eq!(with_target(&added, "c", &target("new")).unwrap(), added);
    }

    #[test]
    fn an_existing_target_is_replaced_where_it_is_and_nothing_else() {
        let made = with_target(MAKEFILE, "old-deploy", &target("new")).unwrap();
        assert_eq!(
            made,
            MAKEFILE.replace("old-deploy: help ## Old\n\tone; \\\n  two\n\n# between\n\tthree\n", "old-deploy: ## New\n\tnew\n")
        );
        assert_eq!(with_target(&made, "old-deploy", &target("new")).unwrap(), made);
    }

    #[test]
    fn a_missing_target_is_added_beside_its_kin_and_declared_phony() {
        let made = with_target(MAKEFILE, "old-status", &target("s")).unwrap();
        let wanted =
            MAKEFILE.replace("  old-deploy\n", "  old-deploy old-status\n").replace("\tthree\n", "\tthree\n\nold-status: ## New\n\ts\n");
        assert_eq!(made, wanted);
        assert_eq!(with_target(&made, "old-status", &target("s")).unwrap(), made);
    }

    #[test]
    fn without_kin_it_goes_to_the_end_and_without_phony_one_is_made() {
        assert_eq!(with_target("a:\n\tb\n", "new", &target("n")).unwrap(), "a:\n\tb\n\n.PHONY: new\n\nnew: ## New\n\tn\n");
        assert_eq!(with_target("", "new", &target("n")).unwrap(), ".PHONY: new\n\nnew: ## New\n\tn\n");
    }

    #[test]
    fn what_make_would_not_read_as_one_rule_is_refused() {
        assert_eq!(with_target("a b:\n\tx\n", "a", &target("n")), Err(Refusal::Shared("a b".into())));
        assert_eq!(with_target("a:\n\tx\na:\n\ty\n", "a", &target("n")), Err(Refusal::Twice));
    }

    #[test]
    fn a_variable_and_a_definition_are_no_target() {
        let text = "define a\na:\n\tx\nendef\nb: a = 1\na := x\n";
        assert!(with_target(text, "a", &target("n")).unwrap().starts_with(text));
    }
}
