//! The event stream as JSON lines on stdout, every text of it through the redactor.

use crate::event::{Event, Listener};
use crate::secret::Redactor;
use serde_json::json;
use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// The version of the stream's form.
const VERSION: u32 = 1;

/// Whether a line could not be written: stdout is one for the whole process.
static LOST: AtomicBool = AtomicBool::new(false);

/// Whether a line of the stream was lost, for another reason than a reader that went away.
pub fn lost() -> bool {
    LOST.load(Ordering::SeqCst)
}

pub struct Json {
    redactor: Redactor,
    began: Instant,
}

impl Json {
    pub fn new(redactor: Redactor) -> Self {
        Self { redactor, began: Instant::now() }
    }
}

impl Listener for Json {
    fn hear(&self, event: &Event) {
        let Ok(mut line) = serde_json::to_value(event) else { return };
        line["v"] = json!(VERSION);
        line["at_ms"] = json!(u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX));
        // A reader that went away (`| head`) must not stop a run, nor may a full disk: it is said at the end.
        let written = writeln!(std::io::stdout(), "{}", self.redactor.record(line));
        if written.is_err_and(|error| error.kind() != ErrorKind::BrokenPipe) {
            LOST.store(true, Ordering::SeqCst);
        }
    }
}
