//! The sandbox's cluster as these tests use it: a namespace of their own, and scripts that only put ConfigMaps there.

use crate::support::Test;
use crate::support::sandbox::{shell, variable};
use serde_json::Value;

pub const NAMESPACE: &str = "trust";

/// A folder whose one environment leads to the sandbox; its own lock, so that runs elsewhere do not matter.
pub fn test(environment: &str, more: &str) -> Test {
    shell(&format!("kubectl --kubeconfig \"$RAILRUN_SANDBOX_ADMIN_KUBECONFIG\" create namespace {NAMESPACE} 2>/dev/null || true"));
    Test::new().file("railrun.yaml", &settings(environment, more))
}

pub fn settings(environment: &str, more: &str) -> String {
    format!(
        "default_environment: {environment}\nsettings:\n  lock: {{namespace: {NAMESPACE}, lasts: 3s}}\nenvironments:\n  {environment}:\n    kubeconfig: {}\n{more}",
        kubeconfig()
    )
}

pub fn kubeconfig() -> String {
    variable("KUBECONFIG").expect("`sandbox env` names the kubeconfig")
}

pub fn kubectl(args: &str) -> String {
    shell(&format!("kubectl --kubeconfig \"$RAILRUN_SANDBOX_ADMIN_KUBECONFIG\" {args}"))
}

/// A call that puts a ConfigMap into the namespace.
pub fn put(name: &str, value: &str) -> String {
    format!(
        "kube::apply(#{{ apiVersion: \"v1\", kind: \"ConfigMap\", metadata: #{{ namespace: \"{NAMESPACE}\", name: \"{name}\" }}, data: #{{ word: \"{value}\" }} }})"
    )
}

/// A script with one step that puts a ConfigMap.
pub fn putting(name: &str, value: &str) -> String {
    format!("fn steps(task) {{ task.step(\"put\", || {{ {}; }}); }}\n", put(name, value))
}

pub fn exists(name: &str) -> bool {
    !kubectl(&format!("-n {NAMESPACE} get configmap {name} --ignore-not-found -o name")).trim().is_empty()
}

pub fn remove(names: &[&str]) {
    kubectl(&format!("-n {NAMESPACE} delete configmap --ignore-not-found {}", names.join(" ")));
}

pub fn locked(environment: &str) -> bool {
    !kubectl(&format!("-n {NAMESPACE} get lease railrun-{environment} --ignore-not-found -o name")).trim().is_empty()
}

/// Waits until something holds, up to half a minute.
pub fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..150 {
        if holds() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    panic!("never: {what}");
}

/// The audit log's lines so far.
pub fn audit() -> Vec<String> {
    // It is written in the background.
    std::thread::sleep(std::time::Duration::from_millis(1500));
    let log = variable("RAILRUN_SANDBOX_AUDIT_LOG").expect("`sandbox env` names the audit log");
    std::fs::read_to_string(log).expect("an audit log").lines().map(str::to_owned).collect()
}

/// What this user wrote, or tried to, since then. What is only tried (`dryRun=All`) and an access review are no writes.
pub fn writes(user: &str, since: usize) -> Vec<String> {
    let entries = audit().into_iter().skip(since).filter_map(|line| serde_json::from_str::<Value>(&line).ok());
    let own = entries.filter(|entry| entry["user"]["username"] == user);
    let shown = own.map(|entry| {
        let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        (text("verb"), text("requestURI"))
    });
    let writes = shown.filter(|(verb, uri)| {
        !["get", "list", "watch"].contains(&verb.as_str()) && !uri.contains("dryRun=All") && !uri.contains("selfsubjectaccessreviews")
    });
    writes.map(|(verb, uri)| format!("{verb} {uri}")).collect()
}
