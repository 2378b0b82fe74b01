//! Changes to encrypted files as differences. How sops is called is `crate::sops`' business; a new password's letters
//! are `generate`'s.

use crate::effect::{Diff, Permit, Preview};
use crate::files::Files;
use crate::host::{Host, SharedHost};
use crate::script::Fault;
use crate::secret::{Secret, SecretError};
use crate::sops::{Clear, Key, Sops, SopsError};
use miette::Diagnostic;
use serde_yaml::Value;
use std::path::PathBuf;

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
pub enum VaultError {
    #[error("a secret at `{key}` would be readable in `{file}`")]
    #[diagnostic(
        code(sops::would_be_readable),
        help("let `encrypted_regex` in `.sops.yaml` cover the key, then `sops updatekeys`, or choose a key it covers")
    )]
    WouldBeReadable { file: String, key: String },
    #[error("`{file}` holds something else than one value at `{key}`")]
    #[diagnostic(code(sops::not_a_value), help("`sops::set` replaces a map or a list"))]
    NotAValue { file: String, key: String },
}

/// Encrypted files of one host.
pub struct Vault<'h> {
    host: &'h Host,
    sops: Sops<'h>,
}

impl<'h> Vault<'h> {
    pub fn on(host: &'h Host) -> Self {
        Self { host, sops: Sops::on(&host.process, &host.files) }
    }

    /// How a plan names the file.
    pub fn resource(&self, file: &str) -> String {
        Files::resource(&self.path(file))
    }

    /// How messages name the file.
    pub fn name(&self, file: &str) -> String {
        self.host.files.name(&self.path(file))
    }

    pub async fn open(&self, file: &str) -> Result<Clear, SopsError> {
        self.sops.open(&self.path(file)).await
    }

    /// `secrets` are the places inside `new` that nobody may read.
    pub async fn preview_set(&self, file: &str, key: &Key, new: &Value, secrets: &[Key]) -> Result<Preview<()>, Fault> {
        let before = self.open(file).await?;
        if before.get(key) == Some(new) {
            return Ok(Preview::Same(()));
        }
        let after = before.with(key, new).map_err(|reason| self.sops.does_not_fit(&self.path(file), key, reason))?;
        for secret in secrets {
            refuse_readable(&self.name(file), &after, &Key([key.0.clone(), secret.0.clone()].concat()))?;
        }
        Ok(self.differs(file, &before, &after))
    }

    /// Nothing differs where there is a value already, whatever it is.
    pub async fn preview_generate(&self, file: &str, key: &Key, password: &Value) -> Result<Preview<()>, Fault> {
        match self.open(file).await?.get(key) {
            None | Some(Value::Null) => self.preview_set(file, key, password, &[Key(Vec::new())]).await,
            Some(Value::String(text)) if text.is_empty() => self.preview_set(file, key, password, &[Key(Vec::new())]).await,
            Some(Value::Mapping(_) | Value::Sequence(_)) => {
                Err(VaultError::NotAValue { file: self.name(file), key: key.to_string() }.into())
            }
            Some(_) => Ok(Preview::Same(())),
        }
    }

    pub async fn set(&self, permit: &Permit, file: &str, key: &Key, new: &Value) -> Result<(), Fault> {
        Ok(self.sops.set(permit, &self.path(file), key, new).await?)
    }

    pub async fn preview_create(&self, file: &str, content: Value, secrets: &[Key]) -> Result<Preview<()>, Fault> {
        let path = self.path(file);
        if self.host.files.exists(&path) {
            return Ok(Preview::Same(()));
        }
        let after = self.sops.preview_create(&path, content).await?;
        for secret in secrets {
            refuse_readable(&self.name(file), &after, secret)?;
        }
        Ok(self.differs(file, &after.emptied(), &after))
    }

    pub async fn create(&self, permit: &Permit, file: &str, content: &Value) -> Result<(), Fault> {
        Ok(self.sops.create(permit, &self.path(file), content).await?)
    }

    /// Nothing differs where a file is encrypted to those whom its `.sops.yaml` wants.
    pub async fn preview_update_keys(&self, file: &str) -> Result<Preview<()>, Fault> {
        let (now, wanted) = self.sops.recipients(&self.path(file)).await?;
        if now == wanted {
            return Ok(Preview::Same(()));
        }
        let gone = now.difference(&wanted).map(|one| format!("- {one}"));
        let new = wanted.difference(&now).map(|one| format!("+ {one}"));
        Ok(Preview::Differs { diff: gone.chain(new).fold(Diff::new(), Diff::note), foretold: Some(()) })
    }

    pub async fn update_keys(&self, permit: &Permit, file: &str) -> Result<(), Fault> {
        Ok(self.sops.update_keys(permit, &self.path(file)).await?)
    }

    /// What a dry run shows of it, and remembers.
    fn differs(&self, file: &str, before: &Clear, after: &Clear) -> Preview<()> {
        self.sops.foretell(&self.path(file), after);
        Preview::Differs { diff: before.diff(after), foretold: Some(()) }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.host.files.path(file)
    }
}

fn refuse_readable(file: &str, after: &Clear, key: &Key) -> Result<(), VaultError> {
    if after.encrypts(key) { Ok(()) } else { Err(VaultError::WouldBeReadable { file: file.into(), key: key.to_string() }) }
}

/// A value of an encrypted file that is read when it is used.
pub fn lazy(host: &SharedHost, file: &str, key: &Key) -> Secret {
    let reference = format!("{file}#{key}");
    let (host, origin) = (host.clone(), format!("sops:{reference}"));
    Secret::lazy(origin.clone(), move || {
        let read = async { Sops::on(&host.process, &host.files).secret(&reference).await };
        host.bridge.wait_apart::<_, _, Fault>(read).map_err(|fault| SecretError {
            origin: origin.clone(),
            reason: fault.message(),
            help: fault.help().or_else(|| Some("`railrun doctor` says whether sops and its key are found".into())),
        })
    })
}

/// A value that has been read, as a secret, if it is one.
pub fn known(clear: &Clear, key: &Key, value: &Value, origin: &str) -> Option<Secret> {
    let text = clear.encrypts(key).then(|| crate::sops::text(value)).flatten()?;
    Some(Secret::known(format!("{origin}#{key}"), text))
}
