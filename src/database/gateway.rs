//! The ways to a database: through its writer, to a member, to the primary's own address. A direct address is
//! believed only after the pod itself, asked through the API, has said that it is the same server.

use super::members;
use super::reach::{self, Address};
use super::{DatabaseError, Login, Session, Unlocked};
use crate::cluster::{Cluster, PodName};
use crate::host::Host;
use crate::host::rights::Rights;
use crate::settings::Reach;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::future::Future;

/// The port of PostgreSQL itself in a member's pod, whatever the writer's is.
pub const MEMBER_PORT: u16 = 5432;

type Result<T> = std::result::Result<T, DatabaseError>;

pub struct Gateway<'h> {
    cluster: &'h Cluster,
    reach: Reach,
    application: String,
    pins: &'h BTreeMap<String, String>,
    /// In a dry run, who wants to know what users may do.
    pub(super) rights: Option<&'h Rights>,
}

/// A session with the primary, and where the primary is.
pub struct Primary {
    pub session: Session,
    /// Its pod, where the target names its members.
    pub pod: Option<PodName>,
    /// Its address as seen from inside the cluster.
    pub address: String,
    pub port: u16,
}

/// Which database this is, whatever its host is called: another one has another identity, also after it was dropped
/// and created again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub system_identifier: String,
    pub database: String,
    pub oid: u32,
}

impl Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}#{}", self.system_identifier, self.database, self.oid)
    }
}

impl<'h> Gateway<'h> {
    pub fn on(host: &'h Host) -> Result<Self> {
        let cluster = host.cluster()?;
        let environment = &host.settings.environment;
        Ok(Self {
            cluster,
            reach: environment.reach,
            application: format!("railrun {}", host.run_id),
            pins: &environment.system_identifiers,
            rights: host.dry_run().then_some(&host.rights),
        })
    }

    pub fn cluster(&self) -> &'h Cluster {
        self.cluster
    }

    pub(super) fn reach(&self) -> Reach {
        self.reach
    }

    /// The name that this run's sessions have in `pg_stat_activity`.
    pub fn application(&self) -> &str {
        &self.application
    }

    /// A session of the application's own user, the application's own way.
    pub async fn writer(&self, access: Unlocked<'_>) -> Result<Session> {
        let target = access.target();
        self.proven(access, &target.members, self.at_host(access, &target.login, &target.database)).await
    }

    /// A session with one member, as the strongest user that is known.
    pub async fn member(&self, access: Unlocked<'_>, pod: &PodName, database: &str) -> Result<Session> {
        self.proven(access, std::slice::from_ref(pod), self.at_member(access, pod, database)).await
    }

    /// The same, not proven to lead where it should.
    pub(super) async fn at_member(&self, access: Unlocked<'_>, pod: &PodName, database: &str) -> Result<Session> {
        let address = Address::Pod { namespace: pod.namespace.clone(), name: pod.name.clone() };
        let stream = reach::open(self.cluster, self.reach, &address, MEMBER_PORT).await?;
        let session = Session::open(stream, &pod.to_string(), access.strongest(), database, &self.application).await?;
        Ok(self.entered(access, session).await)
    }

    /// A session with the primary at its own address, as the strongest user that is known.
    pub async fn primary(&self, access: Unlocked<'_>, database: &str) -> Result<Primary> {
        let target = access.target();
        if target.members.is_empty() {
            return self.primary_at_host(access, database).await;
        }
        let asked = self.ask_members(access, database).await;
        let (pod, session) = members::only_primary(asked, &target.title())?;
        let session = self.proven(access, std::slice::from_ref(pod), async { Ok(session) }).await?;
        let address = reach::pod_ip(self.cluster, pod).await?;
        Ok(Primary { session, pod: Some(pod.clone()), address, port: MEMBER_PORT })
    }

    async fn primary_at_host(&self, access: Unlocked<'_>, database: &str) -> Result<Primary> {
        let target = access.target();
        let session = self.at_host(access, access.strongest(), database).await?;
        if session.value("SELECT pg_is_in_recovery()", &[]).await? != Value::Bool(false) {
            return Err(DatabaseError::NotPrimary {
                place: session.place().into(),
                reason: "the host leads to a standby".into(),
                help: "name the `members` of the database, so that its primary can be found".into(),
            });
        }
        Ok(Primary { session, pod: None, address: target.host.clone(), port: target.port })
    }

    async fn at_host(&self, access: Unlocked<'_>, login: &Login, database: &str) -> Result<Session> {
        let target = access.target();
        let stream = reach::open(self.cluster, self.reach, &Address::parse(&target.host), target.port).await?;
        let session = Session::open(stream, &format!("{}:{}", target.host, target.port), login, database, &self.application).await?;
        Ok(self.entered(access, session).await)
    }

    /// Which database this is; it is asked of the primary.
    pub async fn identity(&self, access: Unlocked<'_>) -> Result<Identity> {
        self.primary(access, &access.target().database).await?.session.identity().await
    }

    /// Refuses a session that leads elsewhere than to what the first of `pods` that can be asked says of itself.
    /// Through the API there is no doubt.
    async fn proven(&self, access: Unlocked<'_>, pods: &[PodName], entering: impl Future<Output = Result<Session>>) -> Result<Session> {
        if self.reach == Reach::Forward || pods.is_empty() {
            return self.pinned(pods, entering.await?).await;
        }
        let (session, itself) = tokio::join!(entering, self.first_to_answer(access, pods));
        let (session, (pod, itself)) = (session?, itself?);
        let reached = session.system_identifier().await?;
        if reached != itself {
            return Err(DatabaseError::WrongCluster { pod, reached, itself });
        }
        self.pinned(pods, session).await
    }

    /// Refuses a server other than the one that the environment is pinned to.
    async fn pinned(&self, pods: &[PodName], session: Session) -> Result<Session> {
        let Some((members, pinned)) = pods.first().and_then(|pod| self.pins.get_key_value(&set_of(pod))) else { return Ok(session) };
        let found = session.system_identifier().await?;
        if found == *pinned {
            Ok(session)
        } else {
            Err(DatabaseError::NotPinned { members: members.clone(), found, pinned: pinned.clone() })
        }
    }

    /// What the first pod that can be asked says that it is.
    async fn first_to_answer(&self, access: Unlocked<'_>, pods: &[PodName]) -> Result<(String, String)> {
        let mut unanswered = DatabaseError::unreachable(access.target().title(), "it has no members");
        for pod in pods {
            match self.own_identifier(access.strongest(), access.maintenance(), pod).await {
                Ok(itself) => return Ok((pod.to_string(), itself)),
                Err(error) => unanswered = error,
            }
        }
        Err(unanswered)
    }

    /// The system identifier that a pod itself answers, asked through the API.
    async fn own_identifier(&self, login: &Login, database: &str, pod: &PodName) -> Result<String> {
        let stdin = format!("{}\n", login.password.reveal()?);
        let asked = self.cluster.exec_read(pod, &itself(&login.user, database), stdin.as_bytes()).await?;
        match (asked.status, String::from_utf8_lossy(&asked.stdout).trim()) {
            (0, identifier) if !identifier.is_empty() => Ok(identifier.to_owned()),
            _ => Err(DatabaseError::unreachable(pod.to_string(), asked.stderr.trim())),
        }
    }
}

