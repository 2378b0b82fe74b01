//! Objects as scripts may see them: what is in a Secret stays there.

use serde_json::Value;

const APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// An object without the values of a Secret, and without bookkeeping that nobody reads.
pub fn masked(mut object: Value) -> Value {
    let secret = object["kind"] == "Secret";
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("managedFields");
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut).filter(|_| secret) {
            annotations.remove(APPLIED);
        }
    }
    for part in ["data", "stringData"].into_iter().filter(|_| secret) {
        for value in object[part].as_object_mut().into_iter().flat_map(serde_json::Map::values_mut) {
            *value = "[secret]".into();
        }
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_values_of_a_secret_never_become_visible() {
        let object = json!({"kind": "Secret", "metadata": {"annotations": {APPLIED: "{\"data\":{\"a\":\"aHVudGVyMjI=\"}}", "x": "y"}},
            "data": {"a": "aHVudGVyMjI="}, "stringData": {"b": "hunter22"}});
        let masked = masked(object).to_string();
        assert!(!masked.contains("hunter22") && !masked.contains("aHVudGVyMjI=") && masked.contains("\"x\":\"y\""), "{masked}");
    }

    #[test]
    fn other_objects_stay_as_they_are() {
        let object = json!({"kind": "ConfigMap", "data": {"a": "b"}});
        assert_eq!(masked(object.clone())["data"], object["data"]);
    }
}
