//! The door to a WebDAV server: what reads is free, what alters something takes a [`Permit`](crate::effect::Permit).
//! It knows requests, waits and answers; what a file there means is the `backup` primitive's business.

mod answer;
mod deposit;
mod error;
#[cfg(test)]
pub mod standin;
mod write;

pub use answer::{Entry, said};
pub use deposit::{Deposited, hex};
pub use error::WebDavError;
pub use write::Replace;

use error::{Asked, reason};
use futures::{Stream, StreamExt, TryStreamExt};
use jiff::{SignedDuration, Timestamp};
use reqwest::{Client, Method, RequestBuilder, Response, Url};
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_util::io::StreamReader;

/// Where the server is, and who asks.
#[derive(Clone)]
pub struct Account {
    /// The WebDAV address as Nextcloud's settings show it; a bare server address means the user's files there.
    pub url: String,
    pub user: String,
    pub password: String,
}

/// How long this client waits for what.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    pub connect: Duration,
    /// For a whole request without a long body.
    pub request: Duration,
    /// While a long body is under way: the longest time in which nothing moves.
    pub idle: Duration,
    /// The longest wait that is granted to a server that asks for one, and the sum of all waits of one request.
    pub retry: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connect: seconds(5), request: seconds(30), idle: seconds(300), retry: seconds(60) }
    }
}

pub struct WebDav {
    client: Client,
    base: Url,
    user: String,
    password: String,
    patience: Patience,
    skew: Mutex<Option<SignedDuration>>,
}

const PROPERTIES: &str = r#"<?xml version="1.0"?><d:propfind xmlns:d="DAV:"><d:prop><d:resourcetype/><d:getcontentlength/><d:quota-available-bytes/></d:prop></d:propfind>"#;

impl WebDav {
    /// A client for this account. Nothing is asked yet. Proxies of the environment are not used, redirects not followed.
    pub fn new(account: &Account, patience: Patience) -> Result<Self, WebDavError> {
        let refuse = |reason: String| WebDavError::BadAddress { url: account.url.clone(), reason };
        let base = base(&account.url, &account.user).map_err(refuse)?;
        // Another door may have installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .connect_timeout(patience.connect)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent(concat!("railrun/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| refuse(reason(error)))?;
        let (user, password) = (account.user.clone(), account.password.clone());
        Ok(Self { client, base, user, password, patience, skew: Mutex::default() })
    }

