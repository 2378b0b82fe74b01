//! A database that belongs to its application: made from `template0`, with the owner, encoding and order of text
//! that are asked for.

use super::driver::{Server, SqlError};
use crate::database::{Row, Session, Target, quote_name, quote_text};
use crate::effect::{Diff, Permit, Preview};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt::Write;

/// What a script may say about a database; the target's own name and user where it says nothing. What is left out
/// is not asked for: an existing database keeps it, a new one gets the server's.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct DatabaseOptions {
    pub name: Option<String>,
    pub owner: Option<String>,
    pub encoding: Option<String>,
    pub collation: Option<String>,
    pub ctype: Option<String>,
    pub provider: Option<String>,
    pub icu: Option<String>,
}

/// How a database stores and orders text, under the names that [`DatabaseOptions`] has for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Locale {
    pub encoding: Option<String>,
    pub collation: Option<String>,
    pub ctype: Option<String>,
    pub provider: Option<String>,
    pub icu: Option<String>,
}

/// The database as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned {
    pub name: String,
    pub owner: String,
    pub locale: Locale,
}

impl Locale {
    /// What is kept of it, with the names for what differs and both values.
    fn fields(&self) -> [(&'static str, Option<&String>); 5] {
        [
            ("encoding", self.encoding.as_ref()),
            ("collation", self.collation.as_ref()),
            ("ctype", self.ctype.as_ref()),
            ("provider", self.provider.as_ref()),
            ("ICU locale", self.icu.as_ref()),
        ]
    }

    /// Where `wanted` asks for something else: what, how it is, how it should be.
    pub fn differences(&self, wanted: &Locale) -> Vec<(&'static str, String, String)> {
        let pairs = self.fields().into_iter().zip(wanted.fields());
        let differ = pairs.filter_map(|((what, has), (_, wanted))| match wanted {
            Some(wanted) if !same(what, has, wanted) => Some((what, has.cloned().unwrap_or_else(|| "none".into()), wanted.clone())),
            _ => None,
        });
        differ.collect()
    }
}

/// Servers write `UTF8`, people `UTF-8`; everything else is compared as it is.
fn same(what: &str, has: Option<&String>, wanted: &str) -> bool {
    let plain = |text: &str| text.replace(['-', '_'], "").to_uppercase();
    has.is_some_and(|has| has == wanted || (what == "encoding" && plain(has) == plain(wanted)))
}

impl Owned {
    pub fn wanted(target: &Target, options: DatabaseOptions) -> Self {
        let DatabaseOptions { name, owner, encoding, collation, ctype, provider, icu } = options;
        Self {
            name: name.unwrap_or_else(|| target.database.clone()),
            owner: owner.unwrap_or_else(|| target.login.user.clone()),
            locale: Locale { encoding, collation, ctype, provider, icu },
        }
    }

    pub async fn preview(&self, server: &Server<'_, '_>) -> Result<Preview<()>, SqlError> {
        let Some(found) = find(&server.maintenance().await?.session, &self.name).await? else {
            return Ok(Preview::Differs { diff: self.creation(), foretold: Some(()) });
        };
        if let Some((what, has, wanted)) = found.locale.differences(&self.locale).into_iter().next() {
            return Err(SqlError::CannotChange { target: server.target().title(), what, has, wanted });
        }
        if found.owner == self.owner {
            return Ok(Preview::Same(()));
        }
        let diff = Diff::new().field("owner", Some(found.owner), Some(self.owner.clone()));
        Ok(Preview::Differs { diff, foretold: Some(()) })
    }

    pub async fn set(&self, permit: &Permit, server: &Server<'_, '_>) -> Result<(), SqlError> {
        let session = &server.maintenance().await?.session;
        let sql = match find(session, &self.name).await? {
            None => self.create(),
            Some(_) => format!("ALTER DATABASE {} OWNER TO {}", quote_name(&self.name), quote_name(&self.owner)),
        };
        session.execute(permit, &sql, &[]).await?;
        Ok(())
    }

    fn creation(&self) -> Diff {
        let diff = Diff::new().field("database", None, Some(self.name.clone())).field("owner", None, Some(self.owner.clone()));
        let set = self.locale.fields().into_iter().filter_map(|(what, value)| Some((what, value?)));
        set.fold(diff, |diff, (what, value)| diff.field(what, None, Some(value.clone())))
    }

