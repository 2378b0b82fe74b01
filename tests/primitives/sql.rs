//! The `sql` verbs on a PostgreSQL of their own in the sandbox: roles, databases, copies, and a certificate that sees
//! every change.

use crate::support::sandbox::{self, shell, variable};
use crate::support::{Ran, Test, environment};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const RICH: &str = include_str!("sql/rich.sql");
const MUTATIONS: &str = include_str!("sql/mutations.txt");

/// The release that all tests of this file share. It goes with the sandbox; the next run of these tests begins without it.
struct Server;

static SHARED: OnceLock<Server> = OnceLock::new();

/// How many scripts were made: each has an environment of its own.
static SCRIPTS: AtomicUsize = AtomicUsize::new(0);

const VALUES: &str = "{postgresql: {replicaCount: 1, username: postgres, password: adminPw1, repmgrPassword: repmgrPw1, resourcesPreset: none}, \
    pgpool: {adminPassword: poolPw1, srCheckPassword: checkPw1, resourcesPreset: none, customUsers: {usernames: app, passwords: appPw1appPw1}}, \
    persistence: {enabled: false}, global: {security: {allowInsecureImages: true}}}";

impl Server {
    fn shared() -> &'static Self {
        SHARED.get_or_init(Self::start)
    }

    fn start() -> Self {
        let chart = format!("{}/charts/postgresql-ha", variable("RAILRUN_SANDBOX_STATE").expect("`sandbox env` says where its state is"));
        shell("kubectl delete namespace railrun-sql --ignore-not-found --wait --timeout=2m");
        shell(&format!(
            "helm upgrade --install db {chart} -n railrun-sql --create-namespace --wait --timeout 4m -f - <<< '{VALUES}'
             kubectl -n railrun-sql create secret generic logins --from-literal=app=appPw1appPw1 --from-literal=admin=adminPw1"
        ));
        psql("postgres", "CREATE ROLE app LOGIN PASSWORD 'appPw1appPw1'; CREATE ROLE reader;");
        Self
    }
}

/// What `psql` prints for these statements, as the administrator.
fn psql(database: &str, sql: &str) -> String {
    shell(&format!(
        "kubectl -n railrun-sql exec -i db-postgresql-ha-postgresql-0 -c postgresql -- \
         env PGPASSWORD=adminPw1 psql -h 127.0.0.1 -U postgres -d {database} -v ON_ERROR_STOP=1 -qXtA <<'END_OF_SQL'\n{sql}\nEND_OF_SQL\n"
    ))
}

/// A script whose one step has this body; `side(database)` describes a database of the server.
fn script(body: &str) -> Test {
    reaching("direct", body)
}

