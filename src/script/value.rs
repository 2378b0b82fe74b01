//! Values across the border: a verb's options in, its answer out.

use crate::script::{Fault, Pending};
use miette::Diagnostic;
use rhai::serde::{DynamicDeserializer, to_dynamic};
use rhai::{Dynamic, Map};
use serde::de::{DeserializeOwned, Visitor};
use serde::{Deserializer, Serialize, forward_to_deserialize_any};

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
pub enum ValueError {
    #[error("{message}")]
    #[diagnostic(code(option::invalid))]
    Option {
        message: String,
        #[help]
        help: Option<String>,
    },
    #[error("{0} cannot be handed to a script")]
    #[diagnostic(code(value::internal))]
    Answer(String),
}

/// Reads a verb's option map. Unknown keys are errors with a "did you mean"; a wrong type names its place.
pub fn options<T: DeserializeOwned>(map: Map) -> Result<T, Fault> {
    if let Some(pending) = map.values().find_map(pending_in) {
        return Err(pending.into());
    }
    let known = fields::<T>();
    for key in map.keys() {
        if !known.is_empty() && !known.contains(&key.as_str()) {
            return Err(unknown_option(key, known).into());
        }
    }
    let value = Dynamic::from(map);
    serde_path_to_error::deserialize(DynamicDeserializer::new(&value)).map_err(|error| {
        let path = error.path().to_string();
        let reason = error.inner().to_string();
        let reason = reworded(reason.trim_start_matches("Syntax error: ").split(" (line").next().unwrap_or_default());
        let message = if path == "." { reason } else { format!("option `{path}`: {reason}") };
        ValueError::Option { message, help: None }.into()
    })
}

fn unknown_option(key: &str, known: &[&str]) -> ValueError {
    let help = match nearest(key, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known options: {}", known.join(", ")),
    };
    ValueError::Option { message: format!("unknown option `{key}`"), help: Some(help) }
}

/// The known word most like `word`, if one is near: a slip or two of the finger, or one the beginning of the other.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let slips = (word.chars().count() / 3).max(1);
    let near = |known: &str| {
        let (word, known) = (word.to_lowercase(), known.to_lowercase());
        let begins = word.len().min(known.len()) >= 3 && (known.starts_with(&word) || word.starts_with(&known));
        begins || strsim::damerau_levenshtein(&known, &word) <= slips
    };
    let scored = known.into_iter().filter(|known| near(known)).map(|known| (strsim::jaro_winkler(known, word), known));
    scored.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known)
}

/// A verb's answer as a script sees it.
pub fn answer<T: Serialize>(value: &T) -> Result<Dynamic, Fault> {
    to_dynamic(value).map_err(|error| ValueError::Answer(error.to_string()).into())
}

/// The unknown that hides in a value, at any depth.
pub fn pending_in(value: &Dynamic) -> Option<Pending> {
    if let Some(pending) = value.clone().try_cast::<Pending>() {
        return Some(pending);
    }
    if let Some(map) = value.read_lock::<Map>() {
        return map.values().find_map(pending_in);
    }
    value.read_lock::<rhai::Array>().and_then(|array| array.iter().find_map(pending_in))
}

/// A value as plain data, for keeping or comparing: a secret is its reference, anything opaque its type's name.
pub fn plain(value: &Dynamic) -> serde_json::Value {
    use serde_json::Value;
    if let Some(secret) = value.clone().try_cast::<crate::secret::Secret>() {
        return Value::String(format!("[secret {}]", secret.origin()));
    }
    if let Some(map) = value.read_lock::<Map>() {
        return map.iter().map(|(key, value)| (key.to_string(), plain(value))).collect();
    }
    if let Some(array) = value.read_lock::<rhai::Array>() {
        return array.iter().map(plain).collect();
    }
    rhai::serde::from_dynamic::<Value>(value).unwrap_or_else(|_| Value::String(value.type_name().to_owned()))
}

/// What a value is, in the words of a report.
pub fn kind(value: &Dynamic) -> String {
    match value.type_name() {
        _ if value.is::<crate::secret::Secret>() => "a secret".into(),
        _ if value.is::<crate::duration::Span>() => "a duration".into(),
        name => kind_named(name),
    }
}

