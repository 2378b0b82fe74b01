//! Runs that are cut short: by Ctrl-C, by SIGKILL, by a database that dies under them. Each is started with its event stream
//! on stdout, so that it can be cut at a named event.

#![expect(clippy::disallowed_methods, reason = "tests send signals with `kill`")]

use super::platform::{Repository, gitea_api, keep, kubectl, login_works};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command};
use std::time::Duration;

pub const T02: &str = "scripts/t02-gitea-migrate.rhai";

/// An event of the stream, by its name, its verb and its target.
#[derive(Clone, Copy, Debug)]
pub struct At(pub &'static str, pub &'static str, pub &'static str);

/// What is done at the event, so long after it.
pub enum Cut<'c> {
    Signal(&'static str, Duration),
    Do(&'c dyn Fn(), Duration),
}

/// Runs a script and cuts it at an event; the exit code (none for a death by signal) and what was printed. `None` where the
/// run ended before the event came.
pub fn run(repository: &Repository, script: &str, at: At, cut: &Cut) -> Option<(Option<i32>, String)> {
    // What is killed holds its lock until it has expired: that is shown in `trust::lock`, and not waited for here.
    let mut child = repository.start(&[script, "--set", "lock.lasts=3s"]);
    let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
    let mut printed = String::new();
    let met = lines.by_ref().map_while(Result::ok).any(|line| {
        crate::support::schema::check(&line);
        let event: Value = serde_json::from_str(&line).unwrap_or_default();
        printed.push_str(&line);
        printed.push('\n');
        event["event"] == at.0 && event["verb"] == at.1 && event["target"].as_str().is_some_and(|target| target.contains(at.2))
    });
    if met {
        carry_out(cut, &child);
    }
    printed.extend(lines.map_while(Result::ok).map(|line| line + "\n"));
    child.stderr.take().expect("stderr").read_to_string(&mut printed).expect("stderr");
    let status = child.wait().expect("railrun ends");
    keep(&format!("$ railrun {script} --output json, cut at {} {} {}\n{printed}", at.0, at.1, at.2));
    met.then_some((status.code(), printed))
}

fn carry_out(cut: &Cut, child: &Child) {
    match cut {
        Cut::Signal(signal, after) => {
            std::thread::sleep(*after);
            let sent = Command::new("kill").args([signal, child.id().to_string().as_str()]).status().expect("kill");
            assert!(sent.success(), "the run had ended before the signal");
        }
        Cut::Do(what, after) => {
            std::thread::sleep(*after);
            what();
        }
    }
}

/// Killed at five places, each time run again: the last run ends well.
pub fn five_times_and_ends_well() {
    let repository = Repository::own();
    let soon = Duration::from_millis(300);
    // In the order in which a run comes by, so that each is met by the run that goes on with the one before.
    let places = [
        At("change-intent", "sops set", "gitea-values.sops.yaml#gitea.config.database"),
        At("change-intent", "kube scale", "gitea/deployment/gitea"),
        At("change-intent", "sql copy", "gitea"),
        At("change-done", "sql copy", "gitea"),
        At("change-intent", "evidence record", "certificate"),
    ];
    for at in places {
        let (code, printed) = run(&repository, T02, at, &Cut::Signal("-KILL", soon)).unwrap_or_else(|| panic!("{at:?} was never met"));
        assert_eq!(code, None, "{printed}");
    }
}

const WRITTEN: &str = "written.meanwhile@example.org";

/// Between a killed run and the next somebody starts Gitea by hand, and a user writes to the database that was copied already.
pub fn somebody_starts_gitea_meanwhile() {
    kubectl("-n gitea scale deployment gitea --replicas 1");
    assert!(login_works(), "Gitea does not start on its old database");
    gitea_api("/user/emails", Some(&format!("{{\"emails\": [\"{WRITTEN}\"]}}")));
}

pub fn nothing_written_meanwhile_is_lost() {
    let emails = gitea_api("/user/emails", None);
    assert!(emails.to_string().contains(WRITTEN), "what a user wrote while Gitea was started by hand is lost: {emails}");
}
