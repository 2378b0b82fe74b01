//! What it takes to commit: a branch of railrun's own, no other changes, nothing under way. It never pushes.

use super::driver::{Repo, difference};
use super::error::RepoError;
use crate::effect::{Diff, Edit, Permit, Preview};
use crate::sops;
use serde::Serialize;
use std::path::PathBuf;

/// A commit, and the branch it is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Commit {
    pub id: String,
    pub branch: String,
}

/// What is to be committed, and where.
#[derive(Clone, Debug)]
pub struct Request {
    pub message: String,
    pub files: Vec<String>,
    pub branch: String,
}

/// A file that is not as the last commit has it: its text there, and now.
struct Differing {
    file: String,
    before: Option<String>,
    after: Option<String>,
}

/// Who commits, where git does not know who its user is.
const AUTHOR: [(&str, &str); 2] = [("user.name", "railrun"), ("user.email", "railrun@localhost")];

/// So many files are named in an error.
const NAMED: usize = 5;

/// What a commit of a file would hold. Of an encrypted one a dry run has no ciphertext yet: that it changes is the difference,
/// which keys do is said beside it.
fn committed(file: &str, before: Option<&str>, after: Option<&str>) -> Diff {
    let Some(stored) = sops::diff_stored(file, before.unwrap_or_default(), after.unwrap_or_default()) else {
        return difference(file, before, after);
    };
    let keys: Vec<String> =
        stored.edits.iter().filter_map(|edit| if let Edit::Field { path, .. } = edit { Some(path.clone()) } else { None }).collect();
    let diff = Diff::new().note(file).note("its encrypted content changes");
    if keys.is_empty() { diff } else { diff.aside(format!("keys: {}", keys.join(", "))) }
}

