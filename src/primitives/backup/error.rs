//! What can go wrong with a backup, each with a code of its own and one next step. Faults of the way to the server
//! are `webdav`'s.

use crate::cluster::{ClusterError, NameError};
use crate::database::DatabaseError;
use crate::effect::Interrupted;
use crate::secret::SecretError;
use crate::settings::SettingsError;
use crate::sops::SopsError;
use crate::webdav::WebDavError;
use miette::Diagnostic;

#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum BackupError {
    #[error("cannot back up {what}: `{program}` {ending}{}", crate::webdav::said(stderr))]
    #[diagnostic(
        code(backup::producer_failed),
        help("nothing of this backup was kept; mend what the program says and run the same command again")
    )]
    ProducerFailed { what: String, program: String, ending: String, stderr: String },
    #[error("cannot back up {what}: its output broke off: {reason}")]
    #[diagnostic(code(backup::producer_failed), help("nothing of this backup was kept; run the same command again"))]
    ProducerBroke { what: String, reason: String },
    #[error("there is no backup `{id}`")]
    #[diagnostic(code(backup::not_found), help("`backup::list()` shows what is there"))]
    NotFound { id: String },
    #[error("`{document}` of backup `{id}` is not signed by our key: {reason}")]
    #[diagnostic(
        code(backup::bad_signature),
        help("do not restore from it: it was altered, or another key than `backup.signing_key` made it")
    )]
    BadSignature { id: String, document: &'static str, reason: String },
    #[error("backup `{id}` lacks its object `{path}`")]
    #[diagnostic(code(backup::object_missing), help("this backup cannot be restored whole: make a new one"))]
    ObjectMissing { id: String, path: String },
    #[error("`{path}` of backup `{id}` is damaged: its {what} is `{found}`, the manifest says `{expected}`")]
    #[diagnostic(code(backup::damaged), help("this backup cannot be trusted: make a new one, and look at the server's storage"))]
    Damaged { id: String, path: String, what: &'static str, expected: String, found: String },
    #[error("`{path}` of backup `{id}` cannot be opened: {reason}")]
    #[diagnostic(code(backup::damaged), help("this backup cannot be trusted: make a new one, and look at the server's storage"))]
    Unreadable { id: String, path: String, reason: String },
    #[error("no identity at hand opens backup `{id}`: {reason}")]
    #[diagnostic(
        code(backup::no_identity),
        help("set `SOPS_AGE_KEY_FILE`, `SOPS_AGE_KEY` or `backup.identity_file` to an identity of one of its recipients")
    )]
    NoIdentity { id: String, reason: String },
    #[error("the backup server's clock and ours are {} apart", crate::duration::show(*.apart))]
    #[diagnostic(code(backup::clock_skew), help("set both clocks (NTP): with either wrong, the age of a backup means nothing"))]
    ClockSkew { apart: std::time::Duration },
    #[error("the backup server does not say what time it is")]
    #[diagnostic(
        code(backup::clock_skew),
        help("let it (or the proxy before it) send the `Date` header: the age of a backup depends on it")
    )]
    NoClock,
    #[error("setting `{key}` is not right: {reason}")]
    #[diagnostic(code(backup::bad_setting), help("`docs/backup.md` has a commented example"))]
    BadSetting { key: &'static str, reason: String },
    #[error("there is no claim `{claim}` to back up")]
    #[diagnostic(code(backup::no_claim), help("name it like `gitea/persistentvolumeclaim/gitea-shared-storage`"))]
    NoClaim { claim: String },
    #[error("there is nothing to back up")]
    #[diagnostic(code(backup::nothing), help("name at least one database, server or volume: `backup::create(#{{ databases: [source] }})`"))]
    Nothing,
    #[error("`{database}` cannot be backed up: {reason}")]
    #[diagnostic(
        code(backup::bad_target),
        help("`backup::create` dumps inside the pods that hold the data: name them in `members`, and an `admin` for globals")
    )]
    BadTarget { database: String, reason: String },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Name(#[from] NameError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    WebDav(#[from] WebDavError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Sops(#[from] SopsError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Interrupted(#[from] Interrupted),
}
