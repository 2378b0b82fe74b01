//! Proving a backup, in grades, and writing down what was proven. A proof is never taken back by a weaker one.

use crate::effect::Permit;
use crate::primitives::backup::driver::{Backups, Signed};
use crate::primitives::backup::error::BackupError;
use crate::primitives::backup::identity::Identities;
use crate::primitives::backup::manifest::{FORMAT, Grade, Manifest, Object, Proof, RECEIPT, Receipt};
use crate::primitives::backup::stream::{self, OpenError, Opened};
use crate::webdav::{Replace, WebDavError};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::io;

impl Backups {
    /// Proves a backup as far as the identities at hand allow, at least as far as `wanted`, and signs a receipt.
    pub async fn verify(
        &self,
        permit: &Permit,
        id: &str,
        identities: &Identities,
        wanted: Option<Grade>,
    ) -> Result<(Manifest, Grade), BackupError> {
        let signed = self.manifest(id).await?;
        self.compare_clocks()?;
        self.compare_sizes(&signed.manifest).await?;
        let grade = self.prove(permit, &signed.manifest, identities, wanted).await?;
        let receipt = self.sign_receipt(&signed, grade).await?;
        self.dav.deposit(permit, &self.path(id, RECEIPT), receipt.as_bytes(), Replace::Allowed).await?;
        Ok((signed.manifest, grade))
    }

    async fn prove(
        &self,
        permit: &Permit,
        manifest: &Manifest,
        identities: &Identities,
        wanted: Option<Grade>,
    ) -> Result<Grade, BackupError> {
        let lacks = |reason: &str| BackupError::NoIdentity { id: manifest.id.clone(), reason: reason.into() };
        if identities.is_empty() && wanted >= Some(Grade::Verified) {
            return Err(lacks("none was found"));
        }
        let mut opens = !identities.is_empty();
        for object in &manifest.objects {
            if opens {
                match self.patiently(|| self.read_through(&manifest.id, object, identities)).await {
                    Ok(()) => continue,
                    Err(error @ BackupError::NoIdentity { .. }) if wanted >= Some(Grade::Verified) => return Err(error),
                    Err(error @ BackupError::NoIdentity { .. }) => self.events.warn(error.to_string()),
                    Err(error) => return Err(error),
                }
                opens = false;
            }
            self.patiently(|| self.compare_hash(permit, &manifest.id, object)).await?;
        }
        Ok(if opens { Grade::Verified } else { Grade::Uploaded })
    }

    /// Asks the server for its own hash; where it computes none, the object is fetched and hashed here.
    async fn compare_hash(&self, permit: &Permit, id: &str, object: &Object) -> Result<(), BackupError> {
        let path = self.path(id, &object.path);
        let found = if let Some(hash) = self.dav.recalculate(permit, &path).await? {
            hash
        } else {
            let told = self.progress(&format!("read {}", object.path), Some(object.bytes));
            let tally = stream::hash(self.dav.open(&path).await?, told).await;
            tally.map_err(|error| unread(error, id, object))?.sha256()
        };
        equal(id, object, "sha256", &object.sha256, &found)
    }

    /// Fetches, decrypts and reads an object to its end.
    async fn read_through(&self, id: &str, object: &Object, identities: &Identities) -> Result<(), BackupError> {
        let told = self.progress(&format!("read {}", object.path), Some(object.bytes));
        let source = self.dav.open(&self.path(id, &object.path)).await?;
        let Opened { cipher, plain } = match stream::open(source, identities, told).await {
            Ok(opened) => opened,
            Err(OpenError::NoIdentity) => {
                let reason = "it is encrypted to others than those found".into();
                return Err(BackupError::NoIdentity { id: id.into(), reason });
            }
            Err(OpenError::Broken(error)) => return Err(unread(error, id, object)),
        };
        equal(id, object, "sha256", &object.sha256, &cipher.sha256())?;
        equal(id, object, "content's size", &object.plain_bytes.to_string(), &plain.bytes.to_string())?;
        equal(id, object, "content's sha256", &object.plain_sha256, &plain.sha256())?;
        if object.content.begins_with(&plain.head) {
            return Ok(());
        }
        let reason = format!("it is no {}", object.content.title());
        Err(BackupError::Unreadable { id: id.into(), path: object.path.clone(), reason })
    }

    /// What is proven now, beside what was proven before of the same manifest. A receipt that is not ours is replaced.
    async fn sign_receipt(&self, signed: &Signed, grade: Grade) -> Result<String, BackupError> {
        let id = signed.manifest.id.clone();
        let before = match self.receipt(signed).await {
            Ok(before) => before.map_or_else(BTreeMap::new, |receipt| receipt.proofs),
            Err(error @ BackupError::BadSignature { .. }) => {
                self.events.warn(format!("{error}; it is replaced"));
                BTreeMap::new()
            }
            Err(error) => return Err(error),
        };
        let proof = Proof { at: Timestamp::now(), run: self.run.clone() };
        let proofs = before.into_iter().chain([(grade, proof)]).collect();
        let receipt = Receipt { format: FORMAT, id: id.clone(), manifest_sha256: signed.sha256.clone(), proofs };
        let unsigned = |error: serde_json::Error| BackupError::Unreadable { id, path: RECEIPT.into(), reason: error.to_string() };
        self.signet.sign("receipt", &receipt).map_err(unsigned)
    }
}

fn equal(id: &str, object: &Object, what: &'static str, expected: &str, found: &str) -> Result<(), BackupError> {
    if expected == found {
        return Ok(());
    }
    let (path, expected, found) = (object.path.clone(), expected.to_owned(), found.to_owned());
    Err(BackupError::Damaged { id: id.to_owned(), path, what, expected, found })
}

/// A connection that broke is not damage.
fn unread(error: io::Error, id: &str, object: &Object) -> BackupError {
    match error.downcast::<WebDavError>() {
        Ok(error) => error.into(),
        Err(error) => BackupError::Unreadable { id: id.into(), path: object.path.clone(), reason: error.to_string() },
    }
}
