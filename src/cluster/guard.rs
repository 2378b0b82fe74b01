//! A dry run's guard on the wire: requests that could alter something never leave. It knows methods and paths, not
//! verbs; that a verb asks for a permit first is what keeps it from ever speaking up. What it lets through is noted as the
//! right that it takes.

use super::lease::Fence;
use crate::rights::Requests;
use bytes::Bytes;
use futures::future::{Either, FutureExt, Ready, ready};
use http::{Method, Request, Uri};
use kube::client::Body;
use serde_json::{Value, json};
use std::error::Error;
use std::task::{Context, Poll};
use tower::{BoxError, Layer, Service};

/// What a client may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rights {
    /// Anything: a live run.
    All,
    /// Reads, and tunnels into pods for commands and connections that were declared to read only.
    Tunnels,
    /// Reads of the API.
    Reads,
}

/// Raised in place of a request that a dry run may not send.
#[derive(Clone, Debug, thiserror::Error)]
#[error("a dry run sends no `{0}`")]
struct NotInADryRun(String);

/// Raised in place of a request that alters something after the run's lease was lost.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
struct Fenced(String);

/// Why the fence kept a request back, if this error is the fence's.
pub(super) fn fenced(error: &(dyn Error + 'static)) -> Option<String> {
    let mut error = Some(error);
    while let Some(this) = error {
        if let Some(Fenced(reason)) = this.downcast_ref() {
            return Some(reason.clone());
        }
        error = this.source();
    }
    None
}

/// The request that the guard kept back, if this error is the guard's.
pub(super) fn refused(error: &(dyn Error + 'static)) -> Option<String> {
    let mut error = Some(error);
    while let Some(this) = error {
        if let Some(NotInADryRun(request)) = this.downcast_ref() {
            return Some(request.clone());
        }
        error = this.source();
    }
    None
}

/// Whether a request stays within these rights. `body` is `None` where it is not known yet.
pub(super) fn permits(rights: Rights, method: &Method, uri: &Uri, body: Option<&[u8]>) -> bool {
    let path = uri.path().trim_end_matches('/');
    let mut words = uri.query().unwrap_or_default().split('&');
    match rights {
        Rights::All => true,
        _ if method == Method::GET || method == Method::HEAD => !is_tunnel(path) || (rights == Rights::Tunnels && !is_proxy(path)),
        _ if words.any(|word| word == "dryRun=All") => !is_tunnel(path) && (method != Method::DELETE || body.is_some_and(only_tries)),
        _ => method == Method::POST && path == "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
    }
}

/// Whether the options of a DELETE are those of a dry run: where it has a body, the API server does not look at its query.
fn only_tries(body: &[u8]) -> bool {
    if body.is_empty() {
        return true;
    }
    let Ok(Value::Object(options)) = serde_json::from_slice(body) else { return false };
    let mut said = options.iter().filter(|(name, _)| name.eq_ignore_ascii_case("dryRun"));
    said.next().is_some_and(|(name, value)| name == "dryRun" && *value == json!(["All"])) && said.next().is_none()
}

/// Whether a request may alter something, the lease itself set aside.
fn alters(method: &Method, uri: &Uri, body: Option<&[u8]>) -> bool {
    !permits(Rights::Reads, method, uri, body) && !uri.path().starts_with(super::lease::PATH)
}

/// What a DELETE says in its body, where all of that is at hand; other requests are told by their head, and a live run may
/// send any.
fn looked_into(rights: Rights, request: Request<Body>) -> (Request<Body>, Option<Bytes>) {
    if rights == Rights::All || request.method() != Method::DELETE {
        return (request, None);
    }
    let (head, body) = request.into_parts();
    match body.collect_bytes().now_or_never() {
        Some(Ok(bytes)) => (Request::from_parts(head, Body::from(bytes.to_vec())), Some(bytes)),
        // It is not sent.
        _ => (Request::from_parts(head, Body::empty()), None),
    }
}

/// `…/pods/x/exec` and its like reach past the API; what happens there the method does not say.
fn is_tunnel(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    let subresource = |at: usize| matches!(parts.get(at), Some(&("exec" | "attach" | "portforward" | "proxy")));
    match parts[..] {
        ["", "api", "v1", "namespaces", _, "pods" | "services", ..] => subresource(7),
        ["", "api", "v1", "nodes", ..] => subresource(5),
        _ => false,
    }
}

fn is_proxy(path: &str) -> bool {
    path.split('/').any(|part| part == "proxy")
}

#[derive(Clone)]
pub(super) struct Guard(pub Rights, pub Fence, pub Requests);

#[derive(Clone)]
pub(super) struct Guarded<S> {
    rights: Rights,
    fence: Fence,
    requests: Requests,
    inner: S,
}

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { rights: self.0, fence: self.1.clone(), requests: self.2.clone(), inner }
    }
}

