//! The verbs a script may say, a folder per namespace. This is a list of names and nothing else.

use crate::host::Host;
use crate::script::{Fault, Primitive};
use rhai::Dynamic;

pub mod helm;
pub mod kube;
pub mod probe;
pub mod sops;
pub mod sql;

pub fn all() -> Vec<Primitive> {
    vec![helm::primitive(), kube::primitive(), probe::primitive(), sops::primitive(), sql::primitive()]
}

/// What a value given as the subject of evidence stands for, where a primitive knows: a database's own identity.
pub fn identity_of(_host: &Host, _subject: &Dynamic) -> Result<Option<String>, Fault> {
    Ok(None)
}
