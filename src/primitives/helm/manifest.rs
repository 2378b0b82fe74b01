//! The objects of a rendered chart, as JSON, with what matters about each. Reading only; nothing is compared here.

use super::release::Hook;
use crate::yaml;
use serde_json::Value;

/// One object that a chart renders.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Its kind as names spell it: `statefulset`.
    pub kind: String,
    /// Its API group and version.
    pub api_version: String,
    pub name: String,
    pub namespace: Option<String>,
    pub value: Value,
}

impl Object {
    /// An object of a manifest; what has no kind or no name is none.
    pub fn of(value: Value) -> Option<Self> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Some(Self {
            kind: text(&value["kind"])?.to_lowercase(),
            api_version: text(&value["apiVersion"])?,
            name: text(&value["metadata"]["name"])?,
            namespace: text(&value["metadata"]["namespace"]),
            value,
        })
    }

    /// Its kind as the cluster can tell it from namesakes: `ingress.networking.k8s.io`.
    pub fn word(&self) -> String {
        match self.api_version.split_once('/') {
            Some((group, _)) => format!("{}.{group}", self.kind),
            None => self.kind.clone(),
        }
    }

    /// How reports name it: without the namespace where that is the release's own.
    pub fn label(&self, home: &str) -> String {
        match &self.namespace {
            Some(namespace) if namespace != home => format!("{namespace}/{}/{}", self.kind, self.name),
            _ => format!("{}/{}", self.kind, self.name),
        }
    }

    /// Whether two manifests mean the same object, whatever version of its kind they are written in.
    pub fn is_same(&self, other: &Object, home: &str) -> bool {
        let group = |version: &str| version.split_once('/').map(|(group, _)| group.to_owned());
        let namespace = |object: &Object| object.namespace.clone().unwrap_or_else(|| home.to_owned());
        self.kind == other.kind
            && self.name == other.name
            && group(&self.api_version) == group(&other.api_version)
            && namespace(self) == namespace(other)
    }

    /// Whether helm leaves it in place when the release drops it.
    pub fn is_kept(&self) -> bool {
        self.value["metadata"]["annotations"]["helm.sh/resource-policy"].as_str().is_some_and(|policy| policy.trim() == "keep")
    }

    fn hook(&self) -> Option<Hook> {
        let events = self.value["metadata"]["annotations"]["helm.sh/hook"].as_str()?;
        let events = events.split(',').map(|event| event.trim().to_owned()).collect();
        Some(Hook { name: self.name.clone(), kind: self.kind.clone(), events })
    }

    /// Whether something starts in it that can be waited for.
    pub fn is_workload(&self) -> bool {
        matches!(self.kind.as_str(), "deployment" | "statefulset" | "daemonset" | "job" | "pod")
    }
}

/// The objects and the hooks of a rendered text, in their order. Lists are taken apart.
pub fn parse(text: &str) -> Result<(Vec<Object>, Vec<Hook>), String> {
    let mut values = Vec::new();
    for value in yaml::documents(text)? {
        match value["items"].as_array() {
            Some(items) if value["kind"].as_str().is_some_and(|kind| kind.ends_with("List")) => values.extend(items.clone()),
            _ => values.push(value),
        }
    }
    let (hooks, objects): (Vec<Object>, Vec<Object>) =
        values.into_iter().filter_map(Object::of).partition(|object| object.hook().is_some());
    Ok((objects, hooks.iter().filter_map(Object::hook).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "---\n# Source: a\napiVersion: v1\nkind: Service\nmetadata: {name: s, namespace: other}\n---\n\n---\n\
        apiVersion: batch/v1\nkind: Job\nmetadata: {name: j, annotations: {helm.sh/hook: 'pre-upgrade, post-install'}}\n---\n\
        apiVersion: v1\nkind: ConfigMapList\nitems: [{apiVersion: v1, kind: ConfigMap, metadata: {name: c}}]\n";

    #[test]
    fn objects_hooks_and_lists_are_told_apart() {
        let (objects, hooks) = parse(TEXT).unwrap();
        assert_eq!(objects.iter().map(|object| object.label("home")).collect::<Vec<_>>(), ["other/service/s", "configmap/c"]);
        assert_eq!(hooks, [Hook { name: "j".into(), kind: "job".into(), events: vec!["pre-upgrade".into(), "post-install".into()] }]);
    }

    #[test]
    fn an_object_is_the_same_in_another_version_of_its_kind() {
        let object = |version: &str, namespace: Option<&str>| Object {
            kind: "ingress".into(),
            api_version: version.into(),
            name: "x".into(),
            namespace: namespace.map(Into::into),
            value: Value::Null,
        };
        let one = object("networking.k8s.io/v1", None);
        assert!(one.is_same(&object("networking.k8s.io/v1beta1", Some("home")), "home"));
        assert!(!one.is_same(&object("extensions/v1", None), "home"));
        assert!(!one.is_same(&object("networking.k8s.io/v1", Some("away")), "home"));
    }

    #[test]
    fn an_empty_or_broken_text_is_no_panic() {
        assert!(parse("").unwrap().0.is_empty());
        assert!(parse("a: [").is_err());
    }
}
