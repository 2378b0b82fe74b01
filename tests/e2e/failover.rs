//! T04's figures against an independent observer: a program beside this one, with its own clients and connections. They
//! must agree within what both say they may be off, or 5 %. And the test of the test: with the chart's default values a
//! frozen primary loses acknowledged writes, which T04 must say.

#![expect(clippy::disallowed_methods, reason = "tests run programs")]

use super::platform::{GITEA, Repository, keep, kubectl, password};
use crate::support::sandbox::shell;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

const T01: &str = "scripts/t01-postgresql-ha.rhai";
/// Two samples of the one that asks less often: how far two sights of the same gap may be apart.
const LOGINS_APART: i64 = 400;
const ROUND: &str = r#"
import "failover" as failover;

fn steps(task) {
    task.step("one round", #{
        done: || evidence::find("round", settings::get("round")).measured,
        run: || {
            let row = failover::round(settings::get("kind"), 1);
            note(failover::shown(row));
            for complaint in row.complaints { note(complaint); }
            probe::page("round", [row]);
            evidence::record("round", settings::get("round"), #{ measured: true });
        },
        undo: || failover::put_back(),
    });
}
"#;

struct Observer {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Observer {
    fn start() -> Self {
        let address = kubectl("-n platform get service postgresql-ha-pgpool -o jsonpath='{.spec.clusterIP}'");
        let postgres = kubectl("-n platform get secret postgresql-ha-postgresql -o jsonpath='{.data.password}' | base64 -d");
        let mut child = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/observer"))
            .args(["platform", "postgresql-ha", &address, GITEA, "root1"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 with psycopg2 (`sandbox setup` installs it)");
        let users = password("root1");
        writeln!(child.stdin.take().expect("its input"), "{postgres}\n{users}").expect("its input");
        let mut said = BufReader::new(child.stdout.take().expect("its output"));
        let mut line = String::new();
        said.read_line(&mut line).expect("its output");
        assert_eq!(line, "observing\n", "the observer does not begin");
        Self { child, said }
    }

    fn stop(mut self) -> Value {
        shell(&format!("kill -TERM {}", self.child.id()));
        let mut text = String::new();
        self.said.read_to_string(&mut text).expect("its output");
        assert!(self.child.wait().expect("its end").success(), "{text}");
        serde_json::from_str(&text).expect("JSON")
    }
}

fn figure(value: &Value, path: &str) -> i64 {
    value.pointer(path).and_then(Value::as_i64).unwrap_or_else(|| panic!("no {path} in {value}"))
}

/// One round of one kind, as T04 measured it.
fn round(repository: &Repository, kind: &str, number: usize) -> Value {
    let name = format!("round={kind}-{number}-{}", std::process::id());
    repository.railrun(&["scripts/round.rhai", "--set", &format!("kind={kind}"), "--set", &name]).exits(0);
    let rows: Value = serde_json::from_str(&repository.read("round.json")).expect("JSON");
    assert!(repository.read("round.html").contains("<svg"), "the page has no time line");
    rows[0].clone()
}

fn agrees(kind: &str, what: &str, ours: i64, theirs: i64, doubt: i64) {
    let allowed = doubt.max(ours.max(theirs) / 20);
    keep(&format!("{kind}: {what} {ours} ms, the observer says {theirs} ms, {allowed} ms apart are allowed\n"));
    assert!((ours - theirs).abs() <= allowed, "{kind}: {what} {ours} ms, the observer says {theirs} ms");
}

/// Rounds of these kinds, each with the observer beside it.
pub fn figures_agree_with_an_observer(kinds: &[&str], rounds: usize) {
    let repository = Repository::copy();
    repository.add("scripts/round.rhai", &format!("//! One round of T04, for a test.\n{ROUND}"));
    for kind in kinds {
        for number in 1..=rounds {
            let observer = Observer::start();
            let row = round(&repository, kind, number);
            let seen = observer.stop();
            let doubt = figure(&row, "/report/writer/sampling_ms") + figure(&seen, "/writer/doubt_ms");
            let ours = figure(&row, "/report/writer/outage_ms");
            agrees(kind, "the writer's outage", ours, figure(&seen, "/writer/outage_ms"), doubt);
            let ours = figure(&row, "/report/login/longest_gap_ms");
            agrees(kind, "the longest time without a login", ours, figure(&seen, "/logins/gap_ms"), LOGINS_APART);
            let ours = figure(&row, "/report/members/dual_primary_ms");
            agrees(kind, "two primaries", ours, figure(&seen, "/members/dual_primary_ms"), 200);
            assert_eq!((figure(&row, "/report/writer/lost"), figure(&seen, "/lost")), (0, 0), "{kind}: writes are lost");
            assert!(figure(&row, "/report/writer/acknowledged") > 0, "{row}");
        }
    }
    let left = kubectl("-n platform get pods -o name");
    assert!(!left.contains("failover-helper"), "the helper is still there: {left}");
}

/// The values that T01 ships are what makes the frozen row pass.
pub fn default_values_fail_on_the_frozen_row() {
    let keys = [
        ".postgresql.extraEnvVars",
        ".postgresql.livenessProbe",
        ".postgresql.repmgrReconnectInterval",
        ".postgresql.repmgrReconnectAttempts",
        ".postgresql.repmgrConnectTimeout",
        ".pgpool.extraEnvVars",
        ".pgpool.configuration",
        ".pgpool.livenessProbe",
    ];
    // Not `--reuse-values` with `null`: helm takes what it deletes from the last release again.
    shell(&format!(
        "helm get values postgresql-ha -n platform -o json | jq 'del({})' |
         helm upgrade postgresql-ha /var/lib/railrun-sandbox/charts/postgresql-ha -n platform --reset-values --wait --timeout 5m -f -",
        keys.join(", ")
    ));
    let left =
        kubectl("-n platform get statefulset postgresql-ha-postgresql -o jsonpath='{.spec.template.spec.containers[0].env[*].name}'");
    assert!(!left.contains("POSTGRESQL_SYNCHRONOUS_REPLICAS_MODE"), "the values of T01 are still there: {left}");
    let repository = Repository::copy();
    repository.add("scripts/round.rhai", &format!("//! One round of T04, for a test.\n{ROUND}"));
    let row = round(&repository, "freeze", 0);
    let complaints = row["complaints"].to_string();
    assert_eq!(row["passed"], false, "{row}");
    assert!(figure(&row, "/report/writer/lost") > 0, "{complaints}");
    for said in ["acknowledged writes are lost", "POSTGRESQL_NUM_SYNCHRONOUS_REPLICAS", "helm/postgresql-ha-values.sops.yaml"] {
        assert!(complaints.contains(said), "`{said}` is not in {complaints}");
    }
    Repository::own().railrun(&[T01]).exits(0);
}
