//! A checkout: its files, its branch, its last commit, through the `git` program. What it takes to commit is
//! `commit`'s business. In a dry run planned files, commits and branches are seen as if they had been made.

use super::error::RepoError;
use super::makefile::{self, Target};
use crate::effect::{Diff, Permit, Preview};
use crate::files::Files;
use crate::process::{Command, Process, ProcessError};
use crate::sops;
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

/// One checkout, by its folder.
#[derive(Clone, Debug)]
pub struct Checkout {
    pub folder: PathBuf,
    /// How messages call it.
    pub name: String,
}

/// A checkout, with what it takes to look into it.
pub struct Repo<'h> {
    pub checkout: Checkout,
    pub(super) process: &'h Process,
    pub(super) files: &'h Files,
}

/// The states in which git waits for somebody: a file in `.git`, and what it stands for.
const BUSY: &[(&str, &str)] = &[
    ("MERGE_HEAD", "a merge"),
    ("rebase-merge", "a rebase"),
    ("rebase-apply", "a rebase"),
    ("CHERRY_PICK_HEAD", "a cherry-pick"),
    ("REVERT_HEAD", "a revert"),
    ("BISECT_LOG", "a bisection"),
];

/// What git exits with where it cannot do what was asked at all.
const FATAL: i32 = 128;

/// The checkout's own hooks run in a commit, and may test something.
const DEADLINE: Duration = Duration::from_secs(300);

impl<'h> Repo<'h> {
    pub fn new(process: &'h Process, files: &'h Files, checkout: Checkout) -> Self {
        Self { checkout, process, files }
    }

    /// Finds the checkout at `folder`; `name` is what the script called it.
    pub async fn open(process: &'h Process, files: &'h Files, folder: &str, name: &str) -> Result<Self, RepoError> {
        let missing = || RepoError::NotFound { folder: folder.into(), name: name.into() };
        let path = files.path(folder).canonicalize().map_err(|_| missing())?;
        let repo = Self::new(process, files, Checkout { name: files.name(&path), folder: path });
        let top = match repo.read_git(&["rev-parse", "--show-toplevel"]).await {
            Ok(top) => top,
            Err(error) if error.status() == Some(FATAL) && !repo.checkout.folder.join(".git").exists() => return Err(missing()),
            Err(error) => return Err(error.into()),
        };
        if Path::new(&top) == repo.checkout.folder { Ok(repo) } else { Err(RepoError::Inside { folder: folder.into(), top }) }
    }

    /// Where a file of the checkout is. Anything outside, in `.git`, or behind a link that leads out is refused.
    pub fn path(&self, file: &str) -> Result<PathBuf, RepoError> {
        let outside = || RepoError::Outside { file: file.into(), repo: self.name() };
        let folder = &self.checkout.folder;
        let path = self.files.path(&folder.join(file).to_string_lossy());
        let inner = path.strip_prefix(folder).map_err(|_| outside())?;
        let first = inner.components().next().ok_or_else(outside)?;
        if first == Component::Normal(".git".as_ref()) {
            return Err(outside());
        }
        let there = path.ancestors().find_map(|above| above.canonicalize().ok()).ok_or_else(outside)?;
        if there.starts_with(folder) { Ok(path) } else { Err(outside()) }
    }

    pub fn exists(&self, file: &str) -> Result<bool, RepoError> {
        Ok(self.files.exists(&self.path(file)?))
    }

    pub fn read(&self, file: &str) -> Result<String, RepoError> {
        Ok(self.files.read(&self.path(file)?)?)
    }

    /// A file as the last commit has it.
    pub async fn committed(&self, file: &str) -> Result<String, RepoError> {
        let committed = self.find_committed(&self.path(file)?).await?;
        committed.ok_or_else(|| RepoError::NotCommitted { file: file.into(), repo: self.name() })
    }

    /// Whether every tracked file is as the last commit has it.
    pub async fn clean(&self) -> Result<bool, RepoError> {
        Ok(self.changed().await?.is_empty())
    }

