//! One side of a certificate: everything a database holds, as facts of *what*, *where* and *value*, asked in one
//! snapshot. What two sides mean together is the certificate's business.

use super::driver::{Server, SqlError};
use super::structure::{AROUND, COMMON, INSIDE, SEQUENCES, TABLES};
use crate::database::{Identity, Row, Session, Snapshot, quote_text};
use serde_json::Value;
use std::collections::BTreeMap;

/// What is said: `rows`, `content`, `sequence`, `column` …, and about what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    pub what: String,
    pub place: String,
}

pub type Facts = BTreeMap<Subject, String>;

pub const ROWS: &str = "rows";
pub const CONTENT: &str = "content";
pub const SEQUENCE: &str = "sequence";
pub const BEHIND: &str = "sequence behind its column";

/// A database as it was at one moment.
#[derive(Clone, Debug)]
pub struct Measure {
    pub identity: Identity,
    pub facts: Facts,
}

/// How rows become a digest: the server's own hash where both sides run the same major version, else MD5, which is
/// the same everywhere and slower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    Native,
    Md5,
}

/// What text depends on, the same on both sides; and long queries end when nobody waits for them any more.
const FIXED: [(&str, &str); 9] = [
    ("search_path", ""),
    ("DateStyle", "ISO, YMD"),
    ("TimeZone", "UTC"),
    ("IntervalStyle", "iso_8601"),
    ("extra_float_digits", "3"),
    ("bytea_output", "hex"),
    ("lc_monetary", "C"),
    ("row_security", "off"),
    ("client_connection_check_interval", "1000"),
];

/// How many statements are joined into one.
const TOGETHER: usize = 100;

/// A read-only view in which text looks the same on every server.
async fn view<'s>(session: &'s Session, application: &str) -> Result<Snapshot<'s>, SqlError> {
    let snapshot = session.snapshot().await?;
    let (names, values): (Vec<&str>, Vec<&str>) = FIXED.into_iter().unzip();
    let sql = "SELECT set_config(s.name, fixed.value, true) FROM unnest($1::text[], $2::text[]) AS fixed(name, value) JOIN pg_settings s USING (name)";
    snapshot.query(sql, &[names.into(), values.into()]).await?;
    snapshot.query("SELECT set_config('railrun.application', $1, true)", &[application.into()]).await?;
    Ok(snapshot)
}

/// What a dump does not carry: how a database stores text, its settings, who may enter.
pub async fn around(server: &Server<'_, '_>) -> Result<Facts, SqlError> {
    let snapshot = view(&server.inside().await?.session, &server.target().login.user).await?;
    let facts = ask(&snapshot, &AROUND).await?;
    snapshot.end().await?;
    Ok(facts)
}

/// Everything. `told` hears how many tables of how many have been read.
pub async fn measure(session: &Session, application: &str, hash: Hash, told: &dyn Fn(u64, u64)) -> Result<Measure, SqlError> {
    let identity = session.identity().await?;
    let snapshot = view(session, application).await?;
    let mut facts = ask(&snapshot, &AROUND).await?;
    facts.extend(ask(&snapshot, &INSIDE).await?);
    facts.extend(sequences(&snapshot).await?);
    facts.extend(large_objects(&snapshot).await?);
    facts.extend(contents(&snapshot, hash, told).await?);
    snapshot.end().await?;
    Ok(Measure { identity, facts })
}

async fn ask(snapshot: &Snapshot<'_>, queries: &[&str]) -> Result<Facts, SqlError> {
    let mut facts = Facts::new();
    for query in queries {
        facts.extend(snapshot.query(&format!("{COMMON}{query}"), &[]).await?.iter().map(fact));
    }
    Ok(facts)
}

