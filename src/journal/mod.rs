//! What runs leave on disk: an append-only file per run, and the key of this folder's fingerprints. A reader of the event
//! stream writes it; what a task floor makes of an unfinished run is its own business.
//!
//! `.railrun/` holds `key` (32 bytes), and `runs/<run>.<task>.jsonl`, a record per line. All of it is mode 0600: it says
//! what a platform is made of, although no secret is in it.

mod key;
mod prune;
mod story;
mod write;

pub use key::Key;
pub use story::{Known, Passed, StepRecord, Story};
pub use write::{Journal, Keep, fingerprint};

use miette::Diagnostic;
use std::fs::File;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The version of the files' form.
pub const VERSION: u32 = 1;

const ENDING: &str = ".jsonl";

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
pub enum JournalError {
    #[error("cannot {verb} the journal in `{path}`: {reason}")]
    #[diagnostic(
        code(journal::failed),
        help(
            "a run is written down before it changes anything: make the folder writable, or name another with the setting `journal.folder`"
        )
    )]
    Failed { verb: &'static str, path: String, reason: String },
    #[error("line {line} of `{path}` is no record")]
    #[diagnostic(code(journal::damaged), help("move the file away; the same command then starts over, and finds what was done"))]
    Damaged { path: String, line: usize },
    #[error("`{path}` is written in form {found}, and this railrun reads form {VERSION}")]
    #[diagnostic(code(journal::version), help("use the railrun that wrote it, or move the file away"))]
    Version { path: String, found: String },
    #[error("run {run} is still being carried out by {}", process.map_or_else(|| "another process".into(), |process| format!("process {process}")))]
    #[diagnostic(
        code(journal::held),
        help("wait for it to end; where it stands still for good, end that process: the same command then goes on with the run")
    )]
    Held { run: String, process: Option<u64> },
    #[error("no run is called `{name}`")]
    #[diagnostic(code(journal::not_found), help("`railrun history` shows the runs"))]
    NotFound { name: String },
    #[error("`{name}` is the beginning of several runs: {found}")]
    #[diagnostic(code(journal::ambiguous), help("add a letter or more"))]
    Ambiguous { name: String, found: String },
}

/// The folder that runs are written down in.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// The store in this folder; it is made when something is written.
    pub fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn runs(&self) -> PathBuf {
        self.folder.join("runs")
    }

    /// Where a run is written down.
    fn path(&self, run: &str, task: &str) -> PathBuf {
        let safe: String = task.chars().map(|letter| if letter.is_alphanumeric() || letter == '-' { letter } else { '_' }).collect();
        self.runs().join(format!("{run}.{safe}{ENDING}"))
    }

    /// Makes the folders, for their owner only.
    fn make(&self) -> io::Result<()> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(self.runs())
    }

    /// Puts the folders' entries on the disk: a new file that is synced may still be gone after a power cut.
    fn sync(&self) -> io::Result<()> {
        [self.runs(), self.folder.clone()].iter().try_for_each(|folder| File::open(folder)?.sync_all())?;
        // Whoever may write into the folder above need not be allowed to read it.
        let _ = self.folder.parent().map(|above| File::open(above).and_then(|above| above.sync_all()));
        Ok(())
    }

    /// The files of all runs, oldest first.
    fn files(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.runs()).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut files: Vec<PathBuf> = entries.filter(|path| path.to_string_lossy().ends_with(ENDING)).collect();
        files.sort();
        files
    }

    /// All runs, oldest first. One that cannot be read is left out.
    pub fn stories(&self) -> Vec<Story> {
        self.files().iter().filter_map(|path| Story::read(path).ok()).collect()
    }

    /// The run that this name, or the beginning of one, means.
    pub fn story(&self, name: &str) -> Result<Story, JournalError> {
        let called =
            |path: &PathBuf| path.file_name().is_some_and(|file| file.to_string_lossy().to_uppercase().starts_with(&name.to_uppercase()));
        let found: Vec<PathBuf> = self.files().into_iter().filter(called).collect();
        match &found[..] {
            [] => Err(JournalError::NotFound { name: name.to_owned() }),
            [path] => Story::read(path),
            _ => Err(JournalError::Ambiguous {
                name: name.to_owned(),
                found: found.iter().map(|path| stem(path)).collect::<Vec<_>>().join(", "),
            }),
        }
    }

    /// The newest run of this task in this environment and on this cluster, if it has not ended. One that ended before its
    /// first step hides none that came before it.
    pub fn unfinished(&self, task: &str, environment: &str, cluster: Option<&str>) -> Result<Option<Story>, JournalError> {
        let ending = self.path("", task).file_name().unwrap_or_default().to_string_lossy().into_owned();
        for path in self.files().iter().rev().filter(|path| path.to_string_lossy().ends_with(&ending)) {
            let story = Story::read(path)?;
            let here = story.environment == environment && story.cluster_uid.as_deref() == cluster;
            if here && !story.came_to_nothing() {
                return Ok(story.is_unfinished().then_some(story));
            }
        }
        Ok(None)
    }
}

/// How a run is called: its file's name without the ending.
fn stem(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().trim_end_matches(ENDING).to_owned()
}

fn failed(verb: &'static str, path: &Path, error: &io::Error) -> JournalError {
    JournalError::Failed { verb, path: path.display().to_string(), reason: error.to_string() }
}

#[cfg(test)]
mod tests;
