//! What backups there are. Only signed manifests and receipts are believed; anything doubtful does not count.

use crate::duration::Span;
use crate::primitives::backup::driver::{Backups, Signed};
use crate::primitives::backup::error::BackupError;
use crate::primitives::backup::manifest::{Grade, Manifest, Receipt};
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A backup, as scripts see it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    pub id: String,
    pub made_at: String,
    /// In seconds.
    pub age: u64,
    /// All its objects as they lie on the server, in bytes.
    pub size: u64,
    /// The highest grade that was proven, `()` where none was.
    pub grade: Option<Grade>,
    /// `namespace/database` of each.
    pub databases: Vec<String>,
    /// The name of each Valkey server.
    pub valkey: Vec<String>,
    /// The claim of each volume, as `namespace/persistentvolumeclaim/name`.
    pub volumes: Vec<String>,
    /// The run that made it.
    pub run: String,
}

/// What a script asks of the latest backup.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LatestOptions {
    /// It was made, and proven, no longer ago than this.
    pub verified_within: Option<Span>,
    /// At least this much is proven; `uploaded` where nothing is said.
    pub grade: Option<Grade>,
    /// It holds all of these, as `namespace/database`; scripts give the maps that describe them.
    pub databases: Vec<String>,
    /// It holds all these Valkey servers, by name.
    pub valkey: Vec<String>,
    /// It holds the volumes of all these claims.
    pub volumes: Vec<String>,
}

/// How many manifests are fetched at a time.
const AT_A_TIME: usize = 4;

impl Backups {
    /// All backups, newest first. Folders without a manifest are none; those with a forged one are warned about.
    pub async fn list(&self) -> Result<Vec<Entry>, BackupError> {
        let found = futures::stream::iter(self.ids().await?).map(|id| async move { self.look(&id).await }).buffered(AT_A_TIME);
        let found: Vec<Option<(Signed, Option<Receipt>)>> = found.try_collect().await?;
        Ok(found.into_iter().flatten().map(|(signed, receipt)| entry(&signed.manifest, receipt.as_ref())).collect())
    }

    /// The newest backup that is proven enough and whose objects are all there; `None` where there is none.
    pub async fn latest(&self, wanted: &LatestOptions) -> Result<Option<Entry>, BackupError> {
        for id in self.ids().await? {
            let Some((signed, receipt)) = self.look(&id).await? else { continue };
            if !wanted.fits(&signed.manifest, receipt.as_ref(), Timestamp::now()) {
                continue;
            }
            match self.compare_sizes(&signed.manifest).await {
                Ok(()) => return Ok(Some(entry(&signed.manifest, receipt.as_ref()))),
                Err(error @ (BackupError::ObjectMissing { .. } | BackupError::Damaged { .. })) => self.events.warn(error.to_string()),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    async fn look(&self, id: &str) -> Result<Option<(Signed, Option<Receipt>)>, BackupError> {
        let signed = match self.manifest(id).await {
            Ok(signed) => signed,
            Err(BackupError::NotFound { .. }) => return Ok(None),
            Err(error @ BackupError::BadSignature { .. }) => {
                self.events.warn(error.to_string());
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        match self.receipt(&signed).await {
            Ok(receipt) => Ok(Some((signed, receipt))),
            Err(error @ BackupError::BadSignature { .. }) => {
                self.events.warn(error.to_string());
                Ok(Some((signed, None)))
            }
            Err(error) => Err(error),
        }
    }
}

impl LatestOptions {
    fn fits(&self, manifest: &Manifest, receipt: Option<&Receipt>, now: Timestamp) -> bool {
        let proven = receipt.and_then(|receipt| receipt.proven(self.grade.unwrap_or(Grade::Uploaded)));
        let Some(proven) = proven else { return false };
        let recent = |at: Timestamp| self.verified_within.is_none_or(|Span(span)| age(at, now).is_some_and(|age| age <= span));
        let holds = |wanted: &[String], held: Vec<String>| wanted.iter().all(|one| held.contains(one));
        recent(manifest.made_at)
            && recent(proven)
            && holds(&self.databases, manifest.databases())
            && holds(&self.valkey, manifest.valkey())
            && holds(&self.volumes, manifest.volumes())
    }
}

/// `None` for what claims to be from the future, beyond what clocks may differ.
fn age(at: Timestamp, now: Timestamp) -> Option<Duration> {
    let age = now.duration_since(at);
    if age.as_secs() < -300 { None } else { Some(Duration::try_from(age).unwrap_or_default()) }
}

fn entry(manifest: &Manifest, receipt: Option<&Receipt>) -> Entry {
    Entry {
        id: manifest.id.clone(),
        made_at: manifest.made_at.to_string(),
        age: age(manifest.made_at, Timestamp::now()).unwrap_or_default().as_secs(),
        size: manifest.bytes(),
        grade: receipt.and_then(Receipt::grade),
        databases: manifest.databases(),
        valkey: manifest.valkey(),
        volumes: manifest.volumes(),
        run: manifest.run.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primitives::backup::manifest::{FORMAT, Proof};
    use std::collections::BTreeMap;

    const NOW: &str = "2025-11-23T12:00:00Z";

    fn fits(wanted: &LatestOptions, made: &str, proven: &[(Grade, &str)]) -> bool {
        let [made_at, now] = [made, NOW].map(|text| text.parse().unwrap());
        let (id, run, platform) = ("i".to_string(), "r".to_string(), "p".to_string());
        let manifest = Manifest { format: FORMAT, id: id.clone(), run, platform, made_at, tools: BTreeMap::new(), objects: vec![] };
        let proof = |at: &str| Proof { at: at.parse().unwrap(), run: "r".into() };
        let proofs = proven.iter().map(|(grade, at)| (*grade, proof(at))).collect();
        let receipt = Receipt { format: FORMAT, id, manifest_sha256: "m".into(), proofs };
        wanted.fits(&manifest, Some(&receipt).filter(|_| !proven.is_empty()), now)
    }

    #[test]
    fn the_latest_is_proven_enough_and_lately() {
        let hour = LatestOptions { verified_within: Some(Span(Duration::from_secs(3600))), ..LatestOptions::default() };
        let half = "2025-11-23T11:30:00Z";
        assert!(fits(&hour, half, &[(Grade::Uploaded, half)]));
        assert!(!fits(&hour, half, &[]), "nothing is proven");
        assert!(!fits(&hour, "2025-11-22T11:30:00Z", &[(Grade::Verified, half)]), "an old backup proven again is an old backup");
        assert!(!fits(&hour, "2025-11-23T12:30:00Z", &[(Grade::Uploaded, half)]), "it claims to be from the future");
        let verified = LatestOptions { grade: Some(Grade::Verified), ..LatestOptions::default() };
        assert!(!fits(&verified, half, &[(Grade::Uploaded, half)]));
        assert!(fits(&verified, half, &[(Grade::Rehearsed, half)]));
        let other = LatestOptions { databases: vec!["platform/other".into()], ..LatestOptions::default() };
        assert!(!fits(&other, half, &[(Grade::Verified, half)]), "it does not hold that database");
        let volume = LatestOptions { volumes: vec!["gitea/persistentvolumeclaim/data".into()], ..LatestOptions::default() };
        assert!(!fits(&volume, half, &[(Grade::Verified, half)]), "it does not hold that volume");
    }
}