    /// A file or folder, `None` where there is none.
    pub async fn stat(&self, path: &str) -> Result<Option<Entry>, WebDavError> {
        match self.propfind(path, "0").await {
            Ok(found) => Ok(found.into_iter().next()),
            Err(WebDavError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What is in a folder.
    pub async fn list(&self, path: &str) -> Result<Vec<Entry>, WebDavError> {
        Ok(self.propfind(path, "1").await?.into_iter().skip(1).collect())
    }

    /// A small file, whole.
    pub async fn read(&self, path: &str, limit: usize) -> Result<Vec<u8>, WebDavError> {
        let mut content = Vec::new();
        let most = u64::try_from(limit).unwrap_or(u64::MAX);
        let read = self.open(path).await?.take(most + 1).read_to_end(&mut content).await;
        let unreadable = |reason: String| WebDavError::BadAnswer { request: format!("GET `{path}`"), reason };
        read.map_err(|error| error.downcast::<WebDavError>().unwrap_or_else(|error| unreadable(error.to_string())))?;
        if content.len() > limit { Err(unreadable(format!("it is larger than {limit} bytes"))) } else { Ok(content) }
    }

    /// A file of any size, as it comes in. Silence for longer than the client's patience is an error. What breaks the
    /// connection is a [`WebDavError`] inside the [`io::Error`], so that it is not taken for damage.
    pub async fn open(&self, path: &str) -> Result<impl AsyncRead + Send + Unpin + 'static, WebDavError> {
        let response = self.ask("GET", path, |request| request).await?;
        let idle = self.patience.idle;
        let request = format!("GET `{path}`");
        let pieces = response
            .bytes_stream()
            .map_err(move |error| io::Error::other(WebDavError::Cut { request: request.clone(), sent: 0, reason: reason(error) }));
        Ok(StreamReader::new(Box::pin(impatient(pieces, idle, path.to_owned()))))
    }

    /// How far the server's clock is ahead of this machine's, by its latest answer; `None` where it does not say.
    pub fn skew(&self) -> Option<SignedDuration> {
        *self.skew.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn patience(&self) -> Patience {
        self.patience
    }

    async fn propfind(&self, path: &str, depth: &'static str) -> Result<Vec<Entry>, WebDavError> {
        let response = self.ask("PROPFIND", path, |request| request.header("Depth", depth).body(PROPERTIES)).await?;
        let unreadable = |reason: String| WebDavError::BadAnswer { request: format!("PROPFIND `{path}`"), reason };
        let body = tokio::time::timeout(self.patience.request, response.text()).await;
        let body = body.map_err(|_| unreadable("it took too long".into()))?.map_err(|error| unreadable(reason(error)))?;
        answer::entries(&body).map_err(unreadable)
    }

    /// Sends a request until it is answered for good: a lock, a busy server and a refused connection are waited for.
    async fn ask(&self, method: &str, path: &str, fill: impl Fn(RequestBuilder) -> RequestBuilder) -> Result<Response, WebDavError> {
        let whole = if matches!(method, "PUT" | "MOVE" | "DELETE") { self.patience.idle } else { self.patience.request };
        let mut waited = Duration::ZERO;
        loop {
            let error = match self.once(method, path, &fill, whole).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            let wait = error.passes_in().map(|wait| wait.max(Duration::from_millis(100)));
            let again = match &error {
                WebDavError::Locked { .. } | WebDavError::Busy { .. } => true,
                WebDavError::Unreachable { .. } => waited.is_zero(),
                _ => false,
            };
            match wait.filter(|wait| again && waited + *wait <= self.patience.retry) {
                Some(wait) => {
                    waited += wait;
                    tokio::time::sleep(wait).await;
                }
                None => return Err(error.after_waiting(waited)),
            }
        }
    }

    /// Sends a request once; its headers must be answered within `limit`.
    async fn once(
        &self,
        method: &str,
        path: &str,
        fill: impl FnOnce(RequestBuilder) -> RequestBuilder,
        limit: Duration,
    ) -> Result<Response, WebDavError> {
        let asked = Asked { method: method.into(), path: path.into(), user: self.user.clone() };
        let verb = Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET);
        let request = fill(self.client.request(verb, self.address(path)).basic_auth(&self.user, Some(&self.password)));
        let response = match tokio::time::timeout(limit, request.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(broke(&asked, error)),
            Err(_) => return Err(WebDavError::Stalled { request: asked.to_string(), sent: 0, limit }),
        };
        let skew = answer::date(response.headers()).map(|server| server.duration_since(Timestamp::now()));
        *self.skew.lock().unwrap_or_else(PoisonError::into_inner) = skew;
        if response.status().is_success() {
            return Ok(response);
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let body = tokio::time::timeout(self.patience.connect, response.text()).await;
        Err(WebDavError::judge(&asked, status, &headers, &body.ok().and_then(Result::ok).unwrap_or_default()))
    }

    fn address(&self, path: &str) -> Url {
        let mut address = self.base.clone();
        if let Ok(mut segments) = address.path_segments_mut() {
            segments.pop_if_empty().extend(path.split('/').filter(|part| !part.is_empty()));
        }
        address
    }
}

/// The folder that all paths start from.
fn base(url: &str, user: &str) -> Result<Url, String> {
    let mut base = Url::parse(url).map_err(|error| error.to_string())?;
    if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
        return Err("it must begin with https:// or http://".into());
    }
    if !base.username().is_empty() || base.password().is_some() {
        return Err("user and password have settings of their own".into());
    }
    base.set_query(None);
    base.set_fragment(None);
    if base.path() == "/" {
        let mut segments = base.path_segments_mut().map_err(|()| "it has no path".to_string())?;
        segments.clear().extend(["remote.php", "dav", "files", user]);
    }
    Ok(base)
}

/// What a broken connection means: before anything was sent it may be tried again, afterwards only a read may.
fn broke(asked: &Asked, error: reqwest::Error) -> WebDavError {
    let harmless = error.is_connect() || matches!(asked.method.as_str(), "GET" | "PROPFIND");
    let (request, reason) = (asked.to_string(), reason(error));
    if harmless { WebDavError::Unreachable { request, reason } } else { WebDavError::Cut { request, sent: 0, reason } }
}

/// A stream whose silence ends it with an error.
fn impatient<T: Send>(
    pieces: impl Stream<Item = io::Result<T>> + Send,
    idle: Duration,
    path: String,
) -> impl Stream<Item = io::Result<T>> + Send {
    futures::stream::unfold(Some((Box::pin(pieces), path)), move |reading| async move {
        let (mut pieces, path) = reading?;
        match tokio::time::timeout(idle, pieces.next()).await {
            Ok(Some(piece)) => Some((piece, Some((pieces, path)))),
            Ok(None) => None,
            Err(_) => {
                let stalled = WebDavError::Stalled { request: format!("GET `{path}`"), sent: 0, limit: idle };
                Some((Err(io::Error::other(stalled)), None))
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_server_means_the_users_files_there() {
        let text = |url: &str| base(url, "ü b").map(|url| url.to_string());
        assert_eq!(text("https://cloud.example.org").unwrap(), "https://cloud.example.org/remote.php/dav/files/%C3%BC%20b");
        assert_eq!(text("http://127.0.0.1:1/dav/x?y#z").unwrap(), "http://127.0.0.1:1/dav/x");
        for wrong in ["", "cloud", "ftp://x/", "https://u:p@x/"] {
            assert!(text(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_path_is_escaped_part_by_part() {
        let account = Account { url: "http://127.0.0.1:1/dav/".into(), user: "u".into(), password: "p".into() };
        let dav = WebDav::new(&account, Patience::default()).unwrap();
        assert_eq!(dav.address("a b/%2e/ü?#").as_str(), "http://127.0.0.1:1/dav/a%20b/%252e/%C3%BC%3F%23");
    }
}
