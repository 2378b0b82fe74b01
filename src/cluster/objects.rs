//! Objects as JSON: get, list, apply, patch, create, delete. Every change takes a permit or is a preview that the
//! API server itself only tries (`dryRun=All`).

use super::kinds::{Kind, Kinds};
use super::{Cluster, ClusterError, KindName, Name, error};
use crate::effect::Permit;
use kube::core::Request;
use kube::core::params::{DeleteParams, GetParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// How long the API may take for one answer.
const ANSWER: Duration = Duration::from_secs(60);
/// Objects asked for at once; a longer list comes in pages.
const PAGE: u32 = 500;
/// The field manager of everything that is changed here.
pub const MANAGER: &str = "railrun";

type Built = Result<http::Request<Vec<u8>>, kube::core::request::Error>;

impl Cluster {
    /// An object as JSON, `None` where it or its namespace is not there, or where its kind is named with its group
    /// (`cluster.postgresql.cnpg.io`) and the cluster does not serve it.
    pub async fn get(&self, name: &Name) -> Result<Option<Value>, ClusterError> {
        let kind = match self.kind(&name.kind).await {
            Err(ClusterError::UnknownKind { .. }) if name.kind.contains('.') => return Ok(None),
            kind => kind?,
        };
        let request = Request::new(path(&kind, name)?).get(&name.name, &GetParams::default());
        found(self.send("read", &name.to_string(), request).await)
    }

    /// The live object of a manifest, `None` where it, its namespace or its kind is not there.
    pub async fn live(&self, object: &Value) -> Result<Option<Value>, ClusterError> {
        let (kind, name) = match self.named_by(object).await {
            Err(ClusterError::UnknownKind { .. }) => return Ok(None),
            named => named?,
        };
        let request = Request::new(path(&kind, &name)?).get(&name.name, &GetParams::default());
        found(self.send("read", &name.to_string(), request).await)
    }

    /// The objects of one kind, in one namespace or in all, that carry these labels.
    pub async fn list(&self, kind: &KindName, labels: Option<&str>) -> Result<Vec<Value>, ClusterError> {
        self.list_where(kind, labels, None).await
    }

    pub(super) async fn list_where(&self, name: &KindName, labels: Option<&str>, fields: Option<&str>) -> Result<Vec<Value>, ClusterError> {
        let kind = self.kind(&name.kind).await?;
        if !kind.namespaced && name.namespace.is_some() {
            return Err(no_namespace(&name.to_string(), &kind.singular));
        }
        let request = Request::new(kind.path(name.namespace.as_deref()));
        let mut asked = ListParams {
            limit: Some(PAGE),
            label_selector: labels.map(Into::into),
            field_selector: fields.map(Into::into),
            ..ListParams::default()
        };
        let mut objects = Vec::new();
        loop {
            let mut page = self.send("list", &name.to_string(), request.list(&asked)).await?;
            let items = page["items"].as_array_mut().map(std::mem::take).unwrap_or_default();
            objects.extend(items.into_iter().map(|item| with_kind(item, &kind)));
            match page["metadata"]["continue"].as_str().filter(|token| !token.is_empty()) {
                Some(token) => asked.continue_token = Some(token.to_owned()),
                None => return Ok(objects),
            }
        }
    }

    /// What a server-side apply would make of `object`; nothing is stored.
    pub async fn preview_apply(&self, object: &Value, manager: &str, force: bool) -> Result<Value, ClusterError> {
        self.apply_with(object, &PatchParams { force, ..PatchParams::apply(manager).dry_run() }).await
    }

    /// Server-side apply. Without `force` a field that another manager keeps is a conflict.
    pub async fn apply(&self, _: &Permit, object: &Value, manager: &str, force: bool) -> Result<Value, ClusterError> {
        self.apply_with(object, &PatchParams { force, ..PatchParams::apply(manager) }).await
    }

    async fn apply_with(&self, object: &Value, how: &PatchParams) -> Result<Value, ClusterError> {
        let (kind, name) = self.named_by(object).await?;
        let request = Request::new(path(&kind, &name)?).patch(&name.name, how, &Patch::Apply(object));
        self.send("apply", &name.to_string(), request).await
    }

    /// A JSON merge patch.
    pub async fn patch(&self, _: &Permit, name: &Name, patch: &Value) -> Result<Value, ClusterError> {
        self.patch_with(name, patch, &manager()).await
    }

    /// What a JSON merge patch would make of the object; nothing is stored.
    pub async fn preview_patch(&self, name: &Name, patch: &Value) -> Result<Value, ClusterError> {
        self.patch_with(name, patch, &manager().dry_run()).await
    }

    async fn patch_with(&self, name: &Name, patch: &Value, how: &PatchParams) -> Result<Value, ClusterError> {
        let kind = self.kind(&name.kind).await?;
        let request = Request::new(path(&kind, name)?).patch(&name.name, how, &Patch::Merge(patch));
        self.send("patch", &name.to_string(), request).await
    }

    /// What laying the manifest over the live object would make of it, for a manifest that server-side apply does not
    /// take (an environment variable named twice); nothing is stored.
    pub async fn preview_merge(&self, object: &Value) -> Result<Value, ClusterError> {
        let (kind, name) = self.named_by(object).await?;
        let request = Request::new(path(&kind, &name)?).patch(&name.name, &manager().dry_run(), &Patch::Strategic(object));
        self.send("merge", &name.to_string(), request).await
    }

    /// What replacing an object by this one would make of it, the server's defaults put in; nothing is stored.
    pub async fn preview_replace(&self, object: &Value) -> Result<Value, ClusterError> {
        let (kind, name) = self.named_by(object).await?;
        let how = PostParams { dry_run: true, field_manager: Some(MANAGER.into()) };
        let request = Request::new(path(&kind, &name)?).replace(&name.name, &how, object.to_string().into_bytes());
        self.send("replace", &name.to_string(), request).await
    }

    /// Creates an object that must not be there yet.
    pub async fn create(&self, _: &Permit, object: &Value) -> Result<Value, ClusterError> {
        let (kind, name) = self.named_by(object).await?;
        let how = PostParams { field_manager: Some(MANAGER.into()), ..PostParams::default() };
        let request = Request::new(path(&kind, &name)?).create(&how, object.to_string().into_bytes());
        self.send("create", &name.to_string(), request).await
    }

    /// Asks for an object's deletion; `false` where there was none. [`Cluster::wait_gone`] waits for its end.
    pub async fn delete(&self, permit: &Permit, name: &Name) -> Result<bool, ClusterError> {
        self.delete_within(permit, name, None).await
    }

    /// The same with a grace period of its own, in seconds; 0 takes it away without asking its node.
    pub async fn delete_within(&self, _: &Permit, name: &Name, grace: Option<u32>) -> Result<bool, ClusterError> {
        let kind = self.kind(&name.kind).await?;
        let how = DeleteParams { grace_period_seconds: grace, ..DeleteParams::background() };
        let request = Request::new(path(&kind, name)?).delete(&name.name, &how);
        Ok(found(self.send("delete", &name.to_string(), request).await)?.is_some())
    }

    /// What a name means: `deploy`, `deployments` and `deployment.apps` are one kind.
    pub async fn kind(&self, word: &str) -> Result<Kind, ClusterError> {
        self.look_up(|kinds| kinds.named(word).cloned(), word).await
    }

    /// The kind and the name of a manifest. An object without a namespace that needs one is refused.
    async fn named_by(&self, object: &Value) -> Result<(Kind, Name), ClusterError> {
        let bad = |reason: &str| ClusterError::BadObject { name: brief(object), reason: reason.into() };
        let name = object["metadata"]["name"].as_str().ok_or_else(|| bad("it has no `metadata.name`"))?;
        let word = object["kind"].as_str().ok_or_else(|| bad("it has no `kind`"))?;
        let version = object["apiVersion"].as_str().ok_or_else(|| bad("it has no `apiVersion`"))?;
        let kind = self.look_up(|kinds| kinds.of(object).cloned(), &format!("{word} ({version})")).await?;
        let namespace = object["metadata"]["namespace"].as_str().map(str::to_owned);
        let name = Name { namespace, kind: kind.singular.clone(), name: name.to_owned() };
        Ok((kind, name))
    }

    /// Looks a kind up in what is known, and once more in what the cluster serves by now.
    async fn look_up(&self, find: impl Fn(&Kinds) -> Option<Kind>, word: &str) -> Result<Kind, ClusterError> {
        let mut known = self.kinds.lock().await;
        if let Some(kind) = known.as_ref().and_then(|kinds| find(kinds)) {
            return Ok(kind);
        }
        let asked = "which kinds it serves";
        let fetch = async { tokio::try_join!(self.api.list_core_api_versions_aggregated(), self.api.list_api_groups_aggregated()) };
        let lists = tokio::time::timeout(ANSWER, fetch).await.map_err(|elapsed| error::unreachable(&elapsed))?;
        let (core, groups) = lists.map_err(|error| error::explain("say", asked, error))?;
        let kinds = Arc::new(Kinds::new(&[core, groups]));
        *known = Some(Arc::clone(&kinds));
        find(&kinds).ok_or_else(|| kinds.unknown(word))
    }

    pub(super) async fn send(&self, attempt: &str, name: &str, request: Built) -> Result<Value, ClusterError> {
        let request = request.map_err(|error| error::explain(attempt, name, kube::Error::BuildRequest(error)))?;
        let answer = tokio::time::timeout(ANSWER, self.api.request(request)).await;
        answer.map_err(|elapsed| error::unreachable(&elapsed))?.map_err(|error| error::explain(attempt, name, error))
    }
}

fn manager() -> PatchParams {
    PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() }
}

