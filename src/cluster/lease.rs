//! One run at a time: a Lease that its holder renews by updates conditional on `resourceVersion`. Whether it has expired is
//! judged by the observer's own clock, which only goes forward, never by what a clock elsewhere wrote into it.

use super::{Cluster, ClusterError, error};
use jiff::Timestamp;
use kube::Client;
use kube::core::Request;
use kube::core::params::{DeleteParams, GetParams, PostParams, Preconditions};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;

/// How long one request about the lease may take.
const ANSWER: Duration = Duration::from_secs(5);
/// How often a lease that somebody holds is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Where the lease lies, who wants it, and how long it lasts without being renewed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub namespace: String,
    pub name: String,
    pub holder: String,
    pub lasts: Duration,
}

/// Who holds a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub holder: String,
    pub since: String,
    pub renewed: String,
    lasts: Duration,
    version: String,
}

/// A lease that was tried for.
pub enum Tried {
    Taken(Lease),
    /// Somebody else holds it, and has renewed it while it was looked at.
    Held(Held),
}

/// A lease that is held: it is renewed in the background until it is released.
pub struct Lease {
    shared: Arc<Shared>,
    renewing: JoinHandle<()>,
}

struct Shared {
    api: Client,
    wanted: Wanted,
    since: String,
    state: Mutex<State>,
}

struct State {
    version: String,
    /// Until then nobody else may have taken it.
    until: Duration,
    lost: Option<String>,
}

/// The lease's shape as the wire's guard sees it: may anything still be sent?
#[derive(Clone, Default)]
pub(super) struct Fence(Arc<Mutex<Option<Arc<Shared>>>>);

impl Fence {
    /// Why nothing that alters may be sent any more.
    pub fn closed(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().and_then(|shared| shared.lost())
    }

    fn set(&self, shared: Option<Arc<Shared>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = shared;
    }
}

/// The folder of the API that leases lie in.
pub(super) const PATH: &str = "/apis/coordination.k8s.io/v1/namespaces/";

fn request(namespace: &str) -> Request {
    Request::new(format!("{PATH}{namespace}/leases"))
}

async fn send(
    api: &Client,
    attempt: &str,
    name: &str,
    request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
) -> Result<Value, ClusterError> {
    let request = request.map_err(|error| error::explain(attempt, name, kube::Error::BuildRequest(error)))?;
    let answer = tokio::time::timeout(ANSWER, api.request::<Value>(request)).await.map_err(|elapsed| error::unreachable(&elapsed))?;
    answer.map_err(|error| error::explain(attempt, name, error))
}

