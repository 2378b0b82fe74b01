//! What a script may say about evidence: facts that cannot be asked again, stored in the platform as ConfigMaps keyed by
//! what they are about. When that subject has changed its key is another one, and the fact is void by itself.

use crate::cluster::Name;
use crate::database::{DatabaseError, Gateway};
use crate::effect::{Change, Diff, Preview};
use crate::host::Host;
use crate::script::target::{is_target, target};
use crate::script::{Fault, Primitive, RhaiResultOf, Verb, bind, read, value};
use jiff::Timestamp;
use miette::Diagnostic;
use rhai::plugin::*;
use rhai::{Dynamic, Map, NativeCallContext};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
enum EvidenceError {
    #[error("no evidence `{name}` about {subject}")]
    #[diagnostic(code(evidence::not_found), help("run the task that records it: it is void once its subject has changed"))]
    NotFound { name: String, subject: String },
    #[error("evidence `{name}` cannot be read: {reason}")]
    #[diagnostic(code(evidence::unreadable), help("delete `{place}` and run the task again"))]
    Unreadable { name: String, place: String, reason: String },
}

#[export_module]
mod verbs {
    /// Stores a fact about a subject: a database (kept by what it is, not by its address), a release, any plain value.
    ///
    /// ```rhai
    /// evidence::record("certificate", target, sql::copy(source, target));
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn record(ctx: NativeCallContext, name: &str, subject: Dynamic, fact: Dynamic) -> RhaiResultOf<Dynamic> {
        bind(&ctx, |host| keep(host, name, &subject, &fact))
    }

    /// The fact that was stored about a subject, with `recorded_at` and `age_seconds`. There is none once the subject has
    /// changed.
    ///
    /// ```rhai
    /// let proven = evidence::find("certificate", target).equal;
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn find(ctx: NativeCallContext, name: &str, subject: Dynamic) -> RhaiResultOf<Dynamic> {
        let about = titled(&subject).unwrap_or_default();
        read(&ctx, &[&about], |host| look_up(host, name, &subject))
    }
}

/// Where evidence lives.
struct Place {
    namespace: String,
    name: Name,
    about: String,
}

fn place(host: &Host, name: &str, subject: &Dynamic) -> Result<Place, Fault> {
    let about = identity(host, subject)?;
    let digest = Sha256::digest(format!("{name}\n{about}"));
    let short = crate::webdav::hex(&digest[..6]);
    let namespace = host.settings.text("evidence.namespace").unwrap_or_else(|_| "default".into());
    let object = format!("railrun-{name}-{short}");
    Ok(Place { name: Name::new(&namespace, "configmap", &object), namespace, about })
}

/// What a subject is, in words that change when it does: a database's own identity, or the plain value.
fn identity(host: &Host, subject: &Dynamic) -> Result<String, Fault> {
    if !is_target(subject) {
        return Ok(value::plain(subject).to_string());
    }
    let target = target(subject.clone().cast::<Map>())?;
    let access = target.unlock(host)?;
    let gateway = Gateway::on(host)?;
    let identity = host.wait::<_, DatabaseError, Fault>(gateway.identity(access))?;
    Ok(identity.to_string())
}

fn keep(host: &Host, name: &str, subject: &Dynamic, fact: &Dynamic) -> Result<crate::effect::Outcome<()>, Fault> {
    let titled = titled(subject)?;
    host.change(
        Change::new("evidence record", format!("{name} about {titled}")).touching(titled),
        || {
            let place = place(host, name, subject)?;
            Ok::<_, Fault>(Preview::differs(Diff::new().note(format!("kept in {}", place.name))))
        },
        |permit, _| {
            let place = place(host, name, subject)?;
            let object = json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": place.name.name, "namespace": place.namespace, "labels": {"app.kubernetes.io/managed-by": "railrun"}},
                "data": {"about": host.redactor.redact(&place.about), "run": host.run_id, "at": jiff::Timestamp::now().to_string(), "fact": value::plain(fact).to_string()},
            });
            let cluster = host.cluster()?;
            host.wait::<_, _, Fault>(cluster.apply(permit, &object, "railrun", true)).map(|_| ())
        },
    )
}

/// What a subject is called before it can be asked: a dry run knows by it what it would have to wait for.
fn titled(subject: &Dynamic) -> Result<String, Fault> {
    if is_target(subject) {
        return Ok(target(subject.clone().cast::<Map>())?.resource());
    }
    Ok(value::plain(subject).to_string())
}

fn look_up(host: &Host, name: &str, subject: &Dynamic) -> Result<Value, Fault> {
    let place = place(host, name, subject)?;
    let found: Option<Value> = host.wait::<_, _, Fault>(host.cluster()?.get(&place.name))?;
    let object = found.ok_or_else(|| EvidenceError::NotFound { name: name.to_owned(), subject: shortened(&place.about).to_owned() })?;
    let unreadable = |reason: String| EvidenceError::Unreadable { name: name.to_owned(), place: place.name.to_string(), reason };
    let fact = object["data"]["fact"].as_str().ok_or_else(|| unreadable("it holds no fact".into()))?;
    let mut fact: Value = serde_json::from_str(fact).map_err(|error| unreadable(error.to_string()))?;
    if let Some(map) = fact.as_object_mut() {
        let at: Timestamp =
            object["data"]["at"].as_str().unwrap_or_default().parse().map_err(|_| unreadable("it does not say when".into()))?;
        map.insert("recorded_at".into(), at.to_string().into());
        map.insert("age_seconds".into(), Timestamp::now().duration_since(at).as_secs().max(0).into());
    }
    Ok(fact)
}

/// A subject that is more than a name may be a whole file of values: nobody reads that.
fn shortened(about: &str) -> &str {
    if about.starts_with(['{', '[']) { "these settings and values" } else { about }
}

pub fn primitive() -> Primitive {
    Primitive { name: "evidence", module: exported_module!(verbs), verbs: vec![Verb::state("record"), Verb::read("find")], types: |_| {} }
}
