//! A plan in a file: the changes that a dry run found, with the fingerprint of each difference, readable by a person and
//! without a secret in it. A live run that applies it makes exactly these changes; who runs the scripts is not known here.

mod expect;
mod record;

pub use expect::{Drift, Expected};
pub use record::Recorder;

use crate::effect::Edit;
use crate::journal::Key;
use crate::rights::Needs;
use miette::Diagnostic;
use serde::{Deserialize, Serialize};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The version of the file's form.
pub const VERSION: u32 = 1;

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
pub enum PlanError {
    #[error("cannot read the plan `{path}`: {reason}")]
    #[diagnostic(code(plan::unusable), help("`railrun plan TASK… --out FILE` writes one"))]
    Unusable { path: String, reason: String },
    #[error("cannot write the plan `{path}`: {reason}")]
    #[diagnostic(code(plan::unwritable), help("name a file in a folder that is there and may be written to"))]
    Unwritable { path: String, reason: String },
    #[error("the plan was made for {what} {planned}, and this is {found}")]
    #[diagnostic(code(plan::elsewhere), help("{help}"))]
    Elsewhere { what: &'static str, planned: String, found: String, help: &'static str },
    #[error("the script `{script}` has changed since the plan was made")]
    #[diagnostic(code(plan::changed_script), help("make the plan anew: `railrun plan`"))]
    ChangedScript { script: String },
    #[error("these steps could not be previewed to their end when the plan was made: {}", steps.join("; "))]
    #[diagnostic(code(plan::pending), help("`--allow-pending` lets them make changes that nobody has seen"))]
    Pending { steps: Vec<String> },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SavedPlan {
    pub version: u32,
    pub made: String,
    pub environment: String,
    pub cluster_uid: Option<String>,
    /// Names the key that its fingerprints were made with; it stays in `.railrun/`.
    pub key: String,
    /// With that key it gives the passwords that the plan's changes make, the same when it is applied as when it was made.
    #[serde(default)]
    pub nonce: String,
    pub tasks: Vec<PlannedTask>,
    /// The rights that its reads and changes take.
    #[serde(default)]
    pub needs: Needs,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PlannedTask {
    pub id: String,
    pub title: String,
    pub script: String,
    pub source: String,
    /// What would stop a live run as things stand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub would_stop: Vec<String>,
    pub steps: Vec<PlannedStep>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PlannedStep {
    pub name: String,
    /// After what the rest of this step is known; absent where all of it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<String>,
    pub changes: Vec<PlannedChange>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PlannedChange {
    pub verb: String,
    pub target: String,
    pub fingerprint: String,
    pub difference: Vec<Shown>,
}

/// One line of a difference as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Shown {
    Field { field: String, from: Option<String>, to: Option<String> },
    Text { text: String, unified: String },
    Note { note: String },
    Aside { aside: String },
}

/// What the new passwords of a plan are drawn from.
fn passwords(key: &Key, nonce: &str) -> Key {
    key.derived(format!("the passwords of plan {nonce}").as_bytes())
}

impl Shown {
    fn of(edit: &Edit) -> Self {
        match edit.clone() {
            Edit::Field { path, from, to, .. } => Shown::Field { field: path, from, to },
            Edit::Text { name, unified } => Shown::Text { text: name, unified },
            Edit::Note(note) => Shown::Note { note },
            Edit::Aside(aside) => Shown::Aside { aside },
        }
    }
}

impl SavedPlan {
    pub fn read(path: &Path) -> Result<Self, PlanError> {
        let unusable = |reason: String| PlanError::Unusable { path: path.display().to_string(), reason };
        let text = std::fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
        let plan: Self = serde_json::from_str(&text).map_err(|error| unusable(error.to_string()))?;
        if plan.version == VERSION {
            Ok(plan)
        } else {
            Err(unusable(format!("its form is {}, this railrun reads {VERSION}", plan.version)))
        }
    }

    /// What its new passwords are drawn from, for whoever has its key.
    pub fn passwords(&self, key: &Key) -> Key {
        passwords(key, &self.nonce)
    }

    /// Writes it for its owner only.
    pub fn write(text: &str, path: &Path) -> Result<(), PlanError> {
        let write = || {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        write().map_err(|error: std::io::Error| PlanError::Unwritable { path: path.display().to_string(), reason: error.to_string() })
    }

    /// Whether it may be applied here at all.
    pub fn fits(&self, environment: &str, cluster_uid: Option<&str>, key: &str) -> Result<(), PlanError> {
        let elsewhere =
            |what, planned: &str, found: &str, help| PlanError::Elsewhere { what, planned: planned.into(), found: found.into(), help };
        if self.environment != environment {
            return Err(elsewhere("the environment", &self.environment, environment, "choose the environment with `--env`"));
        }
        if self.cluster_uid.as_deref() != cluster_uid {
            let (planned, found) = (self.cluster_uid.as_deref().unwrap_or("none"), cluster_uid.unwrap_or("none"));
            return Err(elsewhere("the cluster", planned, found, "choose the right context, or make the plan anew"));
        }
        if self.key != key {
            let help = "its fingerprints belong to the key in the `.railrun/` where it was made: apply it there, or make it anew";
            return Err(elsewhere("the key", &self.key, key, help));
        }
        Ok(())
    }

    /// The steps that were not previewed to their end.
    pub fn pending(&self) -> Vec<String> {
        let steps = self.tasks.iter().flat_map(|task| task.steps.iter().map(move |step| (task, step)));
        steps.filter_map(|(task, step)| Some(format!("{} `{}` (known after {})", task.id, step.name, step.pending.as_ref()?))).collect()
    }
}
