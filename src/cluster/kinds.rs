//! Which kinds of object the cluster serves, and what people call them: `deployment`, `deploy`, `deployments`,
//! `deployment.apps`. Asked of the cluster once and again when a name is not known; nothing is said about objects.

use crate::cluster::ClusterError;
use kube::client::APIGroupDiscoveryList;
use serde_json::Value;

/// A kind that the cluster serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Empty for the core group.
    pub group: String,
    pub version: String,
    /// As objects spell it: `StatefulSet`.
    pub kind: String,
    pub plural: String,
    /// As names spell it: `statefulset`.
    pub singular: String,
    short: Vec<String>,
    pub namespaced: bool,
}

impl Kind {
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The path of the API under which its objects lie; in all namespaces where none is given.
    pub fn path(&self, namespace: Option<&str>) -> String {
        let root = if self.group.is_empty() { "/api" } else { "/apis" };
        let namespace = namespace.map(|namespace| format!("namespaces/{namespace}/")).unwrap_or_default();
        format!("{root}/{}/{namespace}{}", self.api_version(), self.plural)
    }

    fn is_called(&self, word: &str) -> bool {
        self.plural == word || self.singular == word || self.short.iter().any(|short| short == word)
    }
}

/// Everything the cluster serves, in order of preference.
#[derive(Debug, Default)]
pub(super) struct Kinds(Vec<Kind>);

impl Kinds {
    pub fn new(lists: &[APIGroupDiscoveryList]) -> Self {
        let mut kinds = Vec::new();
        for group in lists.iter().flat_map(|list| &list.items) {
            let name = group.metadata.as_ref().and_then(|metadata| metadata.name.clone()).unwrap_or_default();
            for version in &group.versions {
                for resource in &version.resources {
                    let kind = resource.response_kind.as_ref().and_then(|kind| kind.kind.clone()).unwrap_or_default();
                    let singular = resource.singular_resource.clone().filter(|singular| !singular.is_empty());
                    kinds.push(Kind {
                        group: name.clone(),
                        version: version.version.clone().unwrap_or_default(),
                        plural: resource.resource.clone().unwrap_or_default(),
                        singular: singular.unwrap_or_else(|| kind.to_lowercase()),
                        short: resource.short_names.clone(),
                        namespaced: resource.scope.as_deref() == Some("Namespaced"),
                        kind,
                    });
                }
            }
        }
        Self(kinds)
    }

    /// The kind that a word means, with or without its group: `svc`, `cluster.postgresql.cnpg.io`.
    pub fn named(&self, word: &str) -> Option<&Kind> {
        let word = word.to_lowercase();
        let (name, group) = word.split_once('.').map_or((word.as_str(), None), |(name, group)| (name, Some(group)));
        self.0.iter().find(|kind| kind.is_called(name) && group.is_none_or(|group| kind.group == group))
    }

    /// The kind of a manifest.
    pub fn of(&self, object: &Value) -> Option<&Kind> {
        let (version, name) = (object["apiVersion"].as_str()?, object["kind"].as_str()?);
        self.0.iter().find(|kind| kind.kind == name && kind.api_version() == version)
    }

    pub fn unknown(&self, word: &str) -> ClusterError {
        let words = self.0.iter().flat_map(|kind| [kind.singular.as_str(), kind.plural.as_str()]);
        let near = words.map(|known| (strsim::jaro_winkler(known, &word.to_lowercase()), known)).filter(|(score, _)| *score > 0.8);
        let help = match near.max_by(|a, b| a.0.total_cmp(&b.0)) {
            Some((_, near)) => format!("did you mean `{near}`?"),
            None => "`kubectl api-resources` lists the kinds; one of a CustomResourceDefinition is known after that is installed".into(),
        };
        ClusterError::UnknownKind { kind: word.into(), help }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn kinds() -> Kinds {
        let resource = |plural: &str, singular: &str, kind: &str, short: &[&str], scope: &str| json!({"resource": plural, "singularResource": singular, "responseKind": {"kind": kind}, "shortNames": short, "scope": scope});
        let core = json!({"items": [{"versions": [{"version": "v1", "resources": [
            resource("pods", "pod", "Pod", &["po"], "Namespaced"),
            resource("persistentvolumes", "persistentvolume", "PersistentVolume", &["pv"], "Cluster")]}]}]});
        let others = json!({"items": [
            {"metadata": {"name": "apps"}, "versions": [{"version": "v1", "resources": [
                resource("deployments", "deployment", "Deployment", &["deploy"], "Namespaced")]}]},
            {"metadata": {"name": "metrics.k8s.io"}, "versions": [{"version": "v1beta1", "resources": [
                resource("pods", "", "PodMetrics", &[], "Namespaced")]}]},
            {"metadata": {"name": "postgresql.cnpg.io"}, "versions": [{"version": "v1", "resources": [
                resource("clusters", "cluster", "Cluster", &[], "Namespaced")]}]}]});
        Kinds::new(&[core, others].map(|list| serde_json::from_value(list).unwrap()))
    }

    #[test]
    fn every_name_people_use_finds_its_kind() {
        let kinds = kinds();
        for word in ["deployment", "deployments", "deploy", "Deployment", "deployment.apps"] {
            assert_eq!(kinds.named(word).unwrap().path(Some("a")), "/apis/apps/v1/namespaces/a/deployments", "{word}");
        }
        assert_eq!(kinds.named("pv").unwrap().path(None), "/api/v1/persistentvolumes");
        assert_eq!(kinds.named("cluster.postgresql.cnpg.io").unwrap().kind, "Cluster");
        assert_eq!(kinds.named("cluster.other.io"), None);
    }

    #[test]
    fn the_core_kind_comes_before_its_namesakes() {
        assert_eq!(kinds().named("pod").unwrap().kind, "Pod");
        assert_eq!(kinds().named("pods.metrics.k8s.io").unwrap().kind, "PodMetrics");
    }

    #[test]
    fn an_unknown_kind_says_what_was_meant() {
        let error = kinds().unknown("deploymnet");
        assert_eq!(miette::Diagnostic::help(&error).unwrap().to_string(), "did you mean `deployment`?");
    }

    #[test]
    fn a_manifest_finds_its_kind_by_version() {
        let kinds = kinds();
        assert!(kinds.of(&json!({"apiVersion": "apps/v1", "kind": "Deployment"})).is_some());
        assert!(kinds.of(&json!({"apiVersion": "apps/v1beta1", "kind": "Deployment"})).is_none());
    }
}