/// The StatefulSet that a member belongs to, as `namespace/name`.
pub fn set_of(pod: &PodName) -> String {
    let name = pod.name.rsplit_once('-').map_or(pod.name.as_str(), |(set, _)| set);
    format!("{}/{name}", pod.namespace)
}

/// The command that asks a pod for its own system identifier, with the password as the first line of its input.
fn itself(user: &str, database: &str) -> Vec<String> {
    let ask = format!(
        "IFS= read -r PGPASSWORD; export PGPASSWORD PGCONNECT_TIMEOUT=5; \
         exec psql -h 127.0.0.1 -p {MEMBER_PORT} -U \"$1\" -d \"$2\" -XtAc '{SYSTEM_IDENTIFIER}'"
    );
    ["sh", "-c", &ask, "sh", user, database].map(str::to_owned).to_vec()
}

const SYSTEM_IDENTIFIER: &str = "SELECT system_identifier FROM pg_control_system()";

impl Session {
    /// Which server this is: every cluster of PostgreSQL members has its own, and all of them share it.
    pub async fn system_identifier(&self) -> Result<String> {
        Ok(self.value(SYSTEM_IDENTIFIER, &[]).await?.to_string())
    }

    pub async fn identity(&self) -> Result<Identity> {
        let sql = "SELECT system_identifier, datname, oid FROM pg_control_system(), pg_database WHERE datname = current_database()";
        let rows = self.query(sql, &[]).await?;
        let row = rows.first().cloned().unwrap_or_default();
        let text =
            |name: &str| row.get(name).map_or_else(String::new, |value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
        let oid = row.get("oid").and_then(Value::as_u64).and_then(|oid| u32::try_from(oid).ok()).unwrap_or_default();
        Ok(Identity { system_identifier: text("system_identifier"), database: text("datname"), oid })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_asked_without_a_password_in_its_words() {
        let words = itself("postgres", "gitea");
        assert_eq!(words[..2], ["sh", "-c"]);
        assert_eq!(words[3..], ["sh", "postgres", "gitea"]);
        assert!(words[2].starts_with("IFS= read -r PGPASSWORD;"), "{}", words[2]);
    }

    #[test]
    fn an_identity_changes_when_the_database_was_made_anew() {
        let identity = |oid| Identity { system_identifier: "742".into(), database: "gitea".into(), oid }.to_string();
        assert_eq!(identity(5), "742/gitea#5");
        assert_ne!(identity(5), identity(6));
    }
}
