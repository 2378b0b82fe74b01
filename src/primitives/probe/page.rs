//! The page that shows measured rounds to a person: a table of figures, and below it a time line of every round. It
//! stands alone: no script, no font, no style from elsewhere. What a row is within is the script's judgement.

use super::report::{Mark, Track};
use super::timeline;
use serde::Deserialize;
use serde_json::Value;
use std::fmt::Write;

/// A measured round, as far as the page shows it.
#[derive(Deserialize)]
pub struct Row {
    pub kind: String,
    pub round: u64,
    pub at: String,
    pub passed: bool,
    pub complaints: Vec<String>,
    limits: Value,
    pub report: Seen,
}

#[derive(Deserialize)]
pub struct Seen {
    pub lasted_ms: u64,
    pub marks: Vec<Mark>,
    pub timeline: Vec<Track>,
    streaming_ms: Option<u64>,
    pool_ms: Option<u64>,
    recovery_ms: Option<u64>,
    login: Value,
    writer: Value,
    members: Value,
}

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:1120px;padding:0 1rem;color:#1c2733;background:#fff}\
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .3rem}p{margin:.3rem 0}\
table{border-collapse:collapse;margin:1rem 0;width:100%}th,td{padding:.35rem .6rem;border-bottom:1px solid #d5dde5;text-align:right;vertical-align:top}\
td{white-space:nowrap}th:first-child,td:first-child{text-align:left}td small,th small{color:#5b6b7b;font-weight:normal}\
.bad{color:#a3161a;font-weight:600}.good{color:#1d6b34;font-weight:600}ul{margin:.2rem 0 .6rem 1.2rem;padding:0}svg{width:100%;height:auto}";

/// The whole page.
pub fn page(rows: &[Row]) -> String {
    let failed = rows.iter().filter(|row| !row.passed).count();
    let rounds = if rows.len() == 1 { "round" } else { "rounds" };
    let verdict = match failed {
        0 => format!("<span class=good>✓ {} of {} {rounds} within limits</span>", rows.len(), rows.len()),
        _ => format!("<span class=bad>✗ {failed} of {} {rounds} outside limits</span>", rows.len()),
    };
    let when = rows.first().map(|row| text(&row.at)).unwrap_or_default();
    let body: String = rows.iter().map(section).collect();
    format!(
        "<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n<meta name=viewport content=\"width=device-width\">\n\
         <title>HA failover, measured</title>\n<style>{STYLE}</style>\n<h1>HA failover, measured</h1>\n<p>{verdict} · begun {when}</p>\n{}{body}</html>\n",
        table(rows)
    )
}

fn table(rows: &[Row]) -> String {
    let mut html = String::from(
        "<table>\n<tr><th>failure<th>no login for<th>no write for<th>writes lost<th>two primaries<th>three streaming<th>pool all up<th>recovered<th></tr>\n",
    );
    for row in rows {
        let seen = &row.report;
        let out = |who: &Value| {
            let [gap, outage, doubt] = ["longest_gap_ms", "outage_ms", "sampling_ms"].map(|key| seconds(who[key].as_u64()));
            format!("{gap}<br><small>disturbed for {outage} ± {doubt}</small>")
        };
        let lost = match seen.writer["lost"].as_u64() {
            Some(lost) => format!("{lost}<br><small>of {}</small>", seen.writer["acknowledged"]),
            None => "unknown".into(),
        };
        let verdict = if row.passed { "<td class=good>✓ within" } else { "<td class=bad>✗ outside" };
        let allowed = ["outage", "outage", "lost", "dual_primary"].map(|limit| text(&plain(&row.limits[limit])));
        let [login, writer, lost_allowed, dual] = allowed;
        let _ = writeln!(
            html,
            "<tr><td>{} {}<td>{}<small>, ≤ {login}</small><td>{}<small>, ≤ {writer}</small><td>{lost}<small>, ≤ {lost_allowed}</small>\
             <td>{}<br><small>≤ {dual}</small><td>{}<td>{}<td>{}<br><small>≤ {}</small>{verdict}</tr>",
            text(&row.kind),
            row.round,
            out(&seen.login),
            out(&seen.writer),
            seconds(seen.members["dual_primary_ms"].as_u64()),
            seconds(seen.streaming_ms),
            seconds(seen.pool_ms),
            seconds(seen.recovery_ms),
            text(&plain(&row.limits["recovery"])),
        );
    }
    html + "</table>\n"
}

fn section(row: &Row) -> String {
    let mut complaints = String::new();
    for complaint in &row.complaints {
        let _ = writeln!(complaints, "<li class=bad>{}</li>", text(complaint));
    }
    if !complaints.is_empty() {
        complaints = format!("<ul>{complaints}</ul>\n");
    }
    let failures: String =
        [("login", &row.report.login), ("writer", &row.report.writer)].iter().map(|(who, seen)| failures(who, seen)).collect();
    let mark = if row.passed { "<span class=good>✓</span>" } else { "<span class=bad>✗</span>" };
    format!("<h2>{mark} {} {}</h2>\n{complaints}{}{failures}", text(&row.kind), row.round, timeline::svg(&row.report))
}

fn failures(who: &str, seen: &Value) -> String {
    let list = seen["failures"].as_array().map(Vec::as_slice).unwrap_or_default();
    let said: Vec<String> = list.iter().map(|failure| format!("{} × {}", failure["count"], text(&plain(&failure["what"])))).collect();
    let rate = &seen["per_second"];
    let said = if said.is_empty() { "none failed".into() } else { said.join(" · ") };
    format!("<p><small>{who}, {} samples, {rate} a second: {said}</small></p>\n", seen["samples"])
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// `2.31 s`, or what is said where there is no figure.
fn seconds(ms: Option<u64>) -> String {
    ms.map_or_else(|| "never".into(), |ms| format!("{}.{:02} s", ms / 1000, ms % 1000 / 10))
}

/// A text as HTML writes it.
pub fn text(plain: &str) -> String {
    plain.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use serde_json::json;

    pub fn row(passed: bool) -> Row {
        let states = json!([[0, 3100, "primary"], [3100, 5000, "no answer"], [5000, 9000, "standby"]]);
        serde_json::from_value(json!({
            "kind": "graceful", "round": 1, "at": "2026-11-23T18:01:10Z", "passed": passed,
            "complaints": if passed { json!([]) } else { json!(["3 of 9 acknowledged writes are lost <&>"]) },
            "limits": {"outage": "10s", "recovery": "60s", "dual_primary": "0s", "lost": 0},
            "report": {
                "lasted_ms": 9000, "marks": [{"what": "primary's pod deleted", "at_ms": 3000}],
                "timeline": [{"name": "pg-0", "states": states}],
                "streaming_ms": 4000, "pool_ms": 5000, "recovery_ms": null,
                "login": {"outage_ms": 9000, "longest_gap_ms": 2310, "sampling_ms": 200, "samples": 90, "per_second": 10.0, "failures": [{"what": "refused", "count": 4}]},
                "writer": {"outage_ms": 1500, "longest_gap_ms": 900, "sampling_ms": 20, "samples": 900, "per_second": 100.0, "failures": [], "lost": 0, "acknowledged": 700},
                "members": {"dual_primary_ms": 0},
            },
        }))
        .unwrap()
    }

    #[test]
    fn a_page_stands_alone_and_says_what_was_seen() {
        let html = page(&[row(true)]);
        for said in ["✓ 1 of 1 round within", "2.31 s", "0<br><small>of 700", "never", "4 × refused", "<svg"] {
            assert!(html.contains(said), "{said}: {html}");
        }
        for foreign in ["http:", "https:", "<script", "<link", "src="] {
            assert!(!html.replace("http://www.w3.org/2000/svg", "").contains(foreign), "{foreign}");
        }
    }

    #[test]
    fn a_row_outside_says_why_and_no_text_escapes_its_place() {
        let html = page(&[row(false)]);
        assert!(html.contains("✗ 1 of 1 round outside") && html.contains("are lost &lt;&amp;&gt;"), "{html}");
    }
}
