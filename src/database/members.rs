//! The pods that hold a database's data, and which of them is the primary. It is asked of all of them at every use:
//! a Service or a proxy may lead to a standby.

use super::gateway::Gateway;
use super::{DatabaseError, Session, Unlocked};
use crate::cluster::PodName;
use serde::Serialize;
use serde_json::Value;

/// What a member says of itself.
#[derive(Clone, Debug, Serialize)]
pub struct Member {
    pub pod: String,
    pub role: Role,
    /// Why it could not be asked.
    pub reason: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Primary,
    Standby,
    Unreachable,
}

/// A member with its session, or why there is none.
pub(super) struct Asked<'t> {
    pub pod: &'t PodName,
    pub found: Result<(Session, Role), DatabaseError>,
}

impl Gateway<'_> {
    /// The role of every member, in the order in which they were named.
    pub async fn members(&self, target: Unlocked<'_>) -> Vec<Member> {
        let asked = self.ask_members(target, target.maintenance()).await;
        asked.into_iter().map(Asked::said).collect()
    }

    pub(super) async fn ask_members<'t>(&self, target: Unlocked<'t>, database: &str) -> Vec<Asked<'t>> {
        let members = target.target().members.iter().map(|pod| async move {
            let found = self.ask_member(target, pod, database).await;
            Asked { pod, found }
        });
        futures::future::join_all(members).await
    }

    async fn ask_member(&self, target: Unlocked<'_>, pod: &PodName, database: &str) -> Result<(Session, Role), DatabaseError> {
        let session = self.at_member(target, pod, database).await?;
        let standby = session.value("SELECT pg_is_in_recovery()", &[]).await?;
        Ok((session, if standby == Value::Bool(false) { Role::Primary } else { Role::Standby }))
    }
}

impl Asked<'_> {
    fn said(self) -> Member {
        let pod = self.pod.to_string();
        match self.found {
            Ok((_, role)) => Member { pod, role, reason: None },
            Err(error) => Member { pod, role: Role::Unreachable, reason: Some(error.to_string()) },
        }
    }
}

/// The one primary among them.
pub(super) fn only_primary<'t>(asked: Vec<Asked<'t>>, place: &str) -> Result<(&'t PodName, Session), DatabaseError> {
    let (mut primaries, mut standbys, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for Asked { pod, found } in asked {
        match found {
            Ok((session, Role::Primary)) => primaries.push((pod, session)),
            Ok(_) => standbys.push(pod.to_string()),
            Err(error) => failed.push((pod, error)),
        }
    }
    if primaries.len() > 1 {
        let pods: Vec<String> = primaries.iter().map(|(pod, _)| format!("`{pod}`")).collect();
        return Err(DatabaseError::NotPrimary {
            place: place.into(),
            reason: format!("{} members say that they are the primary: {}", pods.len(), pods.join(", ")),
            help: "stop writers, find out which one has the newest data, and restart the other".into(),
        });
    }
    primaries.pop().ok_or_else(|| no_primary(place, &standbys, failed))
}

fn no_primary(place: &str, standbys: &[String], failed: Vec<(&PodName, DatabaseError)>) -> DatabaseError {
    let mut said: Vec<String> = standbys.iter().map(|pod| format!("`{pod}` is a standby")).collect();
    said.extend(failed.iter().map(|(_, error)| error.to_string()));
    match failed.into_iter().next() {
        Some((_, error)) if standbys.is_empty() => error,
        _ => DatabaseError::NotPrimary {
            place: place.into(),
            reason: format!("no member is the primary: {}", said.join("; ")),
            help: "wait for a failover to end, or `kube::diagnose` its pods".into(),
        },
    }
}
