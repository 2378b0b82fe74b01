//! The bodies of a script's functions. Rhai keeps them behind a type that it does not export, so they are copied out
//! by its own walker; scripts are small.

use rhai::{AST, ASTNode, Module, ScriptFuncDef, Shared, Stmt};

pub struct Function {
    pub def: Shared<ScriptFuncDef>,
    pub body: Vec<Stmt>,
}

/// Every function of a script, closures too.
pub fn functions(ast: &AST) -> Vec<Function> {
    ast.iter_fn_def().map(|def| Function { def: def.clone(), body: body(def) }).collect()
}

fn body(def: &Shared<ScriptFuncDef>) -> Vec<Stmt> {
    let mut module = Module::new();
    module.set_script_fn(def.clone());
    let mut body = Vec::new();
    AST::new_from_module(module).walk(&mut |path: &[ASTNode<'_>]| {
        if let [ASTNode::Stmt(statement)] = path {
            body.push((*statement).clone());
        }
        true
    });
    body
}
