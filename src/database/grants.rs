//! What a user may do in the database that was entered: asked in a dry run, so that a live run need not begin to find out.

use super::{Gateway, Session, Unlocked};
use crate::host::rights::{MARKS, User};
use serde_json::Value;

const ASK: &str = "
SELECT current_user AS name, current_database() AS database,
    rolsuper AS \"SUPERUSER\", rolcreaterole AS \"CREATEROLE\", rolcreatedb AS \"CREATEDB\",
    has_table_privilege('pg_catalog.pg_authid', 'SELECT') AS \"SELECT on pg_authid\",
    has_database_privilege(current_database(), 'CREATE') AS \"CREATE on the database\",
    NOT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
            AND NOT (has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT'))) AS \"SELECT on every table\"
FROM pg_roles WHERE rolname = current_user";

impl Gateway<'_> {
    /// Notes what the user of a fresh session may do. Where that cannot be asked, the change itself will tell.
    pub(super) async fn entered(&self, access: Unlocked<'_>, session: Session) -> Session {
        let Some(rights) = self.rights else { return session };
        let asked = session.query(ASK, &[]).await.unwrap_or_default();
        let Some(row) = asked.into_iter().next() else { return session };
        let text = |column: &str| row.get(column).and_then(Value::as_str).unwrap_or_default().to_owned();
        let may = MARKS.into_iter().filter(|mark| row.get(*mark) == Some(&Value::Bool(true))).collect();
        rights.entered(User { place: access.target().place(), database: text("database"), name: text("name"), may });
        session
    }
}
