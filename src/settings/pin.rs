//! Writes into `railrun.yaml` which cluster and which databases an environment means, and leaves every other line as it is.

use super::{FILE, Settings, SettingsError};
use std::collections::BTreeMap;

/// What an environment is pinned to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pins {
    pub cluster_uid: String,
    /// `system_identifier` by StatefulSet.
    pub system_identifiers: BTreeMap<String, String>,
}

/// The file's text with these pins in place of those it had.
pub fn pin(text: &str, environment: &str, pins: &Pins) -> Result<String, SettingsError> {
    let cannot = || SettingsError::Invalid {
        file: FILE.into(),
        reason: format!("the environment `{environment}` is not written as lines of its own, so nothing can be put into it"),
    };
    let lines: Vec<&str> = text.lines().collect();
    let head = head(&lines, environment).ok_or_else(cannot)?;
    let own = indent(lines[head]);
    let inside = lines[head + 1..].iter().take_while(|line| is_blank(line) || indent(line) > own).count();
    let body = &lines[head + 1..head + 1 + inside];
    let depth = body.iter().find(|line| !is_blank(line)).map_or(own + 2, |line| indent(line));
    let mut written: Vec<String> = lines[..=head].iter().map(|line| (*line).to_owned()).collect();
    written.extend(pinned(pins, depth));
    written.extend(without(body, depth).iter().map(|line| (*line).to_owned()));
    written.extend(lines[head + 1 + inside..].iter().map(|line| (*line).to_owned()));
    let written = written.join("\n") + "\n";
    let read = Settings::parse(FILE, &written, Some(environment), &[])?.environment;
    let found = Pins { cluster_uid: read.cluster_uid.unwrap_or_default(), system_identifiers: read.system_identifiers };
    if found == *pins { Ok(written) } else { Err(cannot()) }
}

/// The line that begins the environment.
fn head(lines: &[&str], environment: &str) -> Option<usize> {
    let all = lines.iter().position(|line| line.trim_end() == "environments:")?;
    let inside = lines[all + 1..].iter().take_while(|line| is_blank(line) || indent(line) > 0);
    let key = |line: &str| line.split('#').next().unwrap_or_default().trim().trim_matches(['"', '\'']).to_owned();
    let found =
        inside.enumerate().find(|(_, line)| !is_blank(line) && key(line).trim_end_matches(':').trim_matches(['"', '\'']) == environment);
    found.map(|(index, _)| all + 1 + index)
}

fn pinned(pins: &Pins, depth: usize) -> Vec<String> {
    let blanks = " ".repeat(depth);
    let mut lines = vec![format!("{blanks}cluster_uid: {}", pins.cluster_uid)];
    if !pins.system_identifiers.is_empty() {
        lines.push(format!("{blanks}system_identifiers:"));
        lines.extend(pins.system_identifiers.iter().map(|(set, identifier)| format!("{blanks}  {set}: \"{identifier}\"")));
    }
    lines
}

/// The environment's lines without its pins.
fn without<'l>(body: &[&'l str], depth: usize) -> Vec<&'l str> {
    let mut dropping = false;
    let keep = |line: &&&str| {
        if !is_blank(line) && indent(line) <= depth {
            let key = line.trim_start().split(':').next().unwrap_or_default();
            dropping = ["cluster_uid", "system_identifiers"].contains(&key);
        }
        !dropping
    };
    body.iter().filter(keep).copied().collect()
}

fn is_blank(line: &str) -> bool {
    line.trim().is_empty() || line.trim_start().starts_with('#')
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "# mine\nenvironments:\n  # the safe one\n  lab:\n    reach: direct # here\n    settings: {a: 1}\n\n  other:\n    reach: direct\n";

    fn pins(uid: &str) -> Pins {
        Pins { cluster_uid: uid.into(), system_identifiers: BTreeMap::from([("platform/pg".into(), "7421".into())]) }
    }

    #[test]
    fn pins_are_put_in_and_every_other_line_stays() {
        let once = pin(TEXT, "lab", &pins("abc")).unwrap();
        let expected = "  lab:\n    cluster_uid: abc\n    system_identifiers:\n      platform/pg: \"7421\"\n    reach: direct # here\n";
        assert!(once.contains(expected) && once.starts_with("# mine\n") && once.ends_with("  other:\n    reach: direct\n"), "{once}");
        assert_eq!(pin(&once, "lab", &pins("abc")).unwrap(), once);
        assert_eq!(pin(&once, "lab", &pins("abd")).unwrap(), once.replace("abc", "abd"));
    }

    #[test]
    fn an_environment_on_one_line_is_refused() {
        assert!(pin("environments:\n  lab: {reach: direct}\n", "lab", &pins("abc")).is_err());
        assert!(pin("environments: {lab: {}}\n", "lab", &pins("abc")).is_err());
    }
}
