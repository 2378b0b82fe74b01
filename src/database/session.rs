//! One connection to one server. A read is one prepared statement in a read-only transaction, so that no text of a
//! script can alter anything; a change takes a permit. Where the server is found is the gateway's business.

use super::reach::{CONNECT, Io};
use super::row::{self, Parameter, Row};
use super::{DatabaseError, Login};
use crate::effect::Permit;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, NoTls};

/// An open connection; dropping it closes it.
pub struct Session {
    client: Client,
    driver: JoinHandle<()>,
    /// Where it leads, in words for errors.
    place: String,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

type Result<T> = std::result::Result<T, DatabaseError>;

impl Session {
    /// Logs in over a stream.
    pub(super) async fn open(stream: Box<dyn Io>, place: &str, login: &Login, database: &str, application: &str) -> Result<Self> {
        let mut config = Config::new();
        config.user(&login.user).password(login.password.reveal()?).dbname(database).application_name(application);
        let opened = tokio::time::timeout(CONNECT, config.connect_raw(stream, NoTls)).await;
        let opened = opened.map_err(|_| DatabaseError::unreachable(place, "it took the connection but did not answer within 5s"))?;
        let (client, connection) = opened.map_err(|error| DatabaseError::of_login(&error, place, &login.user, database))?;
        // What breaks the connection reaches whoever waits for an answer on it.
        let driver = tokio::spawn(async move { drop(connection.await) });
        Ok(Self { client, driver, place: place.to_owned() })
    }

    pub fn place(&self) -> &str {
        &self.place
    }

    pub fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// The rows of one statement that only reads.
    pub async fn query(&self, sql: &str, parameters: &[Parameter]) -> Result<Vec<Row>> {
        self.command("BEGIN READ ONLY").await?;
        let rows = self.rows(sql, parameters).await;
        self.command("ROLLBACK").await?;
        rows.map_err(DatabaseError::while_reading)
    }

    /// The first column of the first row, null where there is none.
    pub async fn value(&self, sql: &str, parameters: &[Parameter]) -> Result<Value> {
        Ok(first(self.query(sql, parameters).await?))
    }

    /// Runs one statement that alters; how many rows it was about.
    pub async fn execute(&self, _: &Permit, sql: &str, parameters: &[Parameter]) -> Result<u64> {
        self.client.execute(sql, &borrowed(parameters)).await.map_err(|error| self.failed(&error))
    }

    /// A view of the data at one moment, until it is dropped.
    pub async fn snapshot(&self) -> Result<Snapshot<'_>> {
        self.command("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        Ok(Snapshot { session: self })
    }

    /// Sets something for this connection alone.
    pub async fn set(&self, name: &str, value: &str) -> Result<()> {
        self.rows("SELECT set_config($1, $2, false)", &[name.into(), value.into()]).await.map(drop)
    }

    /// A statement of our own, never a script's.
    async fn command(&self, sql: &str) -> Result<()> {
        self.client.batch_execute(sql).await.map_err(|error| self.failed(&error))
    }

    async fn rows(&self, sql: &str, parameters: &[Parameter]) -> Result<Vec<Row>> {
        self.ask(sql, parameters).await.map_err(|error| self.failed(&error))
    }

    async fn ask(&self, sql: &str, parameters: &[Parameter]) -> std::result::Result<Vec<Row>, tokio_postgres::Error> {
        let asked = self.client.prepare(sql).await?;
        let readable = match row::with_json(sql, asked.columns()) {
            Some(sql) => &self.client.prepare(&sql).await?,
            None => &asked,
        };
        let rows = self.client.query(readable, &borrowed(parameters)).await?;
        rows.iter().map(|row| row::read(row, asked.columns())).collect()
    }

    fn failed(&self, error: &tokio_postgres::Error) -> DatabaseError {
        DatabaseError::of_query(error, &self.place)
    }
}

/// Reads of a session that all see the same moment.
pub struct Snapshot<'s> {
    session: &'s Session,
}

impl Snapshot<'_> {
    pub async fn query(&self, sql: &str, parameters: &[Parameter]) -> Result<Vec<Row>> {
        self.session.rows(sql, parameters).await
    }

    pub async fn value(&self, sql: &str, parameters: &[Parameter]) -> Result<Value> {
        Ok(first(self.query(sql, parameters).await?))
    }

    /// Gives the view up. (One that is dropped instead is given up with its session.)
    pub async fn end(self) -> Result<()> {
        self.session.command("ROLLBACK").await
    }
}

fn first(rows: Vec<Row>) -> Value {
    rows.into_iter().next().and_then(|row| row.into_iter().next()).map_or(Value::Null, |(_, value)| value)
}

fn borrowed(parameters: &[Parameter]) -> Vec<&(dyn ToSql + Sync)> {
    parameters.iter().map(|parameter| parameter as &(dyn ToSql + Sync)).collect()
}
