//! A decrypted file: its content, and which of its values are secret. It shows differences without showing secrets.

use super::rule::Rule;
use super::{Key, METADATA, Part};
use crate::effect::Diff;
use regex::Regex;
use serde_yaml::{Mapping, Value};
use std::sync::LazyLock;

#[derive(Clone, Debug)]
pub struct Clear {
    pub value: Value,
    /// The file as it is stored, encrypted; null where it is only planned.
    stored: Value,
    metadata: Option<Value>,
    rule: Rule,
}

/// In a file that encrypts everything, the name has to say what is a secret.
static SECRET_NAME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("(?i)pass|passwd|secret|token|key|credential|salt|private").expect("a constant"));

/// How sops writes an encrypted value.
const ENCRYPTED: &str = "ENC[";

impl Clear {
    pub(super) fn new(value: Value, stored: Value, metadata: Option<Value>, rule: Rule) -> Self {
        Self { value, stored, metadata, rule }
    }

    pub(super) fn metadata(&self) -> Option<&Value> {
        self.metadata.as_ref()
    }

    pub fn get(&self, key: &Key) -> Option<&Value> {
        key.find(&self.value)
    }

    /// Whether the value at this place is (or would be) encrypted.
    pub fn encrypts(&self, key: &Key) -> bool {
        match key.find(&self.stored) {
            Some(Value::String(text)) if text.starts_with(ENCRYPTED) => true,
            Some(_) => self.rule.encrypts(key).unwrap_or(false),
            None => self.rule.encrypts(key).unwrap_or(true),
        }
    }

    /// The same file with another value at one place; `Err` says what is in the way.
    pub fn with(&self, key: &Key, new: &Value) -> Result<Self, String> {
        let mut changed = self.clone();
        key.place(&mut changed.value, new)?;
        Ok(changed)
    }

    /// The same file with nothing in it.
    #[must_use]
    pub fn emptied(&self) -> Self {
        Self { value: super::empty(), ..self.clone() }
    }

    /// What differs. Encrypted values are named, never shown.
    pub fn diff(&self, after: &Clear) -> Diff {
        let (before_leaves, after_leaves) = (self.leaves(), after.leaves());
        let before = |key: &Key| before_leaves.iter().find(|(known, _)| known == key).map(|(_, value)| *value);
        let gone = before_leaves.iter().filter(|(key, _)| after.get(key).is_none());
        let diff = gone.fold(Diff::new(), |diff, (key, value)| diff.field(key.to_string(), Some(self.shown(key, value)), None));
        after_leaves.iter().filter(|(key, value)| before(key) != Some(value)).fold(diff, |diff, (key, value)| {
            if after.encrypts(key) {
                let text = |value: &Value| serde_json::to_string(value).unwrap_or_default();
                diff.sealed(key.to_string(), before(key).map(text).as_deref(), &text(value))
            } else {
                diff.field(key.to_string(), before(key).map(|old| self.shown(key, old)), Some(after.shown(key, value)))
            }
        })
    }

    /// The encrypted values that nobody may see. A file that encrypts everything says nothing about what is secret:
    /// there the key's name decides, or every host name would be masked in all output.
    pub fn secrets(&self) -> Vec<String> {
        let named = |key: &Key| key.0.iter().any(|part| matches!(part, Part::Name(name) if SECRET_NAME.is_match(name)));
        let secret = |key: &Key| self.encrypts(key) && (!matches!(self.rule, Rule::Everything) || named(key));
        self.leaves().into_iter().filter(|(key, _)| secret(key)).filter_map(|(_, value)| hidden(value)).collect()
    }

    /// Every value that is not a map or a list, with the way to it.
    pub fn leaves(&self) -> Vec<(Key, &Value)> {
        let mut found = Vec::new();
        collect(&Key(Vec::new()), &self.value, &mut found);
        found
    }

    /// The paths to every value.
    pub fn keys(&self) -> Vec<String> {
        self.leaves().into_iter().map(|(key, _)| key.to_string()).collect()
    }

    /// The clear content with the rule it is encrypted by, but no signature: what a dry run remembers.
    pub(super) fn planned(&self) -> Value {
        let mut value = self.value.clone();
        if let (Some(map), Some(metadata)) = (value.as_mapping_mut(), &self.metadata) {
            let rules = metadata.as_mapping().into_iter().flatten().filter(|(name, _)| name.as_str() != Some("mac"));
            map.insert(METADATA.into(), Value::Mapping(rules.map(|(name, rule)| (name.clone(), rule.clone())).collect::<Mapping>()));
        }
        value
    }

    fn shown(&self, key: &Key, value: &Value) -> String {
        if self.encrypts(key) { "[secret]".into() } else { text(value).unwrap_or_else(|| "null".into()) }
    }
}