    /// The last commit.
    pub async fn head(&self) -> Result<String, RepoError> {
        match self.read_git(&["rev-parse", "--verify", "--quiet", "HEAD"]).await {
            Err(error) if error.status() == Some(1) => Err(RepoError::NoCommit { repo: self.name() }),
            result => Ok(result?),
        }
    }

    /// The branch that is checked out; `None` where it is none.
    pub async fn branch(&self) -> Result<Option<String>, RepoError> {
        if let Some(planned) = self.files.planned(&self.planned_branch()) {
            return Ok(planned);
        }
        match self.read_git(&["symbolic-ref", "--quiet", "--short", "HEAD"]).await {
            Err(error) if error.status() == Some(1) => Ok(None),
            result => Ok(Some(result?)),
        }
    }

    /// Whether another branch than the one that is checked out, here or at a remote, has its last commit too.
    pub async fn merged(&self) -> Result<bool, RepoError> {
        let Some(own) = self.branch().await? else { return Ok(true) };
        let words = ["for-each-ref", "--contains", "HEAD", "--format=%(refname)", "refs/heads", "refs/remotes"];
        let found = self.read_git(&words).await?;
        Ok(found.lines().any(|name| name != format!("refs/heads/{own}") && !name.ends_with(&format!("/{own}"))))
    }

