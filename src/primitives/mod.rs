//! The verbs a script may say, a folder per namespace. This is a list of names and nothing else.

use crate::script::Primitive;

pub mod backup;
pub mod command;
pub mod core;
pub mod evidence;
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
        evidence::primitive(),
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
