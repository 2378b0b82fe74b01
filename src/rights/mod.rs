//! Which rights a run needs: read off the requests that pass the wire's guard, and, for what a live run does beyond its
//! preview, off a table of rules. Whether they are held is asked elsewhere; how they are granted is `role`'s business.

mod request;
mod role;
mod rules;
mod waits;

pub use request::{Requests, needs_of};
pub use role::manifest;
pub use rules::{Around, Resource, beyond};
pub use waits::{settling, waiting};

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt::{self, Display};

/// One right: a verb on a resource, in a namespace or in all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Need {
    /// Absent for what lives in no namespace, and for a list over all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Empty for the core group.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// With its subresource: `pods/exec`.
    pub resource: String,
    /// Only of what lives in no namespace: there a right on all objects of a kind reaches far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub verb: String,
}

/// Rights, each once.
pub type Needs = BTreeSet<Need>;

impl Need {
    pub fn new(namespace: Option<&str>, group: &str, resource: &str, verb: &str) -> Self {
        Self { namespace: namespace.map(str::to_owned), group: group.into(), resource: resource.into(), name: None, verb: verb.into() }
    }

    /// In a namespace.
    pub fn within(namespace: &str, group: &str, resource: &str, verb: &str) -> Self {
        Self::new(Some(namespace), group, resource, verb)
    }

    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }
}

/// `patch deployments.apps in platform`, as `kubectl auth can-i` takes it.
impl Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (resource, subresource) = self.resource.split_once('/').unwrap_or((&self.resource, ""));
        let group = if self.group.is_empty() { String::new() } else { format!(".{}", self.group) };
        let subresource = if subresource.is_empty() { String::new() } else { format!("/{subresource}") };
        let name = self.name.as_ref().map_or_else(String::new, |name| format!(" `{name}`"));
        let place = self.namespace.as_ref().map_or_else(|| "in the whole cluster".to_owned(), |namespace| format!("in `{namespace}`"));
        write!(f, "`{}` on `{resource}{group}{subresource}`{name} {place}", self.verb)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_is_said_with_verb_resource_and_place() {
        assert_eq!(Need::within("a", "apps", "deployments", "patch").to_string(), "`patch` on `deployments.apps` in `a`");
        assert_eq!(Need::within("a", "", "pods/exec", "create").to_string(), "`create` on `pods/exec` in `a`");
        assert_eq!(Need::new(None, "", "namespaces", "get").named("b").to_string(), "`get` on `namespaces` `b` in the whole cluster");
    }
}
