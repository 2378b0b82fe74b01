//! What differs between two states of an object, line by line and fit to be shown: secrets masked, lists matched by
//! their items' names. Where the two states come from is the caller's business.

use crate::effect::{Diff, Edit, Sealed};
use crate::secret::looks_secret;
use serde_json::{Map, Value};

/// What the server writes by itself: never a difference.
const BOOKKEEPING: [&str; 6] = ["managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink"];

/// Fields by which the items of a list are told apart, the first that fits.
const KEYS: [&str; 6] = ["name", "mountPath", "containerPort", "port", "key", "ip"];

/// The edits that lead from `live` to `wanted`; their paths start with `label` (`statefulset/gitea`).
pub fn edits(label: &str, live: &Value, wanted: &Value) -> Vec<Edit> {
    let (live, wanted) = (state(live), state(wanted));
    let secret = wanted["kind"] == "Secret";
    let mut found = Found { label, secret, edits: Vec::new() };
    found.walk("", Some(&live), Some(&wanted));
    found.edits
}

/// An object without what the server writes by itself; a Secret's `stringData` where the server keeps it.
pub fn state(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
        if let Some(text) = fields.remove("stringData") {
            encode(fields, &text);
        }
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|key, _| !BOOKKEEPING.contains(&key.as_str()));
    }
    object
}

fn encode(fields: &mut Map<String, Value>, text: &Value) {
    use base64::Engine as _;
    let data = fields.entry("data").or_insert_with(|| Value::Object(Map::new()));
    for (key, value) in text.as_object().into_iter().flatten() {
        data[key] = base64::engine::general_purpose::STANDARD.encode(value.as_str().unwrap_or_default()).into();
    }
}

/// Takes out of `planned` what the manifest `old` set, `new` no longer sets and `planned` still has, and says whether
/// there was anything.
pub fn take_dropped(old: &Value, new: &Value, planned: &mut Value) -> bool {
    let (old, new) = (state(old), state(new));
    let mut dropped = false;
    for (part, old) in old.as_object().into_iter().flatten() {
        match (part.as_str(), planned.get_mut(part)) {
            ("apiVersion" | "kind", _) | (_, None) => {}
            ("metadata", Some(planned)) => {
                for part in ["labels", "annotations"] {
                    let planned = planned.get_mut(part);
                    dropped |= planned.is_some_and(|planned| drop_from(&old[part], &new["metadata"][part], planned));
                }
            }
            (_, Some(planned)) => dropped |= drop_from(old, &new[part], planned),
        }
    }
    dropped
}

fn drop_from(old: &Value, new: &Value, planned: &mut Value) -> bool {
    match (old, planned) {
        (Value::Object(old), Value::Object(planned)) => drop_keys(old, new, planned),
        (Value::Array(old), Value::Array(planned)) => drop_items(old, new, planned),
        _ => false,
    }
}

fn drop_keys(old: &Map<String, Value>, new: &Value, planned: &mut Map<String, Value>) -> bool {
    let mut dropped = false;
    for (key, value) in old.iter().filter(|(_, value)| !value.is_null()) {
        match (new.get(key).filter(|new| !new.is_null()), planned.get_mut(key)) {
            (Some(new), Some(planned)) => dropped |= drop_from(value, new, planned),
            (None, Some(_)) => dropped |= planned.remove(key).is_some(),
            _ => {}
        }
    }
    dropped
}

fn drop_items(old: &[Value], new: &Value, planned: &mut Vec<Value>) -> bool {
    let new = new.as_array().map_or(&[][..], Vec::as_slice);
    let Some(key) = key_of(old, new).filter(|key| unique(planned, key)) else { return false };
    let mut dropped = false;
    for item in old {
        let Some(place) = planned.iter().position(|planned| planned[key] == item[key]) else { continue };
        if let Some(new) = new.iter().find(|new| new[key] == item[key]) {
            dropped |= drop_from(item, new, &mut planned[place]);
        } else {
            planned.remove(place);
            dropped = true;
        }
    }
    dropped
}

/// The field that tells the items of both lists apart.
fn key_of(left: &[Value], right: &[Value]) -> Option<&'static str> {
    KEYS.into_iter().find(|key| unique(left, key) && unique(right, key))
}

fn unique(items: &[Value], key: &str) -> bool {
    let keys: Vec<&Value> = items.iter().map(|item| &item[key]).collect();
    keys.iter().enumerate().all(|(place, value)| !value.is_null() && !keys[..place].contains(value))
}