fn fact(row: &Row) -> (Subject, String) {
    let text = |key: &str| row.get(key).map(plain).unwrap_or_default();
    (Subject { what: text("what"), place: text("where") }, text("value"))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Where each sequence stands, and whether it is behind the column that it counts for: that gives duplicate keys.
async fn sequences(snapshot: &Snapshot<'_>) -> Result<Facts, SqlError> {
    let found = snapshot.query(&format!("{COMMON}{SEQUENCES}"), &[]).await?;
    let mut statements: Vec<String> = found.iter().map(|row| stands(&plain(&row["name"]))).collect();
    let counting = found.iter().filter(|row| !row["table"].is_null());
    statements.extend(counting.map(|row| behind(&plain(&row["name"]), &plain(&row["table"]), &plain(&row["column"]))));
    let mut facts = Facts::new();
    for joined in statements.chunks(TOGETHER) {
        facts.extend(snapshot.query(&joined.join(" UNION ALL "), &[]).await?.iter().map(fact));
    }
    Ok(facts)
}

fn stands(sequence: &str) -> String {
    format!(
        "SELECT '{SEQUENCE}' AS what, {} AS \"where\", last_value || CASE WHEN is_called THEN ', called' ELSE ', not called' END AS value \
         FROM {sequence}",
        quote_text(sequence)
    )
}

fn behind(sequence: &str, table: &str, column: &str) -> String {
    format!(
        "SELECT '{BEHIND}', {}, 'max(' || {} || ') is ' || m FROM {sequence}, (SELECT max({column})::bigint AS m FROM {table}) AS most \
         WHERE m > last_value - CASE WHEN is_called THEN 0 ELSE 1 END",
        quote_text(sequence),
        quote_text(column)
    )
}

async fn large_objects(snapshot: &Snapshot<'_>) -> Result<Facts, SqlError> {
    let readable = snapshot.value("SELECT has_table_privilege('pg_largeobject', 'SELECT')", &[]).await? == Value::Bool(true);
    let content = if readable {
        "SELECT format('%s bytes, %s', coalesce(sum(length(data)), 0), coalesce(sum(hashtextextended(format('%s %s %s', loid, pageno, data), 0)), 0)) \
         FROM pg_largeobject"
    } else {
        "SELECT 'not readable'"
    };
    let sql = format!(
        "SELECT 'large objects' AS what, 'all' AS \"where\", format('%s, %s', count(*), ({content})) AS value FROM pg_largeobject_metadata"
    );
    Ok(snapshot.query(&sql, &[]).await?.iter().map(fact).collect())
}

async fn contents(snapshot: &Snapshot<'_>, hash: Hash, told: &dyn Fn(u64, u64)) -> Result<Facts, SqlError> {
    let tables = snapshot.query(&format!("{COMMON}{TABLES}"), &[]).await?;
    let mut facts = Facts::new();
    for (number, row) in tables.iter().enumerate() {
        let table = plain(&row["name"]);
        let read = snapshot.query(&content(&table, hash), &[]).await?.into_iter().next().unwrap_or_default();
        for what in [ROWS, CONTENT] {
            facts.insert(Subject { what: what.into(), place: table.clone() }, read.get(what).map(plain).unwrap_or_default());
        }
        told(number as u64 + 1, tables.len() as u64);
    }
    Ok(facts)
}

/// Rows and digest of a table. The digest is two sums over every row's text: in any order the same, and a swap of
/// values between rows shows. `OFFSET 0` keeps the text from being made twice.
fn content(table: &str, hash: Hash) -> String {
    let [one, two] = match hash {
        Hash::Native => ["hashtextextended(line, 0)", "hashtextextended(line, 7)"],
        Hash::Md5 => ["('x' || left(md5(line), 16))::bit(64)::bigint", "('x' || right(md5(line), 16))::bit(64)::bigint"],
    };
    format!(
        "SELECT count(*) AS {ROWS}, coalesce(sum({one}), 0) || '/' || coalesce(sum({two}), 0) AS {CONTENT} \
         FROM (SELECT (line.*)::text AS line FROM ONLY {table} AS line OFFSET 0) AS lines"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_each_table_once_and_only_its_own_rows() {
        let sql = content("public.\"user\"", Hash::Native);
        assert!(sql.contains("FROM ONLY public.\"user\" AS line OFFSET 0"), "{sql}");
        assert!(content("a.b", Hash::Md5).contains("md5(line)"));
    }

    #[test]
    fn a_sequence_is_held_against_its_column() {
        let sql = behind("public.s", "public.t", "id");
        assert!(sql.contains("max(id)::bigint AS m FROM public.t"), "{sql}");
        assert!(stands("public.\"it's\"").contains("'public.\"it''s\"' AS \"where\""));
    }
}
