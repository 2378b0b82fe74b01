//! `railrun.yaml` for the chosen environment, with `--set` on top. What a setting means is up to who asks for it.

mod pin;

pub use pin::{Pins, pin};

use miette::Diagnostic;
use serde::Deserialize;
use serde_yaml::{Mapping, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub const FILE: &str = "railrun.yaml";

/// What the runner itself reads and has a default for: anything but a text is refused, not taken for absent.
const OWN_TEXTS: [&str; 3] = ["evidence.namespace", "helm.program", "journal.folder"];

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
pub enum SettingsError {
    #[error("`{file}` has no setting `{key}` for environment `{environment}`")]
    #[diagnostic(code(settings::missing))]
    Missing {
        file: String,
        key: String,
        environment: String,
        #[help]
        help: String,
    },
    #[error("`{file}` has no environment `{name}`")]
    #[diagnostic(code(settings::unknown_environment), help("it has: {known}"))]
    UnknownEnvironment { file: String, name: String, known: String },
    #[error("`{file}` is not valid: {reason}")]
    #[diagnostic(code(settings::invalid), help("`docs/settings.md` says what may stand in it"))]
    Invalid { file: String, reason: String },
    #[error("`--set {text}` is not `key=value`")]
    #[diagnostic(code(settings::bad_set), help("write it like `--set gitea.url=http://localhost:3000`"))]
    BadSet { text: String },
}

/// How connections to pods and services are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    /// Straight to the address: only where this host is the cluster's own.
    Direct,
    /// Through a port-forward of the API server.
    #[default]
    Forward,
}

/// One environment as the file has it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    pub kubeconfig: Option<String>,
    pub context: Option<String>,
    /// The UID of the namespace `kube-system`: which cluster this is, whatever its context is called.
    pub cluster_uid: Option<String>,
    /// Which PostgreSQL servers these are: `system_identifier` by the StatefulSet of their members (`platform/postgresql`).
    #[serde(default)]
    pub system_identifiers: BTreeMap<String, String>,
    #[serde(default)]
    pub protected: bool,
    #[serde(default)]
    pub reach: Reach,
    #[serde(default)]
    pub settings: Mapping,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    default_environment: Option<String>,
    #[serde(default)]
    settings: Mapping,
    #[serde(default)]
    environments: BTreeMap<String, Environment>,
}

/// The settings of one environment.
#[derive(Clone, Debug)]
pub struct Settings {
    pub environment_name: String,
    pub environment: Environment,
    file: String,
    values: Value,
}

impl Settings {
    /// The folder with `railrun.yaml`, looked for from `start` upwards.
    pub fn find_root(start: &Path) -> Option<PathBuf> {
        start.ancestors().find(|folder| folder.join(FILE).is_file()).map(Path::to_owned)
    }

    /// Reads the file's text for `environment` (or its default one) and lays `--set key=value` over it.
    pub fn parse(file: &str, text: &str, environment: Option<&str>, sets: &[String]) -> Result<Self, SettingsError> {
        let invalid = |reason: String| SettingsError::Invalid { file: file.into(), reason };
        let parsed: File = if text.trim().is_empty() {
            File::default()
        } else {
            serde_yaml::from_str(text).map_err(|error| invalid(error.to_string()))?
        };
        let named = environment.map(str::to_owned).or(parsed.default_environment);
        let nameless = named.is_none();
        let name = named.unwrap_or_else(|| "default".into());
        let known = parsed.environments.keys().cloned().collect::<Vec<_>>().join(", ");
        let chosen = match parsed.environments.get(&name) {
            Some(chosen) => chosen.clone(),
            None if nameless && parsed.environments.is_empty() => Environment::default(),
            None => return Err(SettingsError::UnknownEnvironment { file: file.into(), name, known }),
        };
        let mut values = Value::Mapping(parsed.settings);
        overlay(&mut values, Value::Mapping(chosen.settings.clone()));
        for set in sets {
            let named = set.split_once('=').filter(|(key, _)| key.split('.').all(|part| !part.is_empty()));
            let (key, value) = named.ok_or_else(|| SettingsError::BadSet { text: set.clone() })?;
            let value = match serde_yaml::from_str(value) {
                Ok(value) => value,
                // Whoever begins a map or a list means one; any other text that is no YAML is a text.
                Err(_) if value.trim_start().starts_with(['{', '[']) => return Err(SettingsError::BadSet { text: set.clone() }),
                Err(_) => Value::String(value.into()),
            };
            overlay(&mut values, nested(key, value));
        }
        let settings = Self { environment_name: name, environment: chosen, file: file.into(), values };
        for key in OWN_TEXTS.iter().filter(|key| settings.find(key).is_some()) {
            settings.text(key)?;
        }
        Ok(settings)
    }

