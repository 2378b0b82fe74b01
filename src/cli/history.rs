//! `railrun history`: the runs that the journal knows, and one run's story. No cluster is asked.

use super::args::{Global, Output};
use super::exit::Exit;
use super::{check, setup};
use crate::duration::show;
use crate::engine::Sources;
use crate::journal::{Store, Story, VERSION};
use crate::script::Fault;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::io::Write;
use std::time::Duration;

pub fn history(global: &Global, run: Option<&str>) -> Exit {
    match lines(global, run) {
        Ok(lines) => {
            let mut out = std::io::stdout().lock();
            let _ = lines.iter().try_for_each(|line| writeln!(out, "{line}"));
            Exit::Done
        }
        Err(fault) => check::fail(global, &Sources::new(setup::root()), &fault),
    }
}

fn lines(global: &Global, run: Option<&str>) -> Result<Vec<String>, Fault> {
    let root = setup::root();
    let store = setup::store(&setup::settings(global, &root)?, &root);
    let json = global.output == Output::Json;
    Ok(match run {
        Some(run) => {
            let story = store.story(run)?;
            if json { story.records.iter().map(|record| versioned(record).to_string()).collect() } else { tell(&story) }
        }
        None => all(&store, json),
    })
}

fn all(store: &Store, json: bool) -> Vec<String> {
    let line = |story: &Story| {
        if json {
            return json!({"v": VERSION, "run": story.name(), "task": story.task, "script": story.script, "environment": story.environment,
                "began": story.began, "outcome": story.outcome, "changes": story.changes, "cluster": story.cluster_uid})
            .to_string();
        }
        let began = story.began.get(..19).unwrap_or(&story.began).replace('T', " ");
        let changes = if story.changes == 1 { "1 change".into() } else { format!("{} changes", story.changes) };
        format!("{:<32} {began}  {:<10} {:<12} {changes}", story.name(), story.environment, ending(story))
    };
    store.stories().iter().map(line).collect()
}

/// A record of the journal as it is given out: each says which form it has.
fn versioned(record: &Value) -> Value {
    let mut record = record.clone();
    record["v"] = json!(VERSION);
    record
}

fn ending(story: &Story) -> &str {
    story.outcome.as_deref().unwrap_or("unfinished")
}

/// One run's story, a line per thing that happened.
fn tell(story: &Story) -> Vec<String> {
    let mut lines = vec![
        format!("{}  {}  {}", story.task, story.title, story.script),
        format!("{} on {}, {}", story.name(), story.environment, ending(story)),
    ];
    let start = time(&story.began);
    for record in &story.records {
        let since = start.zip(record["at"].as_str().and_then(time)).map(|(start, at)| at.duration_since(start));
        let since = since.and_then(|since| Duration::try_from(since).ok()).map_or_else(String::new, show);
        if let Some(said) = say(record) {
            lines.push(format!("{since:>8}  {said}"));
        }
    }
    if story.torn {
        lines.push("          the last record is torn and left out".into());
    }
    if story.is_unfinished() && story.began_steps() {
        let run = story.name();
        lines.push(format!("The same command goes on with it, `railrun undo {run}` takes it back."));
    }
    lines
}

fn time(text: impl AsRef<str>) -> Option<Timestamp> {
    text.as_ref().parse().ok()
}

fn say(record: &Value) -> Option<String> {
    let text = |key: &str| record[key].as_str().unwrap_or_default();
    let change = || format!("{} {}", text("verb"), text("target"));
    let error = || record["error"].as_str().map_or_else(String::new, |error| format!(": {}", error.lines().next().unwrap_or_default()));
    Some(match text("event") {
        "run-started" if record["resumed"] == true => "went on".into(),
        "step-started" => format!("step {}: {}", record["index"], text("name")),
        "step-ended" => format!("step {} {}", record["index"], record["ending"]["is"].as_str().unwrap_or_default()),
        "change-unchanged" => format!("  = {}", change()),
        "change-intent" => format!("  ~ {} ({})", change(), text("diff").get(..8).unwrap_or_default()),
        "change-done" if record["error"].is_null() => format!("  ✓ {}", change()),
        "change-done" => format!("  ✗ {}{}", change(), error()),
        "remembered" => format!("  remembered: {}", text("name")),
        "state-set" => format!("  state.{}", text("key")),
        "committed" => format!("no way back from here: {}", text("why")),
        "undo-started" => format!("undo: {}", text("step")),
        "undo-ended" => format!("undone: {}{}", text("step"), error()),
        "failure" => format!("{}: {}", text("code"), text("message").lines().next().unwrap_or_default()),
        "warning" => format!("! {}", text("text").lines().next().unwrap_or_default()),
        "run-ended" => format!("ended: {}", text("outcome")),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_says_which_form_it_has() {
        let record = versioned(&json!({"event": "step-started", "name": "one", "at": "2026-01-01T00:00:00Z"}));
        assert_eq!(record["v"], VERSION);
        assert_eq!(record["name"], "one");
    }
}
