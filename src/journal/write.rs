//! The journal as a reader of the event stream. It is on the disk, not only in its cache, at every intent and every
//! outcome; a run that cannot be written down changes nothing.

use super::{JournalError, Key, Store, Story, VERSION, failed, prune};
use crate::effect::{Diff, Mode};
use crate::event::{Event, Listener};
use crate::secret::{Redactor, looks_secret};
use regex::{Captures, Regex};
use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

pub use prune::Keep;

/// Writes down every live run.
#[derive(Clone)]
pub struct Journal(Arc<Inner>);

struct Inner {
    store: Store,
    key: Key,
    redactor: Redactor,
    settings: Value,
    keep: Keep,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The journal of the run under way. It is locked for as long as it is open: until the next run, or the process's end.
    file: Option<File>,
    /// An earlier run's journal that is this process's to go on with or to close.
    claimed: Option<(PathBuf, File)>,
    /// Why nothing can be written any more.
    broken: Option<String>,
}

impl Journal {
    /// `settings` are written down at the beginning of each run, what looks like a secret as its fingerprint.
    pub fn new(store: Store, key: Key, redactor: Redactor, settings: &Value, keep: Keep) -> Self {
        let settings = concealed(settings, &key);
        Self(Arc::new(Inner { store, key, redactor, settings, keep, state: Mutex::default() }))
    }

    /// Why nothing can be written any more, if that is so: then nothing may be changed either.
    pub fn broken(&self) -> Option<String> {
        self.state().broken.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn key(&self) -> &Key {
        &self.0.key
    }

    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// Takes an earlier run for this process alone, and reads once more how far it came: until now another may have been at it.
    pub fn claim(&self, story: &Story) -> Result<Story, JournalError> {
        let mut state = self.state();
        state.claimed = None;
        let file = own(&story.path).map_err(|error| match error.kind() {
            ErrorKind::WouldBlock => JournalError::Held { run: story.name(), process: story.process },
            _ => failed("lock", &story.path, &error),
        })?;
        state.claimed = Some((story.path.clone(), file));
        Story::read(&story.path)
    }

    /// Closes an unfinished run that is not gone on with.
    pub fn abandon(&self, story: &Story) -> Result<(), JournalError> {
        let line = self.line(json!({"event": "run-ended", "outcome": "abandoned"}));
        let claimed = self.state().claimed.take();
        let written = append(&story.path, claimed).and_then(|mut file| write(&mut file, &line, true));
        written.map_err(|error| failed("write", &story.path, &error))
    }

    fn line(&self, mut record: Value) -> String {
        record["at"] = json!(jiff::Timestamp::now().to_string());
        self.0.redactor.record(record).to_string()
    }

    fn begin(&self, run: &str, task: &str, resumed: bool, claimed: Option<(PathBuf, File)>) -> io::Result<File> {
        let path = self.0.store.path(run, task);
        if resumed {
            return append(&path, claimed);
        }
        self.0.store.make()?;
        self.0.store.prune(self.0.keep);
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
        file.try_lock()?;
        self.0.store.sync()?;
        Ok(file)
    }

    fn record(&self, event: &Event) -> Option<Value> {
        let mut record = serde_json::to_value(event).ok()?;
        match event {
            Event::Progress { .. } | Event::StepsDeclared { .. } => return None,
            Event::RunStarted { .. } => {
                record["v"] = json!(VERSION);
                record["process"] = json!(std::process::id());
                record["railrun"] = json!(env!("CARGO_PKG_VERSION"));
                record["settings"] = self.0.settings.clone();
            }
            Event::ChangeIntent { diff, .. } => record["diff"] = json!(fingerprint(diff, &self.0.key)),
            Event::Failure { .. } => {
                record.as_object_mut()?.remove("rendered");
            }
            _ => {}
        }
        Some(record)
    }
}

impl Listener for Journal {
    fn hear(&self, event: &Event) {
        let mut state = self.state();
        if let Event::RunStarted { run, id, mode, resumed, .. } = event {
            state.file = None;
            let claimed = state.claimed.take();
            if *mode == Mode::Live {
                match self.begin(run, id, *resumed, claimed) {
                    Ok(file) => state.file = Some(file),
                    Err(error) => state.broken = Some(error.to_string()),
                }
            }
        }
        let Some(file) = &mut state.file else { return };
        let Some(record) = self.record(event) else { return };
        let lasting = matches!(
            event,
            Event::ChangeIntent { .. }
                | Event::ChangeDone { .. }
                | Event::StepEnded { .. }
                | Event::Committed { .. }
                | Event::UndoEnded { .. }
        );
        if let Err(error) = write(file, &self.line(record), lasting) {
            state.broken = Some(error.to_string());
        }
    }
}

/// What a difference is, in one word.
pub fn fingerprint(diff: &Diff, key: &Key) -> String {
    key.fingerprint(&diff.essence())
}

/// Opens a journal that no living process is at, and keeps all others from it until it is closed. The operating system lets
/// go of a lock when its holder dies, however it dies; children do not inherit it.
pub(super) fn own(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).append(true).open(path)?;
    file.try_lock()?;
    Ok(file)
}

