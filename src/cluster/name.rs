//! How scripts, plans and reports name an object: `namespace/kind/name`, `kind/name`, and `namespace/kind` for a list.

use miette::Diagnostic;
use std::fmt::{self, Display};

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
#[error("`{text}` does not name {wanted}")]
#[diagnostic(code(kube::bad_name), help("write it like `{example}`"))]
pub struct NameError {
    pub text: String,
    pub wanted: &'static str,
    pub example: &'static str,
}

/// An object: `gitea/deployment/gitea`, or `namespace/gitea` for what lives in no namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    pub namespace: Option<String>,
    pub kind: String,
    pub name: String,
}

/// Objects of one kind: `gitea/pod`, or `node` for what lives in no namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KindName {
    pub namespace: Option<String>,
    pub kind: String,
}

/// A pod, and which of its containers (the first where none is named): `gitea/pod/x` or `gitea/pod/x/container`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PodName {
    pub namespace: String,
    pub name: String,
    pub container: Option<String>,
}

/// What people call the built-in kinds, and the one word that stands for each in plans and reports.
const ALIASES: &[(&str, &[&str])] = &[
    ("pod", &["pods", "po"]),
    ("deployment", &["deployments", "deploy", "deployment.apps", "deployments.apps"]),
    ("statefulset", &["statefulsets", "sts", "statefulset.apps", "statefulsets.apps"]),
    ("daemonset", &["daemonsets", "ds", "daemonset.apps", "daemonsets.apps"]),
    ("replicaset", &["replicasets", "rs"]),
    ("job", &["jobs", "job.batch", "jobs.batch"]),
    ("cronjob", &["cronjobs", "cj"]),
    ("service", &["services", "svc"]),
    ("ingress", &["ingresses", "ing"]),
    ("configmap", &["configmaps", "cm"]),
    ("secret", &["secrets"]),
    ("serviceaccount", &["serviceaccounts", "sa"]),
    ("persistentvolumeclaim", &["persistentvolumeclaims", "pvc"]),
    ("persistentvolume", &["persistentvolumes", "pv"]),
    ("storageclass", &["storageclasses", "sc"]),
    ("namespace", &["namespaces", "ns"]),
    ("node", &["nodes", "no"]),
    ("event", &["events", "ev"]),
    ("networkpolicy", &["networkpolicies", "netpol"]),
    ("poddisruptionbudget", &["poddisruptionbudgets", "pdb"]),
    ("horizontalpodautoscaler", &["horizontalpodautoscalers", "hpa"]),
];

/// The one word for a kind; one that is not built in stays as it is written.
fn kind(word: &str) -> String {
    let word = word.to_lowercase();
    let known = ALIASES.iter().find(|(_, others)| others.contains(&word.as_str()));
    known.map_or(word, |(kind, _)| (*kind).to_owned())
}

fn parts(text: &str) -> Vec<&str> {
    text.split('/').collect()
}

impl Name {
    pub fn new(namespace: &str, kind: &str, name: &str) -> Self {
        Self { namespace: Some(namespace.into()), kind: kind.into(), name: name.into() }
    }

    pub fn parse(text: &str) -> Result<Self, NameError> {
        let refuse = || NameError { text: text.into(), wanted: "an object", example: "gitea/deployment/gitea" };
        let parts = parts(text);
        if parts.iter().any(|part| part.is_empty()) {
            return Err(refuse());
        }
        match parts[..] {
            [namespace, kind, name] => Ok(Self::new(namespace, &self::kind(kind), name)),
            [kind, name] => Ok(Self { namespace: None, kind: self::kind(kind), name: name.into() }),
            _ => Err(refuse()),
        }
    }
}

impl KindName {
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let refuse = || NameError { text: text.into(), wanted: "a kind of object", example: "gitea/pod" };
        let parts = parts(text);
        if parts.iter().any(|part| part.is_empty()) {
            return Err(refuse());
        }
        match parts[..] {
            [namespace, kind] => Ok(Self { namespace: Some(namespace.into()), kind: self::kind(kind) }),
            [kind] => Ok(Self { namespace: None, kind: self::kind(kind) }),
            _ => Err(refuse()),
        }
    }
}

impl PodName {
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let refuse = || NameError { text: text.into(), wanted: "a pod", example: "gitea/pod/gitea-0" };
        let parts = parts(text);
        if parts.iter().any(|part| part.is_empty()) {
            return Err(refuse());
        }
        match parts[..] {
            [namespace, "pod" | "pods" | "po", name] => Ok(Self { namespace: namespace.into(), name: name.into(), container: None }),
            [namespace, "pod" | "pods" | "po", name, container] => {
                Ok(Self { namespace: namespace.into(), name: name.into(), container: Some(container.into()) })
            }
            _ => Err(refuse()),
        }
    }
}

impl Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        write!(f, "{}/{}", self.kind, self.name)
    }
}

impl Display for KindName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(&self.kind)
    }
}

impl Display for PodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/pod/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back_as_it_was_written() {
        for text in ["gitea/deployment/gitea", "namespace/gitea"] {
            assert_eq!(Name::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(KindName::parse("gitea/pod").unwrap().to_string(), "gitea/pod");
        assert_eq!(PodName::parse("gitea/pod/x/c").unwrap().container.as_deref(), Some("c"));
    }

    #[test]
    fn every_name_of_a_kind_becomes_one_so_that_plans_can_compare() {
        for text in ["a/deploy/x", "a/deployments/x", "a/Deployment/x", "a/deployment.apps/x"] {
            assert_eq!(Name::parse(text).unwrap().to_string(), "a/deployment/x", "{text}");
        }
        assert_eq!(KindName::parse("a/pvc").unwrap().to_string(), "a/persistentvolumeclaim");
        assert_eq!(Name::parse("a/clusters/x").unwrap().to_string(), "a/clusters/x");
    }

    #[test]
    fn anything_else_is_refused_with_an_example() {
        for text in ["", "gitea", "a//b", "a/b/c/d"] {
            assert!(Name::parse(text).is_err(), "{text}");
        }
    }
}
