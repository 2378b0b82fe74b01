//! `railrun list`: the tasks, read from their headers; nothing is evaluated, no cluster is asked.

use super::args::{Global, Output};
use super::choose::Found;
use super::exit::Exit;
use super::{out, setup};
use crate::engine::{Script, Sources};
use crate::report::{harmless, pad, shorten};
use unicode_width::UnicodeWidthStr;

/// The longest title that is shown whole.
const TITLE: usize = 48;

pub fn list(global: &Global) -> Exit {
    let sources = Sources::new(setup::root());
    let found = Found::in_folder(&sources);
    let lines = if global.output == Output::Json { found.scripts.iter().map(json).collect() } else { table(&found.scripts) };
    let printed = out::print(lines.iter().fold(String::new(), |all, line| all + harmless(line).as_str() + "\n").as_bytes());
    found.say_broken(global, &sources).unwrap_or(printed)
}

/// Id, what it is about, and the file, in columns.
fn table(scripts: &[Script]) -> Vec<String> {
    let rows: Vec<[String; 3]> = scripts.iter().map(row).collect();
    let width = |column: usize, most: usize| rows.iter().map(|row| row[column].width().min(most)).max().unwrap_or(0);
    let (id, title) = (width(0, 20), width(1, TITLE));
    rows.iter().map(|row| format!("{}  {}  {}", pad(&row[0], id), pad(&shorten(&row[1], title), title), row[2])).collect()
}

fn row(script: &Script) -> [String; 3] {
    match &script.task {
        Some(task) => {
            let needs = if task.needs.is_empty() { String::new() } else { format!("  needs {}", task.needs.join(", ")) };
            [task.id.clone(), task.title.clone(), format!("{}{needs}", script.name)]
        }
        None => ["-".into(), summary(script), script.name.clone()],
    }
}

/// The first line that a script says about itself.
fn summary(script: &Script) -> String {
    script.source.lines().find_map(|line| line.strip_prefix("//!")).unwrap_or_default().trim().to_owned()
}

fn json(script: &Script) -> String {
    let task = script.task.as_ref();
    serde_json::json!({
        "v": 1,
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