impl<S: Service<Request<Body>, Error = BoxError>> Service<Request<Body>> for Guarded<S> {
    type Response = S::Response;
    type Error = BoxError;
    type Future = Either<S::Future, Ready<Result<S::Response, BoxError>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (request, body) = looked_into(self.rights, request);
        let body = body.as_deref();
        if permits(self.rights, request.method(), request.uri(), body) {
            if let Some(reason) = self.fence.closed().filter(|_| alters(request.method(), request.uri(), body)) {
                return Either::Right(ready(Err(Fenced(reason).into())));
            }
            self.requests.note(request.method().as_str(), request.uri().path(), request.uri().query());
            return Either::Left(self.inner.call(request));
        }
        Either::Right(ready(Err(NotInADryRun(format!("{} {}", request.method(), request.uri().path())).into())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(rights: Rights, method: &Method, uri: &str) -> bool {
        permits(rights, method, &uri.parse().unwrap(), Some(b""))
    }

    const POD: &str = "/api/v1/namespaces/a/pods/p";

    #[test]
    fn a_dry_run_sends_nothing_that_could_alter() {
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            assert!(!passes(Rights::Reads, &method, POD), "{method}");
            assert!(!passes(Rights::Tunnels, &method, &format!("{POD}?fieldManager=a&dryRun=None")), "{method}");
            assert!(passes(Rights::Reads, &method, &format!("{POD}?fieldManager=a&dryRun=All")), "{method}");
        }
        assert!(passes(Rights::Reads, &Method::GET, POD));
        assert!(passes(Rights::Reads, &Method::GET, &format!("{POD}/log?tailLines=5")));
        assert!(passes(Rights::Reads, &Method::POST, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"));
    }

    /// `kubectl delete --raw '…?dryRun=All' -f options.json` deleted for good.
    #[test]
    fn a_delete_says_in_its_body_too_that_it_only_tries() {
        let tried = |path: &str, body: Option<&[u8]>| permits(Rights::Reads, &Method::DELETE, &path.parse().unwrap(), body);
        for path in [&format!("{POD}?dryRun=All"), "/api/v1/namespaces/a/pods?dryRun=All"] {
            assert!(tried(path, Some(b"")) && tried(path, Some(br#"{"kind": "DeleteOptions", "dryRun": ["All"]}"#)));
            assert!(!tried(path, None));
            for body in ["{}", "{\"dryRun\": []}", "{\"dryRun\": [\"All\"], \"DryRun\": []}", "[]", "dryRun: [All]", "k8s\0"] {
                assert!(!tried(path, Some(body.as_bytes())), "{body}");
            }
        }
        assert!(!tried(POD, Some(br#"{"dryRun": ["All"]}"#)));
    }

    #[test]
    fn the_body_of_a_delete_is_looked_into_and_sent_as_it_was() {
        let request =
            |method: &str, body: &str| Request::builder().method(method).uri(POD).body(Body::from(body.as_bytes().to_vec())).unwrap();
        let (sent, body) = looked_into(Rights::Reads, request("DELETE", "{}"));
        assert_eq!(body.as_deref(), Some(&b"{}"[..]));
        assert_eq!(sent.into_body().collect_bytes().now_or_never().unwrap().unwrap(), "{}");
        assert_eq!(looked_into(Rights::Reads, request("PUT", "{}")).1, None);
        assert_eq!(looked_into(Rights::All, request("DELETE", "{}")).1, None);
    }

    #[test]
    fn a_get_that_is_a_tunnel_needs_to_be_declared_read_only() {
        for tunnel in ["exec?command=rm", "attach", "portforward?ports=5432"] {
            assert!(!passes(Rights::Reads, &Method::GET, &format!("{POD}/{tunnel}")), "{tunnel}");
            assert!(passes(Rights::Tunnels, &Method::GET, &format!("{POD}/{tunnel}")), "{tunnel}");
            assert!(!passes(Rights::Tunnels, &Method::POST, &format!("{POD}/{tunnel}")), "{tunnel}");
        }
        assert!(!passes(Rights::Tunnels, &Method::GET, "/api/v1/namespaces/a/services/s/proxy/delete"));
        assert!(!passes(Rights::Tunnels, &Method::POST, &format!("{POD}/exec?command=rm&dryRun=All")));
        assert!(!passes(Rights::Reads, &Method::GET, "/api/v1/nodes/n/proxy/run"));
    }

    #[test]
    fn an_object_called_like_a_tunnel_is_none() {
        assert!(passes(Rights::Reads, &Method::GET, "/api/v1/namespaces/a/pods/exec"));
        assert!(passes(Rights::Reads, &Method::GET, "/api/v1/namespaces/proxy/configmaps/exec"));
    }

    #[test]
    fn a_live_run_may_do_anything() {
        assert!(passes(Rights::All, &Method::DELETE, POD));
    }
}
