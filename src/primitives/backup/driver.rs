//! The backups of one platform on a WebDAV server: where they are, whom they are signed by, how they are found. How
//! one is made and how one is proven is in `create` and `verify`.

use crate::event::Events;
use crate::host::Host;
use crate::primitives::backup::error::BackupError;
use crate::primitives::backup::manifest::{self, FORMAT, MANIFEST, Manifest, RECEIPT, Receipt};
use crate::primitives::backup::signature::Signet;
use crate::sops::{Sops, SopsError};
use crate::webdav::{Account, Patience, WebDav, WebDavError, hex};
use sha2::{Digest, Sha256};
use std::time::{Duration, Instant};

/// The server's clock and ours may differ by so much.
const SKEW: Duration = Duration::from_secs(300);
/// A manifest names every table of every database; it is never larger than this.
const LARGEST_MANIFEST: usize = 16 << 20;
/// How often something that may pass by itself is tried.
const TRIES: u32 = 3;

pub struct Backups {
    pub(super) dav: WebDav,
    /// `<root>/<platform>`
    pub(super) folder: String,
    pub(super) platform: String,
    pub(super) signet: Signet,
    pub(super) run: String,
    pub(super) events: Events,
}

/// A manifest that is ours, and the hash that receipts know it by.
pub struct Signed {
    pub manifest: Manifest,
    pub sha256: String,
}

impl Backups {
    /// The backups that the settings name. Nothing is asked of the server yet.
    pub fn on(host: &Host) -> Result<Self, BackupError> {
        let text = |key: &str| host.settings.text(key);
        let account = Account { url: text("backup.url")?, user: text("backup.user")?, password: secret(host, "backup.password")? };
        host.redactor.learn(&format!("{}:{}", account.user, account.password));
        let key = secret(host, SIGNING_KEY)?;
        let signet = Signet::parse(&key).map_err(|reason| BackupError::BadSetting { key: SIGNING_KEY, reason })?;
        let platform = text("backup.platform")?;
        let folder = folder(&text("backup.root")?, &platform)?;
        let dav = WebDav::new(&account, Patience::default())?;
        Ok(Self { dav, folder, platform, signet, run: host.run_id.clone(), events: host.events.clone() })
    }

    pub fn platform(&self) -> &str {
        &self.platform
    }

    /// The ids of all folders that could be backups, newest first; both clocks are compared on the way.
    pub async fn ids(&self) -> Result<Vec<String>, BackupError> {
        let entries = match self.dav.list(&self.folder).await {
            Err(WebDavError::NotFound { .. }) => Vec::new(),
            entries => entries?,
        };
        self.compare_clocks()?;
        let names = entries.into_iter().filter(|entry| entry.folder).map(|entry| entry.name);
        let mut ids: Vec<String> = names.filter(|name| manifest::is_id(name)).collect();
        ids.sort_unstable_by(|a, b| b.cmp(a));
        Ok(ids)
    }

    /// Fails unless the latest answer of the server had about our time.
    pub fn compare_clocks(&self) -> Result<(), BackupError> {
        let apart = self.dav.skew().ok_or(BackupError::NoClock)?.unsigned_abs();
        if apart > SKEW { Err(BackupError::ClockSkew { apart }) } else { Ok(()) }
    }

    /// A backup's manifest, believed only with our signature and under its own name.
    pub async fn manifest(&self, id: &str) -> Result<Signed, BackupError> {
        let unknown = || BackupError::NotFound { id: id.into() };
        if !manifest::is_id(id) {
            return Err(unknown());
        }
        let text = match self.dav.read(&self.path(id, MANIFEST), LARGEST_MANIFEST).await {
            Err(WebDavError::NotFound { .. }) => return Err(unknown()),
            text => text?,
        };
        let forged = |reason: String| BackupError::BadSignature { id: id.into(), document: MANIFEST, reason };
        let manifest: Manifest = self.signet.open("manifest", &text).map_err(forged)?;
        if manifest.id != id || manifest.platform != self.platform {
            return Err(forged(format!("it belongs to `{}` of `{}`", manifest.id, manifest.platform)));
        }
        if manifest.format != FORMAT {
            return Err(forged(format!("its format {} is not known to this version", manifest.format)));
        }
        Ok(Signed { manifest, sha256: hex(&Sha256::digest(&text)) })
    }

