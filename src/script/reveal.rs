//! A script's value as plain data, its secrets revealed. It is for what goes into a program's stdin; the places of the
//! secrets come with it, so that nobody writes them where they would be seen.

use crate::duration;
use crate::host::Host;
use crate::script::value::ValueError;
use crate::script::{Fault, value};
use crate::secret::Secret;
use crate::sops::{Key, Part};
use miette::Diagnostic;
use rhai::{Array, Dynamic, Map};
use serde_yaml::{Mapping, Value};

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
#[error("{kind} at {place} is not plain data")]
#[diagnostic(code(value::not_plain), help("texts, numbers, `true`, `false`, lists, maps and secrets are"))]
struct NotPlain {
    kind: String,
    place: String,
}

/// Plain data, and where in it secrets were.
#[derive(Clone, Debug)]
pub struct Revealed {
    pub value: Value,
    pub secrets: Vec<Key>,
}

/// Reveals every secret in `value`; each is masked in all output from now on.
pub fn revealed(host: &Host, value: &Dynamic) -> Result<Revealed, Fault> {
    if let Some(pending) = value::pending_in(value) {
        return Err(pending.into());
    }
    let mut secrets = Vec::new();
    let value = plain(host, value, &Key(Vec::new()), &mut secrets)?;
    Ok(Revealed { value, secrets })
}

/// A script's value as JSON, its secrets revealed.
pub fn json(host: &Host, value: &Dynamic) -> Result<serde_json::Value, Fault> {
    serde_json::to_value(revealed(host, value)?.value).map_err(|error| ValueError::Answer(error.to_string()).into())
}

fn plain(host: &Host, value: &Dynamic, at: &Key, secrets: &mut Vec<Key>) -> Result<Value, Fault> {
    if let Some(secret) = value.read_lock::<Secret>() {
        secrets.push(at.clone());
        return Ok(Value::String(host.reveal(&secret)?.to_owned()));
    }
    if let Some(map) = value.read_lock::<Map>() {
        let entry = |(name, inner): (&rhai::Identifier, &Dynamic)| {
            Ok((Value::String(name.to_string()), plain(host, inner, &at.child(Part::Name(name.to_string())), secrets)?))
        };
        return Ok(Value::Mapping(map.iter().map(entry).collect::<Result<Mapping, Fault>>()?));
    }
    if let Some(list) = value.read_lock::<Array>() {
        let item = |(index, inner)| plain(host, inner, &at.child(Part::Index(index)), secrets);
        return Ok(Value::Sequence(list.iter().enumerate().map(item).collect::<Result<_, Fault>>()?));
    }
    if let Some(span) = value.read_lock::<duration::Span>() {
        return Ok(Value::String(span.to_string()));
    }
    single(value).ok_or_else(|| {
        let place = if at.0.is_empty() { "this place".to_owned() } else { format!("`{at}`") };
        NotPlain { kind: value::kind(value), place }.into()
    })
}

fn single(value: &Dynamic) -> Option<Value> {
    if value.is_unit() {
        return Some(Value::Null);
    }
    let text = value.read_lock::<rhai::ImmutableString>().map(|text| Value::String(text.to_string()));
    text.or_else(|| value.as_int().ok().map(Value::from))
        .or_else(|| value.as_float().ok().map(Value::from))
        .or_else(|| value.as_bool().ok().map(Value::from))
        .or_else(|| value.as_char().ok().map(|char| Value::String(char.to_string())))
}