    /// All settings of the environment, as one map.
    pub fn values(&self) -> &Value {
        &self.values
    }

    /// The value at a dotted path, if there is one.
    pub fn find(&self, key: &str) -> Option<&Value> {
        key.split('.').try_fold(&self.values, |value, part| value.get(part)).filter(|value| !value.is_null())
    }

    /// The value at a dotted path; an error names file and key.
    pub fn get(&self, key: &str) -> Result<&Value, SettingsError> {
        self.find(key).ok_or_else(|| self.missing(key))
    }

    pub fn text(&self, key: &str) -> Result<String, SettingsError> {
        match self.get(key)? {
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(flag) => Ok(flag.to_string()),
            _ => Err(SettingsError::Invalid { file: self.file.clone(), reason: format!("`{key}` should be a text") }),
        }
    }

    /// Every text of the settings: some of them name files and folders.
    pub fn texts(&self) -> Vec<String> {
        let mut texts = Vec::new();
        collect(&self.values, &mut texts);
        texts.iter().map(|text| text.split('#').next().unwrap_or(text).trim_start_matches("sops:").to_owned()).collect()
    }

    /// A time such as `15s`, where there is one.
    pub fn time(&self, key: &str) -> Result<Option<Duration>, SettingsError> {
        if self.find(key).is_none() {
            return Ok(None);
        }
        let wrong = |reason: String| SettingsError::Invalid { file: self.file.clone(), reason: format!("`{key}`: {reason}") };
        crate::duration::parse(&self.text(key)?).map(Some).map_err(wrong)
    }

    /// A whole number from 0 on, where there is one.
    pub fn number(&self, key: &str) -> Result<Option<u64>, SettingsError> {
        let wrong = || SettingsError::Invalid { file: self.file.clone(), reason: format!("`{key}` should be a whole number from 0 on") };
        self.find(key).map(|value| value.as_u64().ok_or_else(wrong)).transpose()
    }

    pub fn list(&self, key: &str) -> Result<Vec<String>, SettingsError> {
        let wrong = || SettingsError::Invalid { file: self.file.clone(), reason: format!("`{key}` should be a list of texts") };
        let items = self.get(key)?.as_sequence().ok_or_else(wrong)?;
        items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
    }

    fn missing(&self, key: &str) -> SettingsError {
        let mut keys = Vec::new();
        dotted(&self.values, "", &mut keys);
        let near = keys.iter().map(|known| (strsim::jaro_winkler(known, key), known)).filter(|(score, _)| *score > 0.85);
        let help = match near.max_by(|a, b| a.0.total_cmp(&b.0)) {
            Some((_, near)) => format!("did you mean `{near}`?"),
            None => format!("add it under `settings` in `{}`, or pass `--set {key}=…`", self.file),
        };
        SettingsError::Missing { file: self.file.clone(), key: key.into(), environment: self.environment_name.clone(), help }
    }
}

