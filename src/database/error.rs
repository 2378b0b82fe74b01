//! What can go wrong with a database, in words a reader can act on. How the server's own answer becomes one of
//! these is decided here; what a verb refuses to do is the primitive's business.

use crate::causes::with_causes;
use crate::cluster::ClusterError;
use crate::effect::Interrupted;
use crate::secret::SecretError;
use miette::Diagnostic;
use tokio_postgres::error::{DbError, SqlState};

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
pub enum DatabaseError {
    #[error("cannot reach the database server at `{place}`: {reason}")]
    #[diagnostic(code(sql::unreachable), help("{help}"))]
    Unreachable { place: String, reason: String, help: String },
    #[error("`{place}` does not let user `{user}` in: {reason}")]
    #[diagnostic(code(sql::authentication_failed), help("{help}"))]
    AuthenticationFailed { place: String, user: String, reason: String, help: String },
    #[error("`{place}` has no {what}")]
    #[diagnostic(code(sql::not_found), help("{help}"))]
    NotFound { place: String, what: String, help: String },
    #[error("`{place}` refused a statement: {reason}")]
    #[diagnostic(code(sql::query_failed))]
    QueryFailed {
        place: String,
        reason: String,
        state: String,
        #[help]
        help: Option<String>,
    },
    #[error("`{place}` takes no writes: {reason}")]
    #[diagnostic(code(sql::not_primary), help("{help}"))]
    NotPrimary { place: String, reason: String, help: String },
    #[error("a query only reads: {reason}")]
    #[diagnostic(code(sql::read_only), help("change data with `execute`"))]
    ReadOnly { reason: String },
    #[error("the address of `{pod}` leads to the server {reached}, but the pod itself says that it is {itself}")]
    #[diagnostic(
        code(sql::wrong_cluster),
        help("this host is not the cluster's own: leave `reach: direct` out of the environment, so that connections go through its API")
    )]
    WrongCluster { pod: String, reached: String, itself: String },
    #[error("the server behind `{members}` is {found}, the environment is pinned to {pinned}")]
    #[diagnostic(
        code(environment::wrong_database),
        help("nothing was asked of it beyond that; `railrun env pin` pins another server on purpose")
    )]
    NotPinned { members: String, found: String, pinned: String },
    #[error("the password of user `{user}` has a line break in it")]
    #[diagnostic(code(sql::bad_password), help("set a password of one line"))]
    BadPassword { user: String },
    #[error("`{place}` cannot be asked this: {reason}")]
    #[diagnostic(code(sql::bad_query), help("give as many parameters as the statement has; cast a column of a rare type to `text`"))]
    BadQuery { place: String, reason: String },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Interrupted(#[from] Interrupted),
}

const ASK_THE_PODS: &str = "`kube::diagnose` of its pods says how they are";

impl DatabaseError {
    pub fn unreachable(place: impl Into<String>, reason: impl Into<String>) -> Self {
        DatabaseError::Unreachable { place: place.into(), reason: reason.into(), help: ASK_THE_PODS.into() }
    }

    pub fn is_not_found(&self) -> bool {
        matches!(self, DatabaseError::NotFound { .. })
    }

    /// Inside a read-only transaction the refusal of a write says nothing about the server.
    pub(super) fn while_reading(self) -> Self {
        match self {
            DatabaseError::NotPrimary { reason, .. } => DatabaseError::ReadOnly { reason },
            other => other,
        }
    }

    /// Why a login failed.
    pub(super) fn of_login(error: &tokio_postgres::Error, place: &str, user: &str, database: &str) -> Self {
        match error.as_db_error() {
            Some(said) => refused_login(said.code(), &in_words(said), place, user, database),
            None => Self::unreachable(place, with_causes(error)),
        }
    }

    /// Why a statement failed.
    pub(super) fn of_query(error: &tokio_postgres::Error, place: &str) -> Self {
        match error.as_db_error() {
            Some(said) => refused_statement(said, place),
            None if error.is_closed() => Self::unreachable(place, "the connection broke"),
            None => DatabaseError::BadQuery { place: place.into(), reason: with_causes(error) },
        }
    }
}

