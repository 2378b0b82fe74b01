//! Secrets out of secrets. They stay lazy: what they are made of is read when a verb uses them.

use crate::host::{Host, SharedHost};
use crate::script::Fault;
use crate::secret::{Secret, SecretError};
use miette::Diagnostic;

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
pub enum SecretTextError {
    #[error("`{template}` has {places} places for {values} values")]
    #[diagnostic(code(secret::bad_template), help("every `{{}}` stands for one value, in order"))]
    BadTemplate { template: String, places: usize, values: usize },
    #[error("a secret cannot be split at nothing")]
    #[diagnostic(code(secret::no_separator), help("name a separator, such as `;`"))]
    NoSeparator,
    #[error("{kind} cannot become part of a secret")]
    #[diagnostic(code(secret::bad_part), help("secrets, texts and whole numbers can"))]
    BadPart { kind: String },
}

/// One piece of a secret to be made.
#[derive(Clone, Debug)]
pub enum Part {
    Text(String),
    Secret(Secret),
}

const PLACE: &str = "{}";

/// Puts `parts` at the places of `template`.
pub fn format(host: &SharedHost, template: &str, parts: Vec<Part>) -> Result<Secret, SecretTextError> {
    let texts: Vec<&str> = template.split(PLACE).collect();
    if texts.len() != parts.len() + 1 {
        return Err(SecretTextError::BadTemplate { template: template.into(), places: texts.len() - 1, values: parts.len() });
    }
    let between = texts[1..].iter().map(|text| Part::Text((*text).to_owned()));
    let pieces = parts.into_iter().zip(between).flat_map(|(part, text)| [part, text]);
    Ok(made_of(host, [Part::Text(texts[0].to_owned())].into_iter().chain(pieces).collect()))
}

/// Puts `separator` between `parts`.
pub fn join(host: &SharedHost, parts: Vec<Part>, separator: &str) -> Secret {
    let mut pieces = Vec::new();
    for part in parts {
        if !pieces.is_empty() {
            pieces.push(Part::Text(separator.to_owned()));
        }
        pieces.push(part);
    }
    made_of(host, pieces)
}

/// The parts between `separator`; none of an empty secret. Each is masked from now on.
pub fn split(host: &Host, whole: &Part, separator: &str) -> Result<Vec<Secret>, Fault> {
    if separator.is_empty() {
        return Err(SecretTextError::NoSeparator.into());
    }
    let value = match whole {
        Part::Text(text) => text,
        Part::Secret(secret) => host.reveal(secret)?,
    };
    let parts = value.split(separator).filter(|_| !value.is_empty());
    let named = parts.enumerate().map(|(index, part)| Secret::known(format!("{}[{index}]", origin(whole)), part.to_owned()));
    Ok(named.inspect(|part| drop(host.reveal(part))).collect())
}

/// Its origin shows the texts, and for each secret where that one comes from.
fn made_of(host: &SharedHost, parts: Vec<Part>) -> Secret {
    let origin: String = parts.iter().map(origin).collect();
    let host = host.clone();
    Secret::lazy(origin, move || parts.iter().map(|part| text(&host, part)).collect())
}

fn origin(part: &Part) -> String {
    match part {
        Part::Text(text) => text.clone(),
        Part::Secret(secret) => format!("{{{}}}", secret.origin()),
    }
}

fn text(host: &SharedHost, part: &Part) -> Result<String, SecretError> {
    match part {
        Part::Text(text) => Ok(text.clone()),
        Part::Secret(secret) => host.reveal(secret).map(str::to_owned),
    }
}
