//! The door to files. A dry run's planned contents live here too, so that a later read in the same dry run sees
//! what would be there and never a stale file. What is inside a file is its reader's business.

use crate::effect::{Mode, Permit};
use miette::Diagnostic;
use rustix::fs::OFlags;
use std::collections::HashMap;
use std::io::{ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
pub enum FileError {
    #[error("there is no file `{path}`")]
    #[diagnostic(code(file::not_found), help("relative paths start at {root}"))]
    NotFound { path: String, root: String },
    #[error("`{path}` is not UTF-8 text")]
    #[diagnostic(code(file::not_text))]
    NotText { path: String },
    #[error("cannot {verb} `{path}`: {reason}")]
    #[diagnostic(code(file::failed), help("look whether it and its folder are there, and whether this user may {verb} it"))]
    Failed { verb: &'static str, path: String, reason: String },
    #[error("`{path}` lies outside of what scripts may read")]
    #[diagnostic(code(file::outside), help("files are read below {root} and where a setting of `railrun.yaml` leads"))]
    Outside { path: String, root: String },
}

/// The files a run may reach, from one root.
pub struct Files {
    root: PathBuf,
    mode: Mode,
    /// Where reads may go beside the root; anywhere where nothing was said.
    also: Option<Vec<PathBuf>>,
    planned: Mutex<HashMap<PathBuf, Option<String>>>,
}

impl Files {
    pub fn new(root: PathBuf, mode: Mode) -> Self {
        Self { root, mode, also: None, planned: Mutex::default() }
    }

    /// Keeps reads below the root and these files and folders.
    #[must_use]
    pub fn within(mut self, named: impl IntoIterator<Item = String>) -> Self {
        let paths = named.into_iter().map(|name| self.path(&name)).filter_map(|path| path.canonicalize().ok());
        self.also = Some(paths.chain(self.root.canonicalize().ok()).collect());
        self
    }

    /// Whether a file may be read; one that is not there gives nothing away.
    fn may_read(&self, path: &Path) -> Result<(), FileError> {
        let (Some(also), Ok(real)) = (&self.also, path.canonicalize()) else { return Ok(()) };
        let outside = || FileError::Outside { path: path.display().to_string(), root: self.root.display().to_string() };
        if also.iter().any(|allowed| real.starts_with(allowed)) { Ok(()) } else { Err(outside()) }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a path of a script or a setting leads: from the root, `~/` from the home folder; `.` and `..` folded.
    pub fn path(&self, path: &str) -> PathBuf {
        let expanded = match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
            (Some(rest), Some(home)) => Path::new(&home).join(rest),
            _ => self.root.join(path),
        };
        let mut folded = PathBuf::new();
        for part in expanded.components() {
            match part {
                Component::CurDir => {}
                Component::ParentDir => {
                    folded.pop();
                }
                part => folded.push(part),
            }
        }
        folded
    }

    /// How messages name a file: from the root where it lies below it, from its checkout where it lies in one
    /// (`railiance-cluster/helm/x.yaml`), else whole.
    pub fn name(&self, path: &Path) -> String {
        if let Ok(inner) = path.strip_prefix(&self.root)
            && path != self.root
        {
            return inner.display().to_string();
        }
        let checkout = path.ancestors().find(|folder| folder.join(".git").exists());
        let inner = checkout.and_then(Path::parent).and_then(|above| path.strip_prefix(above).ok());
        inner.unwrap_or(path).display().to_string()
    }

    /// How a plan names a file: the same however its path was written.
    pub fn resource(path: &Path) -> String {
        format!("file {}", path.display())
    }

    /// The files below a folder that this dry run has planned something for, in order.
    pub fn planned_below(&self, folder: &Path) -> Vec<PathBuf> {
        let planned = self.planned.lock().unwrap_or_else(PoisonError::into_inner);
        let mut below: Vec<PathBuf> = planned.keys().filter(|path| path.starts_with(folder)).cloned().collect();
        below.sort();
        below
    }

    /// A text file, as it is or as this dry run planned it.
    pub fn read(&self, path: &Path) -> Result<String, FileError> {
        if let Some(planned) = self.planned(path) {
            return planned.ok_or_else(|| self.not_found(path));
        }
        self.read_disk(path)
    }

    /// A text file as it is on disk, whatever was planned.
    pub fn read_disk(&self, path: &Path) -> Result<String, FileError> {
        self.may_read(path)?;
        self.read_given(path)
    }

    /// A text file that the operator's own environment names: no script chose it, so it may lie anywhere.
    pub fn read_given(&self, path: &Path) -> Result<String, FileError> {
        let bytes = std::fs::read(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => self.not_found(path),
            _ => failed("read", path, &error),
        })?;
        String::from_utf8(bytes).map_err(|_| FileError::NotText { path: path.display().to_string() })
    }

    pub fn exists(&self, path: &Path) -> bool {
        self.planned(path).map_or_else(|| path.exists(), |content| content.is_some())
    }

    /// What a dry run planned for this file: `Some(None)` stands for "removed".
    pub fn planned(&self, path: &Path) -> Option<Option<String>> {
        self.planned.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned()
    }

    /// Remembers what a file would hold (`None`: it would be gone). In a live run this does nothing.
    pub fn foretell(&self, path: &Path, content: Option<String>) {
        if self.mode == Mode::DryRun {
            self.planned.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), content);
        }
    }

    /// Replaces a file whole: written beside it, synced, then renamed over it. Its mode is kept. What is written has no name
    /// until it is whole, so that a kill leaves nothing behind.
    #[expect(clippy::disallowed_methods, reason = "the door to files")]
    pub fn write(&self, _: &Permit, path: &Path, content: &str) -> Result<(), FileError> {
        let write = || -> std::io::Result<()> {
            let folder = path.parent().unwrap_or(Path::new("."));
            std::fs::create_dir_all(folder)?;
            let beside = folder.join(format!(".{}.railrun-{}", path.file_name().unwrap_or_default().to_string_lossy(), std::process::id()));
            let _ = std::fs::remove_file(&beside);
            let (mut file, named) = match unnamed(folder) {
                Ok(file) => (file, false),
                // Not every file system has such files.
                Err(_) => (std::fs::File::create(&beside)?, true),
            };
            let written = file.write_all(content.as_bytes()).and_then(|()| file.sync_all());
            let kept = std::fs::metadata(path).map_or(Ok(()), |old| file.set_permissions(old.permissions()));
            let named = written.and(kept).and_then(|()| if named { Ok(()) } else { give_name(&file, &beside) });
            if let Err(error) = named.and_then(|()| std::fs::rename(&beside, path)) {
                let _ = std::fs::remove_file(&beside);
                return Err(error);
            }
            std::fs::File::open(folder)?.sync_all()
        };
        write().map_err(|error| failed("write", path, &error))
    }

    /// Lets a file be run by whoever may run another one.
    pub fn take_mode(&self, _: &Permit, path: &Path, from: &Path) -> Result<(), FileError> {
        let copy = || std::fs::set_permissions(path, std::fs::metadata(from)?.permissions());
        copy().map_err(|error| failed("set the mode of", path, &error))
    }

    #[expect(clippy::disallowed_methods, reason = "the door to files")]
    pub fn remove(&self, _: &Permit, path: &Path) -> Result<(), FileError> {
        std::fs::remove_file(path).map_err(|error| failed("remove", path, &error))
    }

    fn not_found(&self, path: &Path) -> FileError {
        FileError::NotFound { path: self.name(path), root: self.root.display().to_string() }
    }
}

