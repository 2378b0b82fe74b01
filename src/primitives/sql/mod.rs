//! What a script may say about databases: connections to one, and the states a role, a database and a copy can be
//! brought to. Databases are described by maps (`database::Target` has the shape).

mod certificate;
mod connection;
mod copy;
mod database;
mod driver;
mod mark;
mod measure;
mod role;
mod room;
mod state;
mod structure;
mod transfer;
mod verifier;
mod writers;

use crate::database::{Parameter, Target};
use crate::effect::{Change, Diff, Outcome, Permit, Preview};
use crate::host::Host;
use crate::script::target::target;
use crate::script::{Fault, Primitive, RhaiResultOf, Verb, bind, read, read_value, value};
use crate::secret::Secret;
use connection::{ConnectOptions, Connection};
use copy::{Copy, CopyOptions};
use database::{DatabaseOptions, Owned};
use driver::{ANSWER, Server, SqlError, WHOLE, within};
use rhai::plugin::*;
use rhai::{Array, Dynamic, Map};
use role::{Role, RoleOptions};
use serde::Serialize;
use std::cell::OnceCell;
use std::future::Future;
use std::time::Duration;

#[export_module]
mod verbs {
    /// Opens a connection as the application's user, through the application's own way in.
    ///
    /// ```rhai
    /// let db = sql::connect(target);
    /// let issues = db.value("select count(*) from issue where repo_id = $1", [7]);
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn connect(ctx: NativeCallContext, database: Map) -> RhaiResultOf<Dynamic> {
        super::connected(&ctx, database, Map::new())
    }

    /// Opens a connection: with `admin: true` to the primary as the administrator, with `member` to one pod.
    ///
    /// ```rhai
    /// let db = sql::connect(target, #{ admin: true });
    /// let standbys = db.query("select application_name, state from pg_stat_replication");
    /// ```
    #[rhai_fn(name = "connect", volatile, return_raw)]
    pub fn connect_with(ctx: NativeCallContext, database: Map, options: Map) -> RhaiResultOf<Dynamic> {
        super::connected(&ctx, database, options)
    }

    /// The rows of one reading statement, each a map of its columns.
    ///
    /// ```rhai
    /// for row in db.query("select id, name from repository order by id") { note(`${row.id} ${row.name}`); }
    /// ```
    #[rhai_fn(global, volatile, return_raw)]
    pub fn query(ctx: NativeCallContext, connection: &mut Connection, sql: &str) -> RhaiResultOf<Dynamic> {
        super::asked(&ctx, connection, sql, &Array::new())
    }

    /// The rows of one reading statement; `$1`, `$2` … are taken from the list.
    ///
    /// ```rhai
    /// let rows = db.query("select name from repository where owner_id = any($1)", [[1, 2]]);
    /// ```
    #[rhai_fn(global, name = "query", volatile, return_raw)]
    pub fn query_with(ctx: NativeCallContext, connection: &mut Connection, sql: &str, parameters: Array) -> RhaiResultOf<Dynamic> {
        super::asked(&ctx, connection, sql, &parameters)
    }

    /// The first column of the first row, `()` where there is none.
    ///
    /// ```rhai
    /// expect(db.value("select 1"), 1);
    /// ```
    #[rhai_fn(global, volatile, return_raw)]
    pub fn value(ctx: NativeCallContext, connection: &mut Connection, sql: &str) -> RhaiResultOf<Dynamic> {
        super::asked_value(&ctx, connection, sql, &Array::new())
    }

    /// The first column of the first row; `$1`, `$2` … are taken from the list.
    ///
    /// ```rhai
    /// let email = db.value("select email from \"user\" where name = $1", ["alice"]);
    /// ```
    #[rhai_fn(global, name = "value", volatile, return_raw)]
    pub fn value_with(ctx: NativeCallContext, connection: &mut Connection, sql: &str, parameters: Array) -> RhaiResultOf<Dynamic> {
        super::asked_value(&ctx, connection, sql, &parameters)
    }

    /// Runs one statement that alters; how many rows it was about.
    ///
    /// ```rhai
    /// db.execute("delete from session");
    /// ```
    #[rhai_fn(global, volatile, return_raw)]
    pub fn execute(ctx: NativeCallContext, connection: &mut Connection, sql: &str) -> RhaiResultOf<Dynamic> {
        super::executed(&ctx, connection, sql, &Array::new())
    }

