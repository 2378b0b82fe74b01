//! The command lines and environments of everything that railrun starts, sampled while it runs: any user of the machine
//! may read the first, and root the second.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

pub struct Watch {
    stop: Arc<AtomicBool>,
    sampler: JoinHandle<BTreeSet<String>>,
}

impl Watch {
    pub fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let until = stop.clone();
        let sampler = std::thread::spawn(move || {
            let mut known = HashSet::new();
            let mut seen = BTreeSet::new();
            while !until.load(Ordering::Relaxed) {
                sample(&mut known, &mut seen);
                std::thread::sleep(Duration::from_millis(10));
            }
            seen
        });
        Self { stop, sampler }
    }

    /// What was seen of railrun and of everything below it.
    pub fn end(self) -> String {
        self.stop.store(true, Ordering::Relaxed);
        let seen = self.sampler.join().expect("the sampler");
        seen.into_iter().collect::<Vec<_>>().join("\n")
    }
}

fn sample(known: &mut HashSet<(u32, String)>, seen: &mut BTreeSet<String>) {
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    for pid in processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
        let Some(words) = text(pid, "cmdline").filter(|words| !words.is_empty()) else { continue };
        if !known.insert((pid, words.clone())) || !is_railruns(pid) {
            continue;
        }
        seen.insert(words);
        seen.extend(text(pid, "environ"));
    }
}

fn text(pid: u32, file: &str) -> Option<String> {
    let bytes = fs::read(format!("/proc/{pid}/{file}")).ok()?;
    Some(String::from_utf8_lossy(&bytes).replace('\0', " "))
}

/// Whether this is railrun, or was started by it.
fn is_railruns(mut pid: u32) -> bool {
    let railrun = fs::canonicalize(env!("CARGO_BIN_EXE_railrun")).expect("railrun");
    while pid > 1 {
        if fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == railrun) {
            return true;
        }
        let parent = text(pid, "status").and_then(|status| status.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok()));
        let Some(parent) = parent else { return false };
        pid = parent;
    }
    false
}
