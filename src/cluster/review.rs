//! Whether the API would allow something: it is asked (`SelfSubjectAccessReview`), not tried.

use super::{Cluster, ClusterError};
use crate::rights::{Need, Needs};
use futures::stream::{StreamExt, TryStreamExt};
use kube::core::Request;
use kube::core::params::PostParams;
use serde_json::{Value, json};

/// Reviews asked for at once.
const AT_ONCE: usize = 16;
const PATH: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

impl Cluster {
    /// Which of these rights are not held. Whoever may do everything is asked once.
    pub async fn lacking(&self, needs: Needs) -> Result<Vec<Need>, ClusterError> {
        if needs.is_empty() || self.allowed(&Need::new(None, "*", "*", "*")).await? {
            return Ok(Vec::new());
        }
        let asked = needs.into_iter().map(|need| async move { Ok::<_, ClusterError>((self.allowed(&need).await?, need)) });
        let answers: Vec<(bool, Need)> = futures::stream::iter(asked).buffered(AT_ONCE).try_collect().await?;
        Ok(answers.into_iter().filter(|(allowed, _)| !allowed).map(|(_, need)| need).collect())
    }

    async fn allowed(&self, need: &Need) -> Result<bool, ClusterError> {
        let request = Request::new(PATH).create(&PostParams::default(), review(need).to_string().into_bytes());
        let answer = self.send("ask", "which rights are held", request).await?;
        Ok(answer["status"]["allowed"] == true)
    }
}

fn review(need: &Need) -> Value {
    let (resource, subresource) = need.resource.split_once('/').unwrap_or((&need.resource, ""));
    json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": {
        "namespace": need.namespace.as_deref().unwrap_or_default(), "verb": need.verb, "group": need.group, "resource": resource,
        "subresource": subresource, "name": need.name.as_deref().unwrap_or_default()}}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_is_asked_for_as_the_api_wants_it() {
        let asked = review(&Need::within("a", "", "pods/exec", "create"));
        let wanted = json!({"namespace": "a", "verb": "create", "group": "", "resource": "pods", "subresource": "exec", "name": ""});
        assert_eq!(asked["spec"]["resourceAttributes"], wanted);
    }
}
