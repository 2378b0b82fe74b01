//! A role that can log in. Its password is compared with the verifier that the server stores, and only a verifier
//! is ever sent.

use super::driver::{Server, SqlError};
use super::verifier;
use crate::database::{Session, quote_name, quote_text};
use crate::effect::{Diff, Permit, Preview};
use crate::secret::Secret;
use serde::Deserialize;

/// What a script may say about a role; the target's own user and password where it says nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct RoleOptions {
    pub name: Option<String>,
    pub password: Option<Secret>,
}

/// The role as it should be.
pub struct Role {
    pub name: String,
    pub password: String,
}

/// The role as it is.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    login: bool,
    verifier: Option<String>,
}

/// What has to be done about a role.
#[derive(Debug, PartialEq, Eq)]
struct Missing {
    role: bool,
    login: bool,
    password: bool,
}

impl Role {
    pub async fn preview(&self, server: &Server<'_, '_>) -> Result<Preview<()>, SqlError> {
        let missing = self.missing(found(&server.maintenance().await?.session, &self.name).await?.as_ref());
        match self.difference(&missing) {
            diff if diff.is_empty() => Ok(Preview::Same(())),
            diff => Ok(Preview::Differs { diff, foretold: Some(()) }),
        }
    }

    pub async fn set(&self, permit: &Permit, server: &Server<'_, '_>) -> Result<(), SqlError> {
        let session = &server.maintenance().await?.session;
        let missing = self.missing(found(session, &self.name).await?.as_ref());
        session.execute(permit, &self.statement(&missing, &verifier::of(&self.password)), &[]).await?;
        Ok(())
    }

    fn missing(&self, found: Option<&Found>) -> Missing {
        let matches = |found: &Found| found.verifier.as_deref().is_some_and(|stored| verifier::matches(stored, &self.password));
        match found {
            None => Missing { role: true, login: true, password: true },
            Some(found) => Missing { role: false, login: !found.login, password: !matches(found) },
        }
    }

    fn difference(&self, missing: &Missing) -> Diff {
        let mut diff = Diff::new();
        if missing.role {
            diff = diff.field("role", None, Some(self.name.clone()));
        }
        if missing.login {
            diff = diff.field("login", (!missing.role).then(|| "no".into()), Some("yes".into()));
        }
        if missing.password { diff.secret("password", !missing.role) } else { diff }
    }

    fn statement(&self, missing: &Missing, verifier: &str) -> String {
        let verb = if missing.role { "CREATE" } else { "ALTER" };
        let login = if missing.login { " LOGIN" } else { "" };
        let password = if missing.password { format!(" PASSWORD {}", quote_text(verifier)) } else { String::new() };
        format!("{verb} ROLE {}{login}{password}", quote_name(&self.name))
    }
}

async fn found(session: &Session, name: &str) -> Result<Option<Found>, SqlError> {
    let rows = session.query("SELECT rolcanlogin, rolpassword FROM pg_authid WHERE rolname = $1", &[name.into()]).await?;
    Ok(rows.first().map(|row| Found { login: row["rolcanlogin"] == true, verifier: row["rolpassword"].as_str().map(str::to_owned) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role() -> Role {
        Role { name: "gi\"tea".into(), password: "hunter22".into() }
    }

    #[test]
    fn an_absent_role_is_created_with_a_verifier() {
        let role = role();
        let missing = role.missing(None);
        assert_eq!(role.statement(&missing, "SCRAM-SHA-256$x"), "CREATE ROLE \"gi\"\"tea\" LOGIN PASSWORD 'SCRAM-SHA-256$x'");
        assert!(!format!("{:?}", role.difference(&missing)).contains("hunter22"));
    }

    #[test]
    fn a_role_with_this_password_is_left_alone() {
        let role = role();
        let found = Found { login: true, verifier: Some(verifier::of("hunter22")) };
        assert!(role.difference(&role.missing(Some(&found))).is_empty());
    }

    #[test]
    fn another_password_or_none_is_set_and_nothing_else() {
        let role = role();
        for stored in [Some(verifier::of("other")), Some("md5d41d8cd98f00b204e9800998ecf8427e".into()), None] {
            let missing = role.missing(Some(&Found { login: true, verifier: stored }));
            assert_eq!(role.statement(&missing, "v"), "ALTER ROLE \"gi\"\"tea\" PASSWORD 'v'");
        }
    }

    #[test]
    fn a_role_that_could_not_log_in_can() {
        let role = role();
        let missing = role.missing(Some(&Found { login: false, verifier: Some(verifier::of("hunter22")) }));
        assert_eq!(role.statement(&missing, "v"), "ALTER ROLE \"gi\"\"tea\" LOGIN");
    }
}
