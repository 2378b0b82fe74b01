//! One run at a time per environment: the lock is taken before the first change (or the first step), and given back at the
//! end. Where an environment has no cluster there is nothing to share, and nothing to lock.

use super::Host;
use crate::cluster::{ClusterError, Lease, Tried, Wanted};
use crate::effect::Interrupted;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// How long a lock lasts without being renewed, unless the setting `lock.lasts` says otherwise.
const LASTS: Duration = Duration::from_secs(15);

/// The lock of a run: unwanted, wanted, or held.
#[derive(Default)]
pub struct Lock {
    /// Set for live runs only.
    wanted: OnceLock<()>,
    lease: Mutex<Option<Lease>>,
}

impl Host {
    /// From now on no change begins without the lock.
    pub fn want_lock(&self) {
        let _ = self.lock.wanted.set(());
    }

    /// Where this environment's lock lies and what this run would write into it.
    pub fn lock_wanted(&self) -> Wanted {
        let text = |key: &str| self.settings.text(key).ok();
        let lasts = self.settings.time("lock.lasts").ok().flatten(); // what it says was looked at when it was read
        let safe = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' };
        Wanted {
            namespace: text("lock.namespace").unwrap_or_else(|| "default".into()),
            name: format!("railrun-{}", self.settings.environment_name.chars().map(safe).collect::<String>()),
            holder: format!("{}@{}, pid {}, run {}", user(), machine(), std::process::id(), self.run_id),
            lasts: lasts.unwrap_or(LASTS),
        }
    }

    /// Takes the lock, or finds it still held. Waiting for one that expires may take as long as it lasts.
    pub fn lock(&self) -> Result<(), Interrupted> {
        let mut lease = self.lock.lease.lock().unwrap_or_else(PoisonError::into_inner);
        if self.lock.wanted.get().is_none() {
            return Ok(());
        }
        if let Some(lease) = &*lease {
            return lease.lost().map_or(Ok(()), |reason| Err(Interrupted::LockLost(reason)));
        }
        let cluster = match self.cluster() {
            Err(ClusterError::NoKubeconfig { .. }) => return Ok(()),
            cluster => cluster.map_err(unlockable)?,
        };
        let wanted = self.lock_wanted();
        let waiting = |held: &crate::cluster::Held| {
            self.events.note(format!("the lock is held by {} since {}: looking whether it is renewed", held.holder, held.since));
        };
        let halt = Arc::clone(&self.bridge.halt);
        let lost = move |reason| halt.set(Interrupted::LockLost(reason));
        let tried: Result<Tried, ClusterError> = self.bridge.wait(cluster.take_lease(wanted, waiting, lost));
        match tried.map_err(unlockable)? {
            Tried::Taken(taken) => *lease = Some(taken),
            Tried::Held(held) => {
                let environment = &self.settings.environment_name;
                return Err(Interrupted::LockHeld(format!("`{environment}` is locked by {} since {}", held.holder, held.since)));
            }
        }
        Ok(())
    }

    /// Gives the lock back. One that cannot be given back expires by itself.
    pub fn unlock(&self) {
        let lease = self.lock.lease.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let (Some(lease), Ok(cluster)) = (lease, self.cluster())
            && let Err(error) = self.bridge.finish(lease.release(cluster))
        {
            self.events.warn(format!("the lock could not be given back, it expires by itself: {error}"));
        }
    }
}

fn unlockable(error: ClusterError) -> Interrupted {
    match error {
        ClusterError::Interrupted(reason) => reason,
        error => Interrupted::NoLock(error.to_string()),
    }
}

fn user() -> String {
    ["USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok()).unwrap_or_else(|| "unknown".into())
}

fn machine() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").map_or_else(|_| "unknown".into(), |name| name.trim().to_owned())
}
