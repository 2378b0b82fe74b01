//! Which scripts a command is about: those of `scripts/`, found by id or file, in the order of their `needs` and `after`.
//! A script that cannot be read stops only what is about it.

use super::args::Global;
use super::check;
use super::exit::Exit;
use crate::engine::{self, Script, Sources};
use crate::script::Fault;
use crate::task::{self, id_of};
use miette::Diagnostic;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
enum ChooseError {
    #[error("no task or script is called `{name}`")]
    #[diagnostic(code(task::not_found))]
    Unknown {
        name: String,
        #[help]
        help: String,
    },
    #[error("`{name}` is meant by several tasks: {found}")]
    #[diagnostic(code(task::ambiguous), help("name the script's file"))]
    Ambiguous { name: String, found: String },
}

/// What the repository's `scripts/` holds.
pub struct Found {
    /// The tasks by their ids, then the others by their names.
    pub scripts: Vec<Script>,
    /// Why the others cannot be read.
    broken: Vec<Fault>,
}

impl Found {
    pub fn in_folder(sources: &Sources) -> Self {
        let mut found = Self::of(sources, &engine::all(sources));
        found.scripts.sort_by_cached_key(|script| (script.task.is_none(), id_of(script)));
        found
    }

    /// Of these files.
    pub fn of(sources: &Sources, paths: &[PathBuf]) -> Self {
        let mut found = Self { scripts: Vec::new(), broken: Vec::new() };
        for path in paths {
            match engine::load(sources, path) {
                Ok(script) => found.scripts.push(script),
                Err(fault) => found.broken.push(fault),
            }
        }
        found
    }

    /// Says which scripts cannot be read, if any; what a command about all of them then ends with.
    pub fn say_broken(&self, global: &Global, sources: &Sources) -> Option<Exit> {
        for fault in &self.broken {
            check::fail(global, sources, fault);
        }
        (!self.broken.is_empty()).then_some(Exit::Usage)
    }

    /// By file, id or the file's name. Nobody knows which id a script has that cannot be read, so that is said first.
    pub fn find(&self, sources: &Sources, name: &str) -> Result<Script, Fault> {
        if Path::new(name).extension().is_some_and(|extension| extension == "rhai") || name.contains('/') {
            return engine::load(sources, &PathBuf::from(name));
        }
        let meant = |script: &&Script| {
            let stem = script.path.file_stem().unwrap_or_default().to_string_lossy();
            id_of(script).eq_ignore_ascii_case(name) || stem.eq_ignore_ascii_case(name)
        };
        let found: Vec<&Script> = self.scripts.iter().filter(meant).collect();
        match found[..] {
            [script] => Ok(script.clone()),
            [] => Err(self.unknown(name)),
            _ => Err(ChooseError::Ambiguous {
                name: name.to_owned(),
                found: found.iter().map(|script| script.name.clone()).collect::<Vec<_>>().join(", "),
            }
            .into()),
        }
    }

    fn unknown(&self, name: &str) -> Fault {
        if let Some(broken) = self.broken.first() {
            return broken.clone();
        }
        let ids: Vec<String> = self.scripts.iter().map(id_of).collect();
        let near = crate::script::value::nearest(&name.to_uppercase(), ids.iter().map(String::as_str));
        let help = near.map_or_else(|| "`railrun list` shows the tasks".to_owned(), |near| format!("did you mean `{near}`?"));
        ChooseError::Unknown { name: name.to_owned(), help }.into()
    }

    /// The chosen scripts, and those whose `done_when` they will ask.
    pub fn with_needed(&self, chosen: &[Script]) -> Result<Vec<Script>, Fault> {
        let mut scripts = chosen.to_vec();
        for id in chosen.iter().filter_map(|script| script.task.as_ref()).flat_map(|task| &task.needs) {
            if scripts.iter().any(|script| id_of(script) == *id) {
                continue;
            }
            match (self.scripts.iter().find(|script| id_of(script) == *id), self.broken.first()) {
                (Some(script), _) => scripts.push(script.clone()),
                (None, Some(broken)) => return Err(broken.clone()),
                (None, None) => {}
            }
        }
        Ok(scripts)
    }
}

/// In the order in which they must run.
pub fn ordered(chosen: Vec<Script>) -> Result<Vec<Script>, Fault> {
    let ids: Vec<String> = chosen.iter().map(id_of).collect();
    let before = |script: &Script| script.task.iter().flat_map(|task| task.needs.iter().chain(&task.after)).cloned().collect::<Vec<_>>();
    let waits: Vec<Vec<String>> = chosen.iter().map(before).collect();
    let nodes: Vec<_> = ids.iter().zip(&waits).map(|(id, waits)| (id.as_str(), waits.iter().map(String::as_str).collect())).collect();
    let order = task::in_order(&nodes)?;
    Ok(order.into_iter().map(|index| chosen[index].clone()).collect())
}