    /// The statement that makes it. Nothing is inherited from `template1`, where anybody may have put anything.
    pub fn create(&self) -> String {
        let Locale { encoding, collation, ctype, provider, icu } = &self.locale;
        let locale_key = if provider.as_deref() == Some("builtin") { "BUILTIN_LOCALE" } else { "ICU_LOCALE" };
        let mut sql = format!("CREATE DATABASE {} OWNER {} TEMPLATE template0", quote_name(&self.name), quote_name(&self.owner));
        let parts =
            [("ENCODING", encoding), ("LC_COLLATE", collation), ("LC_CTYPE", ctype), ("LOCALE_PROVIDER", provider), (locale_key, icu)];
        for (key, value) in parts {
            if let Some(value) = value {
                let _ = write!(sql, " {key} {}", quote_text(value).trim_start());
            }
        }
        sql
    }
}

impl Server<'_, '_> {
    /// How the database stores and orders text.
    pub async fn locale(&self) -> Result<Locale, SqlError> {
        let found = find(&self.inside().await?.session, &self.target().database).await?;
        found.map(|found| found.locale).ok_or_else(|| self.not_understood("it does not list its own database"))
    }
}

/// A database as it is, `None` where the server has none of that name.
pub async fn find(session: &Session, name: &str) -> Result<Option<Owned>, SqlError> {
    let sql = "SELECT datname, pg_get_userbyid(datdba) AS owner, pg_encoding_to_char(encoding) AS encoding_name, to_jsonb(d) AS stored \
               FROM pg_database d WHERE datname = $1";
    let rows = session.query(sql, &[name.into()]).await?;
    Ok(rows.first().map(as_found))
}

fn as_found(row: &Row) -> Owned {
    let stored = &row["stored"];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let provider = match stored["datlocprovider"].as_str() {
        Some("i") => Some("icu".to_owned()),
        Some("b") => Some("builtin".to_owned()),
        Some(_) => Some("libc".to_owned()),
        None => None,
    };
    let locale = Locale {
        encoding: text(&row["encoding_name"]),
        collation: text(&stored["datcollate"]),
        ctype: text(&stored["datctype"]),
        provider,
        icu: text(&stored["datlocale"]).or_else(|| text(&stored["daticulocale"])),
    };
    Owned { name: text(&row["datname"]).unwrap_or_default(), owner: text(&row["owner"]).unwrap_or_default(), locale }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn locale(encoding: &str, collation: &str) -> Locale {
        Locale { encoding: Some(encoding.into()), collation: Some(collation.into()), ..Locale::default() }
    }

    #[test]
    fn it_is_made_from_template0_with_what_is_asked_for() {
        let owned = Owned { name: "gitea".into(), owner: "gi'tea".into(), locale: locale("UTF8", "C.UTF-8") };
        assert_eq!(owned.create(), "CREATE DATABASE \"gitea\" OWNER \"gi'tea\" TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C.UTF-8'");
    }

    #[test]
    fn what_is_not_asked_for_does_not_differ() {
        assert!(locale("UTF8", "C").differences(&Locale::default()).is_empty());
        assert!(locale("UTF8", "C").differences(&locale("utf-8", "C")).is_empty());
        let found = locale("UTF8", "C").differences(&locale("UTF8", "en_US.UTF-8"));
        assert_eq!(found, [("collation", "C".to_owned(), "en_US.UTF-8".to_owned())]);
    }

    #[test]
    fn a_stored_database_is_understood_in_every_version() {
        let row = |stored: Value| {
            let row = json!({"datname": "g", "owner": "o", "encoding_name": "UTF8", "stored": stored});
            as_found(row.as_object().unwrap()).locale
        };
        assert_eq!(row(json!({"datcollate": "C", "datctype": "C"})).provider, None);
        let icu = row(json!({"datcollate": "C", "datctype": "C", "datlocprovider": "i", "daticulocale": "de"}));
        assert_eq!((icu.provider.as_deref(), icu.icu.as_deref()), (Some("icu"), Some("de")));
        let newer = row(json!({"datcollate": "C", "datctype": "C", "datlocprovider": "b", "datlocale": "C.UTF-8"}));
        assert_eq!((newer.provider.as_deref(), newer.icu.as_deref()), (Some("builtin"), Some("C.UTF-8")));
    }
}
