//! Encrypted files, through the `sops` program behind pipes: clear text is in memory only, never on disk nor in
//! arguments. A file whose MAC does not verify is an error, always. What a script may do with a value is not decided here.

mod clear;
mod error;
mod key;
mod rule;

pub use clear::{Clear, diff_stored, text};
pub use error::SopsError;
pub use key::{Key, Part};

use crate::effect::Permit;
use crate::files::Files;
use crate::process::{Command, Process};
use rule::Rule;
use serde_yaml::{Mapping, Value};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// Where sops keeps what it knows about a file.
const METADATA: &str = "sops";

pub struct Sops<'h> {
    process: &'h Process,
    files: &'h Files,
}

impl<'h> Sops<'h> {
    pub fn on(process: &'h Process, files: &'h Files) -> Self {
        Self { process, files }
    }

    /// The clear content of a file. In a dry run that is what was planned for it.
    pub async fn read(&self, path: &Path) -> Result<Value, SopsError> {
        Ok(self.open(path).await?.value)
    }

    /// The clear content of a file, and which of its keys are encrypted.
    pub async fn open(&self, path: &Path) -> Result<Clear, SopsError> {
        let (text, planned) = (self.files.read(path)?, self.files.planned(path).is_some());
        let mut stored: Value = serde_yaml::from_str(&text).map_err(|error| self.invalid(path, &error))?;
        let metadata = stored.get(METADATA).cloned();
        let signed = metadata.as_ref().is_some_and(|metadata| metadata.get("mac").is_some());
        let rule = Rule::of(metadata.as_ref(), &self.name(path))?;
        if planned && !signed {
            stored.as_mapping_mut().map(|map| map.remove(METADATA));
            return Ok(Clear::new(stored, Value::Null, metadata, rule));
        }
        if metadata.is_none() {
            return Err(SopsError::NotEncrypted { file: self.name(path) });
        }
        let output = self.process.read(&decrypt(&text)).await.map_err(|error| self.explain(path, metadata.as_ref(), error))?;
        let value = serde_yaml::from_slice(&output.stdout).map_err(|error| self.invalid(path, &error))?;
        Ok(Clear::new(value, stored, metadata, rule))
    }

    /// The value that a reference such as `helm/gitea-values.sops.yaml#gitea.admin.password` leads to.
    pub async fn secret(&self, reference: &str) -> Result<String, SopsError> {
        let (file, key) = reference.split_once('#').ok_or_else(|| SopsError::bad_key(reference, "`file#key.path` is expected"))?;
        let path = self.files.path(file);
        let key = Key::parse(key)?;
        let clear = self.open(&path).await?;
        let value = clear.get(&key).ok_or_else(|| self.no_key(&path, &clear, &key))?;
        clear::text(value).ok_or_else(|| SopsError::NotAValue { file: self.name(&path), key: key.to_string() })
    }

    /// Sets one key of an encrypted file; `value` may be a whole map.
    pub async fn set(&self, permit: &Permit, path: &Path, key: &Key, value: &Value) -> Result<(), SopsError> {
        let clear = self.open(path).await?;
        clear.with(key, value).map_err(|reason| self.does_not_fit(path, key, reason))?;
        for list in key.lists() {
            self.refuse_comments(path, &list).await?;
        }
        let json = serde_json::to_vec(value).map_err(|error| SopsError::bad_key(&key.to_string(), &error.to_string()))?;
        // sops writes in place, cutting the file first: so it gets a copy (of what is encrypted), which then replaces it.
        let copy = std::env::temp_dir().join(format!("railrun-{}.yaml", ulid::Ulid::generate()));
        self.files.write(permit, &copy, &self.files.read_disk(path)?)?;
        let command = sops(&["set", "--value-stdin", &copy.to_string_lossy(), &key.as_index()]).stdin(json);
        let replaced = match self.process.write(permit, &command).await {
            Err(error) if error.status() != Some(error::UNCHANGED) => Err(self.explain(path, clear.metadata(), error)),
            _ => self.files.read_given(&copy).and_then(|text| self.files.write(permit, path, &text)).map_err(SopsError::from),
        };
        self.files.remove(permit, &copy)?;
        replaced
    }

    /// What an encrypted file would hold, by the rules of the `.sops.yaml` above it.
    pub async fn encrypt(&self, path: &Path, clear: &Value) -> Result<String, SopsError> {
        let text = serde_yaml::to_string(clear).map_err(|error| self.invalid(path, &error))?;
        let output = self.process.read(&encrypt(path, &text)).await.map_err(|error| match error.status() {
            Some(error::ALREADY_ENCRYPTED) | None => self.explain(path, None, error),
            Some(_) => SopsError::CannotEncrypt { file: self.name(path), reason: error::said(&error) },
        })?;
        Ok(output.text())
    }

    /// What a new file would hold, and which of its keys would be encrypted.
    pub async fn preview_create(&self, path: &Path, content: Value) -> Result<Clear, SopsError> {
        let text = self.encrypt(path, &content).await?;
        let stored: Value = serde_yaml::from_str(&text).map_err(|error| self.invalid(path, &error))?;
        let metadata = stored.get(METADATA).cloned();
        let rule = Rule::of(metadata.as_ref(), &self.name(path))?;
        Ok(Clear::new(content, stored, metadata, rule))
    }

