//! Rights as the cluster takes them: a ClusterRole for what lives in no namespace, and a Role for each namespace.

use super::{Need, Needs};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What the roles are called.
const NAME: &str = "railrun";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Role<'n> {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata<'n>,
    rules: Vec<Rule<'n>>,
}

#[derive(Serialize)]
struct Metadata<'n> {
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'n str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule<'n> {
    api_groups: [&'n str; 1],
    resources: Vec<&'n str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    resource_names: Vec<&'n str>,
    verbs: Vec<&'n str>,
}

/// The roles as YAML that `kubectl apply -f -` takes, and how to bind them as a comment.
pub fn manifest(needs: &Needs) -> String {
    let mut places: BTreeMap<Option<&str>, Vec<&Need>> = BTreeMap::new();
    for need in needs {
        places.entry(need.namespace.as_deref()).or_default().push(need);
    }
    let documents = places.iter().map(|(namespace, needs)| document(*namespace, needs));
    let namespaces: Vec<&str> = places.keys().copied().flatten().collect();
    format!("{}{}", documents.collect::<Vec<_>>().join("---\n"), binding(places.contains_key(&None), &namespaces))
}

fn document(namespace: Option<&str>, needs: &[&Need]) -> String {
    let kind = if namespace.is_some() { "Role" } else { "ClusterRole" };
    let metadata = Metadata { name: NAME, namespace };
    let role = Role { api_version: "rbac.authorization.k8s.io/v1", kind, metadata, rules: rules(needs) };
    serde_yaml::to_string(&role).unwrap_or_default()
}

type Words<'n> = BTreeSet<&'n str>;
/// What resources that share a rule have in common: group, verbs, name.
type Same<'n> = (&'n str, Words<'n>, Option<&'n str>);

/// Resources of a group that take the same verbs share a rule.
fn rules<'n>(needs: &[&'n Need]) -> Vec<Rule<'n>> {
    let mut resources: BTreeMap<(&str, &str, Option<&str>), Words<'_>> = BTreeMap::new();
    for need in needs {
        resources.entry((&need.group, &need.resource, need.name.as_deref())).or_default().insert(&need.verb);
    }
    let mut shared: BTreeMap<Same<'_>, Words<'_>> = BTreeMap::new();
    for ((group, resource, name), verbs) in resources {
        shared.entry((group, verbs, name)).or_default().insert(resource);
    }
    let rule = |((group, verbs, name), resources): (Same<'n>, Words<'n>)| Rule {
        api_groups: [group],
        resources: resources.into_iter().collect(),
        resource_names: name.into_iter().collect(),
        verbs: verbs.into_iter().collect(),
    };
    shared.into_iter().map(rule).collect()
}

/// Who may do this is the reader's business.
fn binding(cluster: bool, namespaces: &[&str]) -> String {
    let subject = "--serviceaccount=NAMESPACE:railrun";
    let all = cluster.then(|| format!("#   kubectl create clusterrolebinding {NAME} --clusterrole={NAME} {subject}"));
    let each = namespaces.iter().map(|namespace| format!("#   kubectl create rolebinding {NAME} -n {namespace} --role={NAME} {subject}"));
    let lines: Vec<String> = all.into_iter().chain(each).collect();
    format!(
        "# Bind them to whoever runs railrun (or with --user=NAME). A namespace that is not there yet comes first.\n{}\n",
        lines.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_cluster_role_and_a_role_for_each_namespace() {
        let needs = Needs::from([
            Need::new(None, "", "namespaces", "get").named("kube-system"),
            Need::within("a", "apps", "deployments", "patch"),
            Need::within("a", "apps", "deployments", "get"),
            Need::within("a", "apps", "statefulsets", "get"),
            Need::within("a", "apps", "statefulsets", "patch"),
            Need::within("a", "", "secrets", "list"),
        ]);
        let wanted = r"apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: railrun
rules:
- apiGroups:
  - ''
  resources:
  - namespaces
  resourceNames:
  - kube-system
  verbs:
  - get
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: railrun
  namespace: a
rules:
- apiGroups:
  - ''
  resources:
  - secrets
  verbs:
  - list
- apiGroups:
  - apps
  resources:
  - deployments
  - statefulsets
  verbs:
  - get
  - patch
# Bind them to whoever runs railrun (or with --user=NAME). A namespace that is not there yet comes first.
#   kubectl create clusterrolebinding railrun --clusterrole=railrun --serviceaccount=NAMESPACE:railrun
#   kubectl create rolebinding railrun -n a --role=railrun --serviceaccount=NAMESPACE:railrun
";
        assert_eq!(manifest(&needs), wanted);
    }
}
