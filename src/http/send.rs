//! How a request goes out, by each of its routes, and how its answer comes back.

use super::{AGENT, Answer, Connection, HttpError, Request, Route, builder};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use reqwest::Url;
use std::error::Error;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};

/// Larger answers are files; they are not read whole.
const LARGEST: usize = 32 << 20;

pub(super) async fn send(request: &Request, route: Route) -> Result<Answer, HttpError> {
    let prepared = Prepared::new(request)?;
    let answer = async {
        match route {
            Route::Url => prepared.through(builder(), request).await,
            Route::Address(address) => prepared.at(address, request).await,
            Route::Over(connection) => prepared.over(connection, request).await,
        }
    };
    tokio::time::timeout(request.timeout, answer).await.map_err(|_| late(request))?
}

/// A request whose parts were found to be sound.
struct Prepared {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Bytes,
}

impl Prepared {
    fn new(request: &Request) -> Result<Self, HttpError> {
        let bad = |reason: String| HttpError::BadUrl { url: request.url.clone(), reason };
        let mut url = Url::parse(&request.url).map_err(|error| bad(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(bad(format!("`{}` is not spoken here", url.scheme())));
        }
        if !url.username().is_empty() || url.password().is_some() {
            let _ = (url.set_username(""), url.set_password(None));
            return Err(HttpError::BadUrl { url: url.into(), reason: "give `user` and `password` as options".into() });
        }
        let method = Method::from_bytes(request.method.as_bytes()).map_err(|error| bad(error.to_string()))?;
        Ok(Self { method, url, headers: headers(request)?, body: Bytes::from(request.body.clone().unwrap_or_default()) })
    }

    async fn through(self, builder: reqwest::ClientBuilder, request: &Request) -> Result<Answer, HttpError> {
        let failed = |error: reqwest::Error| if error.is_timeout() { late(request) } else { failure(request, &error, error.is_connect()) };
        let asked = builder.build().map_err(failed)?.request(self.method, self.url).headers(self.headers).body(self.body);
        collected(asked.send().await.map_err(failed)?.into(), request).await
    }

    async fn at(self, address: IpAddr, request: &Request) -> Result<Answer, HttpError> {
        let name = self.url.host_str().unwrap_or_default().to_owned();
        let builder = builder().no_proxy().resolve(&name, SocketAddr::new(address, 0));
        self.through(builder, request).await
    }

    async fn over(self, connection: Box<dyn Connection>, request: &Request) -> Result<Answer, HttpError> {
        let failed = |error: hyper::Error| failure(request, &error, false);
        let (mut sender, speaking) = hyper::client::conn::http1::handshake(TokioIo::new(connection)).await.map_err(failed)?;
        let speaking = tokio::spawn(speaking);
        let asked = self.into_request().ok_or_else(|| HttpError::BadUrl { url: request.url.clone(), reason: "its host or path".into() })?;
        let answer = match sender.send_request(asked).await.map_err(failed) {
            Ok(answer) => collected(answer, request).await,
            Err(error) => Err(error),
        };
        speaking.abort();
        answer
    }

    /// As it goes over a connection: the path alone, the host in a header.
    fn into_request(self) -> Option<http::Request<Full<Bytes>>> {
        let host = match (self.url.host_str()?, self.url.port()) {
            (host, Some(port)) => format!("{host}:{port}"),
            (host, None) => host.to_owned(),
        };
        let mut asked = http::Request::new(Full::new(self.body));
        *asked.method_mut() = self.method;
        *asked.uri_mut() = path(&self.url).parse().ok()?;
        *asked.headers_mut() = self.headers;
        asked.headers_mut().entry(header::USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
        asked.headers_mut().insert(header::HOST, host.parse().ok()?);
        Some(asked)
    }
}

/// The part of a URL that a server gets to see.
fn path(url: &Url) -> String {
    url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()))
}

fn headers(request: &Request) -> Result<HeaderMap, HttpError> {
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        let refuse = || HttpError::BadHeader { name: name.clone() };
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refuse())?;
        headers.append(name, HeaderValue::from_str(value).map_err(|_| refuse())?);
    }
    if let Some((user, password)) = &request.login {
        let login = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        let mut login = HeaderValue::from_str(&login).map_err(|_| HttpError::BadHeader { name: "authorization".into() })?;
        login.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, login);
    }
    Ok(headers)
}

async fn collected<B>(answer: http::Response<B>, request: &Request) -> Result<Answer, HttpError>
where
    B: hyper::body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (head, body) = answer.into_parts();
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    let body = Limited::new(body, LARGEST).collect().await.map_err(|error| failure(request, &*error, false))?;
    Ok(Answer { status: head.status.as_u16(), headers, body: body.to_bytes().to_vec() })
}

fn late(request: &Request) -> HttpError {
    let timeout = crate::duration::show(request.timeout);
    HttpError::Timeout { method: request.method.into(), url: request.url.clone(), timeout }
}

fn failure(request: &Request, error: &(dyn Error + 'static), connecting: bool) -> HttpError {
    let (method, url, reason) = (request.method.to_owned(), request.url.clone(), in_words(error));
    if connecting { HttpError::Unreachable { method, url, reason } } else { HttpError::Broken { method, url, reason } }
}

/// The innermost cause: the outer texts only say that sending failed.
fn in_words(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    match cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind) {
        Some(ErrorKind::ConnectionRefused) => "the connection was refused".into(),
        Some(ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable) => "there is no way to this address".into(),
        Some(ErrorKind::TimedOut) => "the connection took too long".into(),
        _ => cause.to_string(),
    }
}
