//! The verbs a script may say, a folder per namespace. This is a list of names and nothing else.

use crate::host::Host;
use crate::script::{Fault, Primitive};
use rhai::Dynamic;

pub mod backup;
pub mod command;
pub mod core;
pub mod helm;
pub mod http;
pub mod kube;
pub mod probe;
pub mod repo;
pub mod secret;
pub mod settings;
pub mod sops;
pub mod sql;
#[cfg(test)]
pub mod trial;

pub fn all() -> Vec<Primitive> {
    vec![
        backup::primitive(),
        command::primitive(),
        core::primitive(),
        helm::primitive(),
        http::primitive(),
        kube::primitive(),
        probe::primitive(),
        repo::primitive(),
        secret::primitive(),
        settings::primitive(),
        sops::primitive(),
        sql::primitive(),
    ]
}

/// What a value given as the subject of evidence stands for, where a primitive knows: a database's own identity.
pub fn identity_of(host: &Host, subject: &Dynamic) -> Result<Option<String>, Fault> {
    sql::identity_of(host, subject)
}
