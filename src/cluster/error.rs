//! What can go wrong between here and the Kubernetes API, in words a reader can act on. How an answer of the API
//! becomes one of these is decided here; where in a script it happened is the script floor's business.

use crate::cluster::NameError;
use crate::cluster::diagnose::NotReady;
use crate::effect::Interrupted;
use kube::core::Status;
use miette::Diagnostic;

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
pub enum ClusterError {
    #[error("no kubeconfig was found")]
    #[diagnostic(code(kube::no_kubeconfig), help("looked at {looked}; pass `--kubeconfig FILE` or set `kubeconfig` for the environment"))]
    NoKubeconfig { looked: String },
    #[error("cannot use the kubeconfig `{path}`: {reason}")]
    #[diagnostic(code(kube::bad_kubeconfig), help("{help}"))]
    BadKubeconfig { path: String, reason: String, help: String },
    #[error("`{path}` has no context {context}")]
    #[diagnostic(code(kube::unknown_context), help("{help}"))]
    UnknownContext { path: String, context: String, help: String },
    #[error("the cluster behind `{path}` is {uid}, the environment is pinned to {pinned}")]
    #[diagnostic(
        code(kube::wrong_cluster),
        help("choose the right context or environment; `railrun env pin` pins another cluster on purpose")
    )]
    WrongCluster { path: String, uid: String, pinned: String },
    #[error("cannot reach the cluster: {reason}")]
    #[diagnostic(code(kube::unreachable), help("{help}"))]
    Unreachable { reason: String, help: String },
    #[error("the cluster does not accept who we are: {reason}")]
    #[diagnostic(
        code(kube::unauthorized),
        help("the credentials of the kubeconfig `{path}` may have expired; log in again or fetch a new one")
    )]
    Unauthorized { reason: String, path: String },
    #[error("not allowed to {attempt}: {reason}")]
    #[diagnostic(code(kube::forbidden), help("grant this right to the user of the kubeconfig"))]
    Forbidden { attempt: String, reason: String },
    #[error("there is no `{name}`")]
    #[diagnostic(code(kube::not_found))]
    NotFound { name: String },
    #[error("the cluster knows no kind `{kind}`")]
    #[diagnostic(code(kube::unknown_kind), help("{help}"))]
    UnknownKind { kind: String, help: String },
    #[error("`{name}` {wrong}")]
    #[diagnostic(code(kube::bad_name), help("{help}"))]
    Misnamed { name: String, wrong: &'static str, help: String },
    #[error("`{name}` is not an object that can be applied: {reason}")]
    #[diagnostic(code(kube::bad_object), help("an object has `apiVersion`, `kind` and `metadata.name`"))]
    BadObject { name: String, reason: String },
    #[error("cannot apply `{name}`: {}", conflicts.join("; "))]
    #[diagnostic(code(kube::conflict), help("leave the field out, or change it where its manager keeps it"))]
    Conflict { name: String, conflicts: Vec<String> },
    #[error("cannot change `{name}` in place: {reason}")]
    #[diagnostic(code(kube::immutable), help("delete it (with its dependents kept, if they matter) and create it anew"))]
    Immutable { name: String, reason: String },
    #[error("server-side apply does not take `{name}`: {reason}")]
    #[diagnostic(code(kube::untyped), help("look at the field that is named: a wrong type, or a list item that is there twice"))]
    Untyped { name: String, reason: String },
    #[error("`{name}` is there already")]
    #[diagnostic(code(kube::exists), help("use `kube::apply` to change it"))]
    Exists { name: String },
    #[error("the cluster refused to {attempt}: {reason}")]
    #[diagnostic(code(kube::refused))]
    Refused {
        attempt: String,
        reason: String,
        #[help]
        help: Option<String>,
    },
    #[error("a dry run sends no `{request}`")]
    #[diagnostic(code(kube::dry_run), help("this is a fault of the verb: it should have asked for a permit"))]
    DryRun { request: String },
    #[error("cannot run a command in `{pod}`: {reason}")]
    #[diagnostic(code(kube::cannot_exec))]
    CannotExec {
        pod: String,
        reason: String,
        #[help]
        help: Option<String>,
    },
    #[error("cannot reach port {port} of `{pod}`: {reason}")]
    #[diagnostic(code(kube::cannot_forward), help("`kube::diagnose(\"{pod}\")` says how the pod is"))]
    CannotForward { pod: String, port: u16, reason: String },
    #[error("{what} after {waited}: {last}")]
    #[diagnostic(code(kube::timed_out), help("wait longer (`timeout`), or see `kube::events`"))]
    TimedOut { what: String, waited: String, last: String },
    #[error(transparent)]
    #[diagnostic(transparent)]
    NotReady(#[from] Box<NotReady>),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Name(#[from] NameError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Interrupted(#[from] Interrupted),
}

impl ClusterError {
    pub fn is_not_found(&self) -> bool {
        matches!(self, ClusterError::NotFound { .. })
    }

    /// Whether asking again may help: the API was away for a moment.
    pub fn is_transient(&self) -> bool {
        match self {
            ClusterError::Unreachable { .. } => true,
            ClusterError::Refused { help: Some(help), .. } => help == BUSY,
            _ => false,
        }
    }
}

/// What the API says, with status 500, of a manifest that does not fit its kind's schema.
const UNTYPED: &str = "typed patch object";
const BUSY: &str = "the API server is busy or starting; try again in a moment";

/// What the API answered to `attempt` (`get`, `apply` …) on `name`.
pub(super) fn explain(attempt: &str, name: &str, error: kube::Error) -> ClusterError {
    match error {
        kube::Error::Api(status) => refusal(attempt, name, &status),
        kube::Error::Service(error) if super::guard::refused(&*error).is_some() => {
            ClusterError::DryRun { request: super::guard::refused(&*error).unwrap_or_default() }
        }
        kube::Error::Service(error) if super::guard::fenced(&*error).is_some() => {
            ClusterError::Interrupted(Interrupted::LockLost(super::guard::fenced(&*error).unwrap_or_default()))
        }
        kube::Error::Auth(error) => ClusterError::Unauthorized { reason: error.to_string(), path: "in use".into() },
        kube::Error::SerdeError(error) => {
            ClusterError::Refused { attempt: doing(attempt, name), reason: format!("its answer is not understood: {error}"), help: None }
        }
        kube::Error::BuildRequest(error) => ClusterError::BadObject { name: name.into(), reason: error.to_string() },
        other => unreachable(&other),
    }
}

fn doing(attempt: &str, name: &str) -> String {
    format!("{attempt} `{name}`")
}

fn refusal(attempt: &str, name: &str, status: &Status) -> ClusterError {
    let name = name.to_owned();
    let reason = status.message.clone();
    let attempt = doing(attempt, &name);
    match status.code {
        401 => ClusterError::Unauthorized { reason, path: "in use".into() },
        403 if reason.contains("exceeded quota") => {
            let help = Some("raise the quota or ask for less".into());
            ClusterError::Refused { attempt, reason, help }
        }
        403 => ClusterError::Forbidden { attempt, reason },
        404 => ClusterError::NotFound { name: missing(&name, status) },
        409 if status.is_already_exists() => ClusterError::Exists { name },
        409 => match conflicts(status) {
            none if none.is_empty() => ClusterError::Conflict { name, conflicts: vec![reason] },
            conflicts => ClusterError::Conflict { name, conflicts },
        },
        422 if reason.contains("field is immutable") || reason.contains("Forbidden: updates to") => {
            ClusterError::Immutable { name, reason }
        }
        500 if reason.contains(UNTYPED) => ClusterError::Untyped { name, reason },
        429 | 500 | 503 | 504 if !reason.contains("webhook") => ClusterError::Refused { attempt, reason, help: Some(BUSY.into()) },
        _ => ClusterError::Refused { attempt, reason, help: None },
    }
}

/// What is not there: the object, or the namespace it should lie in.
fn missing(name: &str, status: &Status) -> String {
    match &status.details {
        Some(details) if details.kind == "namespaces" && !details.name.is_empty() => format!("namespace/{}", details.name),
        _ => name.to_owned(),
    }
}

/// Which field belongs to which manager, one for each cause that the API names.
fn conflicts(status: &Status) -> Vec<String> {
    let causes = status.details.iter().flat_map(|details| &details.causes).filter(|cause| cause.reason == "FieldManagerConflict");
    causes
        .map(|cause| {
            let manager = cause.message.split('"').nth(1).unwrap_or(&cause.message);
            format!("field `{}` belongs to `{manager}`", cause.field)
        })
        .collect()
}

/// No answer of the API at all: the innermost cause says most.
pub(super) fn unreachable(error: &dyn std::error::Error) -> ClusterError {
    let mut reason = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        reason = inner.to_string();
        cause = inner.source();
    }
    let help = if reason.contains("certificate") {
        "the kubeconfig's `certificate-authority-data` does not belong to this cluster; fetch the kubeconfig again"
    } else if reason.contains("elapsed") || reason.contains("timed out") {
        reason = "no answer within the time-out".into();
        "is the address in the kubeconfig the right one, and is a VPN or tunnel needed?"
    } else {
        "is the cluster running, and is the address in the kubeconfig the right one?"
    };
    ClusterError::Unreachable { reason, help: help.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answered(status: serde_json::Value) -> ClusterError {
        explain("apply", "a/deployment/b", kube::Error::Api(Box::new(serde_json::from_value(status).unwrap())))
    }

    #[test]
    fn a_conflict_names_the_field_and_its_manager() {
        let error = answered(json!({"code": 409, "reason": "Conflict", "message": "Apply failed with 1 conflict", "details": {"causes": [
            {"reason": "FieldManagerConflict", "message": "conflict with \"helm\" using apps/v1", "field": ".spec.replicas"}]}}));
        assert_eq!(error.to_string(), "cannot apply `a/deployment/b`: field `.spec.replicas` belongs to `helm`");
    }

    #[test]
    fn a_missing_namespace_is_named_itself() {
        let error = answered(json!({"code": 404, "reason": "NotFound", "message": "namespaces \"a\" not found",
            "details": {"kind": "namespaces", "name": "a"}}));
        assert_eq!(error.to_string(), "there is no `namespace/a`");
        assert!(error.is_not_found());
    }

    #[test]
    fn an_immutable_field_asks_for_a_new_object() {
        let error = answered(json!({"code": 422, "reason": "Invalid",
            "message": "StatefulSet.apps \"b\" is invalid: spec: Forbidden: updates to statefulset spec for fields other than 'replicas'"}));
        assert_eq!(error.code().unwrap().to_string(), "kube::immutable");
    }

    #[test]
    fn a_busy_server_is_a_passing_trouble_and_a_refusal_is_not() {
        assert!(answered(json!({"code": 503, "message": "apiserver not ready"})).is_transient());
        assert!(!answered(json!({"code": 422, "message": "spec.replicas: Invalid value"})).is_transient());
    }
}