    /// Runs one statement that alters; `$1`, `$2` … are taken from the list.
    ///
    /// ```rhai
    /// db.execute("update \"user\" set email = $1 where name = $2", ["a@example.org", "alice"]);
    /// ```
    #[rhai_fn(global, name = "execute", volatile, return_raw)]
    pub fn execute_with(ctx: NativeCallContext, connection: &mut Connection, sql: &str, parameters: Array) -> RhaiResultOf<Dynamic> {
        super::executed(&ctx, connection, sql, &parameters)
    }

    /// What the members of a database say of themselves: how many primaries, standbys, streaming copies.
    ///
    /// ```rhai
    /// let state = sql::members(target);
    /// state.primaries == 1 && state.streaming == 2
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn members(ctx: NativeCallContext, database: Map) -> RhaiResultOf<Dynamic> {
        super::reading(&ctx, database, |host, target| wait(host, ANSWER, Server::on(host, target)?.membership()))
    }

    /// How a database stores and orders text, in the words that `sql::database` takes.
    ///
    /// ```rhai
    /// sql::database(target, sql::locale(source));
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn locale(ctx: NativeCallContext, database: Map) -> RhaiResultOf<Dynamic> {
        super::reading(&ctx, database, |host, target| wait(host, ANSWER, Server::on(host, target)?.locale()))
    }

    /// Holds two databases against each other: rows, contents, sequences, structure, owners, locale, extensions.
    ///
    /// ```rhai
    /// let certificate = sql::compare(source, target);
    /// for difference in certificate.differences { note(`${difference.what} ${difference["where"]}`); }
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn compare(ctx: NativeCallContext, source: Map, target: Map) -> RhaiResultOf<Dynamic> {
        super::compared(&ctx, source, target)
    }

    /// What an earlier copy wrote into a database's comment: `incomplete` or `certified`, `()` where there was none.
    ///
    /// ```rhai
    /// let mark = sql::certificate(target);
    /// if mark != () && mark.state == "incomplete" { throw "the copy has to be made again" }
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn certificate(ctx: NativeCallContext, database: Map) -> RhaiResultOf<Dynamic> {
        super::reading(&ctx, database, |host, target| wait(host, ANSWER, Server::on(host, target)?.mark()))
    }

    /// `true` where a copy may begin; else throws what the copy itself would, every reason in it. That somebody writes to
    /// the source is set aside: this is to be asked before an application is stopped for a copy.
    ///
    /// ```rhai
    /// sql::ready(source, target);
    /// kube::scale("gitea/deployment/gitea", 0);
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn ready(ctx: NativeCallContext, source: Map, target: Map) -> RhaiResultOf<Dynamic> {
        super::ready_to_copy(&ctx, source, target)
    }

    /// Copies a database into an empty one and proves that both are equal; the answer is the certificate.
    ///
    /// ```rhai
    /// let certificate = sql::copy(source, target);
    /// note(`${certificate.rows} rows in ${certificate.tables} tables are equal`);
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn copy(ctx: NativeCallContext, source: Map, target: Map) -> RhaiResultOf<Dynamic> {
        super::copied(&ctx, source, target, Map::new())
    }

    /// Copies a database into an empty one and proves that both are equal.
    ///
    /// ```rhai
    /// sql::copy(source, target, #{ allow_writers: true, timeout: "2h" });
    /// ```
    #[rhai_fn(name = "copy", volatile, return_raw)]
    pub fn copy_with(ctx: NativeCallContext, source: Map, target: Map, options: Map) -> RhaiResultOf<Dynamic> {
        super::copied(&ctx, source, target, options)
    }

    /// Makes the target's user and sets its password.
    ///
    /// ```rhai
    /// sql::role(target);
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn role(ctx: NativeCallContext, database: Map) -> RhaiResultOf<Dynamic> {
        super::role_set(&ctx, database, Map::new())
    }

    /// Makes a role that can log in, and sets its password where the server stores another one.
    ///
    /// ```rhai
    /// sql::role(target, #{ name: "reader", password: sops::secret("helm/db.sops.yaml", "reader") });
    /// ```
    #[rhai_fn(name = "role", volatile, return_raw)]
    pub fn role_with(ctx: NativeCallContext, database: Map, options: Map) -> RhaiResultOf<Dynamic> {
        super::role_set(&ctx, database, options)
    }

