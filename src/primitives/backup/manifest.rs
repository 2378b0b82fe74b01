//! What a backup says about itself (the manifest) and what was proven about it (the receipt). How they are signed is
//! `signature`'s business.

use crate::webdav::Deposited;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::{self, Display};

pub const MANIFEST: &str = "manifest.json";
pub const RECEIPT: &str = "verified.json";

/// Raised when a reader of the old format would misunderstand the new one.
pub const FORMAT: u32 = 1;

/// The last thing written: without it there is no backup.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    pub id: String,
    /// The run that made it.
    pub run: String,
    pub platform: String,
    pub made_at: Timestamp,
    /// Program and version, of all that had a hand in it.
    pub tools: BTreeMap<String, String>,
    pub objects: Vec<Object>,
}

/// One encrypted file of a backup.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Object {
    /// Below the backup's folder.
    pub path: String,
    #[serde(flatten)]
    pub content: Content,
    /// As it lies on the server.
    pub bytes: u64,
    pub sha256: String,
    /// As the producer wrote it.
    pub plain_bytes: u64,
    pub plain_sha256: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Content {
    /// `pg_dump -Fc -Z0`.
    Database {
        cluster: String,
        database: String,
        #[serde(flatten)]
        facts: Facts,
    },
    /// `pg_dumpall --globals-only`: roles with their password hashes, tablespaces.
    Globals { cluster: String },
    /// `valkey-cli --rdb`.
    Valkey { name: String },
    /// `tar` of a claim's files.
    Volume { claim: String },
}

/// What the server said of a database just before it was dumped.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    pub server_version: String,
    pub system_identifier: String,
    pub lsn: String,
    /// Rows per table, `schema.table`.
    pub rows: BTreeMap<String, u64>,
    pub extensions: BTreeMap<String, String>,
}

impl Content {
    /// `the database platform/gitea`, for people.
    pub fn title(&self) -> String {
        match self {
            Content::Database { cluster, database, .. } => format!("database {cluster}/{database}"),
            Content::Globals { cluster } => format!("globals of {cluster}"),
            Content::Valkey { name } => format!("Valkey {name}"),
            Content::Volume { claim } => format!("volume {claim}"),
        }
    }

    /// Where it lies in a backup.
    pub fn path(&self) -> String {
        match self {
            Content::Database { cluster, database, .. } => format!("pg/{}/{}.dump.zst.age", segment(cluster), segment(database)),
            Content::Globals { cluster } => format!("pg/{}/globals.sql.zst.age", segment(cluster)),
            Content::Valkey { name } => format!("valkey/{}.rdb.zst.age", segment(name)),
            Content::Volume { claim } => format!("volumes/{}.tar.zst.age", segment(claim)),
        }
    }

    /// Whether these first bytes can be this content.
    pub fn begins_with(&self, head: &[u8]) -> bool {
        match self {
            Content::Database { .. } => head.starts_with(b"PGDMP"),
            Content::Globals { .. } => head.starts_with(b"--"),
            Content::Valkey { .. } => head.starts_with(b"REDIS") || head.starts_with(b"VALKEY"),
            // The first entry of the archive is the folder itself.
            Content::Volume { .. } => head.starts_with(b"./\0"),
        }
    }

    pub fn database(&self) -> Option<String> {
        match self {
            Content::Database { cluster, database, .. } => Some(format!("{cluster}/{database}")),
            _ => None,
        }
    }

    pub fn valkey(&self) -> Option<String> {
        match self {
            Content::Valkey { name } => Some(name.clone()),
            _ => None,
        }
    }

    pub fn volume(&self) -> Option<String> {
        match self {
            Content::Volume { claim } => Some(claim.clone()),
            _ => None,
        }
    }
}

/// A name as one part of a path on any server: what is not plain is written `%XX`.
fn segment(name: &str) -> String {
    let plain = |at: usize, byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte) || (byte == b'.' && at > 0);
    name.bytes().enumerate().map(|(at, byte)| if plain(at, byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

impl Object {
    pub fn new(content: Content, deposited: Deposited, plain_bytes: u64, plain_sha256: String) -> Self {
        Self { path: content.path(), content, bytes: deposited.bytes, sha256: deposited.sha256, plain_bytes, plain_sha256 }
    }
}

impl Manifest {
    pub fn bytes(&self) -> u64 {
        self.objects.iter().map(|object| object.bytes).sum()
    }

    pub fn databases(&self) -> Vec<String> {
        self.objects.iter().filter_map(|object| object.content.database()).collect()
    }

    pub fn valkey(&self) -> Vec<String> {
        self.objects.iter().filter_map(|object| object.content.valkey()).collect()
    }

    pub fn volumes(&self) -> Vec<String> {
        self.objects.iter().filter_map(|object| object.content.volume()).collect()
    }
}

/// How much is proven of a backup. Each includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    /// Sizes and hashes on the server are those of the signed manifest.
    Uploaded,
    /// Downloaded, decrypted and read to its end; needs an identity.
    Verified,
    /// Restored and compared.
    Rehearsed,
}

impl Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Grade::Uploaded => "uploaded",
            Grade::Verified => "verified",
            Grade::Rehearsed => "rehearsed",
        })
    }
}

