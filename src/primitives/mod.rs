//! The verbs a script may say, a folder per namespace. This is a list of names and nothing else.

use crate::script::Primitive;

pub mod helm;
pub mod kube;
pub mod sops;
pub mod sql;

pub fn all() -> Vec<Primitive> {
    vec![helm::primitive(), kube::primitive(), sops::primitive(), sql::primitive()]
}
