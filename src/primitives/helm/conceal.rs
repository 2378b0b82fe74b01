//! Keeps old secrets out of a difference: the new value is known to be one, so what it replaces must be one too, even
//! where nobody has told the redactor.

use crate::effect::{Diff, Edit, Sealed};
use crate::secret::Redactor;
use serde_json::Value;

/// Has masked what lies in `old` where `new` has a secret, and what is called like one.
pub fn learn(redactor: &Redactor, old: &Value, new: &Value) {
    for secret in super::values::secrets(old) {
        redactor.learn(&secret);
    }
    learn_beside(redactor, old, new);
}

fn learn_beside(redactor: &Redactor, old: &Value, new: &Value) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (key, value) in new {
                learn_beside(redactor, old.get(key).unwrap_or(&Value::Null), value);
            }
        }
        (Value::Array(old), Value::Array(new)) => old.iter().zip(new).for_each(|(old, new)| learn_beside(redactor, old, new)),
        (Value::String(old), Value::String(new)) if is_secret(redactor, new) => redactor.learn(old),
        _ => {}
    }
}

/// Takes out of a difference what stands beside a secret.
pub fn conceal(redactor: &Redactor, diff: Diff) -> Diff {
    let edit = |edit| match edit {
        Edit::Field { path, from, to, .. } if [&from, &to].into_iter().flatten().any(|side| is_secret(redactor, side)) => Edit::Field {
            path,
            sealed: Sealed::of([from.as_deref(), to.as_deref()]),
            to: to.map(|_| if from.is_some() { "(secret changed)" } else { "[secret]" }.to_owned()),
            from: from.map(|_| "[secret]".to_owned()),
        },
        Edit::Text { name, unified } if is_secret(redactor, &unified) => Edit::Text { name, unified: lines(redactor, &unified) },
        edit => edit,
    };
    Diff { edits: diff.edits.into_iter().map(edit).collect(), ..diff }
}

fn is_secret(redactor: &Redactor, text: &str) -> bool {
    redactor.redact(text) != text
}

/// Lines that were replaced together: where one of them holds a secret, none of the old ones is shown.
fn lines(redactor: &Redactor, unified: &str) -> String {
    let all: Vec<&str> = unified.lines().collect();
    let changed = |line: &&str| line.starts_with(['-', '+']);
    let groups = all.chunk_by(|one, next| changed(one) == changed(next));
    let shown = groups.flat_map(|group| {
        let secret = group.iter().filter(|line| changed(line)).any(|line| is_secret(redactor, line));
        group.iter().map(move |line| if secret && line.starts_with('-') { "-[secret]".to_owned() } else { redactor.redact(line) })
    });
    shown.map(|line| line + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn redactor() -> Redactor {
        let redactor = Redactor::default();
        redactor.learn("new-canary");
        redactor
    }

    #[test]
    fn what_a_secret_replaces_is_one_too() {
        let redactor = redactor();
        learn(&redactor, &json!({"db": {"pw": "old-canary"}, "token": "named-canary"}), &json!({"db": {"pw": "new-canary"}}));
        assert_eq!(redactor.redact("old-canary named-canary other"), "[secret] [secret] other");
    }

    #[test]
    fn a_difference_shows_neither_the_new_nor_the_old_one() {
        let diff = Diff::new().field("a", Some("older".into()), Some("x:new-canary".into())).field("b", Some("1".into()), Some("2".into()));
        let shown = conceal(&redactor(), diff);
        let masked = Diff::new().field("a", Some("[secret]".into()), Some("(secret changed)".into()));
        assert_eq!(shown, masked.field("b", Some("1".into()), Some("2".into())));
    }

    #[test]
    fn in_a_text_the_lines_that_it_replaces_are_masked() {
        let diff = Diff::new().text("app.ini", "HOST=a\nPASSWD=older\nUSER=u\nX=1\n", "HOST=a\nPASSWD=new-canary\nUSER=u\nX=2\n");
        let Edit::Text { unified, .. } = conceal(&redactor(), diff).edits.remove(0) else { panic!("a text") };
        assert_eq!(unified, "@@ -1,4 +1,4 @@\n HOST=a\n-[secret]\n+PASSWD=[secret]\n USER=u\n-X=1\n+X=2\n");
    }
}