fn found(answer: Result<Value, ClusterError>) -> Result<Option<Value>, ClusterError> {
    match answer {
        Err(error) if error.is_not_found() => Ok(None),
        answer => answer.map(Some),
    }
}

/// Where an object lies; a namespace that is missing, or one too many, is said before anything is sent.
pub(super) fn path(kind: &Kind, name: &Name) -> Result<String, ClusterError> {
    if !is_segment(&name.name) || !name.namespace.as_deref().is_none_or(is_segment) {
        let help = "names are lower-case letters, digits, `-` and `.`".into();
        return Err(ClusterError::Misnamed { name: name.to_string(), wrong: "is not a name that an object can have", help });
    }
    match (kind.namespaced, &name.namespace) {
        (true, None) => {
            let help = format!("write it like `NAMESPACE/{}/{}`", kind.singular, name.name);
            Err(ClusterError::Misnamed { name: name.to_string(), wrong: "names no namespace", help })
        }
        (false, Some(_)) => Err(no_namespace(&name.to_string(), &format!("{}/{}", kind.singular, name.name))),
        (_, namespace) => Ok(kind.path(namespace.as_deref())),
    }
}

fn no_namespace(name: &str, instead: &str) -> ClusterError {
    let wrong = "names a namespace, but this kind lives in none";
    ClusterError::Misnamed { name: name.into(), wrong, help: format!("write it like `{instead}`") }
}

