//! The Kubernetes API, and the only place that names the `kube` crate. It knows objects, pods and streams; what
//! they mean for a release or a database is the primitives' business.

pub mod compare;
mod name;

pub use name::{KindName, Name, NameError, PodName};

use crate::effect::{Interrupted, Mode, Permit};
use crate::settings::Environment;
use miette::Diagnostic;
use serde_json::Value;

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
pub enum ClusterError {
    #[error("cannot reach the cluster: {reason}")]
    #[diagnostic(code(kube::unreachable), help("{help}"))]
    Unreachable { reason: String, help: String },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Interrupted(#[from] Interrupted),
}

/// One cluster, connected.
pub struct Cluster {
    uid: String,
}

/// What a command in a pod left.
#[derive(Clone, Debug)]
pub struct Executed {
    pub status: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Cluster {
    pub async fn connect(_environment: &Environment, _mode: Mode) -> Result<Self, ClusterError> {
        Err(ClusterError::Unreachable { reason: "not written yet".into(), help: String::new() })
    }

    /// The UID of `kube-system`: which cluster this is, whatever its context is called.
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// An object as JSON, `None` where it (or its namespace, or its kind) is not there.
    pub async fn get(&self, _name: &Name) -> Result<Option<Value>, ClusterError> {
        unimplemented!()
    }

    pub async fn list(&self, _kind: &KindName, _labels: Option<&str>) -> Result<Vec<Value>, ClusterError> {
        unimplemented!()
    }

    /// What a server-side apply would make of `object`; nothing is stored.
    pub async fn preview_apply(&self, _object: &Value, _manager: &str, _force: bool) -> Result<Value, ClusterError> {
        unimplemented!()
    }

    pub async fn apply(&self, _: &Permit, _object: &Value, _manager: &str, _force: bool) -> Result<Value, ClusterError> {
        unimplemented!()
    }

    /// A JSON merge patch.
    pub async fn patch(&self, _: &Permit, _name: &Name, _patch: &Value) -> Result<Value, ClusterError> {
        unimplemented!()
    }

    pub async fn exec(&self, _: &Permit, _pod: &PodName, _command: &[String], _stdin: &[u8]) -> Result<Executed, ClusterError> {
        unimplemented!()
    }

    /// A command in a pod that only reads.
    pub async fn exec_read(&self, _pod: &PodName, _command: &[String], _stdin: &[u8]) -> Result<Executed, ClusterError> {
        unimplemented!()
    }
}
