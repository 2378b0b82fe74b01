//! A release's name, and what helm stored about its revisions: JSON, gzip inside base64 in a Secret each. How they
//! are fetched is the driver's business.

use super::error::HelmError;
use super::manifest::{self, Object};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use flate2::{Compression, write::GzEncoder};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fmt::{self, Display};
use std::io::{Read, Write};

/// `gitea/gitea`: a namespace and a release in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReleaseName {
    pub namespace: String,
    pub name: String,
}

impl ReleaseName {
    pub fn parse(text: &str) -> Result<Self, HelmError> {
        let is_name = |part: &str| {
            let letters = part.chars().all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || "-.".contains(char));
            !part.is_empty() && part.len() <= 63 && letters && part.starts_with(|char: char| char.is_ascii_alphanumeric())
        };
        match text.split_once('/') {
            Some((namespace, name)) if is_name(namespace) && is_name(name) => Ok(Self { namespace: namespace.into(), name: name.into() }),
            _ => Err(HelmError::BadName { text: text.into() }),
        }
    }

    /// What scripts, plans and reads call it: `gitea/release/gitea`.
    pub fn resource(&self) -> String {
        format!("{}/release/{}", self.namespace, self.name)
    }
}

impl Display for ReleaseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What a script gets to know about a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Release {
    pub namespace: String,
    pub name: String,
    pub revision: i64,
    /// helm's word: `deployed`, `failed`, `pending-upgrade` …
    pub status: String,
    /// The chart's name, without its version.
    pub chart: String,
    pub version: String,
    pub app_version: String,
    /// When this revision was made, in UTC.
    pub updated: String,
    pub description: String,
}