/// A file in a folder that no name leads to; the umask decides who may read it.
fn unnamed(folder: &Path) -> std::io::Result<std::fs::File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(rustix::fs::CWD, folder, flags, rustix::fs::Mode::from_raw_mode(0o666))?.into())
}

fn give_name(file: &std::fs::File, path: &Path) -> std::io::Result<()> {
    let open = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(rustix::fs::linkat(rustix::fs::CWD, open, rustix::fs::CWD, path, rustix::fs::AtFlags::SYMLINK_FOLLOW)?)
}

fn failed(verb: &'static str, path: &Path, error: &std::io::Error) -> FileError {
    FileError::Failed { verb, path: path.display().to_string(), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dry_run_reads_what_it_planned() {
        let files = Files::new("/nowhere".into(), Mode::DryRun);
        let path = files.path("a/./b/../c.yaml");
        assert_eq!(path, Path::new("/nowhere/a/c.yaml"));
        assert!(matches!(files.read(&path), Err(FileError::NotFound { .. })));
        files.foretell(&path, Some("x: 1\n".into()));
        assert_eq!(files.read(&path).unwrap(), "x: 1\n");
        files.foretell(&path, None);
        assert!(!files.exists(&path));
    }

    #[test]
    fn a_file_of_a_sibling_checkout_is_named_from_there() {
        let parent = tempfile::tempdir().unwrap();
        let (root, sibling) = (parent.path().join("platform"), parent.path().join("cluster"));
        let files = Files::new(root.clone(), Mode::Live);
        files.write(&Permit::for_tests(), &sibling.join(".git/HEAD"), "").unwrap();
        let names = [root.join("helm/x"), sibling.join("helm/x"), sibling.clone()].map(|path| files.name(&path));
        assert_eq!(names, ["helm/x", "cluster/helm/x", "cluster"]);
        files.write(&Permit::for_tests(), &root.join(".git/HEAD"), "").unwrap();
        assert_eq!((files.name(&root), files.name(Path::new("/elsewhere/x"))), ("platform".into(), "/elsewhere/x".into()));
    }

    #[test]
    fn reads_stay_below_the_root_and_what_settings_name() {
        let parent = tempfile::tempdir().unwrap();
        let (root, named, other) = (parent.path().join("root"), parent.path().join("named"), parent.path().join("other"));
        let files = Files::new(root.clone(), Mode::Live);
        for folder in [&root, &named, &other] {
            files.write(&Permit::for_tests(), &folder.join("x"), "1").unwrap();
        }
        std::os::unix::fs::symlink(other.join("x"), root.join("link")).unwrap();
        let files = files.within([named.display().to_string(), "not there".into()]);
        assert!(files.read(&root.join("x")).is_ok() && files.read(&named.join("x")).is_ok());
        assert!(matches!(files.read(&other.join("x")), Err(FileError::Outside { .. })));
        assert!(matches!(files.read(&root.join("link")), Err(FileError::Outside { .. })), "a link leads out");
        assert!(matches!(files.read(&other.join("none")), Err(FileError::NotFound { .. })));
    }

    #[test]
    fn a_file_is_replaced_whole_with_its_mode_and_nothing_is_left_beside_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let files = Files::new(folder.path().to_owned(), Mode::Live);
        let path = folder.path().join("new/Makefile");
        files.write(&Permit::for_tests(), &path, "first").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        files.write(&Permit::for_tests(), &path, "second").unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!((files.read(&path).unwrap().as_str(), mode), ("second", 0o640));
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        assert!(unnamed(folder.path()).is_ok(), "what is written here has a name before it is whole");
    }

    #[test]
    fn a_live_run_plans_nothing() {
        let files = Files::new("/nowhere".into(), Mode::Live);
        files.foretell(Path::new("/nowhere/x"), Some(String::new()));
        assert!(!files.exists(Path::new("/nowhere/x")));
    }
}
