//! Samples what pgpool says of its nodes (`show pool_nodes`), and whether the one it writes to is the primary: where
//! `role` and `pg_role` differ it sends writes to a standby while everything looks well.

use super::asked::{Question, Row};
use super::sample::Sample;
use std::time::Duration;

/// How pgpool sees its nodes, as one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pool {
    AllUp,
    Degraded,
    WrongPrimary,
}

impl Pool {
    pub fn in_words(self) -> &'static str {
        match self {
            Pool::AllUp => "all up",
            Pool::Degraded => "nodes down",
            Pool::WrongPrimary => "wrong primary",
        }
    }
}

pub const QUESTION: Question<Pool> = Question { sql: "show pool_nodes", read: judged };

fn judged(rows: &[Row]) -> Result<Pool, String> {
    let column = |row: &[(String, String)], name: &str| row.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    if rows.is_empty() || rows.iter().any(|row| column(row, "status").is_none()) {
        return Err("pgpool does not know `show pool_nodes`".into());
    }
    let up = |row: &Vec<(String, String)>| {
        let status = column(row, "pg_status").unwrap_or_else(|| "up".into());
        column(row, "status").is_some_and(|status| status == "up" || status == "waiting") && status == "up"
    };
    // Before pgpool 4.3 there is no `pg_role`: then nothing contradicts it.
    let agrees = |row: &Vec<(String, String)>| match (column(row, "role"), column(row, "pg_role")) {
        (Some(role), Some(real)) => role == real || real == "unknown",
        _ => true,
    };
    Ok(match (rows.iter().all(agrees), rows.iter().all(up)) {
        (false, _) => Pool::WrongPrimary,
        (true, true) => Pool::AllUp,
        (true, false) => Pool::Degraded,
    })
}

/// When pgpool last came to show all nodes up; `None` where it does not.
pub fn whole_since(samples: &[Sample<Pool>]) -> Option<Duration> {
    let bad = samples.iter().rposition(|sample| sample.found != Ok(Pool::AllUp));
    samples.get(bad.map_or(0, |last| last + 1)).map(|sample| sample.answered)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(nodes: &[[&str; 4]]) -> Vec<Vec<(String, String)>> {
        let names = ["status", "pg_status", "role", "pg_role"];
        nodes.iter().map(|node| names.iter().zip(node).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()).collect()
    }

    #[test]
    fn a_pool_is_judged_by_all_its_nodes() {
        let good = ["up", "up", "primary", "primary"];
        assert_eq!(judged(&rows(&[good, ["up", "up", "standby", "standby"]])), Ok(Pool::AllUp));
        assert_eq!(judged(&rows(&[good, ["down", "up", "standby", "standby"]])), Ok(Pool::Degraded));
        assert_eq!(judged(&rows(&[good, ["up", "down", "standby", "unknown"]])), Ok(Pool::Degraded));
    }

    #[test]
    fn a_pool_that_writes_to_a_standby_is_found_out() {
        let nodes = [["up", "up", "primary", "standby"], ["up", "up", "standby", "primary"]];
        assert_eq!(judged(&rows(&nodes)), Ok(Pool::WrongPrimary));
        assert!(judged(&[]).is_err());
    }
}