fn refused_login(state: &SqlState, reason: &str, place: &str, user: &str, database: &str) -> DatabaseError {
    let (place, user, reason) = (place.to_owned(), user.to_owned(), reason.to_owned());
    if reason.contains("pool_passwd") {
        let help = format!("add `{user}` to `pgpool.customUsers` in the values of its release, and upgrade it");
        return DatabaseError::AuthenticationFailed { place, user, reason, help };
    }
    // Pgpool has no code of its own for a login that it or the server behind it refuses.
    if *state == SqlState::INVALID_PASSWORD
        || *state == SqlState::INVALID_AUTHORIZATION_SPECIFICATION
        || (*state == SqlState::INTERNAL_ERROR && reason.contains("authentication failed"))
    {
        let help = format!("check the password and that `{user}` exists; `sql::role` sets both");
        return DatabaseError::AuthenticationFailed { place, user, reason, help };
    }
    match *state {
        SqlState::INVALID_CATALOG_NAME => {
            let help = "`sql::database` creates it".into();
            DatabaseError::NotFound { place, what: format!("database `{database}`"), help }
        }
        SqlState::TOO_MANY_CONNECTIONS => {
            let help = "raise `pgpool.numInitChildren`, or lower how many connections its applications may hold".into();
            DatabaseError::Unreachable { place, reason, help }
        }
        SqlState::CANNOT_CONNECT_NOW | SqlState::ADMIN_SHUTDOWN => DatabaseError::unreachable(place, reason),
        _ => DatabaseError::QueryFailed { place, reason, state: state.code().into(), help: None },
    }
}

fn refused_statement(said: &DbError, place: &str) -> DatabaseError {
    let (place, reason, state) = (place.to_owned(), in_words(said), said.code().code().to_owned());
    match *said.code() {
        SqlState::READ_ONLY_SQL_TRANSACTION => {
            let help = "a proxy sends writes to a standby: compare `role` with `pg_role` in `show pool_nodes`, and restart it".into();
            DatabaseError::NotPrimary { place, reason, help }
        }
        SqlState::ADMIN_SHUTDOWN | SqlState::CRASH_SHUTDOWN => DatabaseError::unreachable(place, reason),
        _ => DatabaseError::QueryFailed { place, reason, state, help: said.hint().map(str::to_owned) },
    }
}

/// `duplicate key value violates unique constraint "x": Key (id)=(1) already exists.`
fn in_words(said: &DbError) -> String {
    match said.detail() {
        Some(detail) => format!("{}: {}", said.message(), detail.trim_end_matches('.')),
        None => said.message().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_that_pgpool_was_not_told_of_is_recognised() {
        let reason = "SCRAM authentication failed: pool_passwd file does not contain an entry for \"gitea\"";
        let error = refused_login(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION, reason, "pgpool", "gitea", "gitea");
        assert_eq!(error.code().unwrap().to_string(), "sql::authentication_failed");
        assert!(error.help().unwrap().to_string().contains("`pgpool.customUsers`"));
    }

    #[test]
    fn a_refused_login_says_whether_the_user_or_the_database_is_wrong() {
        let code = |state| refused_login(&state, "no", "p", "u", "d").code().unwrap().to_string();
        assert_eq!(code(SqlState::INVALID_PASSWORD), "sql::authentication_failed");
        let pgpool = "authentication failed: username \"gitea\" or password does not exist in backend";
        let by_pgpool = refused_login(&SqlState::INTERNAL_ERROR, pgpool, "p", "u", "d");
        assert_eq!(by_pgpool.code().unwrap().to_string(), "sql::authentication_failed");
        assert_eq!(code(SqlState::INTERNAL_ERROR), "sql::query_failed");
        assert_eq!(code(SqlState::INVALID_CATALOG_NAME), "sql::not_found");
        assert_eq!(code(SqlState::TOO_MANY_CONNECTIONS), "sql::unreachable");
        assert_eq!(code(SqlState::SYNTAX_ERROR), "sql::query_failed");
    }
}
