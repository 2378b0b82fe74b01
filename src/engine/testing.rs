//! Throw-away repositories for this floor's tests.

use crate::engine::Sources;
use std::path::PathBuf;
use tempfile::TempDir;

pub struct Repo {
    folder: TempDir,
    pub sources: Sources,
}

impl Repo {
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }
}

/// A repository with these files.
#[expect(clippy::disallowed_methods, reason = "a test's own folder")]
pub fn repo<S: AsRef<[u8]> + ?Sized>(files: &[(&str, &S)]) -> Repo {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let sources = Sources::new(folder.path().to_owned());
    Repo { folder, sources }
}
