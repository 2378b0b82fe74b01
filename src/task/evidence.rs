//! Facts that cannot be asked again, stored in the platform: a ConfigMap keyed by what the fact is about.
//! When that subject has changed its key is another one, and the fact is void by itself.

use crate::cluster::Name;
use crate::effect::{Change, Diff, Preview};
use crate::host::Host;
use crate::script::{Fault, RhaiResultOf, bind, read, value};
use miette::Diagnostic;
use rhai::{Dynamic, NativeCallContext};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
enum EvidenceError {
    #[error("no evidence `{name}` about {subject}")]
    #[diagnostic(code(evidence::not_found), help("run the task that records it: it is void once its subject has changed"))]
    NotFound { name: String, subject: String },
    #[error("evidence `{name}` cannot be read: {reason}")]
    #[diagnostic(code(evidence::unreadable), help("delete the ConfigMap `{place}` and run the task again"))]
    Unreadable { name: String, place: String, reason: String },
}

/// Where evidence lives.
struct Place {
    namespace: String,
    name: Name,
    about: String,
}

fn place(host: &Host, task: &str, name: &str, subject: &Dynamic) -> Result<Place, Fault> {
    let about = identity(host, subject)?;
    let digest = Sha256::digest(format!("{task}\n{name}\n{about}"));
    let short: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let namespace = host.settings.text("evidence.namespace").unwrap_or_else(|_| "default".into());
    let object = format!("railrun-{}-{name}-{short}", task.to_lowercase());
    Ok(Place { name: Name::new(&namespace, "configmap", &object), namespace, about })
}

/// What a subject is, in words that change when it does.
fn identity(host: &Host, subject: &Dynamic) -> Result<String, Fault> {
    if let Some(identity) = crate::primitives::identity_of(host, subject)? {
        return Ok(identity);
    }
    Ok(value::plain(subject).to_string())
}

pub fn record(ctx: &NativeCallContext, task: &str, name: &str, subject: &Dynamic, fact: &Dynamic) -> RhaiResultOf<Dynamic> {
    bind(ctx, |host| {
        let place = place(host, task, name, subject)?;
        let object = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": place.name.name, "namespace": place.namespace, "labels": {"app.kubernetes.io/managed-by": "railrun"}},
            "data": {"about": place.about, "run": host.run_id, "at": jiff::Timestamp::now().to_string(), "fact": value::plain(fact).to_string()},
        });
        host.change(
            Change::new("record", format!("{name} about {}", place.about)).touching(place.name.to_string()),
            || Ok(Preview::<()>::differs(Diff::new().note(format!("kept in {}", place.name)))),
            |permit, _| {
                let cluster = host.cluster()?;
                host.wait::<_, _, Fault>(cluster.apply(permit, &object, "railrun", true)).map(|_| ())
            },
        )
    })
}

pub fn find(ctx: &NativeCallContext, task: &str, name: &str, subject: &Dynamic) -> RhaiResultOf<Dynamic> {
    read(ctx, &[], |host| {
        let place = place(host, task, name, subject)?;
        let found: Option<Value> = host.wait::<_, _, Fault>(host.cluster()?.get(&place.name))?;
        let object = found.ok_or_else(|| EvidenceError::NotFound { name: name.to_owned(), subject: place.about.clone() })?;
        let unreadable = |reason: String| EvidenceError::Unreadable { name: name.to_owned(), place: place.name.to_string(), reason };
        let fact = object["data"]["fact"].as_str().ok_or_else(|| unreadable("it holds no fact".into()))?;
        let mut fact: Value = serde_json::from_str(fact).map_err(|error| unreadable(error.to_string()))?;
        if let Some(map) = fact.as_object_mut() {
            map.insert("recorded_at".into(), object["data"]["at"].clone());
        }
        Ok(fact)
    })
}