    /// What was proven of this manifest; `None` where nothing was yet.
    pub async fn receipt(&self, signed: &Signed) -> Result<Option<Receipt>, BackupError> {
        let id = &signed.manifest.id;
        let text = match self.dav.read(&self.path(id, RECEIPT), LARGEST_MANIFEST).await {
            Err(WebDavError::NotFound { .. }) => return Ok(None),
            text => text?,
        };
        let forged = |reason: String| BackupError::BadSignature { id: id.clone(), document: RECEIPT, reason };
        let receipt: Receipt = self.signet.open("receipt", &text).map_err(forged)?;
        if receipt.id != *id || receipt.manifest_sha256 != signed.sha256 {
            return Err(forged("it is about another manifest".into()));
        }
        Ok(Some(receipt))
    }

    /// Fails unless every object lies on the server with the size that the manifest says.
    pub async fn compare_sizes(&self, manifest: &Manifest) -> Result<(), BackupError> {
        for object in &manifest.objects {
            let (id, path) = (manifest.id.clone(), object.path.clone());
            match self.dav.stat(&self.path(&id, &path)).await?.and_then(|entry| entry.bytes) {
                None => return Err(BackupError::ObjectMissing { id, path }),
                Some(bytes) if bytes != object.bytes => {
                    let (expected, found) = (object.bytes.to_string(), bytes.to_string());
                    return Err(BackupError::Damaged { id, path, what: "size", expected, found });
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    pub(super) fn path(&self, id: &str, below: &str) -> String {
        format!("{}/{id}/{below}", self.folder)
    }

    /// Tries again what may pass by itself: a server that is busy, a connection that broke.
    pub(super) async fn patiently<T, F>(&self, attempt: impl Fn() -> F) -> Result<T, BackupError>
    where
        F: Future<Output = Result<T, BackupError>>,
    {
        let mut left = TRIES;
        loop {
            left -= 1;
            match attempt().await {
                Err(BackupError::WebDav(error)) if left > 0 => {
                    let wait = error.passes_in().filter(|wait| *wait <= self.dav.patience().retry).ok_or(error.clone())?;
                    self.events.warn(format!("{error}; trying again"));
                    tokio::time::sleep(wait).await;
                }
                result => return result,
            }
        }
    }

    /// Tells how far something is, not more often than anyone can read.
    pub(super) fn progress(&self, what: &str, total: Option<u64>) -> impl FnMut(u64) + Unpin + use<> {
        let (events, what) = (self.events.clone(), what.to_owned());
        let mut next = Instant::now();
        let mut said = None;
        move |bytes| {
            let ends = total == Some(bytes) && said != Some(bytes);
            if ends || Instant::now() >= next {
                events.progress(&what, bytes, total, "bytes");
                next = Instant::now() + Duration::from_millis(100);
                said = Some(bytes);
            }
        }
    }
}

const SIGNING_KEY: &str = "backup.signing_key";

/// A secret that a setting refers to, such as `sops:helm/backup.sops.yaml#webdav.password`.
fn secret(host: &Host, key: &'static str) -> Result<String, BackupError> {
    let reference = host.settings.text(key)?;
    let bad = || BackupError::BadSetting { key, reason: "a reference such as `sops:helm/backup.sops.yaml#key` is expected".into() };
    let reference = reference.strip_prefix("sops:").ok_or_else(bad)?;
    let sops = Sops::on(&host.process, &host.files);
    let value = host.wait::<String, SopsError, BackupError>(sops.secret(reference))?;
    host.redactor.learn(value.trim());
    Ok(value.trim().to_owned())
}

/// `<root>/<platform>`, each part a plain name.
fn folder(root: &str, platform: &str) -> Result<String, BackupError> {
    let bad = |key, text: &str| BackupError::BadSetting { key, reason: format!("`{text}` is not a plain folder name") };
    let plain = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(['/', '\\']);
    if !plain(platform) {
        return Err(bad("backup.platform", platform));
    }
    let parts: Vec<&str> = root.split('/').filter(|part| !part.is_empty()).collect();
    if !parts.iter().all(|part| plain(part)) {
        return Err(bad("backup.root", root));
    }
    Ok(parts.into_iter().chain([platform]).collect::<Vec<_>>().join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backups_stay_below_their_root() {
        assert_eq!(folder("/a b/backups/", "lab").unwrap(), "a b/backups/lab");
        assert_eq!(folder("", "lab").unwrap(), "lab");
        for (root, platform) in [("a/../b", "lab"), ("a", ".."), ("a", ""), ("a", "x/y")] {
            assert!(folder(root, platform).is_err(), "{root} {platform}");
        }
    }
}
