//! A user of the sandbox's cluster who may do nothing yet, and is granted roles bit by bit.

use super::sandbox::{shell, variable};
use serde_json::Value;

const ADMIN: &str = "kubectl --kubeconfig \"$RAILRUN_SANDBOX_ADMIN_KUBECONFIG\"";

/// A ServiceAccount in a namespace of its own; all of it goes when it is dropped.
pub struct Account {
    namespace: &'static str,
    kubeconfig: String,
}

impl Account {
    pub fn new(namespace: &'static str) -> Self {
        shell(&format!("{ADMIN} create namespace {namespace} && {ADMIN} -n {namespace} create serviceaccount runner"));
        let token = shell(&format!("{ADMIN} -n {namespace} create token runner --duration 1h"));
        let kubeconfig = shell(&format!(
            "jq -n --argjson now \"$(kubectl --kubeconfig '{}' config view --raw --minify -o json)\" --arg token '{}' '$now | .users[0].user = {{token: $token}}'",
            variable("KUBECONFIG").expect("`sandbox env` names the kubeconfig"),
            token.trim()
        ));
        Self { namespace, kubeconfig }
    }

    /// The text of its kubeconfig.
    pub fn kubeconfig(&self) -> &str {
        &self.kubeconfig
    }

    /// What the audit log calls it.
    pub fn user(&self) -> String {
        format!("system:serviceaccount:{}:runner", self.namespace)
    }

    /// Grants exactly these roles to it. A namespace that is not there yet is made: roles need one.
    pub fn grant(&self, roles: &[Value]) {
        self.revoke();
        for role in roles {
            let mut role = role.clone();
            role["metadata"]["name"] = self.namespace.into();
            let (kind, namespace) = (role["kind"].as_str().expect("a kind"), role["metadata"]["namespace"].as_str());
            let place = namespace.map_or_else(String::new, |namespace| format!("-n {namespace}"));
            let name = self.namespace;
            if let Some(namespace) = namespace {
                shell(&format!("{ADMIN} get namespace {namespace} >/dev/null 2>&1 || {ADMIN} create namespace {namespace}"));
            }
            shell(&format!("{ADMIN} apply -f - >/dev/null <<'END'\n{role}\nEND"));
            let binding = if kind == "Role" { "rolebinding" } else { "clusterrolebinding" };
            let role = kind.to_lowercase();
            shell(&format!(
                "{ADMIN} {place} create {binding} {name} --{role}={name} --serviceaccount={name}:runner --dry-run=client -o yaml | {ADMIN} apply -f - >/dev/null"
            ));
        }
    }

    /// Takes away all that was granted to it.
    fn revoke(&self) {
        let name = self.namespace;
        shell(&format!(
            "{ADMIN} get role,rolebinding -A -o json | jq -r '.items[] | select(.metadata.name == \"{name}\") | \"\\(.metadata.namespace) \\(.kind)\"' |
             while read -r namespace kind; do {ADMIN} -n \"$namespace\" delete \"$kind\" {name}; done
             {ADMIN} delete clusterrole,clusterrolebinding {name} --ignore-not-found"
        ));
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.revoke();
        shell(&format!("{ADMIN} delete namespace {} --ignore-not-found", self.namespace));
    }
}

/// The roles that `plan --rbac` prints.
pub fn roles(printed: &str) -> Vec<Value> {
    let documents: Vec<Value> = printed.split("\n---\n").map(|text| serde_yaml::from_str(text).expect("a role")).collect();
    assert!(documents.len() >= 2, "{printed}");
    documents
}