    /// Makes the target's database, owned by its user.
    ///
    /// ```rhai
    /// sql::database(target);
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn database(ctx: NativeCallContext, database: Map) -> RhaiResultOf<Dynamic> {
        super::database_set(&ctx, database, Map::new())
    }

    /// Makes a database from `template0` with this owner, encoding and collation; an existing one gets the owner.
    ///
    /// ```rhai
    /// sql::database(target, #{ owner: "gitea", encoding: "UTF8", collation: "C.UTF-8", ctype: "C.UTF-8" });
    /// ```
    #[rhai_fn(name = "database", volatile, return_raw)]
    pub fn database_with(ctx: NativeCallContext, database: Map, options: Map) -> RhaiResultOf<Dynamic> {
        super::database_set(&ctx, database, options)
    }
}

pub fn primitive() -> Primitive {
    let verbs = vec![
        Verb::read("connect").options::<ConnectOptions>(),
        Verb::read("query"),
        Verb::read("value"),
        Verb::action("execute"),
        Verb::read("members"),
        Verb::read("locale"),
        Verb::read("compare"),
        Verb::read("certificate"),
        Verb::read("ready"),
        Verb::state("copy").options::<CopyOptions>(),
        Verb::state("role").options::<RoleOptions>(),
        Verb::state("database").options::<DatabaseOptions>(),
    ];
    Primitive {
        name: "sql",
        module: exported_module!(verbs),
        verbs,
        types: |engine| {
            engine.register_type_with_name::<Connection>("database connection");
        },
    }
}

/// Runs a reading verb about a database.
fn reading<T: Serialize>(
    ctx: &NativeCallContext,
    database: Map,
    verb: impl FnOnce(&Host, &Target) -> Result<T, Fault>,
) -> RhaiResultOf<Dynamic> {
    let target = target(database);
    let about = target.as_ref().map(about).unwrap_or_default();
    read(ctx, &texts(&about), |host| verb(host, &target?))
}

/// What a read of this database is about: itself, and what it stands on.
fn about(target: &Target) -> Vec<String> {
    std::iter::once(target.resource()).chain(target.grounds()).collect()
}

fn texts(about: &[String]) -> Vec<&str> {
    about.iter().map(String::as_str).collect()
}

fn connected(ctx: &NativeCallContext, database: Map, options: Map) -> RhaiResultOf<Dynamic> {
    let target = target(database);
    let about = target.as_ref().map(about).unwrap_or_default();
    read_value(ctx, &texts(&about), |host| Ok(Dynamic::from(Connection::open(host, target?, value::options(options)?)?)))
}

fn asked(ctx: &NativeCallContext, connection: &Connection, sql: &str, parameters: &Array) -> RhaiResultOf<Dynamic> {
    read(ctx, &texts(&about(&connection.target)), |host| {
        let parameters = given(host, parameters)?;
        Ok(connection.with(host, async |session| session.query(sql, &parameters).await)?)
    })
}

fn asked_value(ctx: &NativeCallContext, connection: &Connection, sql: &str, parameters: &Array) -> RhaiResultOf<Dynamic> {
    read(ctx, &texts(&about(&connection.target)), |host| {
        let parameters = given(host, parameters)?;
        Ok(connection.with(host, async |session| session.value(sql, &parameters).await)?)
    })
}

fn executed(ctx: &NativeCallContext, connection: &Connection, sql: &str, parameters: &Array) -> RhaiResultOf<Dynamic> {
    bind(ctx, |host| {
        let parameters = given(host, parameters)?;
        host.change(
            Change::new("sql execute", connection.target.title()).touching(connection.target.resource()),
            || Ok(Preview::Action { request: Diff::new().note(sql).with_unseen(parameters.iter().map(Parameter::essence)) }),
            |permit, _| Ok(connection.with(host, async |session| session.execute(permit, sql, &parameters).await)?),
        )
    })
}

/// A script's values for `$1`, `$2` …; a secret's own value is masked from now on.
fn given(host: &Host, parameters: &Array) -> Result<Vec<Parameter>, Fault> {
    let one = |parameter: &Dynamic| {
        if let Some(pending) = value::pending_in(parameter) {
            return Err(pending.into());
        }
        match parameter.clone().try_cast::<Secret>() {
            Some(secret) => Ok(host.reveal(&secret)?.into()),
            None => Ok(value::plain(parameter).into()),
        }
    };
    parameters.iter().map(one).collect()
}

