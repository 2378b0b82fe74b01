//! The values of a release: files and maps laid over each other as helm does, secrets put in at the last moment.
//! They leave here as one JSON text for helm's stdin and are never written anywhere.

use crate::secret::{Secret, looks_secret};
use serde_json::{Map, Value};

/// A value as a script gave it. A secret in it is read when it is needed, not before.
#[derive(Clone, Debug)]
pub enum Given {
    Plain(Value),
    Secret(Secret),
    List(Vec<Given>),
    Map(Vec<(String, Given)>),
}

/// The `values` of a release's options: each lies over the one before.
#[derive(Clone, Debug, Default)]
pub struct Layers(pub Vec<Given>);

impl Given {
    /// The value with its secrets, which `reveal` reads and has masked from then on.
    pub fn resolve<E>(&self, reveal: &impl Fn(&Secret) -> Result<String, E>) -> Result<Value, E> {
        Ok(match self {
            Given::Plain(value) => value.clone(),
            Given::Secret(secret) => Value::String(reveal(secret)?),
            Given::List(items) => Value::Array(items.iter().map(|item| item.resolve(reveal)).collect::<Result<_, E>>()?),
            Given::Map(fields) => {
                let fields = fields.iter().map(|(key, value)| Ok((key.clone(), value.resolve(reveal)?)));
                Value::Object(fields.collect::<Result<Map<_, _>, E>>()?)
            }
        })
    }
}

/// Lays `over` on `under` as helm does: maps are merged, anything else is replaced. A null stays, for it takes a
/// chart's default away.
pub fn overlay(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                match under.get_mut(&key) {
                    Some(slot) => overlay(slot, value),
                    None => {
                        under.insert(key, value);
                    }
                }
            }
        }
        (under, over) => *under = over,
    }
}

/// YAML as JSON, keys turned into texts.
pub fn json(yaml: serde_yaml::Value) -> Result<Value, String> {
    use serde_yaml::Value as Yaml;
    Ok(match yaml {
        Yaml::Mapping(map) => {
            let fields = map.into_iter().map(|(key, value)| Ok((text(&key)?, json(value)?)));
            Value::Object(fields.collect::<Result<Map<_, _>, String>>()?)
        }
        Yaml::Sequence(items) => Value::Array(items.into_iter().map(json).collect::<Result<_, _>>()?),
        Yaml::Tagged(tagged) => json(tagged.value)?,
        scalar => serde_json::to_value(scalar).map_err(|error| error.to_string())?,
    })
}

fn text(key: &serde_yaml::Value) -> Result<String, String> {
    match key {
        serde_yaml::Value::String(text) => Ok(text.clone()),
        serde_yaml::Value::Number(number) => Ok(number.to_string()),
        serde_yaml::Value::Bool(flag) => Ok(flag.to_string()),
        _ => Err("a key is neither a text nor a number".into()),
    }
}

/// The texts below keys that are called like a secret: what must not be printed of a live release's values.
pub fn secrets(values: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect(values, false, &mut found);
    found
}

fn collect(value: &Value, secret: bool, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| collect(value, secret || looks_secret(key), found)),
        Value::Array(items) => items.iter().for_each(|item| collect(item, secret, found)),
        Value::String(text) if secret && !text.is_empty() => found.push(text.clone()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json as value;

    #[test]
    fn layers_are_merged_as_helm_does() {
        let mut under = value!({"a": {"b": 1, "c": [1, 2]}, "d": 1});
        overlay(&mut under, value!({"a": {"c": [3], "e": null}, "d": {"x": 1}}));
        assert_eq!(under, value!({"a": {"b": 1, "c": [3], "e": null}, "d": {"x": 1}}));
    }

    #[test]
    fn a_secret_is_put_in_at_the_last_moment() {
        let given = Given::Map(vec![
            ("password".into(), Given::Secret(Secret::known("sops:a#b", "hunter22".into()))),
            ("n".into(), Given::List(vec![Given::Plain(value!(1))])),
        ]);
        let seen = |secret: &Secret| secret.reveal().map(str::to_owned);
        assert_eq!(given.resolve(&seen).unwrap(), value!({"password": "hunter22", "n": [1]}));
    }

    #[test]
    fn yaml_becomes_json_with_texts_as_keys() {
        let yaml = serde_yaml::from_str("1: a\ntrue: [x, 1.5, null]\nt: !x {y: 1}").unwrap();
        assert_eq!(json(yaml).unwrap(), value!({"1": "a", "true": ["x", 1.5, null], "t": {"y": 1}}));
        assert!(json(serde_yaml::from_str("? [a]\n: 1").unwrap()).is_err());
    }

    #[test]
    fn what_is_called_like_a_secret_is_one() {
        let values = value!({"postgresql": {"password": "one", "username": "u"}, "customUsers": {"passwords": ["two", "three"]}, "existingSecret": "s"});
        assert_eq!(secrets(&values), ["one", "two", "three"]);
    }
}
