//! What two runs of a task must leave alike, however often one of them was cut short: objects, revisions, certificates,
//! commits. What differs between any two runs (addresses, passwords, times, the server's identity) is left out.

use super::platform::{checkout, kubectl};
use crate::support::sandbox::shell;
use serde_json::{Map, Value, json};

const KINDS: &str = "deployments,statefulsets,services,configmaps,secrets,persistentvolumeclaims,serviceaccounts,roles,rolebindings";
const NAMESPACES: [&str; 3] = ["gitea", "platform", "apps"];
pub const CHECKOUTS: [&str; 3] = ["railiance-platform", "railiance-cluster", "railiance-apps"];

/// By `namespace/kind/name`, and by checkout.
pub fn taken() -> Map<String, Value> {
    let objects = NAMESPACES.iter().flat_map(|namespace| {
        let listed: Value = serde_json::from_str(&kubectl(&format!("-n {namespace} get {KINDS} -o json"))).expect("JSON");
        listed["items"].as_array().expect("items").iter().map(|object| (key(object), reduced(object))).collect::<Vec<_>>()
    });
    objects.chain(volumes()).chain(CHECKOUTS.iter().map(|name| ((*name).to_owned(), commits(name)))).collect()
}

/// What becomes of each volume, by the claim that it is for.
fn volumes() -> Vec<(String, Value)> {
    let listed: Value = serde_json::from_str(&kubectl("get persistentvolumes -o json")).expect("JSON");
    let one = |volume: &Value| {
        let claim = &volume["spec"]["claimRef"];
        let marks =
            volume["metadata"]["annotations"].as_object().into_iter().flatten().filter(|(name, _)| name.starts_with("railrun.dev/"));
        let facts = json!({
            "policy": volume["spec"]["persistentVolumeReclaimPolicy"],
            "phase": volume["status"]["phase"],
            "marks": marks.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>(),
        });
        (format!("volume of {}/{}", claim["namespace"], claim["name"]), facts)
    };
    listed["items"].as_array().expect("items").iter().map(one).collect()
}

/// Each difference between what there is and what there should be, in words.
pub fn differences(is: &Map<String, Value>, should: &Map<String, Value>) -> Vec<String> {
    let mut keys: Vec<&String> = is.keys().chain(should.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    let differs = keys.into_iter().filter(|key| is.get(*key) != should.get(*key));
    differs.map(|key| format!("{key}\n  is        {:?}\n  should be {:?}", is.get(key), should.get(key))).collect()
}

fn key(object: &Value) -> String {
    let word = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let name = word("/metadata/name");
    // Called after the identity of the server that it is about.
    let name = if name.starts_with("railrun-certificate-") { "railrun-certificate".to_owned() } else { name };
    format!("{}/{}/{name}", word("/metadata/namespace"), word("/kind"))
}

/// Its specification; of a secret its keys; of a record of a run what it proves.
fn reduced(object: &Value) -> Value {
    let keys = |value: &Value| value.as_object().map(|map| map.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    let data = match object["kind"].as_str() {
        Some("Secret") => json!(keys(&object["data"])),
        _ => lasting(&object["data"]),
    };
    json!({
        "labels": lasting(&object["metadata"]["labels"]),
        "spec": lasting(&object["spec"]),
        "data": data,
        "rules": object["rules"],
    })
}

/// Without what the cluster chooses, what a secret is hashed to, and when something was.
fn lasting(value: &Value) -> Value {
    const CHOSEN: [&str; 7] = ["clusterIP", "clusterIPs", "volumeName", "nodePort", "modifiedAt", "about", "digest"];
    const OF_THE_RUN: [&str; 4] = ["at", "run", "oid", "system_identifier"];
    let hashed = |key: &str| key.starts_with("checksum/") || key == "railrun.dev/custom-users" || key.ends_with("restartedAt");
    let stays = |key: &str| !CHOSEN.contains(&key) && !OF_THE_RUN.contains(&key) && !hashed(key);
    match value {
        Value::Object(map) => {
            map.iter().filter(|(key, _)| stays(key)).map(|(key, value)| (key.clone(), lasting(value))).collect::<Map<_, _>>().into()
        }
        Value::Array(values) => values.iter().map(lasting).collect::<Vec<_>>().into(),
        Value::String(text) => serde_json::from_str(text).map_or_else(|_| value.clone(), |inner: Value| lasting_inside(&inner, value)),
        _ => value.clone(),
    }
}

/// A document inside a string; a word that only looks like one stays as it is.
fn lasting_inside(inner: &Value, word: &Value) -> Value {
    if inner.is_object() || inner.is_array() { lasting(inner) } else { word.clone() }
}

/// Messages and touched files of all commits, and what is not committed.
fn commits(name: &str) -> Value {
    let folder = checkout(name);
    let git = |args: &str| shell(&format!("git -C {} {args}", folder.display()));
    json!({ "log": git("log --name-status --format=%s"), "left": git("status --porcelain") })
}
