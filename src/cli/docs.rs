//! `railrun docs` and `railrun completions`: what the engine and clap know about themselves.

use super::args::Args;
use super::exit::Exit;
use crate::engine;
use clap::CommandFactory;
use std::io::Write;

pub fn docs(verb: Option<&str>, markdown: bool) -> Exit {
    let text = if markdown { Ok(engine::docs::reference()) } else { engine::docs::text(verb) };
    match text {
        Ok(text) => {
            let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
            Exit::Done
        }
        Err(fault) => {
            let _ = writeln!(
                std::io::stderr(),
                "{}{}",
                fault.message(),
                fault.help().map(|help| format!("\n  help: {help}")).unwrap_or_default()
            );
            Exit::Usage
        }
    }
}

pub fn completions(shell: clap_complete::Shell) -> Exit {
    clap_complete::generate(shell, &mut Args::command(), "railrun", &mut std::io::stdout());
    Exit::Done
}
