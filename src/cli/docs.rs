//! `railrun docs` and `railrun completions`: what the engine and clap know about themselves.

use super::args::Args;
use super::exit::Exit;
use super::out;
use crate::engine;
use clap::CommandFactory;
use std::io::Write;

pub fn docs(verb: Option<&str>, markdown: bool) -> Exit {
    let text = if markdown { Ok(engine::docs::reference()) } else { engine::docs::text(verb) };
    match text {
        Ok(text) => out::print(format!("{}\n", text.trim_end()).as_bytes()),
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
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "railrun", &mut script);
    out::print(&script)
}
