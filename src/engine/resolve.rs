//! Where an import leads: by name, to the importing script's own folder or to `stdlib/` (on disk first, then the
//! copy in the binary), and nowhere else. Compiling is `sources`' business.

use crate::engine::{Source, Sources};
use crate::script::value::nearest;
use crate::script::{Fault, Origin, RhaiResultOf};
use include_dir::{Dir, include_dir};
use miette::Diagnostic;
use rhai::{Engine, EvalAltResult, GlobalRuntimeState, Module, ModuleResolver, Position, Scope, Shared};
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The folder of shared scripts, at the repository's root and in the binary.
const STDLIB: &str = "stdlib";
static EMBEDDED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/stdlib");

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
pub enum ImportError {
    #[error("there is no script `{name}` to import")]
    #[diagnostic(code(import::unknown))]
    Unknown {
        name: String,
        #[help]
        help: String,
    },
    #[error("`{name}` is not the name of a script to import")]
    #[diagnostic(code(import::bad_name), help("an import is a plain name such as `gitea`: no `..`, no absolute path, no extension"))]
    BadName { name: String },
    #[error("`{name}` is a link that leads out of `{folder}`")]
    #[diagnostic(code(import::leads_out), help("put the script itself there"))]
    LeadsOut { name: String, folder: String },
    #[error("the imports go in a circle: {chain}")]
    #[diagnostic(code(import::circle), help("move what both need into a script of its own"))]
    Circle { chain: String },
    #[error("cannot read `{name}`: {reason}")]
    #[diagnostic(code(import::unreadable))]
    Unreadable { name: String, reason: String },
}

/// The script that `importer` means by `name`, compiled.
pub fn import(scripts: &Sources, importer: &str, name: &str) -> Result<Arc<Source>, Fault> {
    let path = scripts.path_of(importer);
    scripts.imported(path.parent().unwrap_or(&path), name, || find(scripts, importer, name))
}

fn find(scripts: &Sources, importer: &str, name: &str) -> Result<Arc<Source>, Fault> {
    let plain = !name.is_empty() && Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    if !plain || Path::new(name).extension().is_some() {
        return Err(ImportError::BadName { name: name.into() }.into());
    }
    let file = format!("{name}.rhai");
    for folder in folders(scripts, importer) {
        if folder.join(&file).is_file() {
            let path = inside(scripts, &folder, &file)?;
            return scripts.compile(&scripts.name_of(&folder.join(&file)), &read(&path)?);
        }
    }
    match EMBEDDED.get_file(&file).and_then(|file| file.contents_utf8()) {
        Some(text) => scripts.compile(&format!("{STDLIB}/{file}"), text),
        None => Err(ImportError::Unknown { name: name.into(), help: what_there_is(scripts, importer, name) }.into()),
    }
}

/// The folders on disk that `importer` may import from, the nearest first.
fn folders(scripts: &Sources, importer: &str) -> Vec<PathBuf> {
    let own = scripts.path_of(importer).parent().map(Path::to_owned).filter(|_| !importer.is_empty());
    let mut folders: Vec<PathBuf> = own.into_iter().collect();
    let shared = scripts.root().join(STDLIB);
    if !folders.contains(&shared) {
        folders.push(shared);
    }
    folders
}

/// The true path of a file, which must lie in its folder or at least in the repository.
fn inside(scripts: &Sources, folder: &Path, file: &str) -> Result<PathBuf, Fault> {
    let unreadable = |error: std::io::Error| ImportError::Unreadable { name: file.into(), reason: error.to_string() };
    let path = folder.join(file).canonicalize().map_err(unreadable)?;
    let folder = folder.canonicalize().map_err(unreadable)?;
    if path.starts_with(&folder) || path.starts_with(scripts.root()) {
        return Ok(path);
    }
    Err(ImportError::LeadsOut { name: file.into(), folder: scripts.name_of(&folder) }.into())
}

fn read(path: &Path) -> Result<String, Fault> {
    crate::engine::load::read(path)
}

fn what_there_is(scripts: &Sources, importer: &str, name: &str) -> String {
    let known = available(scripts, importer);
    match nearest(name, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "there are no scripts to import yet".into(),
        None => format!("there are: {}", known.into_iter().collect::<Vec<_>>().join(", ")),
    }
}

/// The names that `importer` could import.
pub fn available(scripts: &Sources, importer: &str) -> BTreeSet<String> {
    let mut known: BTreeSet<String> = EMBEDDED.files().filter_map(|file| script_name(file.path())).collect();
    for folder in folders(scripts, importer) {
        let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
        known.extend(files.filter_map(|file| script_name(&file.path())));
    }
    known
}

fn script_name(path: &Path) -> Option<String> {
    let script = path.extension().is_some_and(|extension| extension == "rhai");
    script.then(|| path.file_stem().unwrap_or_default().to_string_lossy().into_owned())
}

/// Answers Rhai's `import`. One per engine: a module is evaluated once in a run.
pub struct Resolver {
    scripts: Sources,
    modules: Mutex<HashMap<String, Shared<Module>>>,
    /// The scripts being loaded, outermost first.
    loading: Mutex<Vec<String>>,
}

impl Resolver {
    pub fn new(scripts: Sources) -> Self {
        Self { scripts, modules: Mutex::default(), loading: Mutex::default() }
    }

    fn evaluate(&self, engine: &Engine, global: &mut GlobalRuntimeState, source: &Source) -> RhaiResultOf<Shared<Module>> {
        let module = Module::eval_ast_as_new_raw(engine, &mut Scope::new(), global, &source.ast)
            .map_err(|error| EvalAltResult::ErrorInModule(source.name.clone(), error, Position::NONE))?;
        let module: Shared<Module> = module.into();
        lock(&self.modules).insert(source.name.clone(), module.clone());
        Ok(module)
    }