/// What was proven, when, of exactly which manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    pub format: u32,
    pub id: String,
    /// Of the manifest's text as it lies on the server.
    pub manifest_sha256: String,
    /// When each grade was last reached, and by which run.
    pub proofs: BTreeMap<Grade, Proof>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proof {
    pub at: Timestamp,
    pub run: String,
}

impl Receipt {
    pub fn grade(&self) -> Option<Grade> {
        self.proofs.keys().max().copied()
    }

    /// When at least this grade was last proven.
    pub fn proven(&self, grade: Grade) -> Option<Timestamp> {
        self.proofs.range(grade..).map(|(_, proof)| proof.at).max()
    }
}

/// `20251123T175959Z-01KA…`: the moment and the run, so that a run knows its own again and names sort by age.
pub fn id(at: Timestamp, run: &str) -> String {
    format!("{}-{run}", at.strftime("%Y%m%dT%H%M%SZ"))
}

/// Whether a folder's name is one of ours.
pub fn is_id(name: &str) -> bool {
    let Some((moment, run)) = name.split_once('-') else { return false };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let moment = moment.len() == 16 && moment.is_ascii() && digits(&moment[..8]) && &moment[8..9] == "T" && digits(&moment[9..15]);
    moment && name.as_bytes()[15] == b'Z' && run.len() == 26 && run.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_when_and_by_which_run() {
        let id = id("2025-11-23T17:59:59.9Z".parse().unwrap(), "01KAS3M8R4T5V6W7X8Y9Z0ABCD");
        assert_eq!(id, "20251123T175959Z-01KAS3M8R4T5V6W7X8Y9Z0ABCD");
        assert!(is_id(&id));
        for other in ["", "x", "../../etc", "20251123T175959Z-short", "2025112üT175959Z-01KAS3M8R4T5V6W7X8Y9Z0ABCD"] {
            assert!(!is_id(other), "{other}");
        }
    }

    #[test]
    fn a_name_is_one_part_of_a_path_whatever_is_in_it() {
        let path =
            |database: &str| Content::Database { cluster: "platform".into(), database: database.into(), facts: Facts::default() }.path();
        assert_eq!(path("gitea"), "pg/platform/gitea.dump.zst.age");
        assert_eq!(path("../a b/ü"), "pg/platform/%2E.%2Fa%20b%2F%C3%BC.dump.zst.age");
    }

    #[test]
    fn a_higher_proof_counts_for_a_lower_one() {
        let at = |text: &str| Proof { at: text.parse().unwrap(), run: "r".into() };
        let proofs = BTreeMap::from([(Grade::Uploaded, at("2025-01-01T00:00:00Z")), (Grade::Verified, at("2025-01-02T00:00:00Z"))]);
        let receipt = Receipt { format: FORMAT, id: "i".into(), manifest_sha256: "m".into(), proofs };
        assert_eq!(receipt.grade(), Some(Grade::Verified));
        assert_eq!(receipt.proven(Grade::Uploaded), Some("2025-01-02T00:00:00Z".parse().unwrap()));
        assert_eq!(receipt.proven(Grade::Rehearsed), None);
    }

    #[test]
    fn a_manifest_reads_back() {
        let facts = Facts { rows: BTreeMap::from([("public.user".into(), 5)]), ..Facts::default() };
        let content = Content::Database { cluster: "c".into(), database: "d".into(), facts };
        let deposited = Deposited { bytes: 1, sha256: "a".into(), hashed_there: true };
        let object = Object::new(content, deposited, 2, "b".into());
        let text = serde_json::to_string(&object).unwrap();
        assert!(text.contains(r#""kind":"database","cluster":"c","database":"d","server_version":"""#), "{text}");
        assert_eq!(serde_json::from_str::<Object>(&text).unwrap(), object);
    }
}