/// The same for the name of a type, as Rust or Rhai writes it.
pub fn kind_named(name: &str) -> String {
    let short = name.trim_start_matches('&').trim_start_matches("mut ").rsplit("::").next().unwrap_or(name);
    match short {
        "()" => "nothing".into(),
        "i64" | "f64" | "INT" | "FLOAT" | "int" | "float" | "u64" | "u32" | "u16" | "usize" => "a number".into(),
        "string" | "char" | "str" | "String" | "ImmutableString" => "a text".into(),
        "bool" => "true or false".into(),
        "array" | "Array" => "a list".into(),
        "map" | "Map" => "a map".into(),
        "Fn" | "FnPtr" => "a closure".into(),
        "span" | "Span" => "a duration".into(),
        other if other.starts_with(['a', 'e', 'i', 'o', 'u']) => format!("an {other}"),
        other => format!("a {other}"),
    }
}

/// Rhai's "Output type incorrect: i64 (expecting String)", in the words of a report.
fn reworded(reason: &str) -> String {
    let types = reason.strip_prefix("Output type incorrect: ").and_then(|rest| rest.strip_suffix(')')?.split_once(" (expecting "));
    match types {
        Some((given, wanted)) => format!("expected {}, got {}", kind_named(wanted), kind_named(given)),
        None => reason.to_owned(),
    }
}

/// Whether an answer says "nothing": `()`, `false` or an empty list.
pub fn is_nothing(value: &Dynamic) -> bool {
    value.is_unit() || value.as_bool().is_ok_and(|flag| !flag) || value.read_lock::<rhai::Array>().is_some_and(|array| array.is_empty())
}

/// The field names of an options struct, asked of its own `Deserialize`.
pub fn fields<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    let _ = T::deserialize(FieldNames(&mut names));
    names
}

struct FieldNames<'n>(&'n mut &'static [&'static str]);

#[derive(Debug)]
struct Asked;

impl std::fmt::Display for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("only the names were asked for")
    }
}
impl std::error::Error for Asked {}
impl serde::de::Error for Asked {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Asked
    }
}

impl<'de> Deserializer<'de> for FieldNames<'_> {
    type Error = Asked;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Asked> {
        Err(Asked)
    }

    fn deserialize_struct<V: Visitor<'de>>(self, _: &'static str, fields: &'static [&'static str], _: V) -> Result<V::Value, Asked> {
        *self.0 = fields;
        Err(Asked)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::duration::Span;
    use serde::Deserialize;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Options {
        install: bool,
        timeout: Option<Span>,
        values: Vec<String>,
    }

    #[test]
    fn options_are_read_from_a_map() {
        let map = rhai::Engine::new().parse_json(r#"{"install": true, "timeout": "90s", "values": ["a"]}"#, false).unwrap();
        let options: Options = options(map).unwrap();
        assert!(options.install && options.values == ["a"]);
        assert_eq!(options.timeout.unwrap().0.as_secs(), 90);
    }

    #[test]
    fn an_unknown_option_is_an_error_with_a_suggestion() {
        let map = rhai::Engine::new().parse_json(r#"{"instal": true}"#, false).unwrap();
        let fault = options::<Options>(map).unwrap_err();
        assert_eq!((fault.message().as_str(), fault.help().as_deref()), ("unknown option `instal`", Some("did you mean `install`?")));
    }

    #[test]
    fn a_wrong_type_names_its_place() {
        let map = rhai::Engine::new().parse_json(r#"{"values": ["a", 1]}"#, false).unwrap();
        let message = options::<Options>(map).unwrap_err().message();
        assert!(message.starts_with("option `values[1]`"), "{message}");
    }

    #[test]
    fn an_unknown_among_the_options_ends_the_preview() {
        let map = Map::from([("values".into(), Dynamic::from_array(vec![Dynamic::from(Pending::new("step 1"))]))]);
        let raised = options::<Options>(map).unwrap_err().raise();
        assert_eq!(Pending::find(&raised), Some(Pending::new("step 1")));
    }

    #[test]
    fn the_field_names_come_from_the_struct_itself() {
        assert_eq!(fields::<Options>(), ["install", "timeout", "values"]);
    }
}
