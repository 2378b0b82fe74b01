//! What a copy looks at before it touches anything: how both sides are, and every reason not to begin.

use super::certificate::differences;
use super::driver::{Server, SqlError};
use super::mark::Mark;
use super::measure::{Facts, around};
use crate::database::Identity;
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};

/// How a database is, as far as a copy is concerned.
#[derive(Clone, Debug, Deserialize)]
pub struct State {
    /// `150004`
    pub version: u32,
    pub size: u64,
    pub tables: u64,
    /// A fingerprint of its tables and their columns.
    #[serde(default)]
    pub schema: String,
    pub comment: Option<String>,
    /// What is in it, in words, at most a few; empty where nothing is.
    #[serde(default)]
    pub holds: Vec<String>,
    #[serde(default)]
    pub extensions: BTreeMap<String, String>,
    /// The extensions that its server could make.
    #[serde(default)]
    pub available: BTreeMap<String, String>,
    /// Roles that own something in it or were granted something.
    #[serde(default)]
    pub mentioned: BTreeSet<String>,
    /// Every role of its server.
    #[serde(default)]
    pub roles: BTreeSet<String>,
    pub prepared: u64,
    #[serde(default)]
    pub foreign_tables: Vec<String>,
    /// Everything in it is as an earlier copy was certified: nothing would be lost with it.
    #[serde(skip)]
    pub untouched: bool,
    /// Where an earlier copy in it differs from the source now, in words, at most a few.
    #[serde(skip)]
    pub unequal: Vec<String>,
    #[serde(skip)]
    pub around: Facts,
    #[serde(skip)]
    pub identity: Option<Identity>,
}

const STATE: &str = r"
SELECT current_setting('server_version_num')::int AS version,
    pg_database_size(current_database()) AS size,
    (SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()) AS comment,
    (SELECT count(*) FROM pg_class c JOIN own ON own.oid = c.relnamespace WHERE c.relkind IN ('r', 'p')) AS tables,
    (SELECT md5(string_agg(format('%I.%I.%I %s', own.nspname, c.relname, a.attname, format_type(a.atttypid, a.atttypmod)), ','
        ORDER BY own.nspname, c.relname, a.attname)) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN own ON own.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped) AS schema,
    (SELECT json_agg(name) FROM (
        SELECT format('%I.%I', own.nspname, c.relname) AS name FROM pg_class c JOIN own ON own.oid = c.relnamespace
            WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        UNION ALL SELECT format('%I.%I()', own.nspname, p.proname) FROM pg_proc p JOIN own ON own.oid = p.pronamespace
        UNION ALL SELECT format('type %I.%I', own.nspname, t.typname) FROM pg_type t JOIN own ON own.oid = t.typnamespace WHERE t.typtype IN ('e', 'd')
        UNION ALL SELECT format('schema %I', own.nspname) FROM own WHERE own.nspname <> 'public'
        UNION ALL SELECT format('extension %I', extname) FROM pg_extension WHERE extname <> 'plpgsql'
        UNION ALL SELECT format('large object %s', oid) FROM pg_largeobject_metadata
        LIMIT 4) AS few) AS holds,
    (SELECT json_object_agg(extname, extversion) FROM pg_extension) AS extensions,
    (SELECT json_object_agg(name, default_version) FROM pg_available_extensions) AS available,
    (SELECT json_agg(DISTINCT r.rolname) FROM pg_shdepend s JOIN pg_roles r ON r.oid = s.refobjid
        WHERE s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND s.refclassid = 'pg_authid'::regclass) AS mentioned,
    (SELECT json_agg(rolname) FROM pg_roles) AS roles,
    (SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()) AS prepared,
    (SELECT json_agg(format('%I.%I', own.nspname, c.relname)) FROM pg_class c JOIN own ON own.oid = c.relnamespace
        WHERE c.relkind = 'f') AS foreign_tables
FROM (SELECT 1) AS once";

const OWN: &str = "WITH own AS (SELECT oid, nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema')";

impl State {
    pub async fn of(server: &Server<'_, '_>) -> Result<Self, SqlError> {
        let session = &server.inside().await?.session;
        let row = session.query(&format!("{OWN}{STATE}"), &[]).await?.into_iter().next().unwrap_or_default();
        let known = row.into_iter().filter(|(_, value)| !value.is_null()).collect();
        let mut state: State = serde_json::from_value(Value::Object(known)).map_err(|error| server.not_understood(error))?;
        state.around = around(server).await?;
        state.identity = Some(session.identity().await?);
        Ok(state)
    }

    pub fn mark(&self) -> Option<Mark> {
        Mark::find(self.comment.as_deref())
    }

    /// Whether it holds nothing but what a copy left that was not finished, or that is out of date.
    pub fn is_leftover(&self) -> bool {
        !self.holds.is_empty() && (self.untouched || matches!(self.mark(), Some(Mark::Incomplete { .. })))
    }

    pub fn major(&self) -> u32 {
        self.version / 10_000
    }
}

/// One thing that must be so, and is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    pub must: String,
    pub but: String,
}

impl Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.must, self.but)
    }
}

fn reason(must: &str, but: impl Into<String>) -> Reason {
    Reason { must: must.into(), but: but.into() }
}

/// Whether both sides call the application's user the same: then owners and grants are kept as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owners {
    Kept,
    /// Everything belongs to the target's user.
    Given,
}

