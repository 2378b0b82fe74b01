//! Volumes: claims that nobody provides for, and volumes that cannot be mounted.

use super::Diagnosis;
use super::facts::{Facts, quoted, text};
use serde_json::Value;

/// A claim has no volume, and it is not the pod that is waited for.
pub(super) fn pending(facts: &Facts) -> Option<Diagnosis> {
    if let Some(name) = missing_claim(facts) {
        return Some(Diagnosis::new(
            format!("the claim `{name}` is missing"),
            format!("create the PersistentVolumeClaim `{name}`, or let the chart create it"),
        ));
    }
    facts.claims.iter().filter(|claim| claim["status"]["phase"] != "Bound").find_map(|claim| unprovided(facts, claim))
}

fn missing_claim(facts: &Facts) -> Option<&str> {
    let refused = facts.troubled().flat_map(|pod| facts.warnings(pod)).filter(|event| event["reason"] == "FailedScheduling");
    let messages = refused
        .map(|event| text(event, "/message"))
        .filter(|message| message.contains("persistentvolumeclaim \"") && message.contains("not found"));
    let name = messages.last().and_then(quoted)?;
    (!facts.claims.iter().any(|claim| claim["metadata"]["name"] == name)).then_some(name)
}

fn unprovided(facts: &Facts, claim: &Value) -> Option<Diagnosis> {
    let name = text(claim, "/metadata/name");
    let it = if facts.object["kind"] == "PersistentVolumeClaim" { "it".to_owned() } else { format!("the claim `{name}`") };
    if claim["status"]["phase"] == "Lost" {
        return Some(Diagnosis::new(
            format!("the volume of {it} is gone"),
            "restore the volume, or delete the claim and its data's last trace with it",
        ));
    }
    let message = facts.warnings(claim).last().map(|event| text(event, "/message"));
    let class = text(claim, "/spec/storageClassName");
    let unset = claim["spec"]["storageClassName"].is_null();
    let found = match message {
        Some(message) if message.contains("storageclass") && message.contains("not found") => {
            let missing = quoted(message).unwrap_or(class);
            Diagnosis::new(
                format!("{it} asks for the storage class `{missing}`, which is not there"),
                "`kube::list(\"storageclass\")` shows those there are",
            )
        }
        Some(message) => Diagnosis::new(format!("{it} gets no volume"), "see why the provisioner refuses").line(message),
        None if unset && nobody_answers(facts, claim) => Diagnosis::new(
            format!("{it} names no storage class and there is no default"),
            "set `storageClass` in the values, or mark one as the default",
        ),
        None => return None,
    };
    Some(if class.is_empty() { found } else { found.line(format!("class `{class}`, {}", text(claim, "/spec/resources/requests/storage"))) })
}

/// Without a class the API only says that nothing fits, as a normal event.
fn nobody_answers(facts: &Facts, claim: &Value) -> bool {
    facts.about(claim).any(|event| event["reason"] == "FailedBinding")
}

/// A volume is there but cannot be mounted, or the pod's network cannot be made.
pub(super) fn mount(facts: &Facts) -> Option<Diagnosis> {
    let reasons = ["FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox"];
    let (pod, event) = facts.troubled().filter(|pod| pod["status"]["phase"] == "Pending").find_map(|pod| {
        let event = facts.warnings(pod).rev().find(|event| reasons.iter().any(|reason| event["reason"] == *reason))?;
        Some((pod, event))
    })?;
    let what = if event["reason"] == "FailedCreatePodSandBox" { "gets no network" } else { "cannot mount a volume" };
    let help = if event["reason"] == "FailedCreatePodSandBox" {
        "see whether the node's network plugin runs"
    } else {
        "see whether the volume is in use elsewhere"
    };
    Some(Diagnosis::new(format!("{} {what}", facts.call(pod)), help).line(text(event, "/message")))
}
