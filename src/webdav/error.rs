//! What can go wrong between here and a WebDAV server, and what each answer means. The codes are those of `backup`,
//! the one namespace that speaks WebDAV; what a fault means for a backup is that primitive's business.

use crate::causes::with_causes;
use crate::webdav::answer::{self, said};
use miette::Diagnostic;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use std::time::Duration;

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
pub enum WebDavError {
    #[error("cannot reach the backup server for {request}: {reason}")]
    #[diagnostic(code(backup::unreachable), help("check `backup.url` and that the server is up, then run the same command again"))]
    Unreachable { request: String, reason: String },
    #[error("the backup server did not accept user `{user}` for {request}")]
    #[diagnostic(
        code(backup::unauthorized),
        help(
            "make a new app password and put it where `backup.password` points; wrong ones are not tried twice, servers slow down after them"
        )
    )]
    Unauthorized { request: String, user: String },
    #[error("the backup server forbids {request}{}", said(reason))]
    #[diagnostic(code(backup::forbidden), help("give the user of `backup.user` write access to the folder of `backup.root`"))]
    Forbidden { request: String, reason: String },
    #[error("the backup server has no room for {request}{}", said(reason))]
    #[diagnostic(code(backup::quota), help("delete old backups (and empty the trash), or ask for a larger quota"))]
    Quota { request: String, reason: String },
    #[error("{request} is locked on the backup server{}{}", after(*waited), said(reason))]
    #[diagnostic(code(backup::locked), help("another client holds the lock; run the same command again when it is done"))]
    Locked { request: String, reason: String, wait: Duration, waited: Duration },
    #[error("the backup server is too busy for {request} ({status}){}{}", after(*waited), said(reason))]
    #[diagnostic(code(backup::busy), help("it asks to wait {}; run the same command again after that", crate::duration::show(*wait)))]
    Busy { request: String, status: u16, reason: String, wait: Duration, waited: Duration },
    #[error("the connection broke off during {request} after {sent} bytes: {reason}")]
    #[diagnostic(code(backup::cut), help("nothing of it counts as a backup; run the same command again"))]
    Cut { request: String, sent: u64, reason: String },
    #[error("nothing moved for {} during {request} after {sent} bytes", crate::duration::show(*limit))]
    #[diagnostic(code(backup::stalled), help("look at the load of both servers, then run the same command again"))]
    Stalled { request: String, sent: u64, limit: Duration },
    #[error("a gateway gave up on {request} ({status}), and it did not take effect later either")]
    #[diagnostic(code(backup::gateway), help("raise the time-out of the proxy in front of the backup server"))]
    Gateway { request: String, status: u16 },
    #[error("the backup server kept {stored} of the {sent} bytes sent for `{path}`")]
    #[diagnostic(code(backup::truncated), help("a proxy or the server cuts uploads: raise its limit for request bodies"))]
    Truncated { path: String, sent: u64, stored: u64 },
    #[error("`{path}` differs on the backup server: its sha256 is `{stored}`, `{sent}` was sent")]
    #[diagnostic(code(backup::corrupt), help("the server's storage or the way to it damages data: check both before trusting it"))]
    Corrupt { path: String, sent: String, stored: String },
    #[error("there is no `{path}` on the backup server")]
    #[diagnostic(code(backup::not_found), help("`backup::list()` shows what is there"))]
    NotFound { path: String },
    #[error("`{path}` is on the backup server already")]
    #[diagnostic(code(backup::exists), help("nothing is overwritten there: run the same command again for a new name"))]
    Exists { path: String },
    #[error("the backup server answered {request} with {status}{}", said(reason))]
    #[diagnostic(code(backup::refused), help("`backup.url` must be the WebDAV address that Nextcloud shows under Files settings"))]
    Refused { request: String, status: u16, reason: String },
    #[error("the backup server's answer to {request} cannot be read: {reason}")]
    #[diagnostic(code(backup::bad_answer), help("`backup.url` must be the WebDAV address that Nextcloud shows under Files settings"))]
    BadAnswer { request: String, reason: String },
    #[error("`{url}` is not an address of a WebDAV server: {reason}")]
    #[diagnostic(code(backup::bad_address), help("write it like `https://cloud.example.org/remote.php/dav/files/backup`"))]
    BadAddress { url: String, reason: String },
    #[error("what was to be uploaded as `{path}` ended early: {reason}")]
    #[diagnostic(code(backup::source_broke), help("nothing of it counts as a backup; run the same command again"))]
    Source { path: String, reason: String },
}

impl WebDavError {
    /// How long to wait before the same is worth trying again; `None` where it is not.
    pub fn passes_in(&self) -> Option<Duration> {
        match self {
            Self::Locked { wait, waited, .. } | Self::Busy { wait, waited, .. } if waited.is_zero() => Some(*wait),
            Self::Unreachable { .. } | Self::Cut { .. } => Some(Duration::from_secs(1)),
            _ => None,
        }
    }

