//! Images that cannot be pulled: a wrong name is fate, a registry out of reach is not.

use super::Diagnosis;
use super::facts::{Container, Facts, text};

const REASONS: [&str; 6] =
    ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError", "RegistryUnavailable"];

/// Whether waiting is in vain.
#[derive(Clone, Copy)]
enum Vain {
    /// It may pass.
    No,
    /// Once it has lasted: a registry's word may change.
    Later,
    /// The node itself knows it.
    AtOnce,
}
use Vain::{AtOnce, Later, No};

/// What is wrong with an image, one next step, and whether waiting is in vain.
struct Fault(&'static str, &'static str, Vain);

const NO_NAME: Fault = Fault("is not a valid name", "mend the image's name in the values", AtOnce);
const ABSENT: Fault = Fault("does not exist", "mend the image's name or tag in the values", Later);
const NOT_HERE: Fault =
    Fault("is not on the node, and may not be pulled", "import it on the node, or set `imagePullPolicy: IfNotPresent`", AtOnce);
const LOCKED: Fault = Fault("needs credentials of its registry", "set `imagePullSecrets`", Later);
const DENIED: Fault = Fault("does not exist, or needs credentials", "mend the image's name, or set `imagePullSecrets`", Later);
const FOREIGN: Fault = Fault("is not made for the node's architecture", "choose an image for this architecture", Later);
const LIMITED: Fault = Fault("is refused by the registry: too many pulls", "wait, or use a mirror", No);
const NAMELESS: Fault = Fault("cannot be pulled: the registry's name does not resolve", REACH, No);
const AWAY: Fault = Fault("cannot be pulled: the registry cannot be reached", REACH, No);
const UNKNOWN: Fault = Fault("cannot be pulled", "see what the node says about it", No);

const REACH: &str = "see whether the node can resolve and reach the registry";

/// What a pull says, and what that means; the first that fits.
const ANSWERS: &[(&str, Fault)] = &[
    ("couldn't parse image", NO_NAME),
    ("InvalidImageName", NO_NAME),
    ("ErrImageNeverPull", NOT_HERE),
    ("toomanyrequests", LIMITED),
    ("unauthorized", LOCKED),
    ("authentication required", LOCKED),
    ("no basic auth credentials", LOCKED),
    ("pull access denied", DENIED),
    ("no such host", NAMELESS),
    ("server misbehaving", NAMELESS),
    ("dial tcp: lookup", NAMELESS),
    ("dial tcp", AWAY),
    ("i/o timeout", AWAY),
    ("deadline exceeded", AWAY),
    ("connection refused", AWAY),
    ("no match for platform", FOREIGN),
    ("not found", ABSENT),
    ("manifest unknown", ABSENT),
];

pub(super) fn pull(facts: &Facts) -> Option<Diagnosis> {
    let container = facts.containers().find(|container| REASONS.contains(&container.waiting()))?;
    let (image, said) = (text(container.spec, "/image"), said(facts, container));
    let Fault(means, help, vain) = ANSWERS.iter().find(|(needle, _)| said.contains(needle)).map_or(&UNKNOWN, |(_, fault)| fault);
    let found = Diagnosis::new(format!("the image of {} {means}", facts.call(container.pod)), *help);
    let found = found.line(format!("container `{}`: `{image}`", container.name())).line(innermost(&said));
    Some(found.doomed(match vain {
        No => false,
        Later => facts.has_lasted(container.pod),
        AtOnce => true,
    }))
}

/// What the node said: the state's own message, or that of the last event, which is longer.
fn said(facts: &Facts, container: Container<'_>) -> String {
    let message = text(container.status, "/state/waiting/message");
    let failed = facts.warnings(container.pod).filter(|event| event["reason"] == "Failed" || event["reason"] == "InspectFailed");
    let place = format!("{{{}}}", container.name());
    let mut events = failed.filter(|event| text(event, "/involvedObject/fieldPath").ends_with(&place)).map(|event| text(event, "/message"));
    let told = if message.contains("rpc error") || message.contains("couldn't parse") {
        None
    } else {
        events.rfind(|message| !message.starts_with("Error: "))
    };
    format!("{}: {}", container.waiting(), told.unwrap_or(message))
}

/// `ErrImagePull: … rpc error: code = NotFound desc = failed to …: X: not found`, from what the registry said on.
fn innermost(said: &str) -> String {
    let told = said.rsplit("desc = ").next().unwrap_or(said);
    let told = told.split_once("failed to resolve reference ").map_or(told, |(_, told)| told);
    told.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn facts(reason: &str, message: &str, age: &str) -> Facts {
        let pod = json!({"kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "x:1"}]},
            "status": {"phase": "Pending", "startTime": "1970-01-01T00:00:00Z", "containerStatuses": [
                {"name": "c", "ready": false, "state": {"waiting": {"reason": reason, "message": message}}}]}});
        Facts { object: pod.clone(), pods: vec![pod], now: age.parse().unwrap(), ..Facts::default() }
    }

    const NOT_FOUND: &str = "Back-off pulling image \"x:1\": ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack image \"x:1\": failed to resolve reference \"x:1\": x:1: not found";

    #[test]
    fn a_bad_name_is_fate_only_after_it_has_lasted() {
        let young = pull(&facts("ImagePullBackOff", NOT_FOUND, "1970-01-01T00:00:29Z")).unwrap();
        assert_eq!(young.to_string(), "the image of it does not exist\n  container `c`: `x:1`\n  \"x:1\": x:1: not found");
        assert!(!young.doomed);
        assert!(pull(&facts("ImagePullBackOff", NOT_FOUND, "1970-01-01T00:00:30Z")).unwrap().doomed);
    }

    #[test]
    fn what_the_node_itself_knows_is_fate_at_once() {
        let message = "Container image \"x:1\" is not present with pull policy of Never";
        let found = pull(&facts("ErrImageNeverPull", message, "1970-01-01T00:00:01Z")).unwrap();
        assert_eq!(found.cause, "the image of it is not on the node, and may not be pulled");
        assert!(found.doomed);
    }

    #[test]
    fn a_registry_out_of_reach_may_come_back() {
        let found =
            pull(&facts("ErrImagePull", "rpc error: code = Unknown desc = dial tcp 1.2.3.4:443: i/o timeout", "1970-01-01T01:00:00Z"))
                .unwrap();
        assert_eq!(found.cause, "the image of it cannot be pulled: the registry cannot be reached");
        assert!(!found.doomed);
    }
}
