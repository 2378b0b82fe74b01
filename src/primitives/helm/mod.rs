//! What a script may say about helm.

use crate::script::Primitive;
use rhai::plugin::*;

#[export_module]
mod verbs {}

pub fn primitive() -> Primitive {
    Primitive { name: "helm", module: exported_module!(verbs), verbs: vec![], types: |_| {} }
}