    /// The same, after it was waited for in vain.
    pub(super) fn after_waiting(mut self, spent: Duration) -> Self {
        if let Self::Locked { waited, .. } | Self::Busy { waited, .. } = &mut self {
            *waited = spent;
        }
        self
    }

    /// What an answer that is no success means.
    pub(super) fn judge(asked: &Asked, status: StatusCode, headers: &HeaderMap, body: &str) -> Self {
        let (request, status, reason) = (asked.to_string(), status.as_u16(), answer::message(body));
        let (wait, waited) = (answer::retry_after(headers).unwrap_or(Duration::from_secs(1)), Duration::ZERO);
        match status {
            401 => Self::Unauthorized { request, user: asked.user.clone() },
            403 => Self::Forbidden { request, reason },
            404 => Self::NotFound { path: asked.path.clone() },
            405 if asked.method == "MKCOL" => Self::Exists { path: asked.path.clone() },
            412 => Self::Exists { path: asked.path.clone() },
            413 | 507 => Self::Quota { request, reason },
            423 => Self::Locked { request, reason, wait, waited },
            429 | 503 => Self::Busy { request, status, reason, wait, waited },
            502 | 504 => Self::Gateway { request, status },
            _ => Self::Refused { request, status, reason },
        }
    }
}

/// A request, as errors name it.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub method: String,
    pub path: String,
    pub user: String,
}

impl std::fmt::Display for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} `{}`", self.method, final_name(&self.path))
    }
}

/// The name a file will have, where it is still under its temporary one.
pub(super) fn final_name(path: &str) -> &str {
    path.strip_suffix(UNFINISHED).and_then(|path| path.rsplit_once('.')).map_or(path, |(path, _)| path)
}

/// What the name of a file ends in until it is whole. (Nextcloud refuses names that end in `.part`.)
pub(super) const UNFINISHED: &str = ".unfinished";

/// `, also after waiting 1m00s`
fn after(waited: Duration) -> String {
    if waited.is_zero() { String::new() } else { format!(", also after waiting {}", crate::duration::show(waited)) }
}

/// The causes of a transport error, each said once; never its address, which may hold a user.
pub(super) fn reason(error: reqwest::Error) -> String {
    let error = error.without_url();
    with_causes(&error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(method: &str, status: u16, headers: &HeaderMap) -> String {
        let asked = Asked { method: method.into(), path: "a/b".into(), user: "u".into() };
        let body = "<d:error xmlns:d=\"DAV:\" xmlns:s=\"x\"><s:message>because</s:message></d:error>";
        let error = WebDavError::judge(&asked, StatusCode::from_u16(status).unwrap(), headers, body);
        format!("{}: {error}", error.code().unwrap())
    }

    #[test]
    fn each_answer_has_its_own_code_and_says_what_the_server_said() {
        let none = HeaderMap::new();
        for (method, status, says) in [
            ("PUT", 401, "backup::unauthorized: the backup server did not accept user `u` for PUT `a/b`"),
            ("PUT", 403, "backup::forbidden: the backup server forbids PUT `a/b`: because"),
            ("GET", 404, "backup::not_found: there is no `a/b` on the backup server"),
            ("MKCOL", 405, "backup::exists: `a/b` is on the backup server already"),
            ("MOVE", 412, "backup::exists: `a/b` is on the backup server already"),
            ("PUT", 423, "backup::locked: PUT `a/b` is locked on the backup server: because"),
            ("PUT", 503, "backup::busy: the backup server is too busy for PUT `a/b` (503): because"),
            ("PUT", 507, "backup::quota: the backup server has no room for PUT `a/b`: because"),
            ("PUT", 500, "backup::refused: the backup server answered PUT `a/b` with 500: because"),
        ] {
            assert_eq!(judged(method, status, &none), says);
        }
    }

    #[test]
    fn a_temporary_name_is_not_shown() {
        let asked = Asked { method: "PUT".into(), path: "a/b.age.01KAS3M8R4T5V6W7X8Y9Z0ABCD.unfinished".into(), user: "u".into() };
        assert_eq!(asked.to_string(), "PUT `a/b.age`");
    }

    #[test]
    fn only_what_passes_by_itself_is_worth_another_try() {
        let asked = Asked { method: "PUT".into(), path: "a".into(), user: "u".into() };
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", "7".parse().unwrap());
        let passes = |status| WebDavError::judge(&asked, StatusCode::from_u16(status).unwrap(), &headers, "").passes_in();
        assert_eq!([503, 429, 423].map(passes), [Some(Duration::from_secs(7)); 3]);
        assert_eq!([401, 403, 404, 507, 500].map(passes), [None; 5]);
    }
}
