//! Which database is meant and who may enter it, as a script describes it. How a script's map becomes one is
//! `script::target`'s business, how it is reached the gateway's.
//!
//! ```rhai
//! #{
//!     host: "postgresql-ha-pgpool.platform.svc.cluster.local",  // the writer: where the application connects
//!     port: 5432,                                               // of the writer; 5432 where it is left out
//!     database: "gitea",
//!     user: "gitea", password: sops::secret("helm/gitea.sops.yaml", "db.password"),   // the application's login
//!     admin: #{ user: "postgres", password: kube::secret("platform/secret/postgresql-ha-postgresql", "password") },
//!     members: ["platform/pod/postgresql-ha-postgresql-0/postgresql"],  // the pods that hold the data
//! }
//! ```
//!
//! `admin` and `members` may be left out where only the application's own way in is used. Which member is the
//! primary is never written down: it is asked of them at every use.

use super::DatabaseError;
use super::reach::Address;
use crate::cluster::PodName;
use crate::host::Host;
use crate::secret::Secret;

#[derive(Clone, Debug)]
pub struct Target {
    pub host: String,
    pub port: u16,
    pub database: String,
    pub login: Login,
    pub admin: Option<Login>,
    pub members: Vec<PodName>,
}

#[derive(Clone, Debug)]
pub struct Login {
    pub user: String,
    pub password: Secret,
}

impl Target {
    /// `platform/gitea`: the namespace its server runs in, or its host, and the database.
    pub fn title(&self) -> String {
        format!("{}/{}", self.place(), self.database)
    }

    /// What reads and changes of this database name as their subject.
    pub fn resource(&self) -> String {
        format!("database {}", self.title())
    }

    pub fn role_resource(&self, role: &str) -> String {
        format!("role {}/{role}", self.place())
    }

    /// What it stands on: the pods and the service without which it cannot be asked.
    pub fn grounds(&self) -> Vec<String> {
        let pods = self.members.iter().map(PodName::to_string);
        pods.chain(Address::parse(&self.host).resource()).collect()
    }

    /// Fetches its passwords, masked from now on. Sessions ask for this because fetching may wait for other
    /// programs, which nothing may do while it is waited for itself.
    pub fn unlock(&self, host: &Host) -> Result<Unlocked<'_>, DatabaseError> {
        for login in std::iter::once(&self.login).chain(&self.admin) {
            if host.reveal(&login.password)?.contains('\n') {
                return Err(DatabaseError::BadPassword { user: login.user.clone() });
            }
        }
        Ok(Unlocked(self))
    }

    /// Where its server runs: a namespace, or a host outside.
    pub fn place(&self) -> String {
        let members = self.members.first().map(|pod| pod.namespace.clone());
        members.or_else(|| Address::parse(&self.host).namespace()).unwrap_or_else(|| self.host.clone())
    }
}

/// A target whose passwords are at hand.
#[derive(Clone, Copy)]
pub struct Unlocked<'t>(&'t Target);

impl<'t> Unlocked<'t> {
    pub fn target(self) -> &'t Target {
        self.0
    }

    /// The administrator's login, or the application's where no administrator is known.
    pub fn strongest(self) -> &'t Login {
        self.0.admin.as_ref().unwrap_or(&self.0.login)
    }

    /// A database that the strongest login can enter even where the one that is meant is not there yet.
    pub fn maintenance(self) -> &'t str {
        if self.0.admin.is_some() { "postgres" } else { &self.0.database }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(host: &str, members: &[&str]) -> Target {
        Target {
            host: host.into(),
            port: 5432,
            database: "gitea".into(),
            login: Login { user: "gitea".into(), password: Secret::known("test", "pw".into()) },
            admin: None,
            members: members.iter().map(|pod| PodName::parse(pod).unwrap()).collect(),
        }
    }

    #[test]
    fn a_database_is_named_by_where_it_runs() {
        assert_eq!(target("pgpool.platform.svc.cluster.local", &[]).title(), "platform/gitea");
        assert_eq!(target("10.0.0.1", &["apps/pod/pg-0"]).resource(), "database apps/gitea");
        assert_eq!(target("db.example.org", &[]).role_resource("x"), "role db.example.org/x");
    }

    #[test]
    fn it_stands_on_its_pods_and_its_service() {
        let target = target("pgpool.platform.svc", &["platform/pod/pg-0/postgresql"]);
        assert_eq!(target.grounds(), ["platform/pod/pg-0", "platform/service/pgpool"]);
    }
}
