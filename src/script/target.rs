//! A database as a script describes it, across the border. The shape is written down in `database::Target`.

use crate::cluster::PodName;
use crate::database::{Login, Target};
use crate::script::{Fault, value};
use crate::secret::Secret;
use miette::Diagnostic;
use rhai::{Dynamic, Map};
use serde::Deserialize;

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
#[error("this does not describe a database: {reason}")]
#[diagnostic(code(sql::bad_target))]
struct BadTarget {
    reason: String,
    #[help]
    help: Option<String>,
}

/// A database among a verb's options.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Described {
    host: String,
    port: Option<u16>,
    database: String,
    user: String,
    password: Secret,
    admin: Option<Admin>,
    #[serde(default)]
    members: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Admin {
    user: String,
    password: Secret,
}

/// Reads the map that describes a database.
pub fn target(map: Map) -> Result<Target, Fault> {
    if let Some(pending) = map.values().find_map(value::pending_in) {
        return Err(pending.into());
    }
    let bad = |fault: Fault| BadTarget { reason: fault.message(), help: fault.help() };
    value::options::<Described>(map).map_err(bad)?.target()
}

impl Described {
    pub fn target(self) -> Result<Target, Fault> {
        let Described { host, port, database, user, password, admin, members } = self;
        if [&host, &database, &user].iter().any(|text| text.is_empty() || text.contains('\0')) || port == Some(0) {
            return Err(BadTarget { reason: "host, port, database or user is empty".into(), help: None }.into());
        }
        Ok(Target {
            host,
            port: port.unwrap_or(5432),
            database,
            login: Login { user, password },
            admin: admin.map(|Admin { user, password }| Login { user, password }),
            members: members.iter().map(|pod| PodName::parse(pod)).collect::<Result<_, _>>()?,
        })
    }
}

/// Whether a value describes a database.
pub fn is_target(value: &Dynamic) -> bool {
    value.read_lock::<Map>().is_some_and(|map| ["host", "database", "user", "password"].iter().all(|key| map.contains_key(*key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(script: &str) -> Result<Target, Fault> {
        let mut engine = rhai::Engine::new();
        engine.register_fn("pw", || Secret::known("test", "hunter22".into()));
        target(engine.eval::<Map>(script).unwrap())
    }

    #[test]
    fn a_map_describes_a_database() {
        let target = described(
            r#"#{host: "pgpool.platform.svc", database: "gitea", user: "gitea", password: pw(),
                 admin: #{user: "postgres", password: pw()}, members: ["platform/pod/pg-0/postgresql"]}"#,
        );
        let target = target.unwrap();
        assert_eq!((target.port, target.title().as_str()), (5432, "platform/gitea"));
        assert_eq!(target.admin.unwrap().user, "postgres");
        assert_eq!(target.members[0].container.as_deref(), Some("postgresql"));
    }

    #[test]
    fn what_is_wrong_with_it_is_named() {
        let cases = [
            ("#{}", "missing field `host`"),
            (r#"#{host: "a", databse: "b"}"#, "unknown option `databse`"),
            (r#"#{host: "a", database: "b", user: "c", password: "clear"}"#, "`password`: a secret is expected"),
            (r#"#{host: "a", port: 70000, database: "b", user: "c", password: pw()}"#, "`port`"),
            (r#"#{host: "", database: "b", user: "c", password: pw()}"#, "is empty"),
            (r#"#{host: "a", database: "b", user: "c", password: pw(), members: "x"}"#, "`members`"),
            (r#"#{host: "a", database: "b", user: "c", password: pw(), members: ["x"]}"#, "`x` does not name a pod"),
            (r#"#{host: "a", database: "b", user: "c", password: pw(), admin: 1}"#, "`admin`"),
        ];
        for (script, said) in cases {
            let fault = described(script).unwrap_err();
            assert!(fault.message().contains(said), "{script}: {fault}");
            assert!(!fault.message().contains("clear"), "{fault}");
        }
    }
}