/// Every reason why `source` cannot be copied to `target`, apart from writers.
pub fn reasons(source: &State, target: &State, owners: Owners, users: [&str; 2]) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if source.identity == target.identity {
        reasons.push(reason("source and target are two databases", "both lead to the same one"));
    }
    if target.major() < source.major() {
        reasons.push(reason("the target's version is not older", format!("{} is older than {}", target.major(), source.major())));
    }
    reasons.extend(
        differences(&source.around, &target.around)
            .iter()
            .map(|difference| reason("what a dump does not carry is the same", difference.to_string())),
    );
    reasons.extend(unfit_source(source));
    reasons.extend(missing_at_target(source, target, owners, users));
    reasons.extend(not_empty(target));
    reasons
}

/// What is wrong with the source whatever the target is.
pub fn unfit_source(source: &State) -> Vec<Reason> {
    let prepared = (source.prepared > 0).then(|| reason("no prepared transactions on the source", source.prepared.to_string()));
    let foreign = (!source.foreign_tables.is_empty()).then(|| reason("no foreign tables in the source", source.foreign_tables.join(", ")));
    prepared.into_iter().chain(foreign).collect()
}

fn missing_at_target(source: &State, target: &State, owners: Owners, [from, to]: [&str; 2]) -> Vec<Reason> {
    let extensions: Vec<&str> = source.extensions.keys().filter(|name| !target.available.contains_key(*name)).map(String::as_str).collect();
    let extensions = (!extensions.is_empty()).then(|| reason("the target can make the source's extensions", extensions.join(", ")));
    let roles: Vec<&str> = match owners {
        Owners::Kept => source.mentioned.iter().filter(|role| !target.roles.contains(*role)).map(String::as_str).collect(),
        Owners::Given => source.mentioned.iter().filter(|role| *role != from).map(String::as_str).collect(),
    };
    let must = match owners {
        Owners::Kept => "the target has the roles that own or were granted something".to_owned(),
        Owners::Given => format!("nothing but `{from}`'s own goes to `{to}`"),
    };
    let roles = (!roles.is_empty()).then(|| reason(&must, roles.join(", ")));
    extensions.into_iter().chain(roles).collect()
}

/// What an unfinished copy left may be anything: it is dropped, as is a copy that nobody has touched.
pub fn not_empty(target: &State) -> Option<Reason> {
    if target.holds.is_empty() || target.is_leftover() {
        return None;
    }
    let held = target.holds.join(", ");
    Some(match target.mark() {
        Some(Mark::Certified { from, .. }) => {
            let seen = if target.unequal.is_empty() { &held } else { &target.unequal.join("; ") };
            reason("the target is empty", format!("it holds a copy of {from} that somebody has written to: {seen}, …"))
        }
        _ => reason("the target is empty", format!("it holds {held}, …")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primitives::sql::measure::Subject;

    fn state(oid: u32) -> State {
        State {
            schema: String::new(),
            version: 150_004,
            size: 1,
            tables: 0,
            comment: None,
            holds: Vec::new(),
            extensions: BTreeMap::new(),
            available: BTreeMap::new(),
            mentioned: BTreeSet::from(["gitea".to_owned()]),
            roles: BTreeSet::from(["gitea".to_owned(), "postgres".to_owned()]),
            prepared: 0,
            foreign_tables: Vec::new(),
            untouched: false,
            unequal: Vec::new(),
            around: Facts::new(),
            identity: Some(Identity { system_identifier: "1".into(), database: "gitea".into(), oid }),
        }
    }

    fn said(source: &State, target: &State, owners: Owners) -> Vec<String> {
        reasons(source, target, owners, ["gitea", "gitea2"]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn two_fit_databases_give_no_reason() {
        assert_eq!(said(&state(1), &state(2), Owners::Kept), Vec::<String>::new());
    }

    #[test]
    fn every_reason_is_named_at_once() {
        let mut source = state(1);
        source.version = 160_001;
        source.prepared = 2;
        source.foreign_tables = vec!["public.far".into()];
        source.extensions.insert("citext".into(), "1.6".into());
        source.mentioned.insert("reader".into());
        source.around.insert(Subject { what: "locale".into(), place: "encoding".into() }, "UTF8".into());
        let mut target = state(2);
        target.around.insert(Subject { what: "locale".into(), place: "encoding".into() }, "LATIN1".into());
        target.holds = vec!["public.t".into()];
        assert_eq!(
            said(&source, &target, Owners::Kept),
            [
                "the target's version is not older: 15 is older than 16",
                "what a dump does not carry is the same: locale encoding: `UTF8` at the source, `LATIN1` at the target",
                "no prepared transactions on the source: 2",
                "no foreign tables in the source: public.far",
                "the target can make the source's extensions: citext",
                "the target has the roles that own or were granted something: reader",
                "the target is empty: it holds public.t, …",
            ]
        );
    }

    #[test]
    fn a_target_that_an_unfinished_copy_left_may_hold_anything() {
        let mut target = state(2);
        target.holds = vec!["public.t".into()];
        target.comment = Some("railrun: incomplete copy from 1/gitea#1".into());
        assert!(said(&state(1), &target, Owners::Kept).is_empty());
        target.comment = Some("railrun: certified ab from 1/gitea#1".into());
        assert!(said(&state(1), &target, Owners::Kept)[0].contains("a copy of 1/gitea#1 that somebody has written to: public.t"));
        target.untouched = true;
        assert!(said(&state(1), &target, Owners::Kept).is_empty(), "nobody has written to the earlier copy");
    }

    #[test]
    fn a_database_is_not_copied_onto_itself_nor_given_away_in_part() {
        assert_eq!(said(&state(1), &state(1), Owners::Kept), ["source and target are two databases: both lead to the same one"]);
        let mut source = state(1);
        source.mentioned.insert("reader".into());
        assert_eq!(said(&source, &state(2), Owners::Given), ["nothing but `gitea`'s own goes to `gitea2`: reader"]);
    }
}
