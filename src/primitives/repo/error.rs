//! Why a checkout cannot be read or committed to: each reason has its own error.

use crate::files::FileError;
use crate::process::ProcessError;
use miette::Diagnostic;

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
pub enum RepoError {
    #[error("there is no checkout at `{folder}`")]
    #[diagnostic(code(repo::not_found), help("clone it there, or set `checkouts.{name}` in `railrun.yaml`"))]
    NotFound { folder: String, name: String },
    #[error("`{folder}` lies inside the checkout `{top}`")]
    #[diagnostic(code(repo::not_a_checkout), help("name the checkout itself"))]
    Inside { folder: String, top: String },
    #[error("`{file}` leads out of the checkout `{repo}`")]
    #[diagnostic(code(repo::outside), help("paths start at the checkout's folder, and `.git` is git's own"))]
    Outside { file: String, repo: String },
    #[error("the last commit of `{repo}` has no file `{file}`")]
    #[diagnostic(code(repo::not_found), help("`exists` says whether the file is there at all"))]
    NotCommitted { file: String, repo: String },
    #[error("`{file}` in the last commit of `{repo}` is not UTF-8 text")]
    #[diagnostic(code(repo::not_text))]
    NotText { file: String, repo: String },
    #[error("`{repo}` has no commit yet")]
    #[diagnostic(code(repo::no_commit), help("make the first one by hand"))]
    NoCommit { repo: String },
    #[error("a commit of no files was asked for in `{repo}`")]
    #[diagnostic(code(repo::no_files), help("name the files: `commit(\"message\", [\"helm/values.yaml\"])`"))]
    NoFiles { repo: String },
    #[error("the commit in `{repo}` has no message")]
    #[diagnostic(code(repo::no_message), help("say in one line what changes and why"))]
    NoMessage { repo: String },
    #[error("`{repo}` has other changes: {files}")]
    #[diagnostic(code(repo::dirty), help("commit or stash them first; `git -C {repo} status` lists them"))]
    Dirty { repo: String, files: String },
    #[error("`{repo}` is on no branch")]
    #[diagnostic(code(repo::detached), help("`git -C {repo} switch` to the branch that the work belongs to"))]
    Detached { repo: String },
    #[error("{what} is under way in `{repo}`")]
    #[diagnostic(code(repo::busy), help("finish or abort it; `git -C {repo} status` says how"))]
    Busy { repo: String, what: &'static str },
    #[error("`{branch}` of `{repo}` has commits that `{current}` lacks")]
    #[diagnostic(code(repo::diverged), help("`git -C {repo} switch {branch}` to go on there, or merge it into `{current}`"))]
    Diverged { repo: String, branch: String, current: String },
    #[error("`{branch}` is not a name for a branch")]
    #[diagnostic(code(repo::bad_branch), help("set `repo.branch` in `railrun.yaml` to something like `railrun/workplan`"))]
    BadBranch { branch: String },
    #[error("the target `{name}` of `{file}` cannot be edited: {reason}")]
    #[diagnostic(code(repo::bad_makefile), help("give the target one rule of its own, then run the same command again"))]
    BadMakefile { file: String, name: String, reason: String },
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Git(#[from] ProcessError),
}
