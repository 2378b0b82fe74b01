//! Where the bytes of a backup come from: `pg_dump` and `pg_dumpall` inside the primary's pod. How their output ends is
//! `output`'s business, what becomes of it the driver's.

use crate::cluster::{Cluster, PodName};
use crate::database::{Gateway, Session, Target, Unlocked};
use crate::primitives::backup::error::BackupError;
use crate::primitives::backup::manifest::{Content, Facts};
use crate::primitives::backup::output::{Checked, Held};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::io::AsyncRead;
use tokio::sync::OnceCell;

/// Something that can be backed up.
pub trait Producer {
    /// For people, before anything is asked.
    fn title(&self) -> String;
    /// Begins anew; every call is a full output from the start.
    fn start(&self) -> BoxFuture<'_, Result<Produced, BackupError>>;
}

/// All that goes into one backup, in this order.
pub type Producers<'p> = Vec<Box<dyn Producer + 'p>>;

/// An output under way, and what it is.
pub struct Produced {
    pub content: Content,
    pub output: Box<dyn AsyncRead + Send + Unpin>,
    /// Program and version.
    pub tool: Option<(String, String)>,
}

/// How long `pg_dump` waits for a table that somebody holds locked.
const LOCK_WAIT: &str = "--lock-wait-timeout=60s";

/// A database's server: where its primary is, asked once for all that is dumped there.
pub struct Place<'h> {
    gateway: &'h Gateway<'h>,
    access: Unlocked<'h>,
    pod: OnceCell<(PodName, u16)>,
}

/// A database, dumped from its primary.
pub struct Dump<'h>(pub Arc<Place<'h>>);

/// Roles and tablespaces of a database's server.
pub struct Globals<'h>(pub Arc<Place<'h>>);

impl<'h> Place<'h> {
    pub fn new(gateway: &'h Gateway<'h>, access: Unlocked<'h>) -> Self {
        Self { gateway, access, pod: OnceCell::new() }
    }

    /// A session with the primary, which is asked for anew.
    async fn session(&self) -> Result<(Session, PodName, u16), BackupError> {
        let target = self.access.target();
        let primary = self.gateway.primary(self.access, &target.database).await?;
        let pod = primary.pod.ok_or_else(|| no_members(target))?;
        Ok((primary.session, pod, primary.port))
    }

    /// The primary's pod, as it was found first.
    async fn pod(&self) -> Result<(PodName, u16), BackupError> {
        let find = || async { self.session().await.map(|(_, pod, port)| (pod, port)) };
        self.pod.get_or_try_init(find).await.cloned()
    }
}

impl Producer for Dump<'_> {
    fn title(&self) -> String {
        format!("database {}", self.0.access.target().title())
    }

    fn start(&self) -> BoxFuture<'_, Result<Produced, BackupError>> {
        self.dump().boxed()
    }
}

impl Dump<'_> {
    async fn dump(&self) -> Result<Produced, BackupError> {
        let Place { gateway, access, .. } = *self.0;
        let target = access.target();
        let (session, pod, port) = self.0.session().await?;
        // Fails only where it is known already.
        let _ = self.0.pod.set((pod.clone(), port));
        let (snapshot, facts) = facts(&session).await?;
        let login = access.strongest();
        let words = dump_words(&login.user, port, &target.database, &snapshot);
        let (output, tool) = start(gateway.cluster(), &pod, &words, login.password.reveal()?, self.title()).await?;
        let content = Content::Database { cluster: cluster_name(target), database: target.database.clone(), facts };
        Ok(Produced { content, output: Box::new(Held::new(output, session)), tool: Some(tool) })
    }
}

impl Producer for Globals<'_> {
    fn title(&self) -> String {
        format!("globals of {}", cluster_name(self.0.access.target()))
    }

    fn start(&self) -> BoxFuture<'_, Result<Produced, BackupError>> {
        self.dump().boxed()
    }
}

impl Globals<'_> {
    async fn dump(&self) -> Result<Produced, BackupError> {
        let target = self.0.access.target();
        let reason = "globals hold every role's password hash: only an `admin` may read them";
        let admin = target.admin.as_ref().ok_or_else(|| BackupError::BadTarget { database: target.title(), reason: reason.into() })?;
        let (pod, port) = self.0.pod().await?;
        let words = globals_words(&admin.user, port, &target.database);
        let (output, tool) = start(self.0.gateway.cluster(), &pod, &words, admin.password.reveal()?, self.title()).await?;
        let content = Content::Globals { cluster: cluster_name(target) };
        Ok(Produced { content, output: Box::new(output), tool: Some(tool) })
    }
}

