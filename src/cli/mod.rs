//! What the user typed, and what the process answers. Each command is a file; none of them carries out anything itself.

mod args;
mod ask;
mod check;
mod choose;
mod docs;
mod doctor;
mod environment;
mod exit;
mod history;
mod list;
mod out;
mod plan;
mod resume;
mod rights;
mod run;
mod setup;
mod status;
mod undo;

pub use exit::Exit;

use crate::report;
use args::{Args, Command, EnvCommand};
use std::io::Write;

/// Runs the process's command line.
pub fn main() -> Exit {
    match command() {
        Exit::Done if report::json_was_lost() => {
            let _ = writeln!(std::io::stderr(), "the run ended well, but stdout took not all of its events: is its disk full?");
            Exit::Failed
        }
        exit => exit,
    }
}

fn command() -> Exit {
    crate::process::no_core_dumps();
    let args = match Args::read(&std::env::args_os().collect::<Vec<_>>()) {
        Ok(args) => args,
        Err(error) => return exit::usage(&error),
    };
    let global = &args.global;
    match args.command {
        None => match args.script {
            Some(script) => run::scripts(global, &[script], &args.run),
            None => exit::usage(&args::help()),
        },
        Some(Command::Run { tasks, run }) => run::scripts(global, &tasks, &run),
        Some(Command::Plan { tasks, out, rbac }) => plan::plan(global, &tasks, out.as_deref(), rbac),
        Some(Command::Apply { plan, allow_pending }) => plan::apply(global, &plan, allow_pending),
        Some(Command::List) => list::list(global),
        Some(Command::Status) => status::status(global),
        Some(Command::History { run }) => history::history(global, run.as_deref()),
        Some(Command::Undo { run, resume }) => undo::undo(global, &run, resume),
        Some(Command::Env { command: EnvCommand::Pin { run } }) => environment::pin_here(global, &run),
        Some(Command::Unlock) => environment::unlock(global),
        Some(Command::Check { scripts }) => check::check(global, &scripts),
        Some(Command::Doctor) => doctor::doctor(global),
        Some(Command::Docs { verb, markdown }) => docs::docs(verb.as_deref(), markdown),
        Some(Command::Completions { shell }) => docs::completions(shell),
    }
}
