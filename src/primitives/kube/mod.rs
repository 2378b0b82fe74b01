//! What a script may say about kube.

use crate::script::Primitive;
use rhai::plugin::*;

#[export_module]
mod verbs {}

pub fn primitive() -> Primitive {
    Primitive { name: "kube", module: exported_module!(verbs), verbs: vec![], types: |_| {} }
}
