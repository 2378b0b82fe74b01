//! Why an object is not ready: one cause, ranked from what the cluster shows.

use miette::Diagnostic;

/// One root cause.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Diagnosis {
    /// In a few words, to follow "it is not ready: …".
    pub cause: String,
    /// Lines that prove it.
    pub detail: Vec<String>,
    /// One next step.
    pub help: String,
    /// It cannot heal by itself.
    pub doomed: bool,
}

/// An object did not become ready.
#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
#[error("`{name}` did not become ready")]
#[diagnostic(code(kube::not_ready))]
pub struct NotReady {
    pub name: String,
}
