//! Whether an object is ready, and if not, in a few words why. Judged from its JSON alone; whether a stored "ready"
//! is still true is judged from the heartbeat of the node it stands on.

use jiff::Timestamp;
use serde_json::Value;

/// `Ok` where it is ready, else the reason.
pub type Readiness = Result<(), String>;

/// How old a node's heartbeat may be; it comes every ten seconds.
const HEARTBEAT: i64 = 25;

/// Whether an object is ready; of kinds that have no such notion, whether it exists.
pub fn readiness(object: &Value) -> Readiness {
    if !object["metadata"]["deletionTimestamp"].is_null() {
        return Err("it is being deleted".into());
    }
    let judge = JUDGES.iter().find(|(kind, _)| object["kind"] == *kind).map_or(conditions as Judge, |(_, judge)| *judge);
    judge(object)
}

/// Whether this is a kind that becomes ready, rather than being so by existing.
pub fn is_judged(object: &Value) -> bool {
    JUDGES.iter().any(|(kind, _)| object["kind"] == *kind)
}

/// The containers of a living pod that have no readiness probe, each with the time it started at if it runs.
pub(super) fn unprobed(pod: &Value) -> impl Iterator<Item = (String, Option<String>)> {
    let over = ["Succeeded", "Failed"].iter().any(|phase| pod["status"]["phase"] == *phase);
    let living = pod["metadata"]["deletionTimestamp"].is_null() && !over;
    let specs = pod["spec"]["containers"].as_array().filter(|_| living).into_iter().flatten();
    specs.filter(|spec| spec["readinessProbe"].is_null()).map(|spec| {
        let mut all = pod["status"]["containerStatuses"].as_array().into_iter().flatten();
        let started = all.find(|status| status["name"] == spec["name"]).and_then(|status| status["state"]["running"]["startedAt"].as_str());
        let name = |object: &Value| object["name"].as_str().unwrap_or_default().to_owned();
        (format!("{}/{}", name(&pod["metadata"]), name(spec)), started.map(str::to_owned))
    })
}

/// Whether a controller or Service finds this pod by its labels.
pub(super) fn selects(object: &Value, pod: &Value) -> bool {
    let selector = &object["spec"]["selector"];
    let labels = selector["matchLabels"].as_object().or_else(|| selector.as_object());
    let itself = object["kind"] == "Pod" && object["metadata"]["name"] == pod["metadata"]["name"];
    itself || labels.is_some_and(|labels| labels.iter().all(|(key, value)| pod["metadata"]["labels"][key] == *value))
}

type Judge = fn(&Value) -> Readiness;

const JUDGES: &[(&str, Judge)] = &[
    ("Pod", pod),
    ("Deployment", deployment),
    ("StatefulSet", stateful_set),
    ("DaemonSet", daemon_set),
    ("ReplicaSet", replica_set),
    ("ReplicationController", replica_set),
    ("Job", job),
    ("PersistentVolumeClaim", claim),
    ("PersistentVolume", volume),
    ("Service", service),
    ("Namespace", namespace),
];

fn pod(object: &Value) -> Readiness {
    match object["status"]["phase"].as_str() {
        Some("Succeeded") => return Ok(()),
        Some("Failed") => return Err(format!("it failed{}", said(&object["status"]))),
        _ => {}
    }
    if condition(object, "Ready") == Some(true) {
        return Ok(());
    }
    let waiting = statuses(object).find_map(|status| {
        let reason = status["state"]["waiting"]["reason"].as_str()?;
        Some(format!("container `{}`: {reason}", status["name"].as_str().unwrap_or_default()))
    });
    let unready = || {
        let status = statuses(object).find(|status| status["ready"] == false)?;
        Some(format!("container `{}` is not ready", status["name"].as_str().unwrap_or_default()))
    };
    let unscheduled = || (condition(object, "PodScheduled") == Some(false)).then(|| "no node takes it".to_owned());
    Err(waiting.or_else(unready).or_else(unscheduled).unwrap_or_else(|| "it has not started".into()))
}

/// The states of a pod's containers, those that prepare it first.
pub(super) fn statuses(pod: &Value) -> impl Iterator<Item = &Value> {
    let of = |field: &str| pod["status"][field].as_array().into_iter().flatten();
    of("initContainerStatuses").filter(|status| status["state"]["terminated"]["exitCode"] != 0).chain(of("containerStatuses"))
}

fn deployment(object: &Value) -> Readiness {
    seen(object)?;
    let (wanted, status) = (wanted(object), &object["status"]);
    if count(status, "updatedReplicas") < wanted {
        return Err(format!("{} of {wanted} replicas are up to date", count(status, "updatedReplicas")));
    }
    let old = count(status, "replicas").saturating_sub(count(status, "updatedReplicas"));
    if old > 0 {
        return Err(format!("{old} old {} still there", plural(old, "replica is", "replicas are")));
    }
    available(count(status, "availableReplicas"), wanted)
}

