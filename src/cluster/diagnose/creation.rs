//! Pods that are not even created: quota, admission, a missing service account.

use super::Diagnosis;
use super::facts::{Facts, quoted, text};
use serde_json::Value;

/// What a refusal says, what that means, one next step, and whether waiting is in vain.
const REFUSALS: &[(&str, &str, &str, bool)] = &[
    ("exceeded quota", "the quota does not allow its pods", "raise the quota of the namespace, or ask for less", false),
    (
        "violates PodSecurity",
        "the namespace does not allow such pods",
        "tighten the pod's `securityContext`, or change the namespace's `pod-security` label",
        true,
    ),
    ("failed calling webhook", "an admission webhook does not answer", "see whether the webhook's own pod is ready", false),
    ("denied the request", "an admission webhook refuses its pods", "change what the webhook complains about", true),
    ("error looking up service account", "its service account is missing", "create the service account, or let the chart create it", false),
    ("must be less than or equal to", "the namespace's limits do not allow its pods", "ask for less, or raise the LimitRange", true),
];

/// The controller cannot create pods.
pub(super) fn refused(facts: &Facts) -> Option<Diagnosis> {
    let event = facts.events.iter().rev().find(|event| event["reason"] == "FailedCreate" || event["reason"] == "SuccessfulCreate")?;
    if event["reason"] != "FailedCreate" || !is_short_of_pods(facts) {
        return None;
    }
    let message = text(event, "/message");
    let lasted = event["firstTimestamp"].as_str().and_then(|time| facts.age(time)).is_some_and(|age| age >= super::facts::DWELL);
    let known = REFUSALS.iter().find(|(needle, ..)| message.contains(needle));
    let (cause, help, vain) =
        known.map_or(("its pods cannot be created", "mend what the message says", false), |(_, cause, help, vain)| (*cause, *help, *vain));
    Some(Diagnosis::new(cause, help).line(brief(message)).doomed(vain && lasted))
}

fn is_short_of_pods(facts: &Facts) -> bool {
    let wanted = facts.object["spec"]["replicas"].as_u64().unwrap_or(1);
    let living = |pod: &&Value| pod["metadata"]["deletionTimestamp"].is_null();
    (facts.pods.iter().filter(living).count() as u64) < wanted
}

/// Without the part that only repeats which pod was to be created.
fn brief(message: &str) -> String {
    let after = message.split_once("is forbidden: ").or_else(|| message.split_once("error: ")).map_or(message, |(_, after)| after);
    match (message.contains("failed calling webhook"), quoted(after)) {
        (true, Some(name)) => format!("webhook `{name}`: {}", after.rsplit(": ").next().unwrap_or_default()),
        _ => after.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn facts(reason: &str, message: &str) -> Facts {
        let event = json!({"reason": reason, "message": message, "firstTimestamp": "1970-01-01T00:00:00Z"});
        let object = json!({"kind": "Deployment", "metadata": {"generation": 1}, "spec": {"replicas": 1}});
        Facts { object, events: vec![event], now: "1970-01-01T00:01:00Z".parse().unwrap(), ..Facts::default() }
    }

    #[test]
    fn a_quota_is_named() {
        let found = refused(&facts(
            "FailedCreate",
            "Error creating: pods \"a-1\" is forbidden: exceeded quota: small, requested: cpu=1, used: cpu=0, limited: cpu=500m",
        ))
        .unwrap();
        assert_eq!(
            found.to_string(),
            "the quota does not allow its pods\n  exceeded quota: small, requested: cpu=1, used: cpu=0, limited: cpu=500m"
        );
        assert!(!found.doomed, "a quota can become free");
    }

    #[test]
    fn a_webhook_that_does_not_answer_is_told_from_one_that_refuses() {
        let found = refused(&facts("FailedCreate", "Error creating: Internal error occurred: failed calling webhook \"v.example\": failed to call webhook: Post \"https://x\": dial tcp 10.96.0.9:443: connect: connection refused")).unwrap();
        assert_eq!(found.to_string(), "an admission webhook does not answer\n  webhook `v.example`: connection refused");
        assert!(refused(&facts("FailedCreate", "admission webhook \"v\" denied the request: no")).unwrap().doomed);
    }

    #[test]
    fn a_refusal_that_is_over_is_no_cause() {
        let mut facts = facts("FailedCreate", "exceeded quota");
        facts.events.push(json!({"reason": "SuccessfulCreate"}));
        assert_eq!(refused(&facts), None);
    }
}
