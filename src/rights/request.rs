//! From a request to the rights it takes. A write that is only tried (`dryRun=All`) takes the same right as the real one,
//! so a dry run tells what a live run will need.

use super::{Need, Needs};
use std::sync::{Arc, Mutex, PoisonError};

/// The rights that requests have taken so far, as the wire's guard notes them.
#[derive(Clone, Default)]
pub struct Requests(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    all: Needs,
    /// Since the latest [`Requests::begin`].
    recent: Needs,
}

impl Requests {
    pub fn note(&self, method: &str, path: &str, query: Option<&str>) {
        self.add(needs_of(method, path, query));
    }

    pub fn add(&self, needs: impl IntoIterator<Item = Need>) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for need in needs {
            seen.all.insert(need.clone());
            seen.recent.insert(need);
        }
    }

    /// From here on [`Requests::recent`] counts.
    pub fn begin(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).recent.clear();
    }

    pub fn recent(&self) -> Needs {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).recent.clone()
    }

    pub fn all(&self) -> Needs {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).all.clone()
    }
}

/// Where a path of the API leads.
#[derive(Default)]
struct Place<'p> {
    namespace: Option<&'p str>,
    group: &'p str,
    resource: &'p str,
    name: Option<&'p str>,
    subresource: Option<&'p str>,
}

/// The rights that a request takes: none for what everybody may ask, such as which kinds are served.
pub fn needs_of(method: &str, path: &str, query: Option<&str>) -> Vec<Need> {
    let Some(place) = place(path) else { return Vec::new() };
    let resource = place.subresource.map_or_else(|| place.resource.to_owned(), |sub| format!("{}/{sub}", place.resource));
    let need = |verb: &str| Need::new(place.namespace, place.group, &resource, verb);
    verbs(method, query, &place)
        .iter()
        .map(|verb| match place.name {
            Some(name) if place.namespace.is_none() && *verb != "create" => need(verb).named(name),
            _ => need(verb),
        })
        .collect()
}

fn place(path: &str) -> Option<Place<'_>> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (group, rest) = match parts[..] {
        ["api", _, ref rest @ ..] => ("", rest),
        ["apis", group, _, ref rest @ ..] => (group, rest),
        _ => return None,
    };
    match *rest {
        // Everybody who is logged in may ask what he may do.
        _ if group == "authorization.k8s.io" => None,
        ["namespaces", namespace, resource, ref rest @ ..] if !["status", "finalize"].contains(&resource) => {
            Some(Place { namespace: Some(namespace), group, resource, name: rest.first().copied(), subresource: rest.get(1).copied() })
        }
        [resource, ref rest @ ..] => {
            Some(Place { namespace: None, group, resource, name: rest.first().copied(), subresource: rest.get(1).copied() })
        }
        [] => None,
    }
}

fn verbs(method: &str, query: Option<&str>, place: &Place<'_>) -> &'static [&'static str] {
    const TUNNELS: [&str; 4] = ["exec", "attach", "portforward", "proxy"];
    let watches = query.is_some_and(|query| query.split('&').any(|word| matches!(word, "watch=1" | "watch=true")));
    match (method, place.name) {
        // Up to Kubernetes 1.34 a tunnel over a web socket takes `get`, later ones want `create` as well.
        _ if place.subresource.is_some_and(|sub| TUNNELS.contains(&sub)) => &["create", "get"],
        ("GET" | "HEAD", _) if watches => &["watch"],
        ("GET" | "HEAD", Some(_)) => &["get"],
        ("GET" | "HEAD", None) => &["list"],
        ("POST", _) => &["create"],
        ("PUT", _) => &["update"],
        ("PATCH", _) => &["patch"],
        ("DELETE", Some(_)) => &["delete"],
        ("DELETE", None) => &["deletecollection"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(method: &str, uri: &str) -> String {
        let (path, query) = uri.split_once('?').map_or((uri, None), |(path, query)| (path, Some(query)));
        needs_of(method, path, query).iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn each_request_takes_its_right() {
        let table = [
            ("GET", "/api/v1/namespaces/a/pods/p", "`get` on `pods` in `a`"),
            ("GET", "/api/v1/namespaces/a/pods?limit=5", "`list` on `pods` in `a`"),
            ("GET", "/api/v1/namespaces/a/pods?watch=true&x=1", "`watch` on `pods` in `a`"),
            ("GET", "/api/v1/namespaces/a/pods/p/log", "`get` on `pods/log` in `a`"),
            ("GET", "/api/v1/secrets", "`list` on `secrets` in the whole cluster"),
            ("POST", "/apis/apps/v1/namespaces/a/deployments?dryRun=All", "`create` on `deployments.apps` in `a`"),
            ("PATCH", "/apis/apps/v1/namespaces/a/deployments/d?dryRun=All", "`patch` on `deployments.apps` in `a`"),
            ("PATCH", "/apis/apps/v1/namespaces/a/deployments/d/scale", "`patch` on `deployments.apps/scale` in `a`"),
            ("PUT", "/apis/coordination.k8s.io/v1/namespaces/a/leases/l", "`update` on `leases.coordination.k8s.io` in `a`"),
            ("DELETE", "/api/v1/namespaces/a/pods/p", "`delete` on `pods` in `a`"),
            ("DELETE", "/api/v1/namespaces/a/pods", "`deletecollection` on `pods` in `a`"),
        ];
        for (method, uri, need) in table {
            assert_eq!(said(method, uri), need, "{method} {uri}");
        }
    }

    #[test]
    fn a_namespace_is_an_object_of_the_cluster_and_named() {
        assert_eq!(said("GET", "/api/v1/namespaces/a"), "`get` on `namespaces` `a` in the whole cluster");
        assert_eq!(said("POST", "/api/v1/namespaces"), "`create` on `namespaces` in the whole cluster");
        assert_eq!(said("GET", "/api/v1/nodes/n"), "`get` on `nodes` `n` in the whole cluster");
    }

    #[test]
    fn a_tunnel_takes_what_old_and_new_clusters_ask_for() {
        assert_eq!(
            said("GET", "/api/v1/namespaces/a/pods/p/exec?command=x"),
            "`create` on `pods/exec` in `a`, `get` on `pods/exec` in `a`"
        );
    }

    #[test]
    fn what_everybody_may_ask_takes_no_right() {
        for uri in ["/api", "/apis", "/version", "/openapi/v3", "/apis/apps/v1", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"] {
            assert_eq!(said("GET", uri), "", "{uri}");
        }
    }

    #[test]
    fn the_recent_ones_are_those_since_it_began() {
        let requests = Requests::default();
        requests.note("GET", "/api/v1/namespaces/a/pods", None);
        requests.begin();
        requests.note("GET", "/api/v1/namespaces/a/secrets", None);
        assert_eq!((requests.recent().len(), requests.all().len()), (1, 2));
    }
}