fn stateful_set(object: &Value) -> Readiness {
    seen(object)?;
    let (wanted, status) = (wanted(object), &object["status"]);
    let rolling = object["spec"]["updateStrategy"]["type"] != "OnDelete";
    let kept = object["spec"]["updateStrategy"]["rollingUpdate"]["partition"].as_u64().unwrap_or(0);
    let renewed = wanted.saturating_sub(kept);
    if rolling && status["updateRevision"] != status["currentRevision"] && count(status, "updatedReplicas") < renewed {
        return Err(format!("{} of {renewed} replicas are up to date", count(status, "updatedReplicas")));
    }
    if count(status, "replicas") > wanted {
        return Err(format!("{} replicas are still there, {wanted} wanted", count(status, "replicas")));
    }
    available(count(status, "readyReplicas"), wanted)
}

fn daemon_set(object: &Value) -> Readiness {
    seen(object)?;
    let status = &object["status"];
    let wanted = count(status, "desiredNumberScheduled");
    if object["spec"]["updateStrategy"]["type"] != "OnDelete" && count(status, "updatedNumberScheduled") < wanted {
        return Err(format!("{} of {wanted} pods are up to date", count(status, "updatedNumberScheduled")));
    }
    available(count(status, "numberAvailable"), wanted)
}

fn replica_set(object: &Value) -> Readiness {
    seen(object)?;
    available(count(&object["status"], "readyReplicas"), wanted(object))
}

fn job(object: &Value) -> Readiness {
    if condition(object, "Complete") == Some(true) {
        return Ok(());
    }
    let failed = conditions_of(object).find(|condition| condition["type"] == "Failed" && condition["status"] == "True");
    match failed {
        Some(failed) => Err(format!("it failed{}", said(failed))),
        None => Err("it has not finished".into()),
    }
}

fn claim(object: &Value) -> Readiness {
    match object["status"]["phase"].as_str() {
        Some("Bound") => Ok(()),
        Some("Lost") => Err("its volume is gone".into()),
        _ => Err("it has no volume yet".into()),
    }
}

fn volume(object: &Value) -> Readiness {
    match object["status"]["phase"].as_str() {
        Some("Bound" | "Available") => Ok(()),
        phase => Err(format!("it is {}", phase.unwrap_or("new").to_lowercase())),
    }
}

fn service(object: &Value) -> Readiness {
    let balanced = object["spec"]["type"] == "LoadBalancer";
    if balanced && object["status"]["loadBalancer"]["ingress"].as_array().is_none_or(Vec::is_empty) {
        return Err("it has no address from a load balancer yet".into());
    }
    Ok(())
}

fn namespace(object: &Value) -> Readiness {
    if object["status"]["phase"] == "Terminating" { Err("it is being deleted".into()) } else { Ok(()) }
}

/// Any other kind: ready unless a condition of the usual name says otherwise.
fn conditions(object: &Value) -> Readiness {
    seen(object)?;
    let telling =
        conditions_of(object).find(|condition| ["Ready", "Available", "Established"].iter().any(|name| condition["type"] == *name));
    match telling {
        Some(condition) if condition["status"] != "True" => {
            Err(format!("it is not {}{}", condition["type"].as_str().unwrap_or_default().to_lowercase(), said(condition)))
        }
        _ => Ok(()),
    }
}

/// Whether its controller has seen the latest change; before that every figure is about the state before.
fn seen(object: &Value) -> Readiness {
    let observed = object["status"]["observedGeneration"].as_i64();
    let latest = object["metadata"]["generation"].as_i64().unwrap_or(0);
    match observed {
        Some(observed) if observed < latest => Err("its last change has not been taken up yet".into()),
        None if has_controller(object) => Err("it has not been taken up yet".into()),
        _ => Ok(()),
    }
}

fn has_controller(object: &Value) -> bool {
    ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"].iter().any(|kind| object["kind"] == *kind)
}

fn available(there: u64, wanted: u64) -> Readiness {
    if there >= wanted { Ok(()) } else { Err(format!("{there} of {wanted} {} ready", plural(wanted, "replica is", "replicas are"))) }
}

fn wanted(object: &Value) -> u64 {
    object["spec"]["replicas"].as_u64().unwrap_or(1)
}

fn count(status: &Value, field: &str) -> u64 {
    status[field].as_u64().unwrap_or(0)
}

fn plural(count: u64, one: &'static str, many: &'static str) -> &'static str {
    if count == 1 { one } else { many }
}

pub(super) fn conditions_of(object: &Value) -> impl Iterator<Item = &Value> {
    object["status"]["conditions"].as_array().into_iter().flatten()
}

pub(super) fn condition(object: &Value, name: &str) -> Option<bool> {
    conditions_of(object).find(|condition| condition["type"] == name).map(|condition| condition["status"] == "True")
}

/// `: reason, message` of a condition or status, as far as it has them.
fn said(status: &Value) -> String {
    let parts: Vec<&str> =
        [&status["reason"], &status["message"]].into_iter().filter_map(Value::as_str).filter(|text| !text.is_empty()).collect();
    if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) }
}

