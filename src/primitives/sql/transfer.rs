//! The bytes of a copy: the target's own `pg_dump`, in the target's pod, reads the source across the cluster into
//! `pg_restore`, in one transaction. Nothing but words and figures passes through here.

use super::driver::{Server, SqlError};
use super::state::Owners;
use crate::database::{DatabaseError, Login, Primary};
use crate::effect::Permit;
use crate::event::Events;
use std::time::Duration;

/// One advisory lock per target database says that a copy into it is under way.
pub const LOCK: i64 = 0x7261_696c_7275_6e00;

/// How often the target's size is asked for while it fills.
const TICK: Duration = Duration::from_millis(500);

/// In the pod: both passwords are lines of its input. The session that holds the lock is railrun's own; when it
/// ends, however it ends, nobody waits for this copy any more and it is stopped.
const SCRIPT: &str = r#"
set -m -o pipefail
IFS= read -r from; IFS= read -r to
export PGCONNECT_TIMEOUT=5 PGAPPNAME="$7"
copy() {
    PGPASSWORD=$from pg_dump -w -h "$1" -p "$2" -U "$3" -d "$4" -Fc -Z0 ${9:+--no-owner --no-acl} |
        PGPASSWORD=$to PGOPTIONS="$8" pg_restore -w -h 127.0.0.1 -p 5432 -U "$5" -d "$6" --single-transaction --exit-on-error \
            ${9:+--no-owner --no-acl} ${9:+"--role=$9"}
}
copy "$@" < /dev/null & copying=$!
{ PGPASSWORD=$to psql -w -h 127.0.0.1 -p 5432 -U "$5" -d "$6" -Xqc "SELECT pg_advisory_lock(${10})"
  kill -TERM -- -$copying; } > /dev/null 2>&1 < /dev/null & watching=$!
wait $copying; ended=$?
kill -TERM -- -$watching 2> /dev/null
exit $ended
"#;

/// From where, to where, and what becomes of owners.
pub struct Transfer<'c> {
    pub source: &'c Server<'c, 'c>,
    pub target: &'c Server<'c, 'c>,
    /// The session that holds the lock.
    pub held: &'c Primary,
    pub owners: Owners,
    /// The target server's major version.
    pub major: u32,
    /// How large the source is.
    pub size: u64,
}

impl Transfer<'_> {
    /// Moves everything, or nothing. Progress is the target's own size.
    pub async fn run(&self, permit: &Permit, events: &Events) -> Result<(), SqlError> {
        let pod = self.held.pod.as_ref().ok_or_else(|| SqlError::NoMembers { target: self.target.target().title() })?;
        let (from, to) = (self.source.access.strongest(), self.target.access.strongest());
        let command = self.command(self.source.inside().await?, from, to);
        let stdin = format!("{}\n{}\n", from.password.reveal()?, to.password.reveal()?);
        let moving = self.target.gateway.cluster().exec(permit, pod, &command, stdin.as_bytes());
        let moved = tokio::select! {
            moved = moving => moved.map_err(|error| self.failed(error.to_string()))?,
            lost = self.tell(events) => return Err(self.failed(lost.to_string())),
        };
        match moved.status {
            0 => Ok(()),
            status => Err(self.failed(in_words(status, &moved.stderr))),
        }
    }

    fn command(&self, source: &Primary, from: &Login, to: &Login) -> Vec<String> {
        let role = match self.owners {
            Owners::Kept => "",
            Owners::Given => &self.target.target().login.user,
        };
        let notice = if self.major >= 14 { "-c client_connection_check_interval=1000" } else { "" };
        let words = ["bash", "-c", SCRIPT, "bash", &source.address, &source.port.to_string(), &from.user, &self.source.target().database];
        let more = [&to.user, &self.target.target().database, self.target.gateway.application(), notice, role, &LOCK.to_string()];
        words.into_iter().chain(more).map(str::to_owned).collect()
    }

    /// Says how far it is until it is dropped; ends only if the session that holds the lock does.
    async fn tell(&self, events: &Events) -> DatabaseError {
        let what = format!("copy {}", self.target.target().title());
        loop {
            tokio::time::sleep(TICK).await;
            match self.held.session.value("SELECT pg_database_size(current_database())", &[]).await {
                Ok(size) => events.progress(&what, size.as_u64().unwrap_or_default().min(self.size), Some(self.size), "bytes"),
                Err(error) => return error,
            }
        }
    }

    fn failed(&self, reason: String) -> SqlError {
        let (from, to) = (self.source.target().title(), self.target.target().title());
        SqlError::CopyFailed { from, to, reason }
    }
}

/// The last lines of what the programs said, or at least how they ended.
fn in_words(status: i32, said: &str) -> String {
    const LAST: usize = 6;
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let how = match status {
        129.. => format!("ended by signal {}", status - 128),
        _ => format!("exit status {status}"),
    };
    match lines.len() {
        0 => how,
        count => format!("{how}\n  {}", lines[count.saturating_sub(LAST)..].join("\n  ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_it_ended_is_said_with_the_programs_last_words() {
        assert_eq!(in_words(143, ""), "ended by signal 15");
        assert_eq!(
            in_words(1, "\npg_restore: error: could not execute query\n"),
            "exit status 1\n  pg_restore: error: could not execute query"
        );
    }

    #[test]
    fn no_password_is_in_the_words() {
        assert!(SCRIPT.contains("IFS= read -r from; IFS= read -r to"));
        assert!(!SCRIPT.contains("export PGPASSWORD"));
    }
}
