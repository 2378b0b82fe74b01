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
mod lease;
mod logs;
mod loopback;
mod managers;
mod name;
mod objects;
pub mod ready;
mod review;
mod wait;
mod watch;

pub use diagnose::{Diagnosis, Facts, NotReady, selector};
pub use error::ClusterError;
pub use exec::ExecStream;
pub use forward::Forward;
pub use kinds::Kind;
pub use kubeconfig::Kubeconfig;
pub use lease::{Held, Lease, Tried, Wanted};
pub use logs::when;
pub use managers::manager_of;
pub use name::{KindName, Name, NameError, PodName};
pub use objects::MANAGER;
pub use wait::Waiting;
pub use watch::{Verdict, Watched};

use crate::rights::Requests;
use kinds::Kinds;
use loopback::Loopback;
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
    /// In a dry run, what child programs speak to instead of the API.
    loopback: Option<Loopback>,
    /// Closed once the lease of a live run is lost.
    fence: lease::Fence,
    /// The rights that requests have taken.
    requests: Requests,
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

    /// The rights that requests have taken so far.
    pub fn requests(&self) -> &Requests {
        &self.requests
    }

    /// The same cluster for work in the background, which outlives the borrow of a verb.
    #[must_use]
    pub fn beside(&self) -> Self {
        Self {
            uid: self.uid.clone(),
            kubeconfig: self.kubeconfig.clone(),
            api: self.api.clone(),
            tunnels: self.tunnels.clone(),
            kinds: Mutex::default(),
            loopback: None,
            fence: self.fence.clone(),
            requests: self.requests.clone(),
        }
    }

    /// What a child program such as helm must find in its environment to speak to this cluster. In a dry run it
    /// speaks to a guard in this process, and leaves no cache behind.
    pub fn environment(&self) -> Vec<(String, String)> {
        let text = |path: &std::ffi::OsStr| path.to_string_lossy().into_owned();
        let (path, context, cache) = match &self.loopback {
            None => (text(&self.kubeconfig.path()), self.kubeconfig.context.as_str(), None),
            Some(loopback) => (text(loopback.path().as_os_str()), loopback::CONTEXT, Some(("KUBECACHEDIR".into(), "/dev/null".into()))),
        };
        let environment = [("KUBECONFIG".to_owned(), path), ("HELM_KUBECONTEXT".into(), context.into())];
        environment.into_iter().chain(cache).collect()
    }
}