struct Found<'l> {
    label: &'l str,
    secret: bool,
    edits: Vec<Edit>,
}

impl Found<'_> {
    fn walk(&mut self, path: &str, live: Option<&Value>, wanted: Option<&Value>) {
        let (live, wanted) = (live.filter(|value| !empty(value)), wanted.filter(|value| !empty(value)));
        match (live, wanted) {
            (live, wanted) if live == wanted => {}
            (Some(Value::Object(live)), Some(Value::Object(wanted))) => self.fields(path, live, wanted),
            (Some(Value::Object(live)), None) => self.fields(path, live, &Map::new()),
            (None, Some(Value::Object(wanted))) => self.fields(path, &Map::new(), wanted),
            (Some(Value::Array(live)), Some(Value::Array(wanted))) => self.items(path, live, wanted),
            (Some(Value::Array(live)), None) => self.items(path, live, &[]),
            (None, Some(Value::Array(wanted))) => self.items(path, &[], wanted),
            (live, wanted) => self.leaf(path, live, wanted),
        }
    }

    fn fields(&mut self, path: &str, live: &Map<String, Value>, wanted: &Map<String, Value>) {
        let gone = live.keys().filter(|key| !wanted.contains_key(*key));
        for key in wanted.keys().chain(gone) {
            self.walk(&below(path, key), live.get(key), wanted.get(key));
        }
    }

    fn items(&mut self, path: &str, live: &[Value], wanted: &[Value]) {
        if live.iter().chain(wanted).any(|item| !item.is_object()) {
            return self.leaf(path, Some(&live.into()).filter(|_| !live.is_empty()), Some(&wanted.into()).filter(|_| !wanted.is_empty()));
        }
        let Some(key) = key_of(live, wanted) else {
            for place in 0..live.len().max(wanted.len()) {
                self.walk(&format!("{path}[{place}]"), live.get(place), wanted.get(place));
            }
            return;
        };
        let gone = live.iter().filter(|item| !wanted.iter().any(|wanted| wanted[key] == item[key]));
        for item in wanted.iter().chain(gone) {
            let side = |items: &[Value]| items.iter().find(|other| other[key] == item[key]).cloned().map(|item| unkeyed(item, key));
            self.walk(&format!("{path}[{}]", shown(&item[key])), side(live).as_ref(), side(wanted).as_ref());
        }
    }

    fn leaf(&mut self, path: &str, live: Option<&Value>, wanted: Option<&Value>) {
        let path_shown = format!("{}: {path}", self.label);
        if self.masked(path, [live, wanted]) {
            let to = wanted.map(|_| if live.is_some() { "(secret changed)" } else { "[secret]" }.to_owned());
            let values = [live.map(Value::to_string), wanted.map(Value::to_string)];
            let sealed = Sealed::of(values.iter().map(Option::as_deref));
            self.edits.push(Edit::Field { path: path_shown, from: live.map(|_| "[secret]".into()), to, sealed });
            return;
        }
        let (from, to) = (live.map(shown), wanted.map(shown));
        match (&from, &to) {
            (Some(from), Some(to)) if from.contains('\n') || to.contains('\n') => {
                self.edits.extend(Diff::new().text(path_shown, from, to).edits);
            }
            _ => self.edits.push(Edit::Field { path: path_shown, from, to, sealed: Sealed::default() }),
        }
    }

    /// A Secret's data; elsewhere texts that are called like a secret, as a key or as an environment variable.
    fn masked(&self, path: &str, values: [Option<&Value>; 2]) -> bool {
        let path = path.trim_end_matches(".value");
        let name = path.trim_end_matches(']').rsplit(['.', '[']).next().unwrap_or_default();
        let text = values.iter().flatten().all(|value| value.is_string() || value.is_array());
        (self.secret && path.starts_with("data")) || (text && looks_secret(name))
    }
}

/// An item that is shown under its key need not repeat it, unless it is all there is.
fn unkeyed(item: Value, key: &str) -> Value {
    match item {
        Value::Object(mut fields) if fields.len() > 1 => {
            fields.shift_remove(key);
            Value::Object(fields)
        }
        item => item,
    }
}