fn role_set(ctx: &NativeCallContext, database: Map, options: Map) -> RhaiResultOf<Dynamic> {
    bind(ctx, |host| {
        let target = target(database)?;
        let options: RoleOptions = value::options(options)?;
        let name = options.name.unwrap_or_else(|| target.login.user.clone());
        let password = options.password.unwrap_or_else(|| target.login.password.clone());
        let change = Change::new("sql role", format!("{name} of {}", target.title())).touching(target.role_resource(&name));
        let open = || Ok((Server::on(host, &target)?, Role { name: name.clone(), password: host.reveal(&password)?.to_owned() }));
        changing(
            host,
            ANSWER,
            change.resting_on(target.grounds()),
            open,
            async |(server, role)| role.preview(server).await,
            async |permit, (server, role)| role.set(permit, server).await,
        )
    })
}

fn database_set(ctx: &NativeCallContext, database: Map, options: Map) -> RhaiResultOf<Dynamic> {
    bind(ctx, |host| {
        let target = target(database)?;
        let owned = Owned::wanted(&target, value::options(options)?);
        let change = Change::new("sql database", target.title()).touching(target.resource());
        let open = || Server::on(host, &target);
        changing(
            host,
            ANSWER,
            change.resting_on(target.grounds()),
            open,
            async |server| owned.preview(server).await,
            async |permit, server| owned.set(permit, server).await,
        )
    })
}

fn compared(ctx: &NativeCallContext, source: Map, target: Map) -> RhaiResultOf<Dynamic> {
    reading_both(ctx, source, target, |host, source, target| wait(host, WHOLE, copy::compare(&source, &target, &host.events)))
}

fn ready_to_copy(ctx: &NativeCallContext, source: Map, target: Map) -> RhaiResultOf<Dynamic> {
    reading_both(ctx, source, target, |host, source, target| {
        let options = CopyOptions { allow_writers: true, ..CopyOptions::default() };
        wait(host, WHOLE, Copy::new(host, source, target, options).ready())
    })
}

/// Runs a reading verb about two databases.
fn reading_both<T: Serialize>(
    ctx: &NativeCallContext,
    source: Map,
    target_map: Map,
    verb: impl FnOnce(&Host, Server<'_, '_>, Server<'_, '_>) -> Result<T, Fault>,
) -> RhaiResultOf<Dynamic> {
    let sides = target(source).and_then(|source| Ok((source, target(target_map)?)));
    let about = sides.as_ref().map_or_else(|_| Vec::new(), |(source, target)| [about(source), about(target)].concat());
    read(ctx, &texts(&about), |host| {
        let (source, target) = sides?;
        verb(host, Server::on(host, &source)?, Server::on(host, &target)?)
    })
}

fn copied(ctx: &NativeCallContext, source: Map, target_map: Map, options: Map) -> RhaiResultOf<Dynamic> {
    bind(ctx, |host| {
        let (source, target) = (target(source)?, target(target_map)?);
        let options: CopyOptions = value::options(options)?;
        let what = Change::new("sql copy", format!("{} to {}", source.title(), target.title()));
        let what = what.touching(target.resource()).resting_on([about(&source), target.grounds()].concat()).cancellable();
        let open = || {
            let (source, target) = (Server::on(host, &source)?, Server::on(host, &target)?);
            Ok(Copy::new(host, source, target, options.clone()))
        };
        changing(host, WHOLE, what, open, async |copy| copy.preview().await, async |permit, copy| copy.apply(permit).await)
    })
}

/// Makes a change, or shows it, with what `open` opened at the first need: what a dry run cannot open yet is pending.
fn changing<S, T>(
    host: &Host,
    limit: Duration,
    change: Change,
    open: impl Fn() -> Result<S, SqlError>,
    preview: impl AsyncFn(&S) -> Result<Preview<T>, SqlError>,
    apply: impl AsyncFn(&Permit, &S) -> Result<T, SqlError>,
) -> Result<Outcome<T>, Fault> {
    let opened = OnceCell::new();
    let open = || opened.get_or_init(&open).as_ref().map_err(|error| Fault::from(error.clone()));
    host.change(change, || wait(host, limit, preview(open()?)), |permit, _| wait(host, limit, apply(permit, open()?)))
}

fn wait<T>(host: &Host, limit: Duration, work: impl Future<Output = Result<T, SqlError>>) -> Result<T, Fault> {
    host.wait(within("an answer of the database", limit, work))
}
