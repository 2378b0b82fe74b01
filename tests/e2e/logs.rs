//! The three logs by which silence is proven: the API server's audit log, PostgreSQL's statement log, the WebDAV server's
//! request log.

use super::platform::{kubectl, state};
use serde_json::Value;

/// A point in all three logs.
pub struct Mark {
    audit: usize,
    requests: usize,
    since: String,
}

fn lines(name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(state().join("log").join(name)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

impl Mark {
    pub fn now() -> Self {
        let since = crate::support::sandbox::shell("date -u +%Y-%m-%dT%H:%M:%SZ").trim().to_owned();
        Self { audit: lines("audit.log").len(), requests: lines("nextcloud.log").len(), since }
    }

    /// Every write by railrun since then, in words. A server-side dry run, an access review and a command that was
    /// declared to read are no writes.
    pub fn writes(&self) -> Vec<String> {
        // The audit log is written in the background.
        std::thread::sleep(std::time::Duration::from_millis(1500));
        let mut found: Vec<String> = lines("audit.log").iter().skip(self.audit).filter_map(|line| api_write(line)).collect();
        found.extend(lines("nextcloud.log").iter().skip(self.requests).filter_map(|line| dav_write(line)));
        found.extend(self.statements());
        found
    }

    /// That none of the three logs is deaf: after work that writes to all.
    pub fn has_writes_of_every_kind(&self) {
        let writes = self.writes();
        for (log, sign) in [
            ("the API server's", "patch /apis/apps/v1/namespaces/gitea/deployments/gitea"),
            ("the WebDAV server's", "PUT "),
            ("PostgreSQL's", "app=railrun"),
        ] {
            assert!(writes.iter().any(|write| write.contains(sign)), "{log} log has no write of railrun: {writes:#?}");
        }
    }

    fn statements(&self) -> Vec<String> {
        let pods = kubectl(
            "get pods -A -l app.kubernetes.io/component=postgresql -o jsonpath='{range .items[*]}{.metadata.namespace} {.metadata.name}{\"\\n\"}{end}'",
        );
        let mut found = Vec::new();
        for pod in pods.lines().filter(|line| !line.is_empty()) {
            let (namespace, name) = pod.split_once(' ').expect("namespace and name");
            let log = kubectl(&format!("-n {namespace} logs {name} -c postgresql --since-time={} || true", self.since));
            found.extend(
                log.lines().filter(|line| line.contains("app=railrun") && is_sql_write(line)).map(|line| format!("{name}: {line}")),
            );
        }
        found
    }

    /// By kind of access: how often railrun was seen at all. A silent log proves nothing if nobody was there.
    pub fn reads(&self) -> usize {
        lines("audit.log").iter().skip(self.audit).filter(|line| line.contains("\"username\":\"railrun\"")).count()
    }
}

fn api_write(line: &str) -> Option<String> {
    let entry: Value = serde_json::from_str(line).ok()?;
    if entry["user"]["username"] != "railrun" {
        return None;
    }
    let verb = entry["verb"].as_str()?;
    let uri = entry["requestURI"].as_str().unwrap_or_default();
    let reads = matches!(verb, "get" | "list" | "watch")
        || uri.contains("dryRun=All")
        || uri.contains("selfsubject")
        || uri.contains("/exec?")
        || uri.contains("/portforward");
    (!reads).then(|| format!("{verb} {uri}"))
}

fn dav_write(line: &str) -> Option<String> {
    let entry: Value = serde_json::from_str(line).ok()?;
    let method = entry["method"].as_str()?;
    let railrun = entry["agent"].as_str().is_some_and(|agent| agent.contains("railrun"));
    (railrun && !matches!(method, "GET" | "HEAD" | "PROPFIND" | "OPTIONS")).then(|| format!("{method} {}", entry["path"]))
}

fn is_sql_write(line: &str) -> bool {
    let statement = line.split_once("statement:").or_else(|| line.split_once("execute")).map(|(_, statement)| statement.to_uppercase());
    let words = ["INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "DROP", "TRUNCATE", "GRANT", "COMMENT", "ANALYZE"];
    statement.is_some_and(|statement| {
        let statement = statement.trim_start_matches(|letter: char| !letter.is_alphabetic());
        words.iter().any(|word| statement.starts_with(word))
    })
}
