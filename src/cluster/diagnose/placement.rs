//! Where pods stand: nodes that are silent, nodes that do not take them, selectors that find none.

use super::Diagnosis;
use super::facts::{Facts, text};
use crate::cluster::ready;
use serde_json::Value;

/// The node says nothing any more, so nothing that is stored about its pods may be believed.
pub(super) fn silent_node(facts: &Facts) -> Option<Diagnosis> {
    let (node, age) = facts.silent.iter().find(|(node, _)| facts.pods.iter().any(|pod| pod["spec"]["nodeName"] == **node))?;
    let found = Diagnosis::new(format!("the node `{node}` is silent"), format!("see whether `{node}` runs: `kube::get(\"node/{node}\")`"));
    Some(found.line(format!("its last heartbeat is {age} s old; what is stored about its pods may be older than the truth")))
}

/// No node takes a pod.
pub(super) fn unschedulable(facts: &Facts) -> Option<Diagnosis> {
    let (pod, message) = facts.troubled().find_map(|pod| {
        let refused = ready::conditions_of(pod).find(|condition| condition["type"] == "PodScheduled" && condition["status"] == "False")?;
        Some((pod, text(refused, "/message")))
    })?;
    let reasons = reasons(message);
    let first = reasons.first().map(String::as_str).unwrap_or_default();
    let help =
        HELP.iter().find(|(needle, _)| first.contains(needle)).map_or("make a node fit, or change what the pod asks for", |(_, help)| help);
    let mut found = Diagnosis::new(format!("no node takes {}", facts.call(pod)), help);
    for reason in &reasons {
        found = found.line(match asked(pod, reason) {
            Some(asked) => format!("{reason}; {asked}"),
            None => reason.clone(),
        });
    }
    Some(found)
}

const HELP: &[(&str, &str)] = &[
    ("Insufficient", "ask for less (`resources.requests`), or free some on the nodes"),
    ("untolerated taint", "remove the taint, or let the pod tolerate it"),
    ("node affinity/selector", "give a node the labels that `nodeSelector` or `affinity` ask for"),
    ("anti-affinity", "allow two of these pods on one node, or add a node"),
    ("volume node affinity", "the volume is on another node: let the pod run there"),
    ("were unschedulable", "the nodes are cordoned: `kubectl uncordon` lets pods in again"),
    ("Too many pods", "add a node, or remove pods"),
];

/// `0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had …. preemption: …` into its parts.
fn reasons(message: &str) -> Vec<String> {
    let listed = message.split_once("nodes are available: ").map_or(message, |(_, listed)| listed);
    let listed = listed.split(". preemption:").next().unwrap_or(listed).split(". no new claims").next().unwrap_or(listed);
    listed.trim_end_matches('.').split(", ").map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

/// What the pod asks of that which is short: a resource, or labels.
fn asked(pod: &Value, reason: &str) -> Option<String> {
    if reason.contains("node affinity/selector") && pod["spec"]["nodeSelector"].is_object() {
        return Some(format!("it asks for {}", pod["spec"]["nodeSelector"]));
    }
    let resource = reason.split("Insufficient ").nth(1)?.trim();
    let containers = pod["spec"]["containers"].as_array()?;
    let requests: Vec<&str> = containers.iter().filter_map(|container| container["resources"]["requests"][resource].as_str()).collect();
    (!requests.is_empty()).then(|| format!("it asks for {}", requests.join(" + ")))
}

/// A Service, or a controller, that no pod belongs to.
pub(super) fn no_pod(facts: &Facts) -> Option<Diagnosis> {
    if facts.object["kind"] != "Service" || !facts.lacks_backends() {
        return None;
    }
    let selector = facts.object["spec"]["selector"].to_string();
    Some(match facts.pods.len() {
        0 => Diagnosis::new("no pod carries the labels it selects", "compare its selector with the labels of the pods")
            .line(format!("it selects {selector}")),
        _ => Diagnosis::new("no pod behind it is ready", "look at the pods' own diagnosis").line(format!("it selects {selector}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn facts(message: &str) -> Facts {
        let pod = json!({"kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"resources": {"requests": {"cpu": "8"}}}]},
            "status": {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]}});
        Facts { object: json!({"kind": "Deployment"}), pods: vec![pod], ..Facts::default() }
    }

    #[test]
    fn the_resource_that_is_short_is_named_with_what_is_asked() {
        let found = unschedulable(&facts(
            "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found.",
        ))
        .unwrap();
        assert_eq!(found.to_string(), "no node takes its pod\n  1 Insufficient cpu; it asks for 8");
    }

    #[test]
    fn a_taint_is_named() {
        let found =
            unschedulable(&facts("0/1 nodes are available: 1 node(s) had untolerated taint {dedicated: db}. preemption: none")).unwrap();
        assert_eq!(found.detail, ["1 node(s) had untolerated taint {dedicated: db}"]);
        assert_eq!(found.help, "remove the taint, or let the pod tolerate it");
    }

    #[test]
    fn pods_on_a_silent_node_are_not_believed() {
        let pod =
            json!({"metadata": {"name": "p"}, "spec": {"nodeName": "n"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        let facts = Facts { pods: vec![pod], silent: vec![("n".into(), 60)], ..Facts::default() };
        assert_eq!(silent_node(&facts).unwrap().cause, "the node `n` is silent");
        assert_eq!(silent_node(&Facts { silent: vec![("other".into(), 60)], ..facts }), None);
    }

    #[test]
    fn a_service_that_selects_nothing_says_so() {
        let facts = Facts { object: json!({"kind": "Service", "spec": {"selector": {"app": "x"}}}), ..Facts::default() };
        assert_eq!(no_pod(&facts).unwrap().to_string(), "no pod carries the labels it selects\n  it selects {\"app\":\"x\"}");
    }
}
