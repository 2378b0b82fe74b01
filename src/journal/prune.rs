//! The journal stays small: old runs go by count and by age, an unfinished one never.

use super::write::own;
use super::{Store, Story};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    pub runs: usize,
    pub age: Duration,
}

impl Default for Keep {
    fn default() -> Self {
        Self { runs: 100, age: Duration::from_secs(90 * 24 * 3600) }
    }
}

impl Store {
    /// Removes what is too old or too much.
    #[expect(clippy::disallowed_methods, reason = "the door to the journal")]
    pub fn prune(&self, keep: Keep) {
        let files = self.files();
        let surplus = files.len().saturating_sub(keep.runs);
        let oldest_allowed = SystemTime::now().checked_sub(keep.age);
        for (index, path) in files.iter().enumerate() {
            let old = || oldest_allowed.zip(began(path)).is_some_and(|(allowed, began)| began < allowed);
            let ended = || Story::read(path).is_ok_and(|story| !story.is_unfinished());
            // One that is locked is being taken back right now.
            if (index < surplus || old()) && ended() && own(path).is_ok() {
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

/// A run's name says when it began.
fn began(path: &Path) -> Option<SystemTime> {
    let name = path.file_name()?.to_str()?;
    let run: ulid::Ulid = name.split('.').next()?.parse().ok()?;
    Some(run.datetime())
}