fn reaching(reach: &str, body: &str) -> Test {
    let text = format!(
        "fn side(database) {{
            #{{ host: \"db-postgresql-ha-pgpool.railrun-sql.svc.cluster.local\", database: database,
               user: \"app\", password: kube::secret(\"railrun-sql/secret/logins\", \"app\"),
               admin: #{{ user: \"postgres\", password: kube::secret(\"railrun-sql/secret/logins\", \"admin\") }},
               members: [\"railrun-sql/pod/db-postgresql-ha-postgresql-0/postgresql\"] }}
        }}
        fn steps(task) {{ task.step(\"it\", || {{ {body} }}); }}\n"
    );
    let own = format!("sql-{}", SCRIPTS.fetch_add(1, Ordering::Relaxed));
    Test::new()
        .file("railrun.yaml", &environment(&own, &format!("reach: {reach}, settings: {{lock: {{lasts: 3s}}}}")))
        .script(&text)
        .arg("--verbose")
        .env("KUBECONFIG", &variable("KUBECONFIG").unwrap_or_default())
}

fn run(body: &str) -> Ran {
    script(body).run()
}

fn dry_run(body: &str) -> Ran {
    script(body).dry_run().run()
}

/// Asks until it is so.
fn wait_until(mut so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < Duration::from_secs(60), "it did not come to be within a minute");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// An empty database of this name, owned by the application.
fn fresh(database: &str) {
    psql(
        "postgres",
        &format!("DROP DATABASE IF EXISTS {database} WITH (FORCE);\nCREATE DATABASE {database} OWNER app TEMPLATE template0;"),
    );
}

/// One of everything in a database of this name.
fn rich(database: &str) {
    fresh(database);
    psql(database, RICH);
}

#[test]
fn a_role_and_its_database_are_made_once() {
    if !sandbox::is_up() {
        return;
    }
    let _server = Server::shared();
    let make = "let target = side(\"made\") + #{ user: \"maker\" }; sql::role(target); sql::database(target, #{ encoding: \"UTF8\" });";
    dry_run(make).success().says("sql role maker").says("sql database railrun-sql/made");
    assert_eq!(psql("postgres", "SELECT count(*) FROM pg_roles WHERE rolname = 'maker'").trim(), "0", "the dry run made a role");

    run(make).success().does_not_say("appPw1appPw1");
    let owner = psql("postgres", "SELECT pg_get_userbyid(datdba), encoding = 6 FROM pg_database WHERE datname = 'made'");
    assert_eq!(owner.trim(), "maker|t");
    let stored = psql("postgres", "SELECT rolpassword FROM pg_authid WHERE rolname = 'maker'");

    run(make).success().says("unchanged");
    assert_eq!(psql("postgres", "SELECT rolpassword FROM pg_authid WHERE rolname = 'maker'"), stored, "the same password was set again");

    psql("postgres", "ALTER ROLE maker PASSWORD 'another'");
    run(make).success();
    assert_ne!(psql("postgres", "SELECT rolpassword FROM pg_authid WHERE rolname = 'maker'"), stored);
    run("sql::database(side(\"made\"), #{ encoding: \"LATIN1\" });").exits(1).says("sql::cannot_change").says("encoding UTF8");
}

#[test]
fn a_query_reads_and_nothing_else() {
    if !sandbox::is_up() {
        return;
    }
    let _server = Server::shared();
    fresh("read");
    psql("read", "CREATE TABLE t AS SELECT 1.5 AS n, 'ü' AS t, now() AS at, ARRAY[1, 2] AS a, NULL AS nothing; GRANT ALL ON t TO app");
    let open = "let db = sql::connect(side(\"read\"));";
    run(&format!(
        "{open} expect(db.query(\"select n, t, a, nothing from t where n > $1\", [1]), [#{{n: 1.5, t: \"ü\", a: [1, 2], nothing: ()}}]);"
    ))
    .success();
    for statement in ["commit; delete from t", "delete from t", "do $$ begin set transaction read write; delete from t; end $$"] {
        run(&format!("{open} db.query(`{statement}`);")).exits(1).says("sql::");
        assert_eq!(psql("read", "SELECT count(*) FROM t").trim(), "1", "{statement}");
    }
    run("sql::connect(side(\"read\") + #{ user: \"stranger\" });").exits(1).says("sql::authentication_failed").says("pgpool.customUsers");
    run("sql::connect(side(\"absent\"), #{ admin: true });").exits(1).says("sql::not_found");
}

#[test]
fn a_copy_is_proven_made_once_and_refuses_what_it_would_destroy() {
    if !sandbox::is_up() {
        return;
    }
    let _server = Server::shared();
    rich("origin");
    fresh("target");
    let copy = "let c = sql::copy(side(\"origin\"), side(\"target\")); note(`equal: ${c.equal}, ${c.tables} tables, ${c.rows} rows`);";
    dry_run(copy).success().says("copies 8 tables");
    assert_eq!(psql("target", "SELECT count(*) FROM pg_namespace WHERE nspname = 'forge'").trim(), "0", "the dry run copied");
    run(copy).success().says("equal: true, 7 tables, 243 rows").does_not_say("adminPw1");
    run(copy).success().says("unchanged").says("equal: true");
    psql("origin", "CREATE TABLE forge.later (i int)");
    dry_run(copy).success().says("nobody has written to the copy");
    run(copy).success().says("equal: true, 8 tables");

    psql("target", "DELETE FROM forge.thing");
    run(copy).exits(1).says("sql::copy_refused").says("the target is empty");
    psql("postgres", "COMMENT ON DATABASE target IS E'ours\\nrailrun: incomplete copy from x'");
    run(copy).success().says("equal: true");
    let comment = psql("postgres", "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'target'");
    assert!(comment.starts_with("ours\nrailrun: certified "), "{comment}");

    psql(
        "origin",
        "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE FOREIGN TABLE far (i int) SERVER s; ALTER DATABASE origin SET work_mem = '9MB'",
    );
    run(copy).exits(1).says("no foreign tables in the source: public.far").says("setting work_mem for everybody:");
}

#[test]
fn a_copy_for_another_user_belongs_to_that_user() {
    if !sandbox::is_up() {
        return;
    }
    let _server = Server::shared();
    fresh("given");
    psql("given", "SET ROLE app; CREATE TABLE t (id serial PRIMARY KEY); INSERT INTO t DEFAULT VALUES; CREATE VIEW v AS SELECT * FROM t");
    let copy =
        "let target = side(\"taken\") + #{ user: \"o'taker 1\" }; sql::role(target); sql::database(target, sql::locale(side(\"given\")));
                let c = sql::copy(side(\"given\"), target); note(`equal: ${c.equal}`);";
    run(copy).success().says("equal: true");
    assert_eq!(
        psql("taken", "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE relname IN ('t', 'v', 't_id_seq')").trim(),
        "o'taker 1"
    );
    let compare = "let target = side(\"taken\") + #{ user: \"o'taker 1\" }; note(`again: ${sql::compare(side(\"given\"), target).equal}`);
                   note(`through the API: ${sql::connect(side(\"given\")).value(\"select count(*) from t\")}`);";
    reaching("forward", compare).run().success().says("again: true").says("through the API: 1");
    psql("given", "GRANT SELECT ON t TO reader; COMMENT ON DATABASE taken IS NULL");
    run(copy).exits(1).says("nothing but `app`'s own goes to `o'taker 1`: reader").says("the target is empty");
}

#[test]
fn a_copy_that_loses_its_run_stops_and_stays_marked() {
    if !sandbox::is_up() {
        return;
    }
    let _server = Server::shared();
    fresh("large");
    fresh("cut");
    psql(
        "large",
        "SET ROLE app; CREATE TABLE t AS SELECT n AS id, repeat(md5(n::text), 20) AS v FROM generate_series(1, 400000) n; CREATE INDEX ON t (v)",
    );
    let copy = script("sql::copy(side(\"large\"), side(\"cut\"));");
    let mut railrun = copy.start();
    let copying = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'cut' AND query LIKE 'COPY %'";
    wait_until(|| psql("postgres", copying).trim() == "1");
    railrun.kill().expect("railrun is killed");
    railrun.wait().expect("railrun ends");
    let programs = "kubectl -n railrun-sql exec db-postgresql-ha-postgresql-0 -c postgresql -- sh -c 'cat /proc/[0-9]*/comm' | grep -cE '^pg_(dump|restore)$' || true";
    wait_until(|| shell(programs).trim() == "0");
    wait_until(|| psql("postgres", copying).trim() == "0");
    let mark = psql("postgres", "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'cut'");
    assert!(mark.starts_with("railrun: incomplete copy from "), "{mark}");
    assert_eq!(psql("cut", "SELECT count(*) FROM pg_class WHERE relname = 't'").trim(), "0", "half a copy is there to see");
    run("note(sql::certificate(side(\"cut\")).state); let c = sql::copy(side(\"large\"), side(\"cut\")); note(`equal: ${c.equal}`);")
        .success()
        .says("incomplete")
        .says("equal: true");
}

#[test]
#[ignore = "a minute: every row of the certificate, one by one"]
fn every_change_to_a_copy_is_caught_and_named() {
    if !sandbox::is_up() {
        return;
    }
    let _server = Server::shared();
    rich("whole");
    let mutations: Vec<Vec<&str>> =
        MUTATIONS.lines().filter(|line| !line.starts_with('#')).map(|line| line.split(" | ").map(str::trim).collect()).collect();
    let made = mutations.iter().enumerate().map(|(number, mutation)| {
        format!(
            "\\connect postgres\nDROP DATABASE IF EXISTS m{number} WITH (FORCE);\nCREATE DATABASE mutated TEMPLATE whole OWNER app;\n\
             \\connect mutated\n{};\n\\connect postgres\nALTER DATABASE mutated RENAME TO m{number};\n",
            mutation[0]
        )
    });
    psql("postgres", &format!("DROP DATABASE IF EXISTS mutated WITH (FORCE);\n{}", made.collect::<String>()));
    let compare = format!(
        "for number in 0..{} {{ for d in sql::compare(side(\"whole\"), side(\"m\" + number)).differences {{ note(`<${{number}}> ${{d.what}} | ${{d[\"where\"]}} |`); }} }}",
        mutations.len()
    );
    let found = run(&compare).success();
    let said: String = found.stderr.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    let missed: Vec<&Vec<&str>> = mutations
        .iter()
        .enumerate()
        .filter(|(number, m)| !said.contains(&format!("<{number}> {} | {} |", m[1], m[2])))
        .map(|(_, m)| m)
        .collect();
    assert!(missed.is_empty(), "not caught: {missed:#?}\n{}", found.stderr);
}

/// What a database user lacks is known before the first step, not when the role is to be made.
#[test]
fn a_grant_that_is_missing_stops_a_run_before_its_first_change() {
    if !sandbox::is_up() {
        return;
    }
    let _server = Server::shared();
    psql("postgres", "CREATE ROLE ops LOGIN CREATEDB PASSWORD 'opsPw1opsPw1'; GRANT pg_monitor TO ops; GRANT SELECT ON pg_authid TO ops");
    shell("kubectl -n railrun-sql create secret generic ops --from-literal=ops=opsPw1opsPw1 --dry-run=client -o yaml | kubectl apply -f -");
    let body = "let there = side(\"postgres\"); there.admin = #{ user: \"ops\", password: kube::secret(\"railrun-sql/secret/ops\", \"ops\") };
        kube::apply(#{ apiVersion: \"v1\", kind: \"ConfigMap\", metadata: #{ namespace: \"railrun-sql\", name: \"first\" }, data: #{ a: \"b\" } });
        sql::role(there, #{ name: \"newcomer\", password: kube::secret(\"railrun-sql/secret/logins\", \"app\") });";
    let made = || psql("postgres", "SELECT count(*) FROM pg_roles WHERE rolname = 'newcomer'");
    let first = || shell("kubectl -n railrun-sql get configmap first --ignore-not-found -o name");
    let missing = |what: &str| format!("`{what}` for the database user `ops` of `railrun-sql/postgres`");
    run(body).exits(1).says("rights::missing").says(&missing("CREATEROLE")).does_not_say("on pg_authid");
    psql("postgres", "ALTER ROLE ops CREATEROLE; REVOKE SELECT ON pg_authid FROM ops");
    run(body).exits(1).says("rights::missing").says(&missing("SELECT on pg_authid")).does_not_say("CREATEROLE");
    assert_eq!((made().trim(), first().trim()), ("0", ""), "something was written before the rights were known");
    psql("postgres", "GRANT SELECT ON pg_authid TO ops");
    run(body).success();
    assert_eq!(made().trim(), "1");
}

#[test]
fn a_server_other_than_the_pinned_one_is_refused_and_not_changed() {
    if !sandbox::is_up() {
        return;
    }
    let _server = Server::shared();
    let pinned = |identifier: &str| {
        let servers = format!("{{railrun-sql/db-postgresql-ha-postgresql: \"{identifier}\"}}");
        let settings = environment("pinned", &format!("reach: direct, system_identifiers: {servers}"));
        script("sql::role(side(\"postgres\"), #{ name: \"stranger\", password: kube::secret(\"railrun-sql/secret/logins\", \"app\") });")
            .file("railrun.yaml", &settings)
    };
    let made = || psql("postgres", "SELECT count(*) FROM pg_roles WHERE rolname = 'stranger'");
    pinned("1").run().exits(3).says("environment::wrong_database").says("is pinned to 1");
    assert_eq!(made().trim(), "0");
    pinned(psql("postgres", "SELECT system_identifier FROM pg_control_system()").trim()).run().success();
    assert_eq!(made().trim(), "1");
    psql("postgres", "DROP ROLE stranger");
}

#[test]
fn a_role_that_changed_since_the_plan_was_made_is_drift() {
    if !sandbox::is_up() {
        return;
    }
    let _server = Server::shared();
    psql("postgres", "DROP ROLE IF EXISTS drifter; CREATE ROLE drifter LOGIN PASSWORD 'another1'");
    let body = "sql::role(side(\"postgres\"), #{ name: \"drifter\", password: kube::secret(\"railrun-sql/secret/logins\", \"app\") });";
    let test = script(body);
    let stored = || psql("postgres", "SELECT rolcanlogin, rolpassword FROM pg_authid WHERE rolname = 'drifter'");
    test.run_with(&["plan", "scripts/it.rhai", "--out", "plan.json"]).success();
    psql("postgres", "ALTER ROLE drifter NOLOGIN");
    let before = stored();
    test.run_with(&["apply", "plan.json"]).exits(3).says("plan::drift").says("field `login`");
    assert_eq!(stored(), before, "a refused apply wrote");
    psql("postgres", "ALTER ROLE drifter LOGIN");
    test.run_with(&["apply", "plan.json"]).success();
    assert_ne!(stored(), before.replace("f|", "t|"), "the planned password is set");
    psql("postgres", "DROP ROLE drifter");
}
