//! Connects to the cluster of an environment and finds out which one it is.

use super::guard::{Guard, Rights};
use super::lease::Fence;
use super::loopback::Loopback;
use super::{Cluster, ClusterError, error, kubeconfig};
use crate::effect::Mode;
use crate::rights::Requests;
use crate::settings::Environment;
use kube::Client;
use kube::client::ClientBuilder;
use kube::core::Request;
use kube::core::params::GetParams;
use serde_json::Value;
use std::time::Duration;

/// How long the first answer may take.
const FIRST_ANSWER: Duration = Duration::from_secs(10);

impl Cluster {
    /// Connects, and refuses a cluster that is not the one the environment is pinned to.
    pub async fn connect(environment: &Environment, mode: Mode) -> Result<Self, ClusterError> {
        let (kubeconfig, config) = kubeconfig::load(environment).await?;
        let (api, tunnels) = match mode {
            Mode::Live => (Rights::All, Rights::All),
            Mode::DryRun => (Rights::Reads, Rights::Tunnels),
        };
        let (fence, requests) = (Fence::default(), Requests::default());
        let client = |rights| client(&config, Guard(rights, fence.clone(), requests.clone()));
        let (api, tunnels) = (client(api)?, client(tunnels)?);
        let uid = identify(&api).await.map_err(|error| with_path(error, &kubeconfig.shown()))?;
        if let Some(pinned) = environment.cluster_uid.as_ref().filter(|pinned| **pinned != uid) {
            return Err(ClusterError::WrongCluster { path: kubeconfig.shown(), uid, pinned: pinned.clone() });
        }
        let loopback = match mode {
            Mode::Live => None,
            Mode::DryRun => Some(Loopback::open(api.clone()).await.map_err(|error| error::unreachable(&error))?),
        };
        Ok(Self { uid, kubeconfig, api, tunnels, kinds: tokio::sync::Mutex::default(), loopback, fence, requests })
    }
}

fn client(config: &kube::Config, guard: Guard) -> Result<Client, ClusterError> {
    let builder = ClientBuilder::try_from(config.clone()).map_err(|error| error::explain("use", "the kubeconfig", error))?;
    Ok(builder.with_layer(&guard).build())
}

async fn identify(client: &Client) -> Result<String, ClusterError> {
    let request = Request::new("/api/v1/namespaces").get("kube-system", &GetParams::default());
    let request = request.map_err(|error| error::explain("read", "namespace/kube-system", kube::Error::BuildRequest(error)))?;
    let answer = tokio::time::timeout(FIRST_ANSWER, client.request::<Value>(request)).await;
    let answer = answer.map_err(|elapsed| error::unreachable(&elapsed))?;
    let namespace = answer.map_err(|error| error::explain("read", "namespace/kube-system", error))?;
    Ok(namespace["metadata"]["uid"].as_str().unwrap_or_default().to_owned())
}

fn with_path(error: ClusterError, path: &str) -> ClusterError {
    match error {
        ClusterError::Unauthorized { reason, .. } => ClusterError::Unauthorized { reason, path: path.into() },
        other => other,
    }
}
