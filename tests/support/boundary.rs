//! Chains of runs that are cut short: each is killed with SIGKILL one boundary of a change later than the one before, and
//! gone on with by the same command.

use super::schema;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::Child;

/// Kills a run, started with its event stream on stdout, at the first intent or outcome of a change that is not among
/// those that were met before. `false` where it ran to its end, which must be a good one.
pub fn killed_at_next(mut child: Child, met: &mut Vec<String>) -> bool {
    let stdout = child.stdout.take().expect("stdout");
    let (mut last, mut step) = (String::new(), String::new());
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        schema::check(&line);
        let event: Value = serde_json::from_str(&line).unwrap_or_default();
        if event["event"] == "step-started" {
            event["name"].as_str().unwrap_or_default().clone_into(&mut step);
        }
        if let Some(boundary) = boundary(&event, &step).filter(|boundary| !met.contains(boundary)) {
            child.kill().expect("killed");
            child.wait().expect("it ends");
            met.push(boundary);
            return true;
        }
        last = line;
    }
    assert!(child.wait().expect("it ends").success(), "a run that was not killed fails: {last}\nafter {met:#?}");
    false
}

/// `change-intent helm upgrade gitea/gitea in "point Gitea at it"`; of a target with figures in it (a backup's id) only what stands before them.
fn boundary(event: &Value, step: &str) -> Option<String> {
    let word = |key: &str| event[key].as_str().unwrap_or_default();
    let lasting = matches!(word("event"), "change-intent" | "change-done");
    let target = word("target").split(|letter: char| letter.is_ascii_digit()).next().unwrap_or_default();
    lasting.then(|| format!("{} {} {target} in `{step}`", word("event"), word("verb")))
}