    /// Makes a new encrypted file. One that is there already is never replaced.
    pub async fn create(&self, permit: &Permit, path: &Path, clear: &Value) -> Result<(), SopsError> {
        if self.files.exists(path) {
            return Err(SopsError::AlreadyThere { file: self.name(path) });
        }
        let encrypted = self.encrypt(path, clear).await?;
        Ok(self.files.write(permit, path, &encrypted)?)
    }

    /// Whom a file is encrypted to now, and whom the `.sops.yaml` above it wants.
    pub async fn recipients(&self, path: &Path) -> Result<(BTreeSet<String>, BTreeSet<String>), SopsError> {
        let of = |text: &str| -> Result<BTreeSet<String>, SopsError> {
            let stored: Value = serde_yaml::from_str(text).map_err(|error| self.invalid(path, &error))?;
            Ok(stored.get(METADATA).map(recipients_in).unwrap_or_default())
        };
        let wanted = self.encrypt(path, &Value::Mapping(Mapping::from_iter([("x".into(), "x".into())]))).await?;
        Ok((of(&self.files.read(path)?)?, of(&wanted)?))
    }

    /// Encrypts a file to whom the `.sops.yaml` above it wants.
    pub async fn update_keys(&self, permit: &Permit, path: &Path) -> Result<(), SopsError> {
        let folder = path.parent().unwrap_or(Path::new("/"));
        let command = sops(&["updatekeys", "--yes", &path.to_string_lossy()]).folder(folder);
        self.process.write(permit, &command).await.map(drop).map_err(|error| self.explain(path, None, error))
    }

    /// Remembers, in a dry run, what a file would hold in clear; only [`Sops::open`] reads it again.
    pub fn foretell(&self, path: &Path, clear: &Clear) {
        self.files.foretell(path, serde_yaml::to_string(&clear.planned()).ok());
    }

    /// How messages and references name a file: from the root where it lies below it.
    pub fn name(&self, path: &Path) -> String {
        self.files.name(path)
    }

    /// "There is no such key", with the nearest one there is.
    pub fn no_key(&self, path: &Path, clear: &Clear, key: &Key) -> SopsError {
        SopsError::no_key(&self.name(path), &key.to_string(), clear.keys().iter().map(String::as_str))
    }

    pub fn does_not_fit(&self, path: &Path, key: &Key, reason: String) -> SopsError {
        SopsError::DoesNotFit { file: self.name(path), key: key.to_string(), reason }
    }

    /// `sops set` counts a comment in a list as an item and would overwrite it.
    async fn refuse_comments(&self, path: &Path, list: &Key) -> Result<(), SopsError> {
        let command = sops(&["decrypt", "--extract", &list.as_index(), &path.to_string_lossy()]);
        let Ok(output) = self.process.read(&command).await else { return Ok(()) };
        if output.text().lines().any(|line| line.trim_start().starts_with('#')) {
            return Err(SopsError::CommentedList { file: self.name(path), key: list.to_string() });
        }
        Ok(())
    }

    fn invalid(&self, path: &Path, error: &serde_yaml::Error) -> SopsError {
        SopsError::Invalid { file: self.name(path), reason: error.to_string() }
    }

    fn explain(&self, path: &Path, metadata: Option<&Value>, error: crate::process::ProcessError) -> SopsError {
        SopsError::explain(&self.name(path), metadata, error)
    }
}

/// A key held by an agent or a cloud may take its time; one that asks a person for a word never ends.
const DEADLINE: Duration = Duration::from_secs(60);

fn sops(args: &[&str]) -> Command {
    Command::new("sops", args.iter().copied()).within(DEADLINE)
}

fn decrypt(text: &str) -> Command {
    sops(&["decrypt", "--input-type", "yaml", "--output-type", "yaml"]).stdin(text)
}

/// sops looks for `.sops.yaml` from its working folder upwards, whatever the name it is told.
fn encrypt(path: &Path, text: &str) -> Command {
    let folder = path.ancestors().skip(1).find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
    let path = path.to_string_lossy();
    sops(&["encrypt", "--input-type", "yaml", "--output-type", "yaml", "--filename-override", &path]).stdin(text).folder(folder)
}

/// An empty file's content.
pub fn empty() -> Value {
    Value::Mapping(Mapping::new())
}

/// Everybody whom a file's metadata names, of whatever kind: age, PGP, a cloud's key service, in groups or not. One is known by
/// all that is said of him but when, and what, was encrypted to him.
fn recipients_in(metadata: &Value) -> BTreeSet<String> {
    const GROUPS: [&str; 7] = ["age", "pgp", "kms", "gcp_kms", "azure_kv", "hc_vault", "key_groups"];
    let about = |(key, value): (&Value, &Value)| {
        let is_his = key.as_str().is_some_and(|key| !["enc", "created_at"].contains(&key));
        value.as_str().filter(|text| is_his && !text.is_empty()).map(str::to_owned)
    };
    let groups = GROUPS.iter().filter_map(|group| metadata.get(group)?.as_sequence()).flatten();
    groups
        .flat_map(|entry| {
            let said: Vec<String> = entry.as_mapping().into_iter().flatten().filter_map(about).collect();
            (!said.is_empty()).then(|| said.join(" ")).into_iter().chain(recipients_in(entry))
        })
        .collect()
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub mod trial;