/// Lays `over` on `under`: maps are merged, anything else is replaced.
fn overlay(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Mapping(under), Value::Mapping(over)) => {
            for (key, value) in over {
                match under.get_mut(&key) {
                    Some(slot) => overlay(slot, value),
                    None => {
                        under.insert(key, value);
                    }
                }
            }
        }
        (slot, over) => *slot = over,
    }
}

fn collect<'v>(value: &'v Value, texts: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Sequence(items) => {
            for item in items {
                collect(item, texts);
            }
        }
        Value::Mapping(fields) => {
            for (_, value) in fields {
                collect(value, texts);
            }
        }
        _ => {}
    }
}

fn nested(key: &str, value: Value) -> Value {
    key.rsplit('.').fold(value, |inner, part| Value::Mapping(Mapping::from_iter([(Value::String(part.into()), inner)])))
}

fn dotted(value: &Value, prefix: &str, keys: &mut Vec<String>) {
    for (key, value) in value.as_mapping().into_iter().flatten() {
        let path = format!("{prefix}{}", key.as_str().unwrap_or_default());
        dotted(value, &format!("{path}."), keys);
        keys.push(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "default_environment: lab\nsettings: {gitea: {url: a, user: u}}\nenvironments:\n  lab: {settings: {gitea: {url: b}}}\n";

    #[test]
    fn an_environment_lies_over_the_common_settings_and_set_over_both() {
        let settings = Settings::parse("railrun.yaml", TEXT, None, &["gitea.user=x".into(), "n.m=3".into()]).unwrap();
        let texts = ["gitea.url", "gitea.user", "n.m"].map(|key| settings.text(key).unwrap());
        assert_eq!(texts, ["b", "x", "3"]);
    }

    #[test]
    fn a_missing_key_names_file_and_key_and_what_was_meant() {
        let settings = Settings::parse("railrun.yaml", TEXT, None, &[]).unwrap();
        let error = settings.get("gitea.ulr").unwrap_err();
        assert_eq!(error.to_string(), "`railrun.yaml` has no setting `gitea.ulr` for environment `lab`");
        assert_eq!(Diagnostic::help(&error).unwrap().to_string(), "did you mean `gitea.url`?");
    }

    #[test]
    fn a_set_without_a_whole_key_and_a_time_that_is_none_are_refused() {
        for set in ["=x", "a..b=1", ".a=1", "a.=1", "a"] {
            let error = Settings::parse("railrun.yaml", TEXT, None, &[set.into()]).unwrap_err();
            assert!(matches!(error, SettingsError::BadSet { .. }), "{set}: {error}");
        }
        let settings = Settings::parse("railrun.yaml", TEXT, None, &["lock.lasts=3s".into(), "lock.other=soon".into()]).unwrap();
        assert_eq!(settings.time("lock.lasts").unwrap(), Some(Duration::from_secs(3)));
        assert_eq!(settings.time("lock.absent").unwrap(), None);
        assert!(settings.time("lock.other").unwrap_err().to_string().contains("`lock.other`"));
    }

    #[test]
    fn what_the_runner_reads_itself_has_the_right_type() {
        for key in OWN_TEXTS {
            let error = Settings::parse("railrun.yaml", TEXT, None, &[format!("{key}=[a]")]).unwrap_err();
            assert_eq!(error.to_string(), format!("`railrun.yaml` is not valid: `{key}` should be a text"));
            Settings::parse("railrun.yaml", TEXT, None, &[format!("{key}=a")]).unwrap();
        }
    }

    #[test]
    fn unknown_environments_and_unknown_keys_are_refused() {
        let error = Settings::parse("railrun.yaml", TEXT, Some("prod"), &[]).unwrap_err();
        assert!(matches!(error, SettingsError::UnknownEnvironment { .. }));
        let error = Settings::parse("railrun.yaml", "enviroments: {}", None, &[]).unwrap_err();
        assert!(error.to_string().contains("enviroments"), "{error}");
    }
}
