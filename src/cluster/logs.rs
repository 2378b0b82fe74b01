//! What pods said and what happened to objects: container logs and events.

use super::{Cluster, ClusterError, KindName, Name, PodName, error};
use kube::core::Request;
use kube::core::subresource::LogParams;
use serde_json::Value;
use std::time::Duration;

const ANSWER: Duration = Duration::from_secs(30);
/// No log that is asked for whole may be longer.
const LONGEST: i64 = 16 * 1024 * 1024;

impl Cluster {
    /// The last `tail` lines of a container's log; of the container that ran before this one with `previous`.
    pub async fn logs(&self, pod: &PodName, tail: Option<i64>, previous: bool) -> Result<String, ClusterError> {
        let container = Some(self.container(pod).await?);
        let asked = LogParams { container, tail_lines: tail, previous, limit_bytes: Some(LONGEST), ..LogParams::default() };
        let path = format!("/api/v1/namespaces/{}/pods", pod.namespace);
        let attempt = |error| error::explain("read the log of", &pod.to_string(), error);
        let request = Request::new(path).logs(&pod.name, &asked).map_err(|error| attempt(kube::Error::BuildRequest(error)))?;
        let text = tokio::time::timeout(ANSWER, self.api.request_text(request)).await;
        text.map_err(|elapsed| error::unreachable(&elapsed))?.map_err(attempt)
    }

    /// The container that a pod's name means: the one it names, else the pod's default, else its first.
    pub(super) async fn container(&self, pod: &PodName) -> Result<String, ClusterError> {
        if let Some(container) = &pod.container {
            return Ok(container.clone());
        }
        let name = Name::new(&pod.namespace, "pod", &pod.name);
        let object = self.get(&name).await?.ok_or_else(|| ClusterError::NotFound { name: name.to_string() })?;
        let chosen = object["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"].as_str();
        let first = object["spec"]["containers"][0]["name"].as_str();
        Ok(chosen.or(first).unwrap_or_default().to_owned())
    }

    /// What happened to an object, oldest first.
    pub async fn events(&self, name: &Name) -> Result<Vec<Value>, ClusterError> {
        let kind = self.kind(&name.kind).await?;
        let about = format!("involvedObject.kind={},involvedObject.name={}", kind.kind, name.name);
        let namespace = name.namespace.clone().unwrap_or_else(|| "default".into());
        let events = KindName { namespace: Some(namespace), kind: "event".into() };
        let mut events = self.list_where(&events, None, Some(&about)).await?;
        events.sort_by_key(|event| when(event).map(str::to_owned));
        Ok(events)
    }
}

/// When an event was last seen; the API has three places for it.
pub fn when(event: &Value) -> Option<&str> {
    let places =
        [&event["lastTimestamp"], &event["series"]["lastObservedTime"], &event["eventTime"], &event["metadata"]["creationTimestamp"]];
    places.into_iter().find_map(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_says_when_in_one_of_three_places() {
        assert_eq!(when(&json!({"lastTimestamp": null, "eventTime": "2026-01-01T00:00:00Z"})), Some("2026-01-01T00:00:00Z"));
        assert_eq!(when(&json!({"metadata": {"creationTimestamp": "2026-01-02T00:00:00Z"}})), Some("2026-01-02T00:00:00Z"));
    }
}
