//! Values nobody may see, and the redactor that every sink passes. Where a secret is fetched from is the
//! business of the primitive that made it.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use std::fmt::{self, Debug, Display};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

type Fetch = dyn Fn() -> Result<String, SecretError> + Send + Sync;

/// A secret could not be read; the text says why, without the value.
#[derive(Clone, Debug, thiserror::Error, miette::Diagnostic)]
#[error("cannot read the secret `{origin}`: {reason}")]
#[diagnostic(code(secret::unreadable))]
pub struct SecretError {
    pub origin: String,
    pub reason: String,
    #[help]
    pub help: Option<String>,
}

/// A value that is read when a verb uses it and never shown. It knows where it came from
/// (`sops:helm/gitea-values.sops.yaml#gitea.admin.password`): that reference is what may be kept.
#[derive(Clone)]
pub struct Secret {
    origin: Arc<str>,
    fetch: Arc<Fetch>,
    value: Arc<OnceLock<String>>,
}

impl Secret {
    /// A secret that `fetch` reads at its first use.
    pub fn lazy(origin: impl Into<Arc<str>>, fetch: impl Fn() -> Result<String, SecretError> + Send + Sync + 'static) -> Self {
        Self { origin: origin.into(), fetch: Arc::new(fetch), value: Arc::default() }
    }

    /// A secret whose value is at hand.
    pub fn known(origin: impl Into<Arc<str>>, value: String) -> Self {
        let secret = Self::lazy(origin, || unreachable!("its value is set below"));
        let _ = secret.value.set(value);
        secret
    }

    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The value, for a verb to hand to its program. Register it with the [`Redactor`] before anything else sees it.
    pub fn reveal(&self) -> Result<&str, SecretError> {
        if let Some(value) = self.value.get() {
            return Ok(value);
        }
        let value = (self.fetch)()?;
        Ok(self.value.get_or_init(|| value))
    }
}

impl Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[secret {}]", self.origin)
    }
}

impl Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// A text in an option that may be a secret.
#[derive(Clone, Debug)]
pub enum Text {
    Plain(String),
    Secret(Secret),
}

/// What a program reads on its stdin: a text or a secret as it is, or a list of both, line by line.
#[derive(Clone, Debug)]
pub enum Input {
    Whole(Text),
    Lines(Vec<Text>),
}

/// Replaces every registered value, also in its base64, URL- and JSON-escaped forms.
#[derive(Clone, Default)]
pub struct Redactor(Arc<Mutex<Vec<String>>>);

/// Shorter values would turn ordinary text into stars and hide nothing.
const SHORTEST: usize = 4;

impl Redactor {
    /// From now on `value` is masked wherever it appears.
    pub fn learn(&self, value: &str) {
        // What a program says is cut into lines and indented anew.
        for line in value.lines().map(str::trim).filter(|line| *line != value) {
            self.learn_one(line);
        }
        self.learn_one(value);
    }

    fn learn_one(&self, value: &str) {
        if value.chars().count() < SHORTEST {
            return;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for form in forms(value) {
            if !known.contains(&form) {
                known.push(form);
            }
        }
        known.sort_by_key(|form| std::cmp::Reverse(form.len()));
    }

    pub fn redact(&self, text: &str) -> String {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = text.to_owned();
        for form in known.iter().filter(|form| text.contains(form.as_str()).then_some(()).is_some()).cloned().collect::<Vec<_>>() {
            text = text.replace(&form, "[secret]");
        }
        text
    }
}

/// Whether a value called like this (`adminPassword`, `GITEA_TOKEN`) should not be shown. What only *names* a secret
/// (`existingSecret`, `passwordKey`, `secretName`) may be.
pub fn looks_secret(name: &str) -> bool {
    const WORDS: [&str; 9] = ["password", "passwd", "passphrase", "secret", "token", "apikey", "api_key", "private_key", "credential"];
    const NAMES: [&str; 6] = ["name", "ref", "path", "file", "type", "secretkey"];
    let lower = name.to_lowercase();
    let names_one = lower.starts_with("existing") || NAMES.iter().any(|end| lower.ends_with(end)) || name.ends_with("Key");
    WORDS.iter().any(|word| lower.contains(word)) && !names_one
}

/// A value as it may appear in output: itself, JSON-escaped, URL-escaped, base64 in both alphabets.
fn forms(value: &str) -> Vec<String> {
    let json = serde_json::to_string(value).unwrap_or_default();
    let url: String =
        value
            .bytes()
            .map(|byte| {
                if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
            })
            .collect();
    let mut forms = vec![value.to_owned(), json.trim_matches('"').to_owned(), url.to_lowercase(), url];
    forms.extend([STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD].iter().map(|engine| engine.encode(value)));
    forms.dedup();
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_printed() {
        let secret = Secret::known("sops:a#b", "hunter22".into());
        assert_eq!(format!("{secret} {secret:?}"), "[secret] [secret sops:a#b]");
    }

    #[test]
    fn every_form_of_a_secret_is_masked() {
        let redactor = Redactor::default();
        redactor.learn("p\"w/d+1!");
        for form in ["p\"w/d+1!", "p\\\"w/d+1!", "p%22w%2Fd%2B1%21", "cCJ3L2QrMSE=", "cCJ3L2QrMSE"] {
            assert_eq!(redactor.redact(&format!("<{form}>")).replace('=', ""), "<[secret]>", "{form}");
        }
    }

    #[test]
    fn a_name_tells_a_secret_from_what_only_names_one() {
        for name in ["password", "adminPassword", "PGPOOL_ADMIN_PASSWORD", "SECRET_KEY", "passwords", "PASSWD", "apiToken"] {
            assert!(looks_secret(name), "{name}");
        }
        for name in ["existingSecret", "existingSecretPasswordKey", "secretName", "username", "PASSWORD_FILE", "secretKeyRef", "HOST"] {
            assert!(!looks_secret(name), "{name}");
        }
    }

    #[test]
    fn a_short_value_is_left_alone() {
        let redactor = Redactor::default();
        redactor.learn("a");
        assert_eq!(redactor.redact("a banana"), "a banana");
    }
}
