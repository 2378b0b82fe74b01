//! Values nobody may see, and the redactor that every sink passes. Where a secret is fetched from is the
//! business of the primitive that made it.

mod record;

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
pub struct Redactor(Arc<Mutex<Vec<Form>>>);

/// A text that is masked; whether it stands for a long secret, which is masked even where a short one is a mere word.
#[derive(PartialEq)]
struct Form {
    text: String,
    long: bool,
}

/// What stands in a secret's place.
const MASK: &str = "[secret]";
/// Shorter values would turn ordinary text into stars and hide nothing.
const SHORTEST: usize = 4;
/// From this length on a secret is no word that appears by chance.
const LONG: usize = 8;
/// What a value of a file may say without being a secret.
const WORDS: [&str; 3] = ["true", "false", "null"];

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
        let length = value.chars().count();
        if length < SHORTEST || WORDS.contains(&value) {
            return;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for text in forms(value) {
            let form = Form { text, long: length >= LONG };
            if !known.contains(&form) {
                known.push(form);
            }
        }
        known.sort_by_key(|form| std::cmp::Reverse(form.text.len()));
    }

    pub fn redact(&self, text: &str) -> String {
        self.without(text, |_| true)
    }

    /// The same for a name that something is recognised by: a short secret may be a word in it.
    fn redact_name(&self, name: &str) -> String {
        self.without(name, |form| form.long)
    }

    fn without(&self, text: &str, masked: impl Fn(&Form) -> bool) -> String {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = text.to_owned();
        for form in known.iter().filter(|form| masked(form)) {
            if text.contains(&form.text) {
                text = text.replace(&form.text, MASK);
            }
        }
        text
    }
}

/// Whether a value called like this (`adminPassword`, `GITEA_TOKEN`, `apiKey`) should not be shown. What only *names* a secret
/// (`existingSecret`, `passwordKey`, `secretName`) may be.
pub fn looks_secret(name: &str) -> bool {
    const KEYS: [&str; 6] = ["apikey", "accesskey", "secretkey", "privatekey", "signingkey", "encryptionkey"];
    const WORDS: [&str; 6] = ["password", "passwd", "passphrase", "secret", "token", "credential"];
    const NAMES: [&str; 5] = ["name", "ref", "path", "file", "type"];
    let plain = name.to_lowercase().replace(['_', '-'], "");
    let is_key = KEYS.iter().any(|end| plain.ends_with(end));
    let names_one = NAMES.iter().any(|end| plain.ends_with(end)) || (name.ends_with("Key") && !is_key);
    let says_so = WORDS.iter().chain(&KEYS).any(|word| plain.contains(word));
    says_so && !names_one && !plain.starts_with("existing")
}

/// A value as it may appear in output: itself; JSON-escaped, as Go does it too, and escaped once more in JSON within JSON;
/// URL-escaped; base64 in both alphabets.
fn forms(value: &str) -> Vec<String> {
    let once = escaped(value);
    let go = once.replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e");
    let url: String =
        value
            .bytes()
            .map(|byte| {
                if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
            })
            .collect();
    let mut forms = vec![value.to_owned(), escaped(&once), escaped(&go), once, go, url.to_lowercase(), url];
    forms.extend([STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD].iter().map(|engine| engine.encode(value)));
    forms
}

/// As it stands between the quotes of a JSON string.
fn escaped(value: &str) -> String {
    let quoted = serde_json::to_string(value).unwrap_or_default();
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned()
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
        for form in ["p\"w/d+1!", "p\\\"w/d+1!", "p\\\\\\\"w/d+1!", "p%22w%2Fd%2B1%21", "cCJ3L2QrMSE=", "cCJ3L2QrMSE"] {
            assert_eq!(redactor.redact(&format!("<{form}>")).replace('=', ""), "<[secret]>", "{form}");
        }
    }

    #[test]
    fn a_name_tells_a_secret_from_what_only_names_one() {
        for name in ["password", "adminPassword", "PGPOOL_ADMIN_PASSWORD", "SECRET_KEY", "passwords", "PASSWD", "apiToken"]
            .into_iter()
            .chain(["apiKey", "API_KEY", "accessKey", "secretKey", "privateKey", "private-key", "credentials"])
        {
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

    #[test]
    fn a_form_of_a_value_that_ends_in_a_quote_is_the_whole_of_it() {
        let redactor = Redactor::default();
        redactor.learn("<a&b>\"");
        assert_eq!(redactor.redact(r#"<a&b>\" \u003ca\u0026b\u003e\""#), "[secret] [secret]");
        assert_eq!(redactor.redact("<a&b>\""), "[secret]");
    }

    #[test]
    fn a_word_of_the_file_format_is_no_secret() {
        let redactor = Redactor::default();
        for word in WORDS {
            redactor.learn(word);
        }
        assert_eq!(redactor.redact("true, false, null"), "true, false, null");
    }
}