/// What differs between two texts of a file of which at least one is encrypted, without decrypting; `None` if neither is.
/// A value that was encrypted anew counts as changed.
pub fn diff_stored(name: &str, before: &str, after: &str) -> Option<Diff> {
    let parse = |text: &str| serde_yaml::from_str::<Value>(text).ok().filter(|value| value.get(METADATA).is_some());
    let (before, after) = (parse(before), parse(after));
    if before.is_none() && after.is_none() {
        return None;
    }
    let diff = Diff::new().note(name);
    let signed = |value: &Option<Value>| value.as_ref().is_none_or(|value| value[METADATA].get("mac").is_some());
    if !signed(&before) || !signed(&after) {
        return Some(diff.note("its encrypted content changes"));
    }
    let stored = |value: Option<Value>| {
        let mut value = value.unwrap_or(Value::Null);
        value.as_mapping_mut().map(|map| map.remove(METADATA));
        Clear::new(value.clone(), value, None, Rule::Comments)
    };
    let mut diff = diff;
    diff.extend(stored(before).diff(&stored(after)));
    Some(diff)
}

fn collect<'v>(at: &Key, value: &'v Value, found: &mut Vec<(Key, &'v Value)>) {
    match value {
        Value::Mapping(map) if !map.is_empty() => {
            for (name, inner) in map {
                let name = text(name).unwrap_or_default();
                collect(&at.child(Part::Name(name)), inner, found);
            }
        }
        Value::Sequence(list) if !list.is_empty() => {
            for (index, inner) in list.iter().enumerate() {
                collect(&at.child(Part::Index(index)), inner, found);
            }
        }
        _ => found.push((at.clone(), value)),
    }
}

/// A single value as text; `None` for a map, a list or nothing.
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Mapping(map) if map.is_empty() => Some("{}".into()),
        Value::Sequence(list) if list.is_empty() => Some("[]".into()),
        _ => None,
    }
}

/// A value that can be a secret: a switch or a port is none, and masked everywhere it would hide what is none.
fn hidden(value: &Value) -> Option<String> {
    const DIGITS: usize = 8;
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()).filter(|digits| digits.len() >= DIGITS),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effect::{Edit, Sealed};

    fn clear(value: &str, metadata: &str) -> Clear {
        let metadata: Value = serde_yaml::from_str(metadata).unwrap();
        let rule = Rule::of(Some(&metadata), "x").unwrap();
        Clear::new(serde_yaml::from_str(value).unwrap(), Value::Null, Some(metadata), rule)
    }

    #[test]
    fn a_difference_names_secrets_and_shows_the_rest() {
        let before = clear("a: {password: hunter22, user: me}\nold: 1\n", "encrypted_regex: password");
        let after = clear("a: {password: hunter23, user: you}\nb: {password: x}\n", "encrypted_regex: password");
        let diff = before.diff(&after);
        let field = |path: &str, from: Option<&str>, to: Option<&str>| Edit::Field {
            path: path.into(),
            from: from.map(str::to_owned),
            to: to.map(str::to_owned),
            sealed: Sealed::default(),
        };
        assert_eq!(
            diff.edits,
            [
                field("old", Some("1"), None),
                field("a.password", Some("[secret]"), Some("(secret changed)")),
                field("a.user", Some("me"), Some("you")),
                field("b.password", None, Some("[secret]")),
            ]
        );
        assert!(before.diff(&before).is_empty());
    }

    #[test]
    fn encrypted_texts_differ_by_their_keys() {
        let text = |password: &str, user: &str| format!("a: {{password: 'ENC[{password}]', user: {user}}}\nsops: {{mac: x}}\n");
        let diff = diff_stored("x.yaml", &text("1", "me"), &text("2", "you")).unwrap();
        let field = |path: &str, from: &str, to: &str| Edit::Field {
            path: path.into(),
            from: Some(from.into()),
            to: Some(to.into()),
            sealed: Sealed::default(),
        };
        let note = Edit::Note("x.yaml".into());
        assert_eq!(diff.edits, [note, field("a.password", "[secret]", "(secret changed)"), field("a.user", "me", "you")]);
        assert_eq!(diff_stored("x.yaml", "a: 1", "a: 2"), None);
        let clear = "a: {password: hunter22}\nsops: {version: 3}\n";
        assert!(!format!("{:?}", diff_stored("x.yaml", &text("1", "me"), clear)).contains("hunter22"));
    }

    #[test]
    fn a_file_that_encrypts_everything_has_its_secrets_by_name() {
        let value = "a: {password: hunter22, host: db.platform}\n";
        assert_eq!(clear(value, "{}").secrets(), ["hunter22"]);
        assert_eq!(clear(value, "encrypted_regex: ^a$").secrets(), ["hunter22", "db.platform"]);
    }

    #[test]
    fn a_switch_and_a_port_are_no_secrets() {
        let value = "a: {on: true, port: 5432, pin: 12345678, none: {}}\n";
        assert_eq!(clear(value, "encrypted_regex: ^a$").secrets(), ["12345678"]);
    }

    #[test]
    fn what_a_dry_run_remembers_keeps_the_rule_but_no_signature() {
        let planned = clear("a: 1\n", "{mac: x, encrypted_regex: y}").planned();
        assert_eq!(planned, serde_yaml::from_str::<Value>("{a: 1, sops: {encrypted_regex: y}}").unwrap());
    }
}
