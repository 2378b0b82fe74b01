//! Who writes to a database while it should stand still. A proxy keeps sessions of an application that is long
//! gone, so a session counts only if it does something: it is active, in a transaction, or was a moment ago.

use super::driver::SqlError;
use super::state::Reason;
use crate::database::{Row, Session};
use serde_json::Value;
use std::time::Duration;

/// A session that did something this recently may do more.
const RECENT: Duration = Duration::from_secs(1);
/// What an application that has just stopped leaves behind settles within a few looks.
const LOOKS: usize = 12;
const BETWEEN: Duration = Duration::from_millis(300);

const ACTIVE: &str = "
SELECT coalesce(usename::text, '') AS user, application_name AS application, count(*) AS sessions
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND application_name NOT LIKE 'railrun %'
    AND application_name NOT IN ('pg_dump', 'pg_dumpall', 'pg_basebackup')
    AND (state <> 'idle' OR state_change > clock_timestamp() - $1::int * interval '1 millisecond')
GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2";

/// Why the source does not stand still; none where it does, or comes to within a moment.
pub async fn writers(session: &Session) -> Result<Option<Reason>, SqlError> {
    let mut found = session.query(ACTIVE, &[millis(RECENT).into()]).await?;
    for _ in 0..LOOKS {
        if found.is_empty() {
            return Ok(None);
        }
        tokio::time::sleep(BETWEEN).await;
        found = session.query(ACTIVE, &[millis(RECENT).into()]).await?;
    }
    Ok(Some(Reason { must: "no writers on the source".into(), but: found.iter().map(named).collect::<Vec<_>>().join(", ") }))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or_default()
}

/// `gitea (28 sessions of psql)`
fn named(row: &Row) -> String {
    let text = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default();
    let application = match text("application") {
        "" => String::new(),
        application => format!(" of `{application}`"),
    };
    match row.get("sessions").and_then(Value::as_u64).unwrap_or_default() {
        1 => format!("`{}` (1 session{application})", text("user")),
        sessions => format!("`{}` ({sessions} sessions{application})", text("user")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn writers_are_named_by_user_application_and_count() {
        let said = |row: Value| named(row.as_object().unwrap());
        assert_eq!(said(json!({"user": "gitea", "application": "", "sessions": 28})), "`gitea` (28 sessions)");
        assert_eq!(said(json!({"user": "bob", "application": "psql", "sessions": 1})), "`bob` (1 session of `psql`)");
    }
}
