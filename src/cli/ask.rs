//! A question to whoever sits at the terminal; without one there is no answer. Ctrl-C ends it.

use crate::effect::Interrupted;
use crate::host::SharedHost;
use crate::script::Fault;
use std::io::{BufRead, IsTerminal, Write};

/// What was typed, or nothing where nobody can be asked.
pub fn ask(host: &SharedHost, question: &str) -> Result<Option<String>, Fault> {
    if !std::io::stdin().is_terminal() {
        return Ok(None);
    }
    let _ = write!(std::io::stderr(), "{question} ");
    let (tell, told) = tokio::sync::oneshot::channel();
    // A read of a terminal is not to be interrupted: it is left behind.
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = std::io::stdin().lock().read_line(&mut line);
        tell.send(line)
    });
    let typed = host.wait::<_, Interrupted, Fault>(async { told.await.map_err(|_| Interrupted::ByUser) });
    typed.map(|line| Some(line.trim().to_owned())).inspect_err(|_| {
        let _ = writeln!(std::io::stderr());
    })
}

/// Whether the answer is yes.
pub fn agrees(host: &SharedHost, question: &str) -> Result<bool, Fault> {
    Ok(ask(host, &format!("{question} [y/N]"))?.is_some_and(|answer| matches!(answer.as_str(), "y" | "Y" | "yes")))
}
