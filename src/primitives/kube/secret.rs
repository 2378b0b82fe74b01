//! Values of Kubernetes Secrets, read when a verb uses them.

use crate::cluster::{ClusterError, Name};
use crate::host::SharedHost;
use crate::secret::{Secret, SecretError};
use base64::Engine as _;
use serde_json::Value;

/// One value of a Secret.
pub fn lazy(host: &SharedHost, name: &Name, key: &str) -> Secret {
    let origin = format!("kube:{name}#{key}");
    let (host, name, key) = (host.clone(), name.clone(), key.to_owned());
    Secret::lazy(origin.clone(), move || {
        let look = || Some(format!("look at it with `kubectl get {}`", asked(&name)));
        let failed = |reason: String, help: Option<String>| SecretError { origin: origin.clone(), reason, help };
        let cluster = host.cluster().map_err(|error| failed(error.to_string(), help(&error)))?;
        let found: Result<Option<Value>, ClusterError> = host.wait(cluster.get(&name));
        let object = found.map_err(|error| failed(error.to_string(), help(&error)))?;
        let object = object.ok_or_else(|| failed(format!("there is no `{name}`"), look()))?;
        value_of(&object, &key).map_err(|(reason, help)| failed(reason, help.or_else(look)))
    })
}

/// The next step that the cluster's own error names.
fn help(error: &ClusterError) -> Option<String> {
    miette::Diagnostic::help(error).map(|help| help.to_string())
}

/// An object, as kubectl is asked for it.
fn asked(name: &Name) -> String {
    let namespace = name.namespace.as_ref().map_or_else(String::new, |namespace| format!(" --namespace {namespace}"));
    format!("{} {}{namespace}", name.kind, name.name)
}

fn value_of(object: &Value, key: &str) -> Result<String, (String, Option<String>)> {
    let Some(encoded) = object["data"][key].as_str() else {
        let known: Vec<&str> = object["data"].as_object().into_iter().flat_map(serde_json::Map::keys).map(String::as_str).collect();
        return Err((format!("it has no key `{key}`"), Some(format!("it has: {}", known.join(", ")))));
    };
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded).map_err(|error| (error.to_string(), None))?;
    String::from_utf8(bytes).map_err(|_| ("its value is not text".into(), None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_person_can_look_at_it() {
        assert_eq!(asked(&Name::parse("apps/secret/gitea").unwrap()), "secret gitea --namespace apps");
    }

    #[test]
    fn a_key_of_a_secret_is_decoded_and_a_missing_one_names_those_there_are() {
        let object = json!({"data": {"password": "aHVudGVyMjI="}});
        assert_eq!(value_of(&object, "password").unwrap(), "hunter22");
        assert_eq!(value_of(&object, "passwort").unwrap_err().1.unwrap(), "it has: password");
    }
}
