//! A way to one server that background work goes again and again: its address is looked up anew for every connection,
//! and no connect and no answer lasts longer than its time-out. Failures are kinds, short enough to be counted; what
//! they mean is up to whoever asks. The statements are the program's own, never a script's.

use super::gateway::MEMBER_PORT;
use super::reach::{self, Address};
use super::{DatabaseError, Gateway, Login, Unlocked};
use crate::cluster::{Cluster, PodName};
use crate::effect::Permit;
use crate::settings::Reach;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config, Error, NoTls, SimpleQueryMessage};

#[derive(Clone)]
pub struct Way {
    cluster: Arc<Cluster>,
    reach: Reach,
    address: Address,
    port: u16,
    config: Config,
    timeout: Duration,
}

/// The right to alter that work in the background keeps until it is stopped; only a permit gives it.
#[derive(Clone, Copy, Debug)]
pub struct Lasting(());

impl Lasting {
    pub fn from(_: &Permit) -> Self {
        Self(())
    }
}

/// An open connection; dropping it closes it.
pub struct Line {
    client: Client,
    driver: JoinHandle<()>,
    timeout: Duration,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// A kind of failure.
type Result<T> = std::result::Result<T, String>;

impl Gateway<'_> {
    /// The application's own way in, as the application's user.
    pub fn way_to_writer(&self, access: Unlocked<'_>, timeout: Duration) -> std::result::Result<Way, DatabaseError> {
        let target = access.target();
        self.way(Address::parse(&target.host), target.port, &target.login, &target.database, timeout)
    }

    /// A member's own address, as the strongest user that is known.
    pub fn way_to_member(&self, access: Unlocked<'_>, pod: &PodName, timeout: Duration) -> std::result::Result<Way, DatabaseError> {
        let address = Address::Pod { namespace: pod.namespace.clone(), name: pod.name.clone() };
        self.way(address, MEMBER_PORT, access.strongest(), access.maintenance(), timeout)
    }

    fn way(
        &self,
        address: Address,
        port: u16,
        login: &Login,
        database: &str,
        timeout: Duration,
    ) -> std::result::Result<Way, DatabaseError> {
        let mut config = Config::new();
        config.user(&login.user).password(login.password.reveal()?).dbname(database).application_name(self.application());
        Ok(Way { cluster: Arc::new(self.cluster().beside()), reach: self.reach(), address, port, config, timeout })
    }
}

impl Way {
    pub async fn open(&self) -> Result<Line> {
        let opening = async {
            let stream = reach::open(&self.cluster, self.reach, &self.address, self.port).await.map_err(|error| unreached(&error))?;
            self.config.connect_raw(stream, NoTls).await.map_err(|error| kind(&error))
        };
        let (client, connection) = in_time(self.timeout, opening).await?;
        let driver = tokio::spawn(async move { drop(connection.await) });
        Ok(Line { client, driver, timeout: self.timeout })
    }
}

impl Line {
    /// The rows of a statement that reads, each a list of texts; a null is empty.
    pub async fn ask(&self, sql: &'static str) -> Result<Vec<Vec<(String, String)>>> {
        let answered = in_time(self.timeout, async { self.client.simple_query(sql).await.map_err(|error| kind(&error)) }).await?;
        Ok(answered.iter().filter_map(row).collect())
    }

    /// Runs a statement that alters.
    pub async fn write(&self, _: Lasting, sql: &str) -> Result<()> {
        in_time(self.timeout, async { self.client.batch_execute(sql).await.map_err(|error| kind(&error)) }).await
    }
}

fn row(message: &SimpleQueryMessage) -> Option<Vec<(String, String)>> {
    let SimpleQueryMessage::Row(row) = message else { return None };
    let columns = row.columns().iter().enumerate();
    Some(columns.map(|(at, column)| (column.name().to_owned(), row.get(at).unwrap_or_default().to_owned())).collect())
}

async fn in_time<T>(timeout: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(timeout, work).await.unwrap_or_else(|_| Err("no answer in time".into()))
}

fn unreached(error: &DatabaseError) -> String {
    let text = error.to_string();
    let kinds = [
        ("refused", "refused"),
        ("no address", "no pod"),
        ("not found", "no pod"),
        ("no route", "no route"),
        ("within", "no answer in time"),
    ];
    kinds.iter().find(|(part, _)| text.to_lowercase().contains(part)).map_or_else(|| shortened(&text), |(_, kind)| (*kind).to_owned())
}

fn kind(error: &Error) -> String {
    match error.as_db_error() {
        Some(said) => shortened(said.message()),
        None => "connection broken".into(),
    }
}

/// Numbers differ from one failure to the next of the same kind.
fn shortened(text: &str) -> String {
    let text: String =
        text.lines().next().unwrap_or_default().chars().map(|letter| if letter.is_ascii_digit() { '#' } else { letter }).collect();
    text.chars().take(90).collect()
}
