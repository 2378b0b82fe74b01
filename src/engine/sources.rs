//! Every script text of a run, with its compiled form, by the name that reports show (`scripts/t02.rhai`,
//! `stdlib/gitea.rhai`). Where an import leads is `resolve`'s business; nothing here is evaluated.

use crate::engine::load::LoadError;
use crate::engine::{profile, wording};
use crate::script::{Fault, Origin};
use rhai::{AST, Engine, ParseError};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One script text and what it compiled to.
pub struct Source {
    /// Relative to the repository's root where it lies inside; the same name on every machine.
    pub name: String,
    pub text: Arc<str>,
    /// The names after `import` in it. One in a comment too many does no harm.
    pub imports: Vec<String>,
    /// Of the text.
    pub digest: [u8; 32],
    /// Empty where the text does not compile.
    pub ast: AST,
    failed: Option<Fault>,
}

/// The scripts of one repository. Cloning is cheap and shares what was read.
#[derive(Clone)]
pub struct Sources(Arc<Shelf>);

struct Shelf {
    root: PathBuf,
    parser: Engine,
    read: Mutex<BTreeMap<String, Arc<Source>>>,
    /// What an import meant, by the importer's folder and the name: what was checked is what runs.
    imports: Mutex<BTreeMap<(PathBuf, String), Arc<Source>>>,
    /// Which file an anonymous function was written in: Rhai reports a closure with its caller's source.
    closures: Mutex<BTreeMap<String, Vec<String>>>,
}

impl Sources {
    pub fn new(root: PathBuf) -> Self {
        let root = root.canonicalize().unwrap_or(root);
        Self(Arc::new(Shelf {
            root,
            parser: profile::parser(),
            read: Mutex::default(),
            imports: Mutex::default(),
            closures: Mutex::default(),
        }))
    }

    pub fn root(&self) -> &Path {
        &self.0.root
    }

    /// The name a file goes by: relative to the root where it lies inside.
    pub fn name_of(&self, path: &Path) -> String {
        path.strip_prefix(&self.0.root).unwrap_or(path).display().to_string()
    }

    /// Where a source of this name lies, if it is a file.
    pub fn path_of(&self, name: &str) -> PathBuf {
        self.0.root.join(name)
    }

    /// What an import of this name means in this folder: found once, the same from then on.
    pub fn imported(&self, folder: &Path, name: &str, find: impl FnOnce() -> Result<Arc<Source>, Fault>) -> Result<Arc<Source>, Fault> {
        let key = (folder.to_owned(), name.to_owned());
        if let Some(known) = lock(&self.0.imports).get(&key) {
            return Ok(known.clone());
        }
        let found = find()?;
        lock(&self.0.imports).insert(key, found.clone());
        Ok(found)
    }

    /// What was read under this name.
    pub fn get(&self, name: &str) -> Option<Arc<Source>> {
        lock(&self.0.read).get(name).cloned()
    }

    /// Compiles a text, once per name and content. Nothing is evaluated.
    pub fn compile(&self, name: &str, text: &str) -> Result<Arc<Source>, Fault> {
        let source = match self.get(name).filter(|known| &*known.text == text) {
            Some(known) => known,
            None => self.read(name, text),
        };
        source.failed.clone().map_or(Ok(source), Err)
    }

    /// Compiles a text and keeps it, also where it does not compile: reports show it.
    fn read(&self, name: &str, text: &str) -> Arc<Source> {
        let (mut ast, failed) = match self.0.parser.compile(text) {
            Ok(ast) => (ast, None),
            Err(error) => (AST::empty(), Some(syntax(name, &error))),
        };
        ast.set_source(name);
        let named = text.split("import \"").skip(1).filter_map(|rest| rest.split('"').next());
        let imports = named.map(str::to_owned).collect();
        let digest = Sha256::digest(text).into();
        let source = Arc::new(Source { name: name.to_owned(), text: text.into(), imports, digest, ast, failed });
        self.remember_closures(&source);
        lock(&self.0.read).insert(name.to_owned(), source.clone());
        source
    }

    /// The file that a function was written in: for a named one what Rhai says, for a closure the index.
    pub fn file_of<'s>(&self, function: &str, said: &'s str) -> std::borrow::Cow<'s, str> {
        let closures = lock(&self.0.closures);
        match closures.get(function) {
            Some(files) if !files.iter().any(|file| file == said) => files[0].clone().into(),
            _ => said.into(),
        }
    }

    fn remember_closures(&self, source: &Source) {
        let mut closures = lock(&self.0.closures);
        for function in source.ast.iter_fn_def().filter(|function| function.name.starts_with("anon$")) {
            let files = closures.entry(function.name.to_string()).or_default();
            if !files.contains(&source.name) {
                files.push(source.name.clone());
            }
        }
    }
}

fn syntax(name: &str, error: &ParseError) -> Fault {
    let said = wording::of_syntax(error);
    Fault::from(LoadError::Syntax { message: said.message, help: said.help }).at(Origin { source: name.into(), position: error.position() })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
