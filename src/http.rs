//! The door to HTTP servers: GET and HEAD read, everything else takes a [`Permit`]. A redirect is an answer like any
//! other, so that no password follows one. What an answer means is up to who asked.

mod send;

use crate::effect::Permit;
use miette::Diagnostic;
use std::net::IpAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
pub enum HttpError {
    #[error("`{url}` cannot be asked: {reason}")]
    #[diagnostic(code(http::bad_url), help("write it like `http://host:3000/path`"))]
    BadUrl { url: String, reason: String },
    #[error("`{name}` is not a header that can be sent")]
    #[diagnostic(code(http::bad_header), help("names are ASCII words, values have no line break"))]
    BadHeader { name: String },
    #[error("`{method} {url}` got no connection: {reason}")]
    #[diagnostic(code(http::unreachable), help("look whether the server runs and the address is right"))]
    Unreachable { method: String, url: String, reason: String },
    #[error("`{method} {url}` had no answer within {timeout}")]
    #[diagnostic(code(http::timeout), help("look whether the server is busy, or give `timeout` a larger value"))]
    Timeout { method: String, url: String, timeout: String },
    #[error("`{method} {url}` broke off: {reason}")]
    #[diagnostic(code(http::broken), help("look into the server's log"))]
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

/// A connection that somebody else made.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}
impl<C: AsyncRead + AsyncWrite + Send + Unpin> Connection for C {}

/// Which way a request takes.
pub enum Route {
    /// To where the URL's host leads.
    Url,
    /// To this address, whatever the name of the host.
    Address(IpAddr),
    /// Over this connection. It is not encrypted here.
    Over(Box<dyn Connection>),
}

/// So long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);
const AGENT: &str = concat!("railrun/", env!("CARGO_PKG_VERSION"));

/// A client with time-outs, and without connections kept: one to a replaced pod would hang.
pub fn client() -> Result<reqwest::Client, reqwest::Error> {
    builder().build()
}

fn builder() -> reqwest::ClientBuilder {
    // A second call finds the provider installed, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .connect_timeout(CONNECT)
        .pool_max_idle_per_host(0)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(AGENT)
}

/// Asks with GET or HEAD.
pub async fn read(request: &Request, route: Route) -> Result<Answer, HttpError> {
    if !matches!(request.method, "GET" | "HEAD") {
        return Err(HttpError::BadUrl { url: request.url.clone(), reason: format!("{} does not only read", request.method) });
    }
    send::send(request, route).await
}

/// Asks with any method.
pub async fn write(_: &Permit, request: &Request, route: Route) -> Result<Answer, HttpError> {
    send::send(request, route).await
}

#[cfg(test)]
mod tests;
