//! What a command answers on stdout. A reader that has seen enough (`| head`) is no failure; a full disk is one.

use super::exit::Exit;
use std::io::{ErrorKind, Write};

/// Prints a text and says how the process ends.
pub fn print(text: &[u8]) -> Exit {
    let mut out = std::io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Ok(()) => Exit::Done,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Exit::Done,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "cannot write to stdout: {error}");
            Exit::Failed
        }
    }
}
