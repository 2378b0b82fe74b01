//! Records as JSON: every text in them is redacted before it is written, so that what is written is still JSON, and what a record
//! is recognised by is left as it is.

use super::Redactor;
use serde_json::Value;

/// Texts that a record is recognised by, when a run goes on or a plan is applied. A short secret (`gitea`) that is also a
/// word in one of them says nothing there; a long one goes out everywhere.
const NAMES: [&str; 28] = [
    "at",
    "cluster",
    "cluster_uid",
    "diff",
    "environment",
    "event",
    "fingerprint",
    "group",
    "id",
    "is",
    "key",
    "made",
    "mode",
    "name",
    "names",
    "namespace",
    "outcome",
    "phase",
    "railrun",
    "resource",
    "run",
    "script",
    "source",
    "step",
    "target",
    "touches",
    "unit",
    "verb",
];
/// What holds such texts itself. Everywhere else a `name` may be anything.
const FOLDERS: [&str; 7] = ["", "changes", "done_when", "ending", "needs", "steps", "tasks"];

impl Redactor {
    /// The record without a secret in it.
    #[must_use]
    pub fn record(&self, record: Value) -> Value {
        self.masked("", record, true)
    }

    fn masked(&self, key: &str, value: Value, known: bool) -> Value {
        match value {
            Value::Object(fields) => {
                let known = known && FOLDERS.contains(&key);
                fields.into_iter().map(|(key, value)| (self.redact_name(&key), self.masked(&key, value, known))).collect()
            }
            Value::Array(items) => items.into_iter().map(|item| self.masked(key, item, known)).collect(),
            Value::String(text) if known && NAMES.contains(&key) => self.redact_name(&text).into(),
            Value::String(text) => self.redact(&text).into(),
            Value::Number(number) if !known && self.redact_name(&number.to_string()) == super::MASK => super::MASK.into(),
            plain => plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn written(secrets: &[&str], record: Value) -> Value {
        let redactor = Redactor::default();
        for secret in secrets {
            redactor.learn(secret);
        }
        let text = redactor.record(record).to_string();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    #[test]
    fn a_secret_with_a_quote_is_masked_in_json_within_json() {
        let secret = "p\"w\\1&23";
        let once = json!({"password": secret}).to_string();
        let twice = json!({"said": once}).to_string();
        let record = written(&[secret], json!({"event": "note", "text": secret, "once": once, "twice": twice}));
        assert_eq!(record["text"], "[secret]");
        assert_eq!(record["once"], "{\"password\":\"[secret]\"}");
        assert_eq!(record["twice"], json!({"said": "{\"password\":\"[secret]\"}"}).to_string());
    }

    #[test]
    fn a_secret_that_is_a_word_leaves_a_record_what_it_is() {
        let record = json!({"event": "step-ended", "name": "move gitea", "kept": false, "at": "2026-01-01", "text": "gitea since 2026",
            "value": {"name": "gitea", "n": 2026}});
        let expected = json!({"event": "step-ended", "name": "move gitea", "kept": false, "at": "2026-01-01",
            "text": "[secret] since [secret]", "value": {"name": "[secret]", "n": 2026}});
        assert_eq!(written(&["false", "gitea", "2026", "ended"], record), expected);
    }

    #[test]
    fn a_long_secret_is_nowhere() {
        let secrets = ["hunter22-long", "12345678"];
        let record = json!({"name": "as hunter22-long", "at_ms": 12_345_678, "value": {"hunter22-long": 12_345_678}});
        assert_eq!(written(&secrets, record), json!({"name": "as [secret]", "at_ms": 12_345_678, "value": {"[secret]": "[secret]"}}));
    }
}
