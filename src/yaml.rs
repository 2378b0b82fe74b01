//! YAML as helm and Kubernetes read it, as JSON. Their parser follows YAML 1.1: `0755` is an octal number and `yes` is
//! true, which a parser of today takes for texts. The rules are those of `resolve.go` in `gopkg.in/yaml.v2`.

use saphyr::{MarkedYaml, ScalarStyle, YamlData, YamlLoader};
use saphyr_parser::Parser;
use serde_json::{Map, Number, Value};

/// Every document of a text, empty ones as null.
pub fn documents(text: &str) -> Result<Vec<Value>, String> {
    let mut loader: YamlLoader<MarkedYaml> = YamlLoader::default();
    loader.early_parse(false);
    loader.allow_duplicate_keys(true);
    Parser::new_from_str(text).load(&mut loader, true).map_err(|error| error.to_string())?;
    if let Some(error) = loader.error() {
        return Err(error.to_string());
    }
    loader.into_documents().iter().map(json).collect()
}

/// The only document of a text; an empty text is null.
pub fn document(text: &str) -> Result<Value, String> {
    let mut documents = documents(text)?;
    match documents.len() {
        0 => Ok(Value::Null),
        1 => Ok(documents.remove(0)),
        count => Err(format!("it holds {count} documents, one is expected")),
    }
}

fn json(node: &MarkedYaml) -> Result<Value, String> {
    match &node.data {
        YamlData::Representation(text, style, tag) => {
            let tag = tag.as_ref().map(|tag| tag.suffix.clone());
            Ok(match (style, tag.as_deref()) {
                (_, Some("str")) => Value::String(text.to_string()),
                (ScalarStyle::Plain, _) | (_, Some("int" | "float" | "bool" | "null")) => plain(text),
                _ => Value::String(text.to_string()),
            })
        }
        YamlData::Sequence(items) => Ok(Value::Array(items.iter().map(json).collect::<Result<_, _>>()?)),
        YamlData::Mapping(_) => map(node),
        YamlData::Tagged(_, node) => json(node),
        YamlData::Value(_) | YamlData::Alias(_) | YamlData::BadValue => Err("it holds a value that cannot be read".into()),
    }
}

/// A map, with what `<<` merges into it below its own keys.
fn map(node: &MarkedYaml) -> Result<Value, String> {
    let (mut merged, mut fields) = (Map::new(), Map::new());
    for (key, value) in node.data.as_mapping().into_iter().flatten() {
        match &key.data {
            YamlData::Representation(text, ScalarStyle::Plain, _) if text == "<<" => merge(&mut merged, json(value)?)?,
            _ => {
                fields.insert(name(&json(key)?)?, json(value)?);
            }
        }
    }
    merged.extend(fields);
    Ok(Value::Object(merged))
}

fn merge(into: &mut Map<String, Value>, value: Value) -> Result<(), String> {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                into.entry(key).or_insert(value);
            }
            Ok(())
        }
        Value::Array(maps) => maps.into_iter().try_for_each(|map| merge(into, map)),
        _ => Err("`<<` merges maps only".into()),
    }
}

fn name(key: &Value) -> Result<String, String> {
    match key {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(key.to_string()),
        _ => Err("a key is neither a text nor a number".into()),
    }
}

/// What a scalar without quotes means.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Value::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Value::Bool(false),
        text if text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first)) => number(text),
        text => Value::String(text.to_owned()),
    }
}

fn number(text: &str) -> Value {
    let digits = text.replace('_', "");
    let whole = || integer(&digits).map(Value::Number);
    let broken = || float(&digits).map(Value::Number);
    whole().or_else(broken).unwrap_or_else(|| Value::String(text.to_owned()))
}

/// Decimal, or hexadecimal, octal and binary by their prefix; a leading zero is octal too.
fn integer(text: &str) -> Option<Number> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if digits.starts_with(['-', '+']) {
        return None;
    }
    let lower = digits.to_lowercase();
    let prefixed = [("0x", 16), ("0b", 2), ("0o", 8)].into_iter().find_map(|(prefix, radix)| Some((lower.strip_prefix(prefix)?, radix)));
    let octal = || (lower.len() > 1).then(|| lower.strip_prefix('0')).flatten().map(|rest| (rest, 8));
    let (digits, radix) = prefixed.or_else(octal).unwrap_or((&lower, 10));
    let value = u64::from_str_radix(digits, radix).ok()?;
    if negative { 0i64.checked_sub_unsigned(value).map(Number::from) } else { Some(Number::from(value)) }
}

/// `1.5`, `.5`, `1e3`; what is whole is written so, as Go does.
fn float(text: &str) -> Option<Number> {
    const WHOLE: f64 = 1e15;
    if text.chars().any(|char| !(char.is_ascii_digit() || "+-.eE".contains(char))) {
        return None;
    }
    let value: f64 = text.parse().ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "a whole number below 1e15")]
    if value.fract() == 0.0 && value.abs() < WHOLE { Some(Number::from(value as i64)) } else { Number::from_f64(value) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_and_switches_are_those_of_yaml_1_1() {
        let cases = [
            ("0755", json!(493)),
            ("0o17", json!(15)),
            ("0x1F", json!(31)),
            ("08", json!(8)),
            ("1_000", json!(1000)),
            ("-5", json!(-5)),
            ("1e3", json!(1000)),
            ("1.5", json!(1.5)),
            (".5", json!(0.5)),
            ("yes", json!(true)),
            ("off", json!(false)),
            ("~", json!(null)),
            ("1.2.3", json!("1.2.3")),
            ("10Gi", json!("10Gi")),
            ("2026-01-02", json!("2026-01-02")),
            ("'0755'", json!("0755")),
            ("\"yes\"", json!("yes")),
            ("!!str 5", json!("5")),
            ("-", json!([null])),
            ("+-5", json!("+-5")),
        ];
        for (text, value) in cases {
            assert_eq!(document(text).unwrap(), value, "{text}");
        }
    }

    #[test]
    fn maps_keep_their_order_merge_and_have_texts_as_keys() {
        let text = "b: &b {x: 1, y2: 2}\na:\n  <<: *b\n  x: 3\n1: one\non: switch";
        assert_eq!(document(text).unwrap(), json!({"b": {"x": 1, "y2": 2}, "a": {"x": 3, "y2": 2}, "1": "one", "true": "switch"}));
    }

    #[test]
    fn documents_are_told_apart_and_the_last_of_two_keys_counts() {
        assert_eq!(documents("---\na: 1\n---\n---\nb: 2\nb: 3\n").unwrap(), [json!({"a": 1}), json!(null), json!({"b": 3})]);
        assert_eq!(document("").unwrap(), json!(null));
        assert!(document("a: 1\n---\nb: 2").is_err());
    }

    #[test]
    fn what_is_no_yaml_is_an_error() {
        for text in ["a: [", "? [a]\n: 1", "a: *none", "<<: 1"] {
            assert!(documents(text).is_err(), "{text}");
        }
    }
}
