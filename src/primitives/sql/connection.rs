//! A connection that a script holds: opened when it is asked for, and again when it has broken since.

use super::driver::{ANSWER, SqlError, within};
use crate::cluster::PodName;
use crate::database::{DatabaseError, Gateway, Session, Target, Unlocked};
use crate::duration::Span;
use crate::host::Host;
use serde::Deserialize;
use std::sync::{Arc, Mutex, PoisonError};

/// Which way in.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ConnectOptions {
    /// To the primary's own address as the administrator, rather than to the writer as the application.
    pub admin: bool,
    /// To this pod.
    pub member: Option<String>,
    /// How long one statement may take; 5 minutes where it is left out.
    pub timeout: Option<Span>,
}

#[derive(Clone)]
pub struct Connection {
    pub target: Arc<Target>,
    options: Arc<ConnectOptions>,
    session: Arc<Mutex<Option<Session>>>,
}

impl Connection {
    /// Opens it, so that a wrong password or host is told where the connection is made.
    pub fn open(host: &Host, target: Target, options: ConnectOptions) -> Result<Self, SqlError> {
        let connection = Self { target: Arc::new(target), options: Arc::new(options), session: Arc::default() };
        connection.with(host, async |_| Ok(()))?;
        Ok(connection)
    }

    /// Works with the open session. After a failure that is not the statement's own it is opened anew next time.
    pub fn with<T>(&self, host: &Host, work: impl AsyncFnOnce(&Session) -> Result<T, DatabaseError>) -> Result<T, SqlError> {
        let access = self.target.unlock(host)?;
        let gateway = Gateway::on(host)?;
        let open = self.taken().filter(|session| !session.is_closed());
        let limit = self.options.timeout.map_or(ANSWER, |timeout| timeout.0);
        let (session, result) = host.wait::<_, SqlError, SqlError>(within("a statement", limit, async {
            let session = match open {
                Some(session) => session,
                None => self.enter(&gateway, access).await?,
            };
            let result = work(&session).await;
            Ok((session, result))
        }))?;
        if matches!(
            result,
            Ok(_) | Err(DatabaseError::QueryFailed { .. } | DatabaseError::BadQuery { .. } | DatabaseError::ReadOnly { .. })
        ) {
            *self.session.lock().unwrap_or_else(PoisonError::into_inner) = Some(session);
        }
        Ok(result?)
    }

    fn taken(&self) -> Option<Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn enter(&self, gateway: &Gateway<'_>, access: Unlocked<'_>) -> Result<Session, SqlError> {
        match &self.options.member {
            Some(pod) => {
                let pod = PodName::parse(pod).map_err(crate::cluster::ClusterError::from)?;
                Ok(gateway.member(access, &pod, &self.target.database).await?)
            }
            None if self.options.admin && self.target.admin.is_none() => Err(SqlError::NoAdmin { target: self.target.title() }),
            None if self.options.admin => Ok(gateway.primary(access, &self.target.database).await?.session),
            None => Ok(gateway.writer(access).await?),
        }
    }
}
