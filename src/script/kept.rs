//! Values that outlive the process: what `task.remember` and `state` hold, as plain data and back. A secret is kept as the
//! reference it came from, with a fingerprint that tells whether what it points to has changed.

use crate::host::SharedHost;
use crate::journal::Known;
use crate::script::{Fault, RhaiResultOf};
use crate::secret::{Secret, SecretError};
use miette::Diagnostic;
use rhai::{Dynamic, Engine, Map};
use serde_json::{Value, json};

const SECRET: &str = "$secret";
const FINGERPRINT: &str = "$fingerprint";

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
#[error("`{name}` was not kept when the run was cut short: it is {what}")]
#[diagnostic(code(journal::not_kept), help("start over with `--fresh`"))]
struct NotKept {
    name: String,
    what: String,
}

/// A value as it may be written down, and whether it can be had back from that.
pub fn keep(host: &SharedHost, value: &Dynamic) -> Known {
    let mut kept = true;
    let written = plain(host, value, &mut kept);
    // A text with a secret in it would come back masked: better not at all.
    let text = written.to_string();
    kept &= host.redactor.redact(&text) == text;
    if kept { Known { value: written, kept } } else { Known { value: json!(super::value::kind(value)), kept } }
}

fn plain(host: &SharedHost, value: &Dynamic, kept: &mut bool) -> Value {
    if let Some(secret) = value.read_lock::<Secret>() {
        return reference(host, &secret, kept);
    }
    if let Some(map) = value.read_lock::<Map>() {
        return map.iter().map(|(key, value)| (key.to_string(), plain(host, value, kept))).collect();
    }
    if let Some(array) = value.read_lock::<rhai::Array>() {
        return array.iter().map(|value| plain(host, value, kept)).collect();
    }
    rhai::serde::from_dynamic::<Value>(value).unwrap_or_else(|_| {
        *kept = false;
        Value::Null
    })
}

fn reference(host: &SharedHost, secret: &Secret, kept: &mut bool) -> Value {
    let known = ["sops:", "kube:"].iter().any(|scheme| secret.origin().starts_with(scheme)) && secret.origin().contains('#');
    let value = host.reveal(secret).ok().filter(|_| known);
    let Some((journal, value)) = host.journal.get().zip(value) else {
        *kept = false;
        return Value::Null;
    };
    json!({SECRET: secret.origin(), FINGERPRINT: journal.key().fingerprint(value.as_bytes())})
}

/// The value that was written down.
pub fn restore(host: &SharedHost, engine: &Engine, name: &str, known: &Known) -> RhaiResultOf<Dynamic> {
    if !known.kept {
        let what = known.value.as_str().unwrap_or("not plain data").to_owned();
        return Err(Fault::from(NotKept { name: name.to_owned(), what }).raise());
    }
    value(host, engine, &known.value)
}

fn value(host: &SharedHost, engine: &Engine, written: &Value) -> RhaiResultOf<Dynamic> {
    match written {
        Value::Object(fields) => match fields.get(SECRET).and_then(Value::as_str) {
            Some(origin) => secret(host, engine, origin, fields[FINGERPRINT].as_str().unwrap_or_default()),
            None => {
                let entries = fields.iter().map(|(key, item)| Ok((key.as_str().into(), value(host, engine, item)?)));
                Ok(Dynamic::from_map(entries.collect::<RhaiResultOf<Map>>()?))
            }
        },
        Value::Array(items) => {
            let items = items.iter().map(|item| value(host, engine, item)).collect::<RhaiResultOf<rhai::Array>>()?;
            Ok(Dynamic::from_array(items))
        }
        plain => rhai::serde::to_dynamic(plain),
    }
}

/// The secret that this reference leads to, refused at its use where it is another one now.
fn secret(host: &SharedHost, engine: &Engine, origin: &str, fingerprint: &str) -> RhaiResultOf<Dynamic> {
    let (scheme, rest) = origin.split_once(':').unwrap_or_default();
    let (place, key) = rest.split_once('#').unwrap_or_default();
    let found: Secret = engine.eval_expression(&format!("{scheme}::secret({}, {})", json!(place), json!(key)))?;
    let (host, fingerprint, named) = (host.clone(), fingerprint.to_owned(), origin.to_owned());
    Ok(Dynamic::from(Secret::lazy(origin, move || {
        let value = found.reveal()?;
        let same = host.journal.get().is_some_and(|journal| journal.key().fingerprint(value.as_bytes()) == fingerprint);
        let changed = || SecretError {
            origin: named.clone(),
            reason: "it has changed since the run was cut short".into(),
            help: Some("start over with `--fresh`".into()),
        };
        if same { Ok(value.to_owned()) } else { Err(changed()) }
    })))
}