/// The nodes whose heartbeat is so old that what is stored about their pods may no longer be true.
pub(super) fn silent_nodes(leases: &[Value], now: Timestamp) -> Vec<(String, i64)> {
    let age = |lease: &Value| {
        let renewed: Timestamp = lease["spec"]["renewTime"].as_str()?.parse().ok()?;
        Some((lease["metadata"]["name"].as_str()?.to_owned(), now.as_second() - renewed.as_second()))
    };
    leases.iter().filter_map(age).filter(|(_, age)| *age > HEARTBEAT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployed(generation: u64, observed: u64, updated: u64, all: u64, available: u64) -> Readiness {
        readiness(&json!({"kind": "Deployment", "metadata": {"generation": generation}, "spec": {"replicas": 2}, "status":
            {"observedGeneration": observed, "updatedReplicas": updated, "replicas": all, "availableReplicas": available}}))
    }

    #[test]
    fn a_deployment_is_ready_when_its_latest_generation_is() {
        assert_eq!(deployed(2, 2, 2, 2, 2), Ok(()));
        assert_eq!(deployed(3, 2, 2, 2, 2).unwrap_err(), "its last change has not been taken up yet");
        assert_eq!(deployed(2, 2, 1, 2, 2).unwrap_err(), "1 of 2 replicas are up to date");
        assert_eq!(deployed(2, 2, 2, 3, 2).unwrap_err(), "1 old replica is still there");
        assert_eq!(deployed(2, 2, 2, 2, 1).unwrap_err(), "1 of 2 replicas are ready");
    }

    #[test]
    fn a_new_deployment_without_status_is_not_ready() {
        assert!(readiness(&json!({"kind": "Deployment", "metadata": {"generation": 1}, "spec": {}})).is_err());
    }

    #[test]
    fn scaled_to_zero_is_ready_once_the_pods_are_gone() {
        let set = |replicas| {
            json!({"kind": "StatefulSet", "metadata": {"generation": 1}, "spec": {"replicas": 0},
            "status": {"observedGeneration": 1, "replicas": replicas}})
        };
        assert_eq!(readiness(&set(1)).unwrap_err(), "1 replicas are still there, 0 wanted");
        assert_eq!(readiness(&set(0)), Ok(()));
    }

    #[test]
    fn a_pod_says_which_container_it_waits_for() {
        let pod = |status: Value| readiness(&json!({"kind": "Pod", "metadata": {}, "status": status}));
        assert_eq!(pod(json!({"conditions": [{"type": "Ready", "status": "True"}]})), Ok(()));
        let waiting = json!({"containerStatuses": [{"name": "a", "state": {"waiting": {"reason": "ImagePullBackOff"}}}]});
        assert_eq!(pod(waiting).unwrap_err(), "container `a`: ImagePullBackOff");
        assert_eq!(pod(json!({"phase": "Failed", "reason": "Evicted"})).unwrap_err(), "it failed: Evicted");
        assert_eq!(pod(json!({"phase": "Succeeded"})), Ok(()));
    }

    #[test]
    fn a_container_without_a_probe_is_found() {
        let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "a"}, {"name": "b", "readinessProbe": {}}]}, "status":
            {"containerStatuses": [{"name": "a", "state": {"running": {"startedAt": "t"}}}, {"name": "b", "state": {"running": {"startedAt": "t"}}}]}});
        assert_eq!(unprobed(&pod).collect::<Vec<_>>(), [("p/a".to_owned(), Some("t".to_owned()))]);
    }

    #[test]
    fn what_is_being_deleted_is_not_ready() {
        let object = json!({"kind": "Pod", "metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        assert_eq!(readiness(&object).unwrap_err(), "it is being deleted");
    }

    #[test]
    fn other_kinds_are_judged_by_their_usual_conditions() {
        let custom = |status: &str| json!({"kind": "Cluster", "metadata": {}, "status": {"conditions": [{"type": "Ready", "status": status, "reason": "Setup"}]}});
        assert_eq!(readiness(&custom("True")), Ok(()));
        assert_eq!(readiness(&custom("False")).unwrap_err(), "it is not ready: Setup");
        assert_eq!(readiness(&json!({"kind": "ConfigMap"})), Ok(()));
        let job = json!({"kind": "Job", "metadata": {}, "status": {"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]}});
        assert_eq!(readiness(&job).unwrap_err(), "it failed: BackoffLimitExceeded");
    }

    #[test]
    fn a_node_that_has_been_silent_makes_its_pods_doubtful() {
        let now = "2026-01-01T00:01:00Z".parse().unwrap();
        let lease = |name: &str, time: &str| json!({"metadata": {"name": name}, "spec": {"renewTime": time}});
        let leases = [lease("a", "2026-01-01T00:00:51.000000Z"), lease("b", "2026-01-01T00:00:00.000000Z")];
        assert_eq!(silent_nodes(&leases, now), [("b".to_owned(), 60)]);
    }
}
