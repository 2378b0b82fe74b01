//! Who wrote a field: the manager that the API server remembers for it.

use serde_json::Value;

/// The manager that owns the field at a dotted path, the one that wrote last where several do.
pub fn manager_of(object: &Value, path: &str) -> Option<String> {
    let entries = object["metadata"]["managedFields"].as_array()?;
    let segments: Vec<&str> = path.split(['.', '[']).map(|part| part.trim_end_matches(']')).filter(|part| !part.is_empty()).collect();
    let owned = entries.iter().map(|entry| (depth(&entry["fieldsV1"], &segments), entry["time"].as_str().unwrap_or_default(), entry));
    let best = owned.filter(|(depth, _, _)| *depth > 0).max_by_key(|(depth, time, _)| (*depth, *time))?;
    best.2["manager"].as_str().map(str::to_owned)
}

/// How many segments of a path a field set holds. Items of a list are held under a key of their own (`k:{"name":"x"}`).
fn depth(fields: &Value, segments: &[&str]) -> usize {
    let Some((first, rest)) = segments.split_first() else { return 0 };
    let Some(fields) = fields.as_object() else { return 0 };
    let matches = |key: &str| key == format!("f:{first}") || (key.starts_with("k:{") && key.contains(&format!("\"{first}\"")));
    fields.iter().filter(|(key, _)| matches(key)).map(|(_, inner)| 1 + depth(inner, rest)).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_manager_that_holds_most_of_a_path_is_named() {
        let object = json!({"metadata": {"managedFields": [
            {"manager": "helm", "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:spec": {"f:replicas": {}, "f:template": {}}}},
            {"manager": "kubectl-edit", "time": "2026-01-02T00:00:00Z", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
            {"manager": "other", "fieldsV1": {"f:spec": {"f:containers": {"k:{\"name\":\"app\"}": {"f:image": {}}}}}}]}});
        assert_eq!(manager_of(&object, "spec.replicas").as_deref(), Some("kubectl-edit"));
        assert_eq!(manager_of(&object, "spec.template").as_deref(), Some("helm"));
        assert_eq!(manager_of(&object, "spec.containers[app].image").as_deref(), Some("other"));
        assert_eq!(manager_of(&object, "data.x"), None);
    }
}