/// One revision as helm stored it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Record {
    pub name: String,
    pub namespace: String,
    pub version: i64,
    pub info: Info,
    pub chart: Chart,
    /// The values that the user gave.
    pub config: Option<Value>,
    /// Every object but the hooks.
    pub manifest: String,
    pub hooks: Option<Vec<Hook>>,
    /// Helm 4 says how it applies: `ssa` (server-side) or `csa`.
    pub apply_method: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Info {
    pub last_deployed: String,
    pub status: String,
    pub description: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Chart {
    pub metadata: Metadata,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Metadata {
    pub name: String,
    pub version: String,
    #[serde(rename = "appVersion")]
    pub app_version: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Hook {
    pub name: String,
    pub kind: String,
    pub events: Vec<String>,
}

impl Record {
    pub fn release(&self) -> Release {
        Release {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            revision: self.version,
            status: self.info.status.clone(),
            chart: self.chart.metadata.name.clone(),
            version: self.chart.metadata.version.clone(),
            app_version: self.chart.metadata.app_version.clone(),
            updated: self.updated().map_or_else(|| self.info.last_deployed.clone(), |time| format!("{time:.0}")),
            description: self.info.description.clone(),
        }
    }

    /// Its objects, without the hooks.
    pub fn objects(&self) -> Result<Vec<Object>, HelmError> {
        manifest::parse(&self.manifest).map(|(objects, _)| objects).map_err(|reason| HelmError::Unreadable {
            release: format!("{}/{}", self.namespace, self.name),
            secret: format!("sh.helm.release.v1.{}.v{}", self.name, self.version),
            reason,
        })
    }

    pub fn updated(&self) -> Option<jiff::Timestamp> {
        self.info.last_deployed.parse().ok()
    }
}

/// One revision's Secret: what its labels say at a glance, and the record inside.
#[derive(Clone, Debug)]
pub struct Stored {
    pub secret: String,
    pub name: String,
    pub namespace: String,
    pub revision: i64,
    pub status: String,
    data: Value,
}

impl Stored {
    /// Reads a Secret that carries `owner=helm`; anything else gives `None`.
    pub fn of(secret: &Value) -> Option<Self> {
        let metadata = &secret["metadata"];
        let label = |name: &str| metadata["labels"][name].as_str().map(str::to_owned);
        Some(Self {
            secret: metadata["name"].as_str()?.to_owned(),
            namespace: metadata["namespace"].as_str()?.to_owned(),
            name: label("name")?,
            revision: label("version")?.parse().ok()?,
            status: label("status")?,
            data: secret["data"]["release"].clone(),
        })
    }

    pub fn record(&self) -> Result<Record, HelmError> {
        self.parse()
    }

    /// A merge patch that makes this revision `failed`, as helm itself does when it is stopped gently.
    pub fn marked_failed(&self, why: &str) -> Result<Value, HelmError> {
        let mut json: Value = self.parse()?;
        json["info"]["status"] = "failed".into();
        json["info"]["description"] = why.into();
        let data = pack(&json).map_err(|error| self.unreadable(&error.to_string()))?;
        Ok(json!({"metadata": {"labels": {"status": "failed"}}, "data": {"release": data}}))
    }

    fn parse<T: DeserializeOwned>(&self) -> Result<T, HelmError> {
        let json = unpack(self.data.as_str().unwrap_or_default()).map_err(|reason| self.unreadable(&reason))?;
        serde_json::from_slice(&json).map_err(|error| self.unreadable(&error.to_string()))
    }

    fn unreadable(&self, reason: &str) -> HelmError {
        let release = format!("{}/{}", self.namespace, self.name);
        HelmError::Unreadable { release, secret: self.secret.clone(), reason: reason.into() }
    }
}

fn unpack(data: &str) -> Result<Vec<u8>, String> {
    let decode = |text: &[u8]| STANDARD.decode(text).map_err(|error| error.to_string());
    let packed = decode(&decode(data.as_bytes())?)?;
    let mut json = Vec::new();
    if packed.starts_with(&[0x1f, 0x8b]) {
        GzDecoder::new(packed.as_slice()).read_to_end(&mut json).map_err(|error| error.to_string())?;
    } else {
        json = packed;
    }
    Ok(json)
}

fn pack(json: &Value) -> std::io::Result<String> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(json.to_string().as_bytes())?;
    Ok(STANDARD.encode(STANDARD.encode(gzip.finish()?)))
}

/// The revisions of one release, oldest first.
#[derive(Clone, Debug, Default)]
pub struct History(pub Vec<Stored>);

impl History {
    pub fn new(mut stored: Vec<Stored>) -> Self {
        stored.sort_by_key(|stored| stored.revision);
        Self(stored)
    }

    pub fn latest(&self) -> Option<&Stored> {
        self.0.last()
    }

    /// The latest revision, unless the release was uninstalled with its history kept.
    pub fn present(&self) -> Option<&Stored> {
        self.latest().filter(|latest| latest.status != "uninstalled")
    }

    pub fn revision(&self, revision: i64) -> Option<&Stored> {
        self.0.iter().find(|stored| stored.revision == revision)
    }

    /// The revision that the next upgrade builds on: the deployed one, or the latest where none ever was.
    pub fn base(&self) -> Option<&Stored> {
        self.0.iter().rev().find(|stored| stored.status == "deployed").or_else(|| self.latest())
    }

    pub fn known(&self) -> String {
        self.0.iter().map(|stored| stored.revision.to_string()).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn secret(name: &str, revision: i64, status: &str) -> Value {
        let record = json!({"name": name, "namespace": "ns", "version": revision, "info": {"status": status, "last_deployed":
            "2026-11-23T18:01:04.875696477Z"}, "chart": {"metadata": {"name": "gitea", "version": "12.5.0", "appVersion": "1.26"}},
            "config": {"a": 1}, "manifest": "---\nkind: A\n"});
        json!({"metadata": {"name": format!("sh.helm.release.v1.{name}.v{revision}"), "namespace": "ns", "labels":
            {"owner": "helm", "name": name, "version": revision.to_string(), "status": status}}, "data": {"release": pack(&record).unwrap()}})
    }

    #[test]
    fn a_release_is_named_by_its_namespace_and_its_name() {
        assert_eq!(ReleaseName::parse("gitea/gitea").unwrap().resource(), "gitea/release/gitea");
        for text in ["", "gitea", "/gitea", "a/b/c", "A/b", "a/ü", "a/-b"] {
            assert!(ReleaseName::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_helm_stored_is_read_from_its_secret() {
        let stored = Stored::of(&secret("gitea", 3, "deployed")).unwrap();
        let release = stored.record().unwrap().release();
        assert_eq!((release.revision, release.chart.as_str(), release.version.as_str()), (3, "gitea", "12.5.0"));
        assert_eq!((release.updated.as_str(), release.app_version.as_str()), ("2026-11-23T18:01:04Z", "1.26"));
    }

    #[test]
    fn what_is_no_record_is_an_error_and_never_a_panic() {
        assert!(Stored::of(&json!({"metadata": {"name": "x"}})).is_none());
        for data in ["", "%%%", "YWJj"] {
            let mut broken = secret("gitea", 1, "deployed");
            broken["data"]["release"] = data.into();
            assert!(Stored::of(&broken).unwrap().record().is_err(), "{data}");
        }
    }

    #[test]
    fn the_next_upgrade_builds_on_the_deployed_revision() {
        let stored = |revision, status| Stored::of(&secret("g", revision, status)).unwrap();
        let history = History::new(vec![stored(3, "pending-upgrade"), stored(1, "superseded"), stored(2, "deployed")]);
        assert_eq!((history.base().unwrap().revision, history.latest().unwrap().revision), (2, 3));
        assert_eq!(history.known(), "1, 2, 3");
        assert_eq!(History::new(vec![stored(1, "failed")]).base().unwrap().revision, 1);
        assert!(History::default().base().is_none());
    }

    #[test]
    fn a_revision_marked_failed_keeps_everything_else() {
        let stored = Stored::of(&secret("g", 2, "pending-upgrade")).unwrap();
        let patch = stored.marked_failed("killed").unwrap();
        assert_eq!(patch["metadata"]["labels"]["status"], "failed");
        let json: Value = serde_json::from_slice(&unpack(patch["data"]["release"].as_str().unwrap()).unwrap()).unwrap();
        assert_eq!(
            (&json["info"]["status"], &json["info"]["description"], &json["manifest"]),
            (&json!("failed"), &json!("killed"), &json!("---\nkind: A\n"))
        );
    }
}
