//! From a path to a compiled script. Nothing is evaluated, not even its imports: what they hold is seen by `check`.

use crate::engine::{Source, Sources, TaskHeader, resolve};
use crate::script::Fault;
use crate::script::value::nearest;
use miette::Diagnostic;
use rhai::AST;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
pub enum LoadError {
    #[error("there is no script `{path}`")]
    #[diagnostic(code(script::missing))]
    Missing {
        path: String,
        #[help]
        help: Option<String>,
    },
    #[error("`{path}` is not UTF-8 text: byte {at} is not part of a character")]
    #[diagnostic(code(script::not_text), help("save it as UTF-8"))]
    NotText { path: String, at: usize },
    #[error("`{path}` is empty")]
    #[diagnostic(code(script::empty), help("a script has at least one of `preconditions`, `steps`, `done_when`"))]
    Empty { path: String },
    #[error("cannot read `{path}`: {reason}")]
    #[diagnostic(code(script::unreadable))]
    Unreadable { path: String, reason: String },
    #[error("{message}")]
    #[diagnostic(code(script::syntax))]
    Syntax {
        message: String,
        #[help]
        help: Option<String>,
    },
}

/// A script that compiled.
#[derive(Clone)]
pub struct Script {
    pub path: PathBuf,
    /// What reports call it: relative to the repository's root.
    pub name: String,
    /// Its text.
    pub source: Arc<str>,
    pub ast: AST,
    /// What it and everything that it imports are made of, in one word.
    pub fingerprint: String,
    /// Its `TASK`, as far as it is well-formed: `check` says what is not.
    pub task: Option<TaskHeader>,
}

impl Script {
    pub(super) fn of(path: PathBuf, source: &Source, fingerprint: String) -> Self {
        let task = TaskHeader::read(source);
        Self { path, name: source.name.clone(), source: source.text.clone(), ast: source.ast.clone(), fingerprint, task }
    }

    /// Whether it declares this hook (`preconditions`, `steps`, `done_when`).
    pub fn has_hook(&self, name: &str) -> bool {
        self.ast.iter_functions().any(|function| function.name == name && function.params.len() == 1)
    }
}

/// Reads and compiles a script.
pub fn load(scripts: &Sources, path: &Path) -> Result<Script, Fault> {
    let found = path.canonicalize().map_err(|error| match error.kind() {
        ErrorKind::NotFound => missing(scripts, path),
        _ => unreadable(path, &error),
    })?;
    let name = scripts.name_of(&found);
    let text = read(&found).map_err(|fault| if fault.code() == "script::missing" { missing(scripts, path).into() } else { fault })?;
    if text.trim().is_empty() {
        return Err(LoadError::Empty { path: name }.into());
    }
    let source = scripts.compile(&name, &text)?;
    let fingerprint = fingerprint(scripts, &source);
    Ok(Script::of(found, &source, fingerprint))
}

/// A hash of a script and everything that it imports, however deep. An import that fails is `check`'s business.
fn fingerprint(scripts: &Sources, script: &Source) -> String {
    let imported = |source: &Source| {
        let found = source.imports.iter().filter_map(|name| resolve::import(scripts, &source.name, name).ok());
        found.collect::<Vec<_>>()
    };
    let mut digests = BTreeMap::from([(script.name.clone(), script.digest)]);
    let mut open = imported(script);
    while let Some(source) = open.pop() {
        if digests.insert(source.name.clone(), source.digest).is_none() {
            open.extend(imported(&source));
        }
    }
    let hash = digests.iter().fold(Sha256::new(), |hash, (name, digest)| hash.chain_update(name).chain_update([0]).chain_update(digest));
    hash.finalize().iter().take(16).fold(String::new(), |hex, byte| hex + format!("{byte:02x}").as_str())
}