impl Repo<'_> {
    /// Nothing differs where the files are as the last commit has them.
    pub async fn preview_commit(&self, request: &Request) -> Result<Preview<Commit>, RepoError> {
        let paths = self.paths(request)?;
        let differing = self.differing(&paths).await?;
        if differing.is_empty() {
            return Ok(Preview::Same(Commit { id: self.head().await?, branch: self.branch().await?.unwrap_or_default() }));
        }
        self.may_commit(&request.branch).await?;
        self.refuse_others(&paths).await?;
        let headline = request.message.lines().next().unwrap_or_default();
        let mut shown = Diff::new().note(format!("on `{}`: {headline}", request.branch));
        for one in differing {
            shown.extend(committed(&one.file, one.before.as_deref(), one.after.as_deref()));
        }
        self.foretell(request, &paths)?;
        Ok(Preview::Differs { diff: shown, foretold: None })
    }

    pub async fn commit(&self, permit: &Permit, request: &Request) -> Result<Commit, RepoError> {
        let differing: Vec<String> = self.differing(&self.paths(request)?).await?.into_iter().map(|one| one.file).collect();
        if self.branch().await?.as_deref() != Some(&request.branch) {
            self.write_git(permit, &["switch", "--quiet", "-C", &request.branch], &[], None).await?;
        }
        // git refuses a name that is neither on disk nor in its index: one whose removal a commit that failed has staged.
        let mut known = Vec::new();
        for file in &differing {
            if self.exists(file)? || !self.read_git(&["ls-files", "--", file]).await?.is_empty() {
                known.push(file.clone());
            }
        }
        if !known.is_empty() {
            self.write_git(permit, &["add", "--all", "--"], &known, None).await?;
        }
        let author = self.author().await?;
        let mut words: Vec<&str> = author.iter().map(String::as_str).collect();
        words.extend(["commit", "--quiet", "--file=-", "--only", "--"]);
        if let Err(refused) = self.write_git(permit, &words, &differing, Some(&request.message)).await {
            // As it was: what stays staged would pass for somebody's change once the files are put back.
            if !known.is_empty() {
                let _ = self.write_git(permit, &["reset", "--quiet", "--"], &known, None).await;
            }
            return Err(refused);
        }
        Ok(Commit { id: self.head().await?, branch: request.branch.clone() })
    }

    async fn differing(&self, paths: &[PathBuf]) -> Result<Vec<Differing>, RepoError> {
        let mut found = Vec::new();
        for path in paths {
            let (before, after) = (self.find_committed(path).await?, self.content(path)?);
            if before != after {
                found.push(Differing { file: self.relative(path), before, after });
            }
        }
        Ok(found)
    }

    /// Whether something could be committed at all; the error says what is in the way.
    pub async fn may_commit(&self, branch: &str) -> Result<(), RepoError> {
        let repo = self.name();
        self.head().await?;
        if let Some(what) = self.busy().await? {
            return Err(RepoError::Busy { repo, what });
        }
        let Some(current) = self.branch().await? else {
            return Err(RepoError::Detached { repo });
        };
        self.refuse_bad_name(branch).await?;
        if current == branch || self.contains(branch).await? {
            return Ok(());
        }
        Err(RepoError::Diverged { repo, branch: branch.into(), current })
    }

    /// Refuses when a tracked file other than these is changed.
    pub async fn refuse_others(&self, files: &[PathBuf]) -> Result<(), RepoError> {
        let given: Vec<String> = files.iter().map(|path| self.relative(path)).collect();
        let others: Vec<String> = self.changed().await?.into_iter().filter(|file| !given.contains(file)).collect();
        if others.is_empty() {
            return Ok(());
        }
        let shown = others.iter().take(NAMED).map(|file| format!("`{file}`")).collect::<Vec<_>>().join(", ");
        let more = others.len().saturating_sub(NAMED);
        let files = if more == 0 { shown } else { format!("{shown} and {more} more") };
        Err(RepoError::Dirty { repo: self.name(), files })
    }

    /// Whether the branch is new, or has nothing that what is checked out lacks.
    async fn contains(&self, branch: &str) -> Result<bool, RepoError> {
        let reference = format!("refs/heads/{branch}");
        if self.read_git(&["rev-parse", "--verify", "--quiet", &reference]).await.is_err() {
            return Ok(true);
        }
        match self.read_git(&["merge-base", "--is-ancestor", &reference, "HEAD"]).await {
            Err(error) if error.status() == Some(1) => Ok(false),
            result => Ok(result.map(|_| true)?),
        }
    }

    async fn refuse_bad_name(&self, branch: &str) -> Result<(), RepoError> {
        let asked = self.read_git(&["check-ref-format", "--branch", branch]).await;
        if asked.is_ok_and(|name| name == branch) { Ok(()) } else { Err(RepoError::BadBranch { branch: branch.into() }) }
    }

    /// From now on this dry run sees the files as committed, and the branch as checked out.
    fn foretell(&self, request: &Request, paths: &[PathBuf]) -> Result<(), RepoError> {
        for path in paths {
            self.files.foretell(&self.planned_commit(path), self.content(path)?);
        }
        self.files.foretell(&self.planned_branch(), Some(request.branch.clone()));
        Ok(())
    }

    fn paths(&self, request: &Request) -> Result<Vec<PathBuf>, RepoError> {
        if request.files.is_empty() {
            return Err(RepoError::NoFiles { repo: self.name() });
        }
        if request.message.trim().is_empty() {
            return Err(RepoError::NoMessage { repo: self.name() });
        }
        request.files.iter().map(|file| self.path(file)).collect()
    }

    /// The words that tell git who commits, where it does not know.
    async fn author(&self) -> Result<Vec<String>, RepoError> {
        let mut words = Vec::new();
        for (key, value) in AUTHOR {
            match self.read_git(&["config", "--get", key]).await {
                Err(error) if error.status() == Some(1) => words.extend(["-c".to_owned(), format!("{key}={value}")]),
                result => drop(result?),
            }
        }
        Ok(words)
    }

    async fn write_git(&self, permit: &Permit, args: &[&str], files: &[String], stdin: Option<&str>) -> Result<(), RepoError> {
        let words: Vec<&str> = args.iter().copied().chain(files.iter().map(String::as_str)).collect();
        let command = self.git(&words).env("GIT_LITERAL_PATHSPECS", "1");
        let command = if let Some(stdin) = stdin { command.stdin(stdin) } else { command };
        Ok(self.process.write(permit, &command).await.map(drop)?)
    }
}
