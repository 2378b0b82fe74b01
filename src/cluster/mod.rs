//! The Kubernetes API, and the only place that names the `kube` crate. It knows objects, pods and streams; what
//! they mean for a release or a database is the primitives' business.

pub mod compare;
mod connect;
mod diagnose;
mod error;
mod exec;
mod forward;
mod guard;
mod kinds;
mod kubeconfig;
mod logs;
mod name;
mod objects;
pub mod ready;
mod wait;
mod watch;

pub use diagnose::{Diagnosis, Facts, NotReady, selector};
pub use error::ClusterError;
pub use exec::ExecStream;
pub use forward::Forward;
pub use kinds::Kind;
pub use kubeconfig::Kubeconfig;
pub use logs::when;
pub use name::{KindName, Name, NameError, PodName};
pub use objects::MANAGER;
pub use wait::Waiting;
pub use watch::{Verdict, Watched};

use kinds::Kinds;
use std::sync::Arc;
use tokio::sync::Mutex;

/// One cluster, connected.
pub struct Cluster {
    uid: String,
    kubeconfig: Kubeconfig,
    /// Speaks to the API; in a dry run it sends nothing that could alter.
    api: kube::Client,
    /// Opens tunnels into pods; in a dry run only for what was declared to read.
    tunnels: kube::Client,
    kinds: Mutex<Option<Arc<Kinds>>>,
}

/// What a command in a pod left.
#[derive(Clone, Debug)]
pub struct Executed {
    pub status: i32,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Cluster {
    /// The UID of `kube-system`: which cluster this is, whatever its context is called.
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// The kubeconfig and context that lead here.
    pub fn kubeconfig(&self) -> &Kubeconfig {
        &self.kubeconfig
    }

    /// What a child program such as helm must find in its environment to speak to this cluster.
    pub fn environment(&self) -> Vec<(String, String)> {
        let path = self.kubeconfig.path().to_string_lossy().into_owned();
        vec![("KUBECONFIG".into(), path), ("HELM_KUBECONTEXT".into(), self.kubeconfig.context.clone())]
    }
}