/// A script's text, without a byte order mark.
pub(super) fn read(path: &Path) -> Result<String, Fault> {
    let bytes = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)),
        Err(error) => Err(LoadError::NotText { path: path.display().to_string(), at: error.utf8_error().valid_up_to() }.into()),
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> LoadError {
    LoadError::Unreadable { path: path.display().to_string(), reason: error.to_string() }
}

fn missing(scripts: &Sources, path: &Path) -> LoadError {
    let known = all(scripts);
    let names: Vec<String> = known.iter().map(|path| scripts.name_of(path)).collect();
    let asked = path.display().to_string();
    let help = nearest(&asked, names.iter().map(String::as_str)).map(|near| format!("did you mean `{near}`?"));
    LoadError::Missing { path: asked, help }
}

/// The names of the scripts that all others may import.
pub(super) fn shared(scripts: &Sources) -> BTreeSet<String> {
    resolve::available(scripts, "")
}

/// The scripts of the repository, in order of their names.
pub fn all(scripts: &Sources) -> Vec<PathBuf> {
    let files = std::fs::read_dir(scripts.root().join("scripts")).into_iter().flatten().flatten().map(|file| file.path());
    // Editors leave locks and copies beside what they edit: `.#t02.rhai`.
    let hidden = |path: &PathBuf| path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
    let is_script = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rhai") && !hidden(path) && path.is_file();
    let mut found: Vec<PathBuf> = files.filter(is_script).collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::repo;

    const TASK: &str = "//! Moves it.\n//! All of it.\n//!\n//! More.\nconst TASK = #{ id: \"T02\", title: \"Move\", needs: [\"T01\"] };\nfn steps(task) { throw 1; }\n";

    #[test]
    fn a_task_is_read_without_running_anything() {
        let repo = repo(&[("scripts/t02.rhai", TASK)]);
        let script = load(&repo.sources, &repo.path("scripts/t02.rhai")).unwrap();
        let task = script.task.clone().unwrap();
        assert_eq!((script.name.as_str(), task.id.as_str(), task.title.as_str()), ("scripts/t02.rhai", "T02", "Move"));
        assert_eq!((task.summary.as_str(), task.needs), ("Moves it. All of it.", vec!["T01".to_owned()]));
        assert_eq!((task.place.source.as_str(), task.place.position.line()), ("scripts/t02.rhai", Some(5)));
        assert!(script.has_hook("steps") && !script.has_hook("done_when"));
    }

    #[test]
    fn what_cannot_be_a_script_is_refused_by_name() {
        let repo =
            repo::<[u8]>(&[("scripts/latin.rhai", b"let x = \"\xe9\";"), ("scripts/empty.rhai", b" \n"), ("scripts/bad.rhai", b"fn (")]);
        let code = |name: &str| load(&repo.sources, &repo.path(&format!("scripts/{name}.rhai"))).err().unwrap().code();
        assert_eq!(["latin", "empty", "bad", "none"].map(code), ["script::not_text", "script::empty", "script::syntax", "script::missing"]);
    }

    #[test]
    fn a_byte_order_mark_is_not_part_of_a_script() {
        let repo = repo(&[("s.rhai", "\u{feff}fn steps(task) {}")]);
        assert!(load(&repo.sources, &repo.path("s.rhai")).unwrap().has_hook("steps"));
    }

    #[test]
    fn a_misspelt_path_is_answered_with_what_was_meant() {
        let repo = repo(&[("scripts/t02-gitea-migrate.rhai", TASK)]);
        let missing = load(&repo.sources, Path::new("scripts/t02-gitea-migarte.rhai")).err().unwrap();
        assert_eq!(missing.help().as_deref(), Some("did you mean `scripts/t02-gitea-migrate.rhai`?"));
    }

    #[test]
    fn a_syntax_error_names_its_place() {
        let repo = repo(&[("s.rhai", "fn steps(task) {\n    let x = ;\n}")]);
        let origin = load(&repo.sources, &repo.path("s.rhai")).err().unwrap().origin.unwrap();
        assert_eq!((origin.source.as_str(), origin.position.line()), ("s.rhai", Some(2)));
    }
}
