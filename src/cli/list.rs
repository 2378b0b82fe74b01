//! `railrun list`: the tasks, read from their headers; nothing is evaluated, no cluster is asked.

use super::args::{Global, Output};
use super::exit::Exit;
use super::{check, run, setup};
use crate::engine::{Script, Sources};
use std::io::Write;

pub fn list(global: &Global) -> Exit {
    let sources = Sources::new(setup::root());
    let scripts = match run::tasks(&sources) {
        Ok(scripts) => scripts,
        Err(fault) => return check::fail(global, &sources, &fault),
    };
    let mut out = std::io::stdout().lock();
    for script in &scripts {
        let line = if global.output == Output::Json { json(script) } else { text(script) };
        if writeln!(out, "{line}").is_err() {
            break;
        }
    }
    Exit::Done
}

fn text(script: &Script) -> String {
    match &script.task {
        Some(task) => {
            let needs = if task.needs.is_empty() { String::new() } else { format!("  needs {}", task.needs.join(", ")) };
            format!("{:<5} {:<48} {}{needs}", task.id, task.title, script.name)
        }
        None => format!("{:<5} {:<48} {}", "-", summary(script), script.name),
    }
}

/// The first line that a script says about itself.
fn summary(script: &Script) -> String {
    script.source.lines().find_map(|line| line.strip_prefix("//!")).unwrap_or_default().trim().to_owned()
}

fn json(script: &Script) -> String {
    let task = script.task.as_ref();
    serde_json::json!({
        "id": task.map(|task| &task.id),
        "title": task.map(|task| &task.title),
        "summary": task.map_or_else(|| summary(script), |task| task.summary.clone()),
        "needs": task.map(|task| &task.needs),
        "after": task.map(|task| &task.after),
        "state_hub_task_id": task.and_then(|task| task.state_hub_task_id.as_ref()),
        "script": script.name,
    })
    .to_string()
}
