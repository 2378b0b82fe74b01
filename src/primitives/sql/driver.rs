//! The servers behind a script's databases, and what can go wrong with them beyond a single statement. The verbs'
//! own work has files named by their nouns: `role`, `database`, `copy`, `certificate` …

use crate::cluster::ClusterError;
use crate::database::{DatabaseError, Gateway, Member, Primary, Role as MemberRole, Target, Unlocked};
use crate::duration::show;
use crate::effect::{Change, Interrupted};
use crate::host::Host;
use crate::secret::SecretError;
use miette::Diagnostic;
use serde::Serialize;
use std::future::Future;
use std::time::Duration;
use tokio::sync::OnceCell;

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
pub enum SqlError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Secret(#[from] SecretError),
    #[error("`{target}` is described without an administrator")]
    #[diagnostic(code(sql::no_admin), help("add `admin: #{{ user: …, password: … }}` to its description"))]
    NoAdmin { target: String },
    #[error("`{target}` is described without the pods that hold it")]
    #[diagnostic(code(sql::no_members), help("add `members: [\"namespace/pod/name/container\", …]` to its description"))]
    NoMembers { target: String },
    #[error("the database `{target}` is there already with {what} {has}, asked for is {wanted}")]
    #[diagnostic(code(sql::cannot_change), help("this cannot be changed in place: choose another name, or copy it into a new one"))]
    CannotChange { target: String, what: &'static str, has: String, wanted: String },
    #[error("will not copy `{from}` to `{to}`:{}", listed(reasons))]
    #[diagnostic(code(sql::copy_refused), help("nothing was touched; make each of these hold, then run it again"))]
    CopyRefused { from: String, to: String, reasons: Vec<String> },
    #[error("the copy of `{from}` to `{to}` failed: {reason}")]
    #[diagnostic(code(sql::copy_failed), help("the target is marked as incomplete: the same command drops what is in it and copies again"))]
    CopyFailed { from: String, to: String, reason: String },
    #[error("`{to}` is not equal to `{from}`:{}", listed(differences))]
    #[diagnostic(code(sql::not_equal), help("the target is marked as incomplete: the same command drops what is in it and copies again"))]
    NotEqual { from: String, to: String, differences: Vec<String> },
    #[error("another run is copying into `{target}`")]
    #[diagnostic(code(sql::copy_under_way), help("wait for it to end"))]
    UnderWay { target: String },
    #[error("{what} took longer than {limit}")]
    #[diagnostic(code(sql::timed_out), help("raise its `timeout`"))]
    TimedOut { what: String, limit: String },
    #[error("the answer of `{target}` is not understood: {reason}")]
    #[diagnostic(code(sql::not_understood), help("PostgreSQL 12 to 18 are known"))]
    NotUnderstood { target: String, reason: String },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Interrupted(#[from] Interrupted),
}

/// How long an answer may take.
pub const ANSWER: Duration = Duration::from_secs(300);
/// How long work on all of a database may take.
pub const WHOLE: Duration = Duration::from_secs(6 * 3600);

/// Waits no longer than `limit`.
pub async fn within<T>(what: &str, limit: Duration, work: impl Future<Output = Result<T, SqlError>>) -> Result<T, SqlError> {
    let late = |_| SqlError::TimedOut { what: what.to_owned(), limit: show(limit) };
    tokio::time::timeout(limit, work).await.map_err(late)?
}

/// At most eight lines, each on its own, and how many more there are.
fn listed(items: &[String]) -> String {
    const SHOWN: usize = 8;
    let more = items.len().checked_sub(SHOWN + 1).map(|more| format!("and {} more", more + 1));
    let lines = items.iter().take(SHOWN).cloned().chain(more);
    lines.fold(String::new(), |text, line| text + "\n  - " + line.as_str())
}

/// How the members of a server are, counted and one by one.
#[derive(Clone, Debug, Serialize)]
pub struct Membership {
    pub primaries: usize,
    pub standbys: usize,
    pub unreachable: usize,
    /// Copies that stream from the primary, whatever they are called.
    pub streaming: u64,
    pub members: Vec<Member>,
}

/// The primary of the server that a target describes; its sessions are opened at their first use.
pub struct Server<'h, 't> {
    pub gateway: Gateway<'h>,
    pub access: Unlocked<'t>,
    maintenance: OnceCell<Primary>,
    inside: OnceCell<Primary>,
}

impl<'h, 't> Server<'h, 't> {
    pub fn on(host: &'h Host, target: &'t Target) -> Result<Self, SqlError> {
        host.rights.foresee(host, &Change::new("sql read", target.title()).resting_on(target.grounds()));
        let access = target.unlock(host)?;
        Ok(Self { gateway: Gateway::on(host)?, access, maintenance: OnceCell::new(), inside: OnceCell::new() })
    }

    pub fn target(&self) -> &'t Target {
        self.access.target()
    }

    /// The administrator's session beside the database: what creates or drops it works from here.
    pub async fn maintenance(&self) -> Result<&Primary, SqlError> {
        if self.target().admin.is_none() {
            return Err(SqlError::NoAdmin { target: self.target().title() });
        }
        let open = || self.gateway.primary(self.access, self.access.maintenance());
        Ok(self.maintenance.get_or_try_init(open).await?)
    }

    /// The strongest user's session in the database itself.
    pub async fn inside(&self) -> Result<&Primary, SqlError> {
        let open = || self.gateway.primary(self.access, &self.target().database);
        Ok(self.inside.get_or_try_init(open).await?)
    }

    /// What the members say of themselves.
    pub async fn membership(&self) -> Result<Membership, SqlError> {
        let members = self.gateway.members(self.access).await;
        let count = |role: MemberRole| members.iter().filter(|member| member.role == role).count();
        let (primaries, standbys, unreachable) = (count(MemberRole::Primary), count(MemberRole::Standby), count(MemberRole::Unreachable));
        let streaming = match primaries {
            1 => self.maintenance().await?.session.value("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'", &[]).await?,
            _ => 0.into(),
        };
        Ok(Membership { primaries, standbys, unreachable, streaming: streaming.as_u64().unwrap_or_default(), members })
    }

    pub fn not_understood(&self, reason: impl ToString) -> SqlError {
        SqlError::NotUnderstood { target: self.target().title(), reason: reason.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_listed_one_by_one() {
        let error = SqlError::CopyRefused { from: "a".into(), to: "b".into(), reasons: vec!["x".into(), "y".into()] };
        assert_eq!(error.to_string(), "will not copy `a` to `b`:\n  - x\n  - y");
        let many = (0..10).map(|n| n.to_string()).collect::<Vec<_>>();
        assert!(listed(&many).ends_with("- and 2 more"));
    }
}
