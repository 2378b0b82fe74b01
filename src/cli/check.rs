//! `railrun check`, and the same check before every run; also how a failure outside a run is shown.

use super::args::{Global, Output};
use super::choose::Found;
use super::exit::Exit;
use super::setup;
use crate::effect::Mode;
use crate::engine::{self, Finding, Script, Sources};
use crate::files::Files;
use crate::script::Fault;
use crate::secret::Redactor;
use std::io::Write;
use std::path::PathBuf;

pub fn check(global: &Global, paths: &[PathBuf]) -> Exit {
    let sources = Sources::new(setup::root());
    let found = if paths.is_empty() { Found::in_folder(&sources) } else { Found::of(&sources, paths) };
    let broken = found.say_broken(global, &sources);
    let passes = passes(global, &sources, &found.scripts);
    if let Some(exit) = broken {
        return exit;
    }
    if !passes {
        return Exit::Usage;
    }
    let warnings = match values(global) {
        Ok(warnings) => warnings,
        Err(fault) => return fail(global, &sources, &fault),
    };
    for finding in &warnings {
        say(global, finding);
    }
    if global.output == Output::Text && !global.quiet {
        let _ = writeln!(std::io::stderr(), "{}", checked(found.scripts.len(), warnings.len()));
    }
    Exit::Done
}

fn checked(scripts: usize, warnings: usize) -> String {
    match (scripts, warnings) {
        (0, _) => "no script was found: they are looked for in `scripts/`, or name one".into(),
        (scripts, 0) => format!("{} checked: nothing found", counted(scripts, "script")),
        (scripts, warnings) => format!("{} checked: no mistake, {}", counted(scripts, "script"), counted(warnings, "warning")),
    }
}

fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// What values files hold that no chart reads.
fn values(global: &Global) -> Result<Vec<Finding>, Fault> {
    let root = setup::root();
    let settings = setup::settings(global, &root)?;
    Ok(engine::check_values(&settings, &Files::new(root, Mode::DryRun)))
}

/// Whether scripts may run. Everything found is shown, warnings too.
pub fn passes(global: &Global, sources: &Sources, scripts: &[Script]) -> bool {
    let findings = engine::check(sources, scripts);
    for finding in &findings {
        say(global, finding);
    }
    !findings.iter().any(Finding::is_error)
}

fn say(global: &Global, finding: &Finding) {
    let report = engine::report::finding(finding, &style(global, &Redactor::default()));
    show(global, &report);
}

/// Shows a failure that has no run around it.
pub fn fail(global: &Global, sources: &Sources, fault: &Fault) -> Exit {
    fail_beside(global, sources, &Redactor::default(), fault)
}

/// The same where secrets were read before it.
pub fn fail_beside(global: &Global, sources: &Sources, redactor: &Redactor, fault: &Fault) -> Exit {
    let report = engine::report::render(fault, sources, &style(global, redactor));
    show(global, &report);
    Exit::of(fault)
}

fn show(global: &Global, report: &engine::report::Report) {
    if global.output == Output::Json {
        let line = serde_json::json!({"v": 1, "event": "failure", "code": report.code, "message": report.message, "help": report.help, "place": report.place});
        let _ = writeln!(std::io::stdout(), "{line}");
    } else {
        let _ = writeln!(std::io::stderr(), "{}\n", crate::report::harmless(report.rendered.trim_end()));
    }
}

pub(super) fn style(global: &Global, redactor: &Redactor) -> engine::report::Style {
    let paint = setup::paint(global);
    engine::report::Style { colour: paint.colour, width: paint.width, redactor: redactor.clone() }
}
