//! The claims that StatefulSets make for their pods: no manifest has them, and they stay when the set goes.

use super::manifest::Object;
use crate::cluster::{Cluster, ClusterError, KindName};

/// The claims of these sets that are there: `persistentvolumeclaim/data-postgresql-0`.
pub async fn left_by(cluster: &Cluster, namespace: &str, sets: &[&Object]) -> Result<Vec<String>, ClusterError> {
    let prefixes: Vec<String> = sets.iter().filter(|object| object.kind == "statefulset").flat_map(|set| prefixes(set)).collect();
    if prefixes.is_empty() {
        return Ok(Vec::new());
    }
    let kind = KindName { namespace: Some(namespace.into()), kind: "persistentvolumeclaim".into() };
    let claims = cluster.list(&kind, None).await?;
    let names = claims.iter().filter_map(|claim| claim["metadata"]["name"].as_str());
    let left = names.filter(|name| prefixes.iter().any(|prefix| is_numbered(name, prefix)));
    Ok(left.map(|name| format!("persistentvolumeclaim/{name}")).collect())
}

/// `data-postgresql-` for the claims `data-postgresql-0`, `data-postgresql-1` …
fn prefixes(set: &Object) -> Vec<String> {
    if set.value["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] == "Delete" {
        return Vec::new();
    }
    let templates = set.value["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten();
    templates.filter_map(|template| Some(format!("{}-{}-", template["metadata"]["name"].as_str()?, set.name))).collect()
}

fn is_numbered(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|number| !number.is_empty() && number.chars().all(|char| char.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primitives::helm::manifest;

    #[test]
    fn the_claims_of_a_stateful_set_are_known_by_their_names() {
        let text = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: pg}\nspec: {volumeClaimTemplates: [{metadata: {name: data}}]}";
        let (objects, _) = manifest::parse(text).unwrap();
        assert_eq!(prefixes(&objects[0]), ["data-pg-"]);
        assert!(is_numbered("data-pg-0", "data-pg-") && is_numbered("data-pg-12", "data-pg-"));
        assert!(!is_numbered("data-pg-old", "data-pg-") && !is_numbered("data-pg-", "data-pg-"));
    }
}
