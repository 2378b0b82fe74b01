//! Which way a question goes, and what counts as a good answer. What is asked, and whether asking may change something,
//! is the verbs' business; bytes and time-outs are `crate::http`'s.

use crate::cluster::{Cluster, ClusterError, Name};
use crate::duration::Span;
use crate::host::Host;
use crate::http::{self, Answer, HttpError, Request, Route};
use crate::script::Fault;
use crate::secret::{Secret, Text, looks_secret};
use crate::settings::Reach;
use miette::Diagnostic;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
pub enum AskError {
    #[error("`{url}` would be asked through a port-forward, where TLS is not spoken")]
    #[diagnostic(code(http::no_tls_inside), help("ask the Service's plain port, or its Ingress from outside"))]
    NoTlsInside { url: String },
    #[error("a password was given for `{url}`, and no user")]
    #[diagnostic(code(http::no_user), help("add `user`, or send a token with `headers`"))]
    NoUser { url: String },
    #[error("the address `{url}` holds a login")]
    #[diagnostic(code(http::login_in_address), help("an address is shown and written down: give `user` and `password` beside it"))]
    LoginInAddress { url: String },
    #[error("`{url}` was given both a `body` and a `json`")]
    #[diagnostic(code(http::two_bodies), help("`json` is a value sent as JSON, `body` a text sent as it is"))]
    TwoBodies { url: String },
}

/// How to ask, whatever the method.
#[derive(Clone, Debug, Default)]
pub struct How {
    pub user: Option<String>,
    pub password: Option<Secret>,
    pub headers: BTreeMap<String, Text>,
    pub timeout: Option<Span>,
    pub expect: Option<Statuses>,
}

/// One status, or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Statuses {
    One(u16),
    Several(Vec<u16>),
}

/// What a script sees of an answer. `json` is what the body means, if it is JSON.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Shown {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: String,
    pub json: Option<Value>,
}

/// A Service inside the cluster, as a URL names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    pub namespace: String,
    pub name: String,
    pub port: u16,
    tls: bool,
}

/// Refuses an address that holds a login, and masks what a query like `?access_token=…` says: addresses are shown and kept.
pub fn presentable(host: &Host, url: &str) -> Result<(), AskError> {
    let Ok(mut parsed) = reqwest::Url::parse(url) else { return Ok(()) };
    for (_, value) in parsed.query_pairs().filter(|(name, _)| looks_secret(name)) {
        host.redactor.learn(&value);
    }
    if parsed.username().is_empty() && parsed.password().is_none() {
        return Ok(());
    }
    let _ = parsed.set_password(None).and_then(|()| parsed.set_username(""));
    Err(AskError::LoginInAddress { url: parsed.to_string() })
}

const TIMEOUT: Duration = Duration::from_secs(10);
/// So much of an unexpected answer is shown.
const SHOWN: usize = 200;

impl Service {
    /// `http://gitea-http.gitea.svc.cluster.local:3000/…` is one; `None` for any other host.
    pub fn of(url: &str) -> Option<Self> {
        let url = reqwest::Url::parse(url).ok()?;
        let host = url.host_str()?.trim_end_matches('.');
        let inside = host.strip_suffix(".svc").or_else(|| host.strip_suffix(".svc.cluster.local"))?;
        let (name, namespace) = inside.split_once('.').filter(|(_, namespace)| !namespace.contains('.'))?;
        let port = url.port_or_known_default()?;
        Some(Self { namespace: namespace.into(), name: name.into(), port, tls: url.scheme() == "https" })
    }

    /// How a plan names it.
    pub fn resource(&self) -> String {
        Name::new(&self.namespace, "service", &self.name).to_string()
    }
}

/// A question, ready to be asked.
pub fn request(host: &Host, method: &'static str, url: &str, how: &How, body: Option<Vec<u8>>) -> Result<Request, Fault> {
    let login = match (&how.user, &how.password) {
        (Some(user), Some(password)) => Some((user.clone(), host.reveal(password)?.to_owned())),
        (Some(user), None) => Some((user.clone(), String::new())),
        (None, Some(_)) => return Err(AskError::NoUser { url: url.into() }.into()),
        (None, None) => None,
    };
    let header = |(name, value): (&String, &Text)| Ok((name.clone(), host.reveal_text(value)?.to_owned()));
    let headers = how.headers.iter().map(header).collect::<Result<_, Fault>>()?;
    let timeout = how.timeout.map_or(TIMEOUT, |span| span.0);
    Ok(Request { method, url: url.to_owned(), login, headers, body, timeout })
}

/// The way to a URL: to a Service inside the cluster as the environment reaches it, else where the URL leads.
pub fn route(host: &Host, url: &str) -> Result<Route, Fault> {
    let Some(service) = Service::of(url) else {
        return Ok(Route::Url);
    };
    let cluster = host.cluster()?;
    if host.settings.environment.reach == Reach::Direct
        && let Some(address) = host.wait::<_, _, Fault>(address(cluster, &service))?
    {
        return Ok(Route::Address(address));
    }
    if service.tls {
        return Err(AskError::NoTlsInside { url: url.into() }.into());
    }
    let forwarded = async {
        let (pod, port) = cluster.backend(&service.namespace, &service.name, service.port).await?;
        cluster.forward(&pod, port).await
    };
    Ok(Route::Over(Box::new(host.wait::<_, ClusterError, Fault>(forwarded)?)))
}

/// The Service's own address; a headless one has none.
async fn address(cluster: &Cluster, service: &Service) -> Result<Option<IpAddr>, ClusterError> {
    let name = Name::new(&service.namespace, "service", &service.name);
    let object = cluster.get(&name).await?.ok_or_else(|| ClusterError::NotFound { name: name.to_string() })?;
    Ok(object["spec"]["clusterIP"].as_str().and_then(|address| address.parse().ok()))
}

/// An answer as a script sees it, if its status is one that was expected.
pub fn judged(request: &Request, expect: Option<&Statuses>, answer: Answer) -> Result<Shown, HttpError> {
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    let good = match expect {
        None => request.method == "GET" || (200..300).contains(&answer.status),
        Some(Statuses::One(status)) => *status == answer.status,
        Some(Statuses::Several(statuses)) => statuses.contains(&answer.status),
    };
    if !good {
        let (method, url) = (request.method.to_owned(), request.url.clone());
        let text = body.trim().chars().take(SHOWN).collect();
        return Err(HttpError::Unexpected { method, url, status: answer.status, text });
    }
    let json = serde_json::from_str(&body).ok();
    Ok(Shown { status: answer.status, headers: answer.headers.into_iter().collect(), body, json })
}

/// Asks, and judges the answer.
pub fn ask(host: &Host, request: &Request, expect: Option<&Statuses>) -> Result<Shown, Fault> {
    let route = route(host, &request.url)?;
    let answer = host.wait::<_, _, Fault>(http::read(request, route))?;
    Ok(judged(request, expect, answer)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_known_by_its_host() {
        let service = Service::of("http://gitea-http.gitea.svc.cluster.local:3000/api").unwrap();
        assert_eq!((service.resource().as_str(), service.port, service.tls), ("gitea/service/gitea-http", 3000, false));
        assert_eq!(Service::of("https://a.b.svc/").map(|service| (service.port, service.tls)), Some((443, true)));
        for url in
            ["http://localhost:3000", "http://10.0.0.1", "http://a.svc", "http://p-0.a.b.svc.cluster.local", "http://a.b.example.org", "x"]
        {
            assert_eq!(Service::of(url), None, "{url}");
        }
    }
}
