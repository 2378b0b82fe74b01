//! The event stream's schema (`docs/events.schema.json`), and whether a line keeps to it. It knows the words of JSON Schema
//! that this one uses, and fails on any other.

use serde_json::Value;
use std::sync::LazyLock;

static SCHEMA: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../docs/events.schema.json")).expect("the schema is JSON"));

/// Fails where a line of the event stream is not as the schema has it.
pub fn check(line: &str) {
    let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("no JSON: {error}: {line}"));
    if event.get("event").is_some() {
        let branches = SCHEMA["oneOf"].as_array().expect("a branch for each event");
        let branch = branches.iter().find(|branch| branch["properties"]["event"]["const"] == event["event"]);
        let branch = branch.unwrap_or_else(|| panic!("the schema does not know this event: {line}"));
        fits(&event, branch).unwrap_or_else(|wrong| panic!("{wrong}, says docs/events.schema.json of: {line}"));
    }
}

/// `Err` says what does not fit.
fn fits(value: &Value, schema: &Value) -> Result<(), String> {
    if *schema == Value::Bool(true) {
        return Ok(());
    }
    schema.as_object().expect("a schema").iter().try_for_each(|(word, wanted)| keeps(value, schema, word, wanted))
}

fn keeps(value: &Value, schema: &Value, word: &str, wanted: &Value) -> Result<(), String> {
    let must = |holds: bool| if holds { Ok(()) } else { Err(format!("`{value}` does not keep `{word}: {wanted}`")) };
    match word {
        "title" | "description" | "$schema" | "$defs" => Ok(()),
        "const" => must(value == wanted),
        "enum" => must(wanted.as_array().is_some_and(|all| all.contains(value))),
        "minimum" => must(value.as_f64() >= wanted.as_f64()),
        "type" => must(types(wanted).iter().any(|name| is(value, name))),
        "required" => must(types(wanted).iter().all(|key| value.get(key).is_some())),
        "additionalProperties" => must(value.as_object().is_none_or(|all| all.keys().all(|key| schema["properties"].get(key).is_some()))),
        "properties" => {
            let known = wanted.as_object().expect("properties");
            known.iter().filter_map(|(key, inner)| Some((value.get(key)?, inner))).try_for_each(|(inner, schema)| fits(inner, schema))
        }
        "items" => value.as_array().into_iter().flatten().try_for_each(|item| fits(item, wanted)),
        "oneOf" => must(wanted.as_array().expect("branches").iter().filter(|branch| fits(value, branch).is_ok()).count() == 1),
        "$ref" => {
            let name = wanted.as_str().and_then(|name| name.strip_prefix("#/$defs/")).expect("a definition");
            fits(value, &SCHEMA["$defs"][name])
        }
        other => panic!("docs/events.schema.json uses `{other}`: teach it to tests/support/schema.rs"),
    }
}

fn types(wanted: &Value) -> Vec<&str> {
    match wanted {
        Value::String(name) => vec![name],
        names => names.as_array().into_iter().flatten().filter_map(Value::as_str).collect(),
    }
}

fn is(value: &Value, name: &str) -> bool {
    match name {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        other => panic!("docs/events.schema.json has the type `{other}`: teach it to tests/support/schema.rs"),
    }
}

#[test]
fn a_line_with_a_field_too_many_or_too_few_does_not_fit() {
    let fits = |line: &str| std::panic::catch_unwind(|| check(line)).is_ok();
    assert!(fits(r#"{"v": 1, "at_ms": 3, "event": "note", "text": "x"}"#));
    assert!(!fits(r#"{"v": 1, "at_ms": 3, "event": "note"}"#));
    assert!(!fits(r#"{"v": 1, "at_ms": 3, "event": "note", "text": "x", "more": 1}"#));
    assert!(!fits(r#"{"v": 1, "at_ms": -3, "event": "note", "text": "x"}"#));
    assert!(!fits(r#"{"v": 2, "at_ms": 3, "event": "note", "text": "x"}"#));
    assert!(!fits(r#"{"v": 1, "at_ms": 3, "event": "unheard-of"}"#));
}