/// Whether a text can stand in a path of the API without meaning something else there.
fn is_segment(text: &str) -> bool {
    !text.is_empty() && text != "." && text != ".." && text.chars().all(|char| char.is_ascii_alphanumeric() || "-._:".contains(char))
}

/// Items of a list come without their kind.
fn with_kind(mut item: Value, kind: &Kind) -> Value {
    if let Some(object) = item.as_object_mut() {
        object.entry("apiVersion").or_insert_with(|| kind.api_version().into());
        object.entry("kind").or_insert_with(|| kind.kind.clone().into());
    }
    item
}

fn brief(object: &Value) -> String {
    let text = object.to_string();
    if text.chars().count() > 60 { text.chars().take(60).collect::<String>() + "…" } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(namespaced: bool) -> Kind {
        let list = serde_json::json!({"items": [{"versions": [{"version": "v1", "resources": [{"resource": "pods", "singularResource": "pod",
            "responseKind": {"kind": "Pod"}, "scope": if namespaced { "Namespaced" } else { "Cluster" }}]}]}]});
        Kinds::new(&[serde_json::from_value(list).unwrap()]).named("pod").unwrap().clone()
    }

    #[test]
    fn a_name_leads_to_one_place_of_the_api() {
        assert_eq!(path(&kind(true), &Name::new("a", "pod", "p")).unwrap(), "/api/v1/namespaces/a/pods");
        assert_eq!(path(&kind(false), &Name::parse("pod/p").unwrap()).unwrap(), "/api/v1/pods");
    }

    #[test]
    fn a_namespace_missing_or_too_many_is_said_with_the_right_way_to_write_it() {
        let error = path(&kind(true), &Name::parse("pod/p").unwrap()).unwrap_err();
        assert_eq!(miette::Diagnostic::help(&error).unwrap().to_string(), "write it like `NAMESPACE/pod/p`");
        let error = path(&kind(false), &Name::new("a", "pod", "p")).unwrap_err();
        assert_eq!(miette::Diagnostic::help(&error).unwrap().to_string(), "write it like `pod/p`");
    }

    #[test]
    fn a_name_that_would_change_the_path_is_refused() {
        for name in ["..", "p?x=1", "p%2fx", "ü", "p x"] {
            assert!(path(&kind(true), &Name::new("a", "pod", name)).is_err(), "{name}");
            assert!(path(&kind(true), &Name::new(name, "pod", "p")).is_err(), "{name}");
        }
    }
}