/// A journal to go on with, the one that was claimed or another; a torn last record is taken off first.
fn append(path: &Path, claimed: Option<(PathBuf, File)>) -> io::Result<File> {
    let mut file = match claimed.filter(|(claimed, _)| claimed == path) {
        Some((_, file)) => file,
        None => own(path)?,
    };
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    file.set_len(u64::try_from(whole(&text)).map_err(io::Error::other)?)?;
    Ok(file)
}

/// The length of a journal without a torn last record.
fn whole(text: &[u8]) -> usize {
    let end = |text: &[u8]| text.iter().rposition(|byte| *byte == b'\n');
    let Some(last) = end(text) else { return 0 };
    let begin = end(&text[..last]).map_or(0, |at| at + 1);
    if serde_json::from_slice::<Value>(&text[begin..last]).is_ok() { last + 1 } else { begin }
}

/// One write per record: a process that is killed leaves whole ones.
fn write(file: &mut File, line: &str, lasting: bool) -> io::Result<()> {
    file.write_all(format!("{line}\n").as_bytes())?;
    if lasting { file.sync_data() } else { Ok(()) }
}

/// Settings with fingerprints in place of what looks like a secret, or lies below what does. A reference (`sops:…`) is none.
fn concealed(settings: &Value, key: &Key) -> Value {
    hide(settings, false, key)
}

fn hide(value: &Value, secret: bool, key: &Key) -> Value {
    let mark = |text: &str| format!("[secret {}]", key.fingerprint(text.as_bytes()));
    match value {
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), hide(value, secret || looks_secret(name), key))).collect()
        }
        Value::Array(items) => items.iter().map(|item| hide(item, secret, key)).collect(),
        Value::String(text) if text.starts_with("sops:") || text.starts_with("kube:") => value.clone(),
        Value::String(text) if secret => json!(mark(text)),
        Value::Number(number) if secret => json!(mark(&number.to_string())),
        Value::String(text) => json!(LOGIN.replace_all(text, |found: &Captures| login(found, mark))),
        plain => plain.clone(),
    }
}

/// Who logs in, in an address: `https://user:password@host`, and a token alone. A mere user (`ssh://git@host`) is none.
static LOGIN: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?i)([a-z][a-z0-9+.-]*://)([^/?#\s]+)@").expect("a constant"));

fn login(found: &Captures, mark: impl Fn(&str) -> String) -> String {
    let (scheme, who) = (&found[1], &found[2]);
    let is_secret = who.contains(':') || scheme.to_lowercase().starts_with("http");
    if is_secret { format!("{scheme}{}@", mark(who)) } else { found[0].to_owned() }
}