impl Cluster {
    /// Takes the lease where nobody holds it, or whoever did has let it expire before our eyes. `waiting` is told whom it
    /// waits for, `lost` why it was lost.
    pub async fn take_lease(
        &self,
        wanted: Wanted,
        waiting: impl Fn(&Held),
        lost: impl Fn(String) + Send + Sync + 'static,
    ) -> Result<Tried, ClusterError> {
        let mut seen: Option<(String, Duration)> = None;
        loop {
            let asked = clock();
            let found = self.lease(&wanted.namespace, &wanted.name).await?;
            let Some(held) = found else {
                match self.write_lease(&wanted, None).await {
                    Err(ClusterError::Exists { .. }) => continue,
                    written => return Ok(Tried::Taken(self.holding(wanted, &written?, asked, lost))),
                }
            };
            let expired = match &seen {
                _ if held.holder.is_empty() => true,
                Some((version, _)) if *version != held.version => return Ok(Tried::Held(held)),
                Some((_, since)) => clock().saturating_sub(*since) >= held.lasts,
                None => {
                    waiting(&held);
                    seen = Some((held.version.clone(), clock()));
                    false
                }
            };
            if expired {
                let asked = clock();
                match self.write_lease(&wanted, Some(&held.version)).await {
                    Err(ClusterError::Conflict { .. }) => continue,
                    written => return Ok(Tried::Taken(self.holding(wanted, &written?, asked, lost))),
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Who holds a lease, if it is there.
    pub async fn lease(&self, namespace: &str, name: &str) -> Result<Option<Held>, ClusterError> {
        let shown = format!("{namespace}/lease/{name}");
        match send(&self.api, "read", &shown, request(namespace).get(name, &GetParams::default())).await {
            Err(error) if error.is_not_found() => Ok(None),
            answer => answer.map(|lease| Some(Held::of(&lease))),
        }
    }

    /// Removes a lease that is still as it was seen, whoever holds it.
    pub async fn remove_lease(&self, namespace: &str, name: &str, held: &Held) -> Result<(), ClusterError> {
        remove(&self.api, namespace, name, &held.version).await
    }

    async fn write_lease(&self, wanted: &Wanted, version: Option<&str>) -> Result<Value, ClusterError> {
        write(&self.api, wanted, &now(), version).await
    }

    fn holding(&self, wanted: Wanted, written: &Value, asked: Duration, lost: impl Fn(String) + Send + Sync + 'static) -> Lease {
        let state = State { version: version(written), until: asked + wanted.lasts, lost: None };
        let since = written["spec"]["acquireTime"].as_str().unwrap_or_default().to_owned();
        let shared = Arc::new(Shared { api: self.api.clone(), wanted, since, state: Mutex::new(state) });
        self.fence.set(Some(Arc::clone(&shared)));
        let renewing = tokio::spawn(renew(Arc::clone(&shared), lost));
        Lease { shared, renewing }
    }
}

fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// Rounded up: whoever looks on must not take it for expired before its holder does.
fn whole_seconds(lasts: Duration) -> u64 {
    (lasts.as_secs() + u64::from(lasts.subsec_nanos() > 0)).max(1)
}

/// Since the machine was started. While it was suspended counts too, as `Instant` does not have it.
fn clock() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

fn version(lease: &Value) -> String {
    lease["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned()
}

async fn write(api: &Client, wanted: &Wanted, since: &str, version: Option<&str>) -> Result<Value, ClusterError> {
    let shown = format!("{}/lease/{}", wanted.namespace, wanted.name);
    let mut lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": wanted.name, "namespace": wanted.namespace},
        "spec": {"holderIdentity": wanted.holder, "leaseDurationSeconds": whole_seconds(wanted.lasts), "acquireTime": since, "renewTime": now()}});
    let how = PostParams { field_manager: Some(super::MANAGER.into()), ..PostParams::default() };
    match version {
        None => send(api, "create", &shown, request(&wanted.namespace).create(&how, lease.to_string().into_bytes())).await,
        Some(version) => {
            lease["metadata"]["resourceVersion"] = json!(version);
            send(api, "renew", &shown, request(&wanted.namespace).replace(&wanted.name, &how, lease.to_string().into_bytes())).await
        }
    }
}

async fn remove(api: &Client, namespace: &str, name: &str, version: &str) -> Result<(), ClusterError> {
    let only = Preconditions { resource_version: Some(version.to_owned()), uid: None };
    let how = DeleteParams { preconditions: Some(only), ..DeleteParams::default() };
    match send(api, "delete", &format!("{namespace}/lease/{name}"), request(namespace).delete(name, &how)).await {
        Err(error) if !error.is_not_found() => Err(error),
        _ => Ok(()),
    }
}

impl Held {
    fn of(lease: &Value) -> Self {
        let text = |key: &str| lease["spec"][key].as_str().unwrap_or_default().to_owned();
        let lasts = Duration::from_secs(lease["spec"]["leaseDurationSeconds"].as_u64().unwrap_or(15));
        Self { holder: text("holderIdentity"), since: text("acquireTime"), renewed: text("renewTime"), lasts, version: version(lease) }
    }
}

impl Shared {
    /// Why it is no longer ours. Time that passed while this process stood still counts.
    fn lost(&self) -> Option<String> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.lost.is_none() && clock() > state.until {
            state.lost = Some("it was not renewed in time: this run stood still, or the API could not be reached".into());
        }
        state.lost.clone()
    }

    fn lose(&self, reason: String) -> String {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.lost.get_or_insert(reason).clone()
    }

    async fn renew_once(&self) -> Result<(), ClusterError> {
        let asked = clock();
        let version_now = self.state.lock().unwrap_or_else(PoisonError::into_inner).version.clone();
        let written = write(&self.api, &self.wanted, &self.since, Some(&version_now)).await?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.version, state.until) = (version(&written), asked + self.wanted.lasts);
        Ok(())
    }

    /// Renews it, and says when to do so again, or why it is no longer ours.
    async fn beat(&self) -> Result<Duration, String> {
        if let Some(reason) = self.lost() {
            return Err(reason);
        }
        let pause = match self.renew_once().await {
            Ok(()) => self.wanted.lasts / 3,
            Err(ClusterError::Conflict { .. } | ClusterError::NotFound { .. }) if !self.still_ours().await => {
                return Err(self.lose("it was removed".into()));
            }
            Err(ClusterError::NotFound { .. }) => return Err(self.lose("it was removed (`railrun unlock`)".into())),
            Err(_) => LOOK,
        };
        // An answer may have lain there while this process stood still.
        self.lost().map_or(Ok(pause), Err)
    }

    /// After a conflict: our own renewal whose answer was lost, or another holder?
    async fn still_ours(&self) -> bool {
        let Wanted { namespace, name, holder, .. } = &self.wanted;
        let found = send(&self.api, "read", name, request(namespace).get(name, &GetParams::default())).await;
        let Ok(found) = found else { return true };
        let held = Held::of(&found);
        if held.holder == *holder && held.since == self.since {
            self.state.lock().unwrap_or_else(PoisonError::into_inner).version = held.version;
            return true;
        }
        self.lose(format!("`{}` holds it since {}", held.holder, held.since));
        false
    }
}

async fn renew(shared: Arc<Shared>, lost: impl Fn(String)) {
    let mut pause = shared.wanted.lasts / 3;
    loop {
        tokio::time::sleep(pause).await;
        pause = match shared.beat().await {
            Ok(pause) => pause,
            Err(reason) => return lost(reason),
        };
    }
}

impl Lease {
    /// Why it is no longer ours, if that is so.
    pub fn lost(&self) -> Option<String> {
        self.shared.lost()
    }

    /// Gives it back. One that was lost is somebody else's.
    pub async fn release(self, cluster: &Cluster) -> Result<(), ClusterError> {
        self.renewing.abort();
        cluster.fence.set(None);
        if self.lost().is_some() {
            return Ok(());
        }
        let Wanted { namespace, name, holder, .. } = &self.shared.wanted;
        match cluster.lease(namespace, name).await? {
            Some(held) if held.holder == *holder => cluster.remove_lease(namespace, name, &held).await,
            _ => Ok(()),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

#[cfg(test)]
mod tests;
