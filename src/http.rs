//! The door to HTTP servers: GET reads, everything else takes a [`Permit`]. What an answer means is up to who asked.

use crate::effect::Permit;
use miette::Diagnostic;
use std::time::Duration;

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
pub enum HttpError {
    #[error("`{url}` is not a URL that can be asked: {reason}")]
    #[diagnostic(code(http::bad_url), help("write it like `http://host:3000/path`"))]
    BadUrl { url: String, reason: String },
    #[error("`{method} {url}` got no connection: {reason}")]
    #[diagnostic(code(http::unreachable), help("look whether the server runs and the address is right"))]
    Unreachable { method: String, url: String, reason: String },
    #[error("`{method} {url}` had no answer within {timeout}")]
    #[diagnostic(code(http::timeout), help("look whether the server is busy, or give `timeout` a larger value"))]
    Timeout { method: String, url: String, timeout: String },
    #[error("`{method} {url}` broke off: {reason}")]
    #[diagnostic(code(http::broken))]
    Broken { method: String, url: String, reason: String },
    #[error("`{method} {url}` answered {status}: {text}")]
    #[diagnostic(code(http::unexpected_status), help("give `expect: [{status}]` where this status is a good answer"))]
    Unexpected { method: String, url: String, status: u16, text: String },
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: &'static str,
    pub url: String,
    pub login: Option<(String, String)>,
    pub headers: Vec<(String, String)>,
    pub body: Option<Vec<u8>>,
    /// For the whole answer.
    pub timeout: Duration,
}

/// What was answered, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// So long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);

/// A client with time-outs, and without connections kept: one to a replaced pod would hang.
pub fn client() -> Result<reqwest::Client, reqwest::Error> {
    // A second call finds the provider installed, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .connect_timeout(CONNECT)
        .pool_max_idle_per_host(0)
        .user_agent(concat!("railrun/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Asks with GET or HEAD.
pub async fn read(request: &Request) -> Result<Answer, HttpError> {
    if !matches!(request.method, "GET" | "HEAD") {
        return Err(HttpError::BadUrl { url: request.url.clone(), reason: format!("{} does not only read", request.method) });
    }
    send(request).await
}

/// Asks with any method.
pub async fn write(_: &Permit, request: &Request) -> Result<Answer, HttpError> {
    send(request).await
}

async fn send(request: &Request) -> Result<Answer, HttpError> {
    let bad = |reason: String| HttpError::BadUrl { url: request.url.clone(), reason };
    let method = reqwest::Method::from_bytes(request.method.as_bytes()).map_err(|error| bad(error.to_string()))?;
    let url = reqwest::Url::parse(&request.url).map_err(|error| bad(error.to_string()))?;
    let client = client().map_err(|error| bad(in_words(&error)))?;
    let mut building = client.request(method, url).timeout(request.timeout);
    if let Some((user, password)) = &request.login {
        building = building.basic_auth(user, Some(password));
    }
    for (name, value) in &request.headers {
        building = building.header(name, value);
    }
    if let Some(body) = &request.body {
        building = building.body(body.clone());
    }
    let answer = building.send().await.map_err(|error| failure(request, &error))?;
    let status = answer.status().as_u16();
    let header =
        |(name, value): (&http::HeaderName, &http::HeaderValue)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned());
    let headers = answer.headers().iter().map(header).collect();
    let body = answer.bytes().await.map_err(|error| failure(request, &error))?.to_vec();
    Ok(Answer { status, headers, body })
}

fn failure(request: &Request, error: &reqwest::Error) -> HttpError {
    let (method, url) = (request.method.to_owned(), request.url.clone());
    if error.is_timeout() {
        return HttpError::Timeout { method, url, timeout: crate::duration::show(request.timeout) };
    }
    let reason = in_words(error);
    if error.is_connect() { HttpError::Unreachable { method, url, reason } } else { HttpError::Broken { method, url, reason } }
}

/// The innermost cause: reqwest's own text only says that sending failed.
fn in_words(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