    /// Notes that `name` is being loaded, unless that closes a circle.
    fn enter(&self, importer: &str, name: &str) -> Result<(), Fault> {
        let mut loading = lock(&self.loading);
        if loading.is_empty() {
            loading.push(importer.to_owned());
        }
        if let Some(start) = loading.iter().position(|one| one == name) {
            let chain = loading[start..].iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join(" → ");
            loading.clear();
            return Err(ImportError::Circle { chain }.into());
        }
        loading.push(name.to_owned());
        Ok(())
    }

    fn leave(&self) {
        let mut loading = lock(&self.loading);
        loading.pop();
        if loading.len() == 1 {
            loading.clear();
        }
    }
}

impl ModuleResolver for Resolver {
    fn resolve_raw(
        &self,
        engine: &Engine,
        global: &mut GlobalRuntimeState,
        _: &mut Scope,
        name: &str,
        position: Position,
    ) -> RhaiResultOf<Shared<Module>> {
        let importer = global.source().unwrap_or_default().to_owned();
        let pin = |fault: Fault| fault.at(Origin { source: importer.clone(), position }).raise();
        let source = import(&self.scripts, &importer, name).map_err(pin)?;
        if let Some(module) = lock(&self.modules).get(&source.name) {
            return Ok(module.clone());
        }
        self.enter(&importer, &source.name).map_err(pin)?;
        let module = self.evaluate(engine, global, &source);
        self.leave();
        module
    }

    fn resolve(&self, engine: &Engine, _: Option<&str>, name: &str, position: Position) -> RhaiResultOf<Shared<Module>> {
        self.resolve_raw(engine, &mut engine.new_global_runtime_state(), &mut Scope::new(), name, position)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::testing::{Repo, repo};
    use crate::engine::{load, profile};

    fn run(repo: &Repo, script: &str) -> Result<i64, Box<rhai::EvalAltResult>> {
        let script = load(&repo.sources, &repo.path(script)).unwrap();
        profile::engine(None, &repo.sources).eval_ast(&script.ast)
    }

    fn fault(repo: &Repo, script: &str) -> Fault {
        Fault::find(&run(repo, script).unwrap_err()).unwrap()
    }

    #[test]
    fn a_function_of_a_module_sees_the_modules_own_imports() {
        let repo = repo(&[
            ("stdlib/a.rhai", "import \"b\" as b; const N = 3; fn twice() { b::one() * 2 + global::N }"),
            ("stdlib/b.rhai", "fn one() { 1 }"),
            ("scripts/s.rhai", "import \"a\" as a; import \"b\" as b; a::twice() + b::one()"),
        ]);
        assert_eq!(run(&repo, "scripts/s.rhai").unwrap(), 6);
    }

    #[test]
    fn the_scripts_own_folder_comes_before_the_stdlib() {
        let repo =
            repo(&[("stdlib/a.rhai", "fn n() { 1 }"), ("scripts/a.rhai", "fn n() { 2 }"), ("scripts/s.rhai", "import \"a\" as a; a::n()")]);
        assert_eq!(run(&repo, "scripts/s.rhai").unwrap(), 2);
    }

    #[test]
    fn a_circle_is_shown_and_not_followed() {
        let repo = repo(&[
            ("stdlib/a.rhai", "import \"b\" as b;"),
            ("stdlib/b.rhai", "import \"a\" as a;"),
            ("scripts/s.rhai", "import \"a\" as a; 1"),
        ]);
        let circle = fault(&repo, "scripts/s.rhai");
        assert_eq!(circle.message(), "the imports go in a circle: stdlib/a.rhai → stdlib/b.rhai → stdlib/a.rhai");
        assert_eq!(circle.origin.unwrap().source, "stdlib/b.rhai");
    }

    #[test]
    fn a_script_that_imports_itself_is_a_circle() {
        let repo = repo(&[("scripts/s.rhai", "import \"s\" as s; 1")]);
        assert_eq!(fault(&repo, "scripts/s.rhai").message(), "the imports go in a circle: scripts/s.rhai → scripts/s.rhai");
    }

    #[test]
    fn only_plain_names_are_imported() {
        for name in ["../a", "/etc/a", "a.rhai", "", "./a"] {
            let repo = repo(&[("a.rhai", ""), ("scripts/s.rhai", &format!("import \"{name}\" as a; 1"))]);
            assert_eq!(fault(&repo, "scripts/s.rhai").code(), "import::bad_name", "{name}");
        }
    }

    #[test]
    fn a_link_out_of_the_repository_is_refused() {
        let outside = repo(&[("x.rhai", "fn n() { 1 }")]);
        let repo = repo(&[("scripts/s.rhai", "import \"x\" as x; 1")]);
        std::os::unix::fs::symlink(outside.path("x.rhai"), repo.path("scripts/x.rhai")).unwrap();
        assert_eq!(fault(&repo, "scripts/s.rhai").code(), "import::leads_out");
    }

    #[test]
    fn a_misspelt_import_is_answered_with_what_was_meant() {
        let repo = repo(&[("stdlib/postgres.rhai", ""), ("scripts/s.rhai", "import \"postgers\" as p; 1")]);
        let unknown = fault(&repo, "scripts/s.rhai");
        assert_eq!((unknown.code().as_str(), unknown.help().as_deref()), ("import::unknown", Some("did you mean `postgres`?")));
        assert_eq!(unknown.origin.unwrap().source, "scripts/s.rhai");
    }
}