    /// What waits for somebody in this checkout: a merge, a rebase.
    pub async fn busy(&self) -> Result<Option<&'static str>, RepoError> {
        let folder = PathBuf::from(self.read_git(&["rev-parse", "--absolute-git-dir"]).await?);
        Ok(BUSY.iter().find(|(file, _)| folder.join(file).exists()).map(|(_, what)| *what))
    }

    pub fn preview_write(&self, file: &str, text: &str) -> Result<Preview<()>, RepoError> {
        let path = self.path(file)?;
        let before = self.content(&path)?;
        if before.as_deref() == Some(text) {
            return Ok(Preview::Same(()));
        }
        self.files.foretell(&path, Some(text.to_owned()));
        Ok(Preview::Differs { diff: difference(file, before.as_deref(), Some(text)), foretold: Some(()) })
    }

    /// A Makefile's text with this target in it.
    pub fn with_target(&self, file: &str, name: &str, target: &Target) -> Result<String, RepoError> {
        let text = self.content(&self.path(file)?)?.unwrap_or_default();
        makefile::with_target(&text, name, target).map_err(|refusal| RepoError::BadMakefile {
            file: file.into(),
            name: name.into(),
            reason: refusal.to_string(),
        })
    }

    pub fn write(&self, permit: &Permit, file: &str, text: &str) -> Result<(), RepoError> {
        Ok(self.files.write(permit, &self.path(file)?, text)?)
    }

    pub fn preview_remove(&self, file: &str) -> Result<Preview<()>, RepoError> {
        let path = self.path(file)?;
        let Some(before) = self.content(&path)? else {
            return Ok(Preview::Same(()));
        };
        self.files.foretell(&path, None);
        Ok(Preview::Differs { diff: difference(file, Some(&before), None), foretold: Some(()) })
    }

    pub fn remove(&self, permit: &Permit, file: &str) -> Result<(), RepoError> {
        Ok(self.files.remove(permit, &self.path(file)?)?)
    }

    /// Where a file of another checkout comes from, for a commit's message.
    pub async fn origin(&self, file: &str) -> Result<String, RepoError> {
        let path = self.path(file)?;
        let (file, name) = (self.relative(&path), self.folder_name());
        let last = self.read_git(&["log", "-1", "--format=%h %s", "--", &file]).await?;
        Ok(if last.is_empty() {
            format!("from {name}/{file}, never committed there")
        } else {
            format!("from {name}/{file}, last changed there in {last}")
        })
    }

    fn folder_name(&self) -> String {
        self.checkout.folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Writes a file as another checkout has it, with its mode.
    pub fn take(&self, permit: &Permit, from: &Repo<'_>, file: &str, to: &str) -> Result<(), RepoError> {
        let (source, path) = (from.path(file)?, self.path(to)?);
        self.files.write(permit, &path, &from.read(file)?)?;
        Ok(self.files.take_mode(permit, &path, &source)?)
    }

    /// The tracked (and the planned) files that are not as the last commit has them.
    pub async fn changed(&self) -> Result<BTreeSet<String>, RepoError> {
        let status = self.git(&["status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=no"]);
        let status = self.process.read(&status).await?.text();
        let on_disk = status.split('\0').filter_map(|entry| entry.get(3..)).map(|file| self.checkout.folder.join(file));
        let in_git = self.checkout.folder.join(".git");
        let planned = self.files.planned_below(&self.checkout.folder).into_iter().filter(|path| !path.starts_with(&in_git));
        let mut changed = BTreeSet::new();
        for path in on_disk.chain(planned) {
            if !self.is_planned(&path) || self.content(&path)? != self.find_committed(&path).await? {
                changed.insert(self.relative(&path));
            }
        }
        Ok(changed)
    }

    /// Whether this dry run has planned something for a file, or a commit of it.
    fn is_planned(&self, path: &Path) -> bool {
        self.files.planned(path).is_some() || self.files.planned(&self.planned_commit(path)).is_some()
    }

    /// A file as it is or as it was planned; `None` where it is absent.
    pub fn content(&self, path: &Path) -> Result<Option<String>, RepoError> {
        Ok(if self.files.exists(path) { Some(self.files.read(path)?) } else { None })
    }

    pub async fn find_committed(&self, path: &Path) -> Result<Option<String>, RepoError> {
        if let Some(planned) = self.files.planned(&self.planned_commit(path)) {
            return Ok(planned);
        }
        self.head().await?;
        let (file, repo) = (self.relative(path), self.name());
        let object = format!("HEAD:{file}");
        if self.read_git(&["rev-parse", "--verify", "--quiet", &object]).await.is_err() {
            return Ok(None);
        }
        let output = self.process.read(&self.git(&["show", &object])).await?;
        String::from_utf8(output.stdout).map(Some).map_err(|_| RepoError::NotText { file, repo })
    }

    /// Where a dry run remembers what a planned commit holds: a place that no file has.
    pub fn planned_commit(&self, path: &Path) -> PathBuf {
        self.checkout.folder.join(".git/planned").join(self.relative(path))
    }

    /// Where a dry run remembers which branch would be checked out.
    pub fn planned_branch(&self) -> PathBuf {
        self.checkout.folder.join(".git/planned-branch")
    }

    pub fn relative(&self, path: &Path) -> String {
        path.strip_prefix(&self.checkout.folder).unwrap_or(path).to_string_lossy().into_owned()
    }

    /// How errors call it: a folder that `git -C` takes.
    pub fn name(&self) -> String {
        self.checkout.folder.display().to_string()
    }

    /// A git command in this checkout: it asks nobody, and a reading one takes no lock.
    pub(super) fn git(&self, args: &[&str]) -> Command {
        let command = Command::new("git", args.iter().copied()).folder(&self.checkout.folder);
        command.env("GIT_TERMINAL_PROMPT", "0").env("GIT_OPTIONAL_LOCKS", "0").env("LC_ALL", "C").within(DEADLINE)
    }

    pub(super) async fn read_git(&self, args: &[&str]) -> Result<String, ProcessError> {
        Ok(self.process.read(&self.git(args)).await?.text().trim_end_matches('\n').to_owned())
    }
}

/// Two texts of a file; of an encrypted one only the keys that change.
pub fn difference(file: &str, before: Option<&str>, after: Option<&str>) -> Diff {
    let (old, new) = (before.unwrap_or_default(), after.unwrap_or_default());
    sops::diff_stored(file, old, new).unwrap_or_else(|| {
        let name = match (before, after) {
            (None, _) => format!("{file} (new)"),
            (_, None) => format!("{file} (removed)"),
            _ => file.to_owned(),
        };
        Diff::new().text(name, old, new)
    })
}