fn no_members(target: &Target) -> BackupError {
    BackupError::BadTarget { database: target.title(), reason: "its `members` are not named".into() }
}

/// The server a database is on, as its title names it.
pub fn cluster_name(target: &Target) -> String {
    target.title().strip_suffix(&format!("/{}", target.database)).unwrap_or_default().to_owned()
}

/// What the server says of the database, and a snapshot for `pg_dump`, so that both see the same moment. The snapshot
/// lives as long as the session.
async fn facts(session: &Session) -> Result<(String, Facts), BackupError> {
    // A server may end transactions that seem idle; this one only waits for pg_dump.
    session.set("idle_in_transaction_session_timeout", "0").await?;
    let view = session.snapshot().await?;
    let exported = text(&view.value("SELECT pg_export_snapshot()", &[]).await?);
    let mut facts = Facts {
        server_version: text(&view.value("SELECT current_setting('server_version')", &[]).await?),
        system_identifier: text(&view.value("SELECT system_identifier::text FROM pg_control_system()", &[]).await?),
        lsn: text(&view.value("SELECT pg_current_wal_lsn()::text", &[]).await?),
        ..Facts::default()
    };
    for row in view.query("SELECT extname, extversion FROM pg_extension ORDER BY 1", &[]).await? {
        facts.extensions.insert(text(&row["extname"]), text(&row["extversion"]));
    }
    for row in view.query(TABLES, &[]).await? {
        let count = view.value(&format!("SELECT count(*) FROM ONLY {}", text(&row["quoted"])), &[]).await?;
        facts.rows.insert(text(&row["name"]), count.as_u64().unwrap_or_default());
    }
    Ok((exported, facts))
}

const TABLES: &str = "SELECT n.nspname || '.' || c.relname AS name, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS quoted \
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
     WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' ORDER BY 1";

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

async fn start(
    cluster: &Cluster,
    pod: &PodName,
    words: &[String],
    password: &str,
    what: String,
) -> Result<(Checked, (String, String)), BackupError> {
    let program = words.first().cloned().unwrap_or_default();
    let version = cluster.exec_read(pod, &[program.clone(), "--version".into()], &[]).await?;
    let version = String::from_utf8_lossy(&version.stdout).trim().rsplit(") ").next().unwrap_or_default().to_owned();
    let stream = cluster.exec_stream(pod, &with_password(words), format!("{password}\n").as_bytes()).await?;
    Ok((Checked::new(stream, what, program.clone()), (program, version)))
}

/// A command whose password is the first line of its input: its words are in the audit log.
fn with_password(words: &[String]) -> Vec<String> {
    let shell = ["sh", "-c", "IFS= read -r PGPASSWORD; export PGPASSWORD; exec \"$@\"", "sh"];
    shell.iter().map(|word| (*word).to_owned()).chain(words.iter().cloned()).collect()
}

fn dump_words(user: &str, port: u16, database: &str, snapshot: &str) -> Vec<String> {
    let (port, snapshot, database) = (port.to_string(), format!("--snapshot={snapshot}"), connection(database));
    ["pg_dump", "-Fc", "-Z0", "-w", LOCK_WAIT, &snapshot, "-h", "127.0.0.1", "-p", &port, "-U", user, "-d", &database]
        .map(str::to_owned)
        .to_vec()
}

fn globals_words(user: &str, port: u16, database: &str) -> Vec<String> {
    let port = port.to_string();
    ["pg_dumpall", "--globals-only", "-w", LOCK_WAIT, "-h", "127.0.0.1", "-p", &port, "-U", user, "-l", database]
        .map(str::to_owned)
        .to_vec()
}

/// A database's name where a connection string is read too: `a=b` must not become a setting.
fn connection(database: &str) -> String {
    format!("dbname='{}'", database.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// The versions that had a hand in a backup, by program.
pub fn tools(tools: impl IntoIterator<Item = (String, String)>) -> BTreeMap<String, String> {
    let own = ("railrun".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    std::iter::once(own).chain(tools).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_in_no_word() {
        let words = with_password(&dump_words("postgres", 5432, "gitea", "0-1"));
        let joined = words.join(" ");
        assert_eq!(
            joined,
            "sh -c IFS= read -r PGPASSWORD; export PGPASSWORD; exec \"$@\" sh pg_dump -Fc -Z0 -w --lock-wait-timeout=60s \
             --snapshot=0-1 -h 127.0.0.1 -p 5432 -U postgres -d dbname='gitea'"
        );
    }

    #[test]
    fn a_database_called_like_a_setting_stays_a_name() {
        assert_eq!(connection("host=evil o'clock \\"), "dbname='host=evil o\\'clock \\\\'");
    }
}
