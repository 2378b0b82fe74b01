//! PostgreSQL, and the only place that names `tokio_postgres`: connections through the cluster, queries, identities.
//! What a script may say about databases is `primitives::sql`.
//!
//! A [`Target`] says which database is meant and who may enter. A [`Gateway`] leads to it: to its writer, where the
//! application goes, or to its primary's own address, where roles, databases and copies are made. Both open a
//! [`Session`], whose reads cannot alter anything.

mod error;
mod gateway;
mod grants;
mod members;
mod reach;
mod row;
mod session;
mod target;
mod way;

pub use error::DatabaseError;
pub use gateway::{Gateway, Identity, Primary, set_of};
pub use members::{Member, Role};
pub use row::{Parameter, Row};
pub use session::{Session, Snapshot};
pub use target::{Login, Target, Unlocked};
pub use way::{Lasting, Line, Way};

/// A name as SQL writes it: `"order"`.
pub fn quote_name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as SQL writes it: `'it''s'`.
pub fn quote_text(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if text.contains('\\') { format!(" E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_cannot_escape_their_quotes() {
        assert_eq!(quote_name("a\"; drop role b; --"), "\"a\"\"; drop role b; --\"");
        assert_eq!(quote_text("it's"), "'it''s'");
        assert_eq!(quote_text("a\\'b"), " E'a\\\\''b'");
    }
}
