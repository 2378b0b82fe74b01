//! Containers that run but do not answer their probes.

use super::Diagnosis;
use super::facts::{Container, Facts, text};
use crate::cluster::when;
use serde_json::Value;

/// The kubelet kills a container because its liveness or startup probe fails.
pub(super) fn liveness(facts: &Facts) -> Option<Diagnosis> {
    facts.containers().find_map(|container| {
        let killed = about(facts, container)
            .any(|event| event["reason"] == "Killing" && text(event, "/message").contains("probe, will be restarted"));
        let event =
            about(facts, container).rev().find(|event| is_failed_probe(event) && !text(event, "/message").starts_with("Readiness"))?;
        killed.then(|| {
            let found =
                Diagnosis::new(format!("{} is restarted because its {} probe fails", facts.call(container.pod), kind(event)), LATER);
            found.line(answer(container, event))
        })
    })
}

const LATER: &str = "give it more time (`initialDelaySeconds`, a startup probe), or mend what the probe asks";

/// A container runs and does not answer. How old the last failure is says nothing: repeated ones are told seldom.
pub(super) fn unhealthy(facts: &Facts) -> Option<Diagnosis> {
    facts.containers().find_map(|container| {
        let started = text(container.status, "/state/running/startedAt");
        let failed = |event: &&Value| is_failed_probe(event) && !started.is_empty() && when(event) >= Some(started);
        let event = about(facts, container).rev().find(failed)?;
        let help = format!("`kube::logs(\"{}\")` shows what it is doing", container.path());
        Some(
            Diagnosis::new(format!("the {} probe of {} fails", kind(event), facts.call(container.pod)), help)
                .line(answer(container, event)),
        )
    })
}

fn about<'f>(facts: &'f Facts, container: Container<'f>) -> impl DoubleEndedIterator<Item = &'f Value> {
    let place = format!("{{{}}}", container.name());
    facts.about(container.pod).filter(move |event| text(event, "/involvedObject/fieldPath").ends_with(&place))
}

fn is_failed_probe(event: &Value) -> bool {
    event["reason"] == "Unhealthy"
}

/// `readiness`, from `Readiness probe failed: …`.
fn kind(event: &Value) -> String {
    text(event, "/message").split(' ').next().unwrap_or_default().to_lowercase()
}

fn answer(container: Container<'_>, event: &Value) -> String {
    let message = text(event, "/message");
    let said = message.split_once("probe failed: ").or_else(|| message.split_once("probe errored: ")).map_or(message, |(_, said)| said);
    match said.trim() {
        "" => format!("container `{}` fails it without a word", container.name()),
        said => format!("container `{}` answers: {said}", container.name()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn facts(events: Value, restarts: u64) -> Facts {
        let pod = json!({"kind": "Pod", "metadata": {"name": "p", "namespace": "a"}, "spec": {"containers": [{"name": "c"}]}, "status": {"containerStatuses": [
            {"name": "c", "ready": false, "restartCount": restarts, "state": {"running": {"startedAt": "1970-01-01T00:00:30Z"}}}]}});
        let events = serde_json::from_value(events).unwrap();
        Facts {
            object: json!({"kind": "Deployment"}),
            pods: vec![pod],
            events,
            now: "1970-01-01T00:01:00Z".parse().unwrap(),
            ..Facts::default()
        }
    }

    fn event(reason: &str, message: &str, time: &str) -> Value {
        json!({"reason": reason, "message": message, "lastTimestamp": time, "involvedObject": {"name": "p", "fieldPath": "spec.containers{c}"}})
    }

    #[test]
    fn a_failing_probe_is_reported_with_its_answer() {
        let event = event("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503", "1970-01-01T00:00:55Z");
        let found = unhealthy(&facts(json!([event]), 0)).unwrap();
        assert_eq!(
            found.to_string(),
            "the readiness probe of its pod fails\n  container `c` answers: HTTP probe failed with statuscode: 503"
        );
    }

    #[test]
    fn a_probe_that_fails_in_silence_is_told_as_that() {
        let event = event("Unhealthy", "Readiness probe failed: ", "1970-01-01T00:00:55Z");
        assert_eq!(unhealthy(&facts(json!([event]), 0)).unwrap().detail, ["container `c` fails it without a word"]);
    }

    #[test]
    fn a_failure_before_the_last_start_is_no_cause() {
        let event = event("Unhealthy", "Readiness probe failed: x", "1969-12-31T23:00:00Z");
        assert_eq!(unhealthy(&facts(json!([event]), 0)), None);
    }

    #[test]
    fn a_restart_for_a_failing_liveness_probe_is_told_from_a_crash() {
        let events = json!([
            event("Unhealthy", "Liveness probe failed: refused", "1970-01-01T00:00:50Z"),
            event("Killing", "Container c failed liveness probe, will be restarted", "1970-01-01T00:00:51Z")
        ]);
        assert_eq!(liveness(&facts(events, 1)).unwrap().cause, "its pod is restarted because its liveness probe fails");
    }
}