fn empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.values().all(empty),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// A key with dots or slashes in it stands in brackets: `metadata.labels[app.kubernetes.io/name]`.
fn below(path: &str, key: &str) -> String {
    if key.contains(['.', '/']) {
        format!("{path}[{key}]")
    } else if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn lines(live: Value, wanted: Value) -> Vec<String> {
        let show = |edit: Edit| match edit {
            Edit::Field { path, from, to, .. } => format!("{path} {} → {}", from.unwrap_or("-".into()), to.unwrap_or("-".into())),
            Edit::Text { name, unified } => format!("{name}\n{unified}"),
            Edit::Note(text) | Edit::Aside(text) => text,
        };
        edits("x/y", &live, &wanted).into_iter().map(show).collect()
    }

    #[test]
    fn what_the_server_writes_by_itself_is_no_difference() {
        let live = json!({"metadata": {"uid": "1", "resourceVersion": "5", "name": "y"}, "spec": {"a": null, "b": {}}, "status": {"x": 1}});
        assert_eq!(lines(live, json!({"metadata": {"name": "y"}})), [""; 0]);
    }

    #[test]
    fn a_changed_field_shows_its_path_and_both_values() {
        let object = |replicas: i32, label: &str| json!({"metadata": {"labels": {"app.io/v": label}}, "spec": {"replicas": replicas}});
        assert_eq!(lines(object(1, "a"), object(3, "b")), ["x/y: metadata.labels[app.io/v] a → b", "x/y: spec.replicas 1 → 3"]);
    }

    #[test]
    fn items_are_matched_by_name_whatever_their_order() {
        let live = json!({"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]});
        let wanted = json!({"env": [{"name": "B", "value": "3"}, {"name": "C", "value": "4"}, {"name": "A", "value": "1"}]});
        assert_eq!(lines(live.clone(), wanted), ["x/y: env[B].value 2 → 3", "x/y: env[C].value - → 4"]);
        assert_eq!(lines(live, json!({"env": [{"name": "A", "value": "1"}]})), ["x/y: env[B].value 2 → -"]);
    }

    #[test]
    fn a_list_of_texts_is_shown_whole() {
        assert_eq!(lines(json!({"args": ["a"]}), json!({"args": ["a", "b"]})), ["x/y: args [\"a\"] → [\"a\",\"b\"]"]);
    }

    #[test]
    fn a_longer_text_is_shown_as_a_unified_difference() {
        let shown = lines(json!({"data": {"c": "a\nb\n"}}), json!({"data": {"c": "a\nc\n"}}));
        assert_eq!(shown, ["x/y: data.c\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n"]);
    }

    #[test]
    fn a_secret_shows_only_that_it_changed() {
        let secret = |value: &str| json!({"kind": "Secret", "data": {"password": value}});
        assert_eq!(lines(secret("YQ=="), secret("Yg==")), ["x/y: data.password [secret] → (secret changed)"]);
        assert_eq!(lines(json!({"kind": "Secret"}), json!({"kind": "Secret", "stringData": {"p": "a"}})), ["x/y: data.p - → [secret]"]);
        let values = |value: &str| json!({"auth": {"password": value, "existingSecret": value, "token": true}});
        assert_eq!(lines(values("a"), values("b")), ["x/y: auth.password [secret] → (secret changed)", "x/y: auth.existingSecret a → b"]);
        let env = |value: &str| json!({"env": [{"name": "PG_PASSWORD", "value": value}]});
        assert_eq!(lines(env("a"), env("b")), ["x/y: env[PG_PASSWORD].value [secret] → (secret changed)"]);
    }

    #[test]
    fn what_the_last_manifest_set_and_the_new_one_does_not_is_taken_out() {
        let old =
            json!({"metadata": {"name": "y", "labels": {"a": "1", "b": "1"}}, "spec": {"x": 1, "env": [{"name": "A"}, {"name": "B"}]}});
        let new = json!({"metadata": {"name": "y", "labels": {"a": "1"}}, "spec": {"env": [{"name": "A"}]}});
        let mut planned = json!({"metadata": {"name": "y", "uid": "u", "labels": {"a": "1", "b": "2", "c": "3"}},
            "spec": {"x": 1, "y": 2, "env": [{"name": "A"}, {"name": "B"}, {"name": "injected"}]}});
        assert!(take_dropped(&old, &new, &mut planned));
        assert_eq!(
            planned,
            json!({"metadata": {"name": "y", "uid": "u", "labels": {"a": "1", "c": "3"}},
                "spec": {"y": 2, "env": [{"name": "A"}, {"name": "injected"}]}})
        );
        assert!(!take_dropped(&old, &new, &mut planned));
    }
}
