//! What a database consists of beside its rows, as SQL: every query answers with lines of *what*, *where* and
//! *value*, by name and never by number, so that two databases can be held against each other. `measure` asks them.

/// Goes before every query: roles by name (the application's user is called the same on both sides), the schemas
/// that are not PostgreSQL's own, and what belongs to an extension and comes with it.
pub const COMMON: &str = "
WITH role(oid, name) AS (
    SELECT oid, CASE WHEN rolname = current_setting('railrun.application') THEN '(application)' ELSE rolname::text END FROM pg_roles
    UNION ALL SELECT 0, 'public'),
schema(oid, name) AS (SELECT oid, nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'),
extra(class, oid) AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e')
";

/// What a dump does not carry, so that the target must have it before.
pub const AROUND: [&str; 3] = [LOCALE, SETTINGS, DATABASE_GRANTS];

/// What a dump carries.
pub const INSIDE: [&str; 17] = [
    EXTENSIONS,
    SCHEMAS,
    RELATIONS,
    COLUMNS,
    CONSTRAINTS,
    INDEXES,
    TRIGGERS,
    FUNCTIONS,
    TYPES,
    POLICIES,
    RULES,
    COMMENTS,
    PUBLICATIONS,
    OTHERS,
    OWNERS,
    GRANTS,
    DEFAULT_GRANTS,
];

const LOCALE: &str = r#"
SELECT 'locale' AS what, part AS "where", value
FROM pg_database d, LATERAL (VALUES
    ('encoding', pg_encoding_to_char(d.encoding)::text),
    ('collation', d.datcollate::text),
    ('ctype', d.datctype::text),
    ('provider', coalesce(to_jsonb(d) ->> 'datlocprovider', 'c')),
    ('ICU locale', coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'))) AS parts(part, value)
WHERE d.datname = current_database() AND value IS NOT NULL"#;

const SETTINGS: &str = r#"
SELECT 'setting' AS what, format('%s for %s', split_part(setting, '=', 1), CASE s.setrole WHEN 0 THEN 'everybody' ELSE role.name END) AS "where",
    substr(setting, strpos(setting, '=') + 1) AS value
FROM pg_db_role_setting s JOIN role ON role.oid = s.setrole CROSS JOIN unnest(s.setconfig) AS setting
WHERE s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
    OR s.setdatabase = 0 AND role.name = '(application)'"#;

/// The owner, the application and administrators have theirs anyway.
const DATABASE_GRANTS: &str = r#"
SELECT 'grants' AS what, 'the database to ' || role.name AS "where", string_agg(acl.privilege_type, ', ' ORDER BY acl.privilege_type) AS value
FROM pg_database d CROSS JOIN aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) AS acl JOIN role ON role.oid = acl.grantee
WHERE d.datname = current_database() AND acl.grantee <> d.datdba AND role.name <> '(application)'
    AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = acl.grantee AND r.rolsuper)
GROUP BY role.name"#;

const EXTENSIONS: &str = r#"
SELECT 'extension' AS what, extname::text AS "where", extversion AS value FROM pg_extension"#;

const SCHEMAS: &str = r#"
SELECT 'schema' AS what, quote_ident(name) AS "where", 'is there' AS value
FROM schema WHERE ('pg_namespace'::regclass, oid) NOT IN (SELECT class, oid FROM extra)"#;

const RELATIONS: &str = r#"
SELECT CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
        WHEN 'f' THEN 'foreign table' ELSE 'sequence definition' END AS what,
    format('%I.%I', s.name, c.relname) AS "where",
    concat_ws('; ', 'is there',
        CASE c.relpersistence WHEN 'u' THEN 'unlogged' END,
        (SELECT 'using ' || amname FROM pg_am WHERE oid = c.relam AND amname <> 'heap'),
        'with ' || array_to_string(c.reloptions, ', '),
        (SELECT 'in ' || string_agg(inhparent::regclass::text, ', ' ORDER BY inhseqno) FROM pg_inherits WHERE inhrelid = c.oid),
        pg_get_expr(c.relpartbound, c.oid),
        CASE c.relkind WHEN 'p' THEN pg_get_partkeydef(c.oid) END,
        CASE WHEN c.relrowsecurity THEN 'row security' END,
        CASE WHEN c.relforcerowsecurity THEN 'forced' END,
        CASE WHEN c.relreplident NOT IN ('d', 'n') THEN 'replica identity ' || c.relreplident::text END,
        CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END,
        CASE WHEN c.relkind = 'm' AND NOT c.relispopulated THEN 'not populated' END,
        (SELECT format('%s from %s by %s in %s..%s, cache %s, cycle %s', format_type(seqtypid, NULL), seqstart, seqincrement, seqmin, seqmax,
            seqcache, seqcycle) FROM pg_sequence WHERE seqrelid = c.oid),
        (SELECT format('of %s.%I', d.refobjid::regclass, a.attname) FROM pg_depend d
            JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
            WHERE c.relkind = 'S' AND d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i') LIMIT 1)) AS value
FROM pg_class c JOIN schema s ON s.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND ('pg_class'::regclass, c.oid) NOT IN (SELECT class, oid FROM extra)"#;

const COLUMNS: &str = r#"
SELECT 'column' AS what, format('%I.%I.%I', s.name, c.relname, a.attname) AS "where",
    concat_ws(' ', row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum) || '.', format_type(a.atttypid, a.atttypmod),
        CASE WHEN a.attcollation <> t.typcollation THEN 'collate ' || a.attcollation::regcollation::text END,
        CASE WHEN a.attnotnull THEN 'not null' END,
        CASE a.attidentity WHEN 'a' THEN 'identity always' WHEN 'd' THEN 'identity by default' END,
        CASE a.attgenerated WHEN '' THEN 'default ' ELSE 'generated ' END || pg_get_expr(d.adbin, d.adrelid),
        CASE WHEN a.attstorage <> t.typstorage THEN 'storage ' || a.attstorage::text END) AS value
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN schema s ON s.oid = c.relnamespace JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c') AND a.attnum > 0 AND NOT a.attisdropped
    AND ('pg_class'::regclass, c.oid) NOT IN (SELECT class, oid FROM extra)"#;

const CONSTRAINTS: &str = r#"
SELECT 'constraint' AS what,
    format('%I on %s', k.conname, CASE k.conrelid WHEN 0 THEN k.contypid::regtype::text ELSE k.conrelid::regclass::text END) AS "where",
    pg_get_constraintdef(k.oid) || CASE WHEN k.convalidated THEN '' ELSE ' (not validated)' END AS value
FROM pg_constraint k JOIN schema s ON s.oid = k.connamespace
WHERE ('pg_class'::regclass, k.conrelid) NOT IN (SELECT class, oid FROM extra)
    AND ('pg_type'::regclass, k.contypid) NOT IN (SELECT class, oid FROM extra)"#;

const INDEXES: &str = r#"
SELECT 'index' AS what, format('%I.%I', s.name, c.relname) AS "where",
    concat_ws(' ', pg_get_indexdef(i.indexrelid), CASE WHEN NOT i.indisvalid THEN '(invalid)' END,
        CASE WHEN i.indisclustered THEN '(clustered)' END, CASE WHEN i.indisreplident THEN '(replica identity)' END) AS value
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN schema s ON s.oid = c.relnamespace
WHERE ('pg_class'::regclass, i.indrelid) NOT IN (SELECT class, oid FROM extra)"#;

const TRIGGERS: &str = r#"
SELECT 'trigger' AS what, format('%I on %s', t.tgname, t.tgrelid::regclass) AS "where",
    concat_ws(' ', pg_get_triggerdef(t.oid), CASE t.tgenabled WHEN 'O' THEN NULL WHEN 'D' THEN '(disabled)' ELSE '(enabled ' || t.tgenabled::text || ')' END) AS value
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN schema s ON s.oid = c.relnamespace
WHERE NOT t.tgisinternal AND ('pg_class'::regclass, c.oid) NOT IN (SELECT class, oid FROM extra)
UNION ALL
SELECT 'event trigger', quote_ident(evtname), concat_ws(' ', evtevent, evtfoid::regproc, array_to_string(evttags, ', '), evtenabled::text)
FROM pg_event_trigger WHERE ('pg_event_trigger'::regclass, oid) NOT IN (SELECT class, oid FROM extra)"#;

const FUNCTIONS: &str = r#"
SELECT 'function' AS what, format('%I.%I(%s)', s.name, p.proname, pg_get_function_identity_arguments(p.oid)) AS "where",
    md5(CASE p.prokind
        WHEN 'a' THEN (SELECT concat_ws(' ', aggtransfn::regproc, aggfinalfn::regproc, aggcombinefn::regproc, format_type(aggtranstype, NULL), agginitval)
            FROM pg_aggregate WHERE aggfnoid = p.oid)
        ELSE pg_get_functiondef(p.oid) END) AS value
FROM pg_proc p JOIN schema s ON s.oid = p.pronamespace
WHERE ('pg_proc'::regclass, p.oid) NOT IN (SELECT class, oid FROM extra)"#;

const TYPES: &str = r#"
SELECT CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' ELSE 'range type' END AS what, format('%I.%I', s.name, t.typname) AS "where",
    CASE t.typtype
        WHEN 'e' THEN (SELECT string_agg(enumlabel, ', ' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid)
        WHEN 'd' THEN concat_ws(' ', format_type(t.typbasetype, t.typtypmod), CASE WHEN t.typnotnull THEN 'not null' END, 'default ' || t.typdefault)
        ELSE (SELECT format_type(rngsubtype, NULL) FROM pg_range WHERE rngtypid = t.oid) END AS value
FROM pg_type t JOIN schema s ON s.oid = t.typnamespace
WHERE t.typtype IN ('e', 'd', 'r') AND ('pg_type'::regclass, t.oid) NOT IN (SELECT class, oid FROM extra)"#;

const POLICIES: &str = r#"
SELECT 'policy' AS what, format('%I on %s', p.polname, p.polrelid::regclass) AS "where",
    concat_ws(' ', CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END, 'for ' || p.polcmd::text,
        'to ' || (SELECT string_agg(role.name, ', ' ORDER BY role.name) FROM role WHERE role.oid = ANY (p.polroles)),
        'using ' || pg_get_expr(p.polqual, p.polrelid), 'check ' || pg_get_expr(p.polwithcheck, p.polrelid)) AS value
FROM pg_policy p"#;

const RULES: &str = r#"
SELECT 'rule' AS what, format('%I on %s', r.rulename, r.ev_class::regclass) AS "where", pg_get_ruledef(r.oid) || ' (' || r.ev_enabled::text || ')' AS value
FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN schema s ON s.oid = c.relnamespace
WHERE r.rulename <> '_RETURN' AND ('pg_class'::regclass, c.oid) NOT IN (SELECT class, oid FROM extra)"#;

/// Objects from 16384 on are not PostgreSQL's own.
const COMMENTS: &str = r#"
SELECT 'comment' AS what, (SELECT type || ' ' || identity FROM pg_identify_object(d.classoid, d.objoid, d.objsubid)) AS "where", d.description AS value
FROM pg_description d
WHERE d.objoid >= 16384 AND d.classoid <> 'pg_extension'::regclass AND (d.classoid, d.objoid) NOT IN (SELECT class, oid FROM extra)"#;

const PUBLICATIONS: &str = r#"
SELECT 'publication' AS what, quote_ident(p.pubname) AS "where",
    concat_ws(' ', CASE WHEN p.puballtables THEN 'all tables' END, CASE WHEN p.pubinsert THEN 'insert' END, CASE WHEN p.pubupdate THEN 'update' END,
        CASE WHEN p.pubdelete THEN 'delete' END, CASE WHEN p.pubtruncate THEN 'truncate' END,
        (SELECT string_agg(prrelid::regclass::text, ', ' ORDER BY prrelid::regclass::text) FROM pg_publication_rel WHERE prpubid = p.oid)) AS value
FROM pg_publication p"#;

/// What is rare enough for its name to do; extended statistics with their definition.
const OTHERS: &str = r#"
SELECT (i).type AS what, (i).identity AS "where", 'is there' || CASE class WHEN 'pg_statistic_ext'::regclass THEN ': ' || pg_get_statisticsobjdef(oid) ELSE '' END AS value
FROM (SELECT class, oid, pg_identify_object(class, oid, 0) AS i FROM (
    SELECT 'pg_operator'::regclass AS class, oid FROM pg_operator
    UNION ALL SELECT 'pg_opclass'::regclass, oid FROM pg_opclass
    UNION ALL SELECT 'pg_opfamily'::regclass, oid FROM pg_opfamily
    UNION ALL SELECT 'pg_ts_config'::regclass, oid FROM pg_ts_config
    UNION ALL SELECT 'pg_ts_dict'::regclass, oid FROM pg_ts_dict
    UNION ALL SELECT 'pg_collation'::regclass, oid FROM pg_collation
    UNION ALL SELECT 'pg_conversion'::regclass, oid FROM pg_conversion
    UNION ALL SELECT 'pg_statistic_ext'::regclass, oid FROM pg_statistic_ext
    UNION ALL SELECT 'pg_cast'::regclass, oid FROM pg_cast
    UNION ALL SELECT 'pg_language'::regclass, oid FROM pg_language
    UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass, oid FROM pg_foreign_data_wrapper
    UNION ALL SELECT 'pg_foreign_server'::regclass, oid FROM pg_foreign_server) AS every
    WHERE oid >= 16384 AND (class, oid) NOT IN (SELECT class, oid FROM extra)) AS identified"#;

const OWNERS: &str = r#"
SELECT 'owner' AS what, owned.name AS "where", role.name AS value
FROM (SELECT 'schema ' || quote_ident(s.name) AS name, n.nspowner AS owner, 'pg_namespace'::regclass AS class, s.oid
        FROM schema s JOIN pg_namespace n ON n.oid = s.oid
    UNION ALL SELECT format('%I.%I', s.name, c.relname), c.relowner, 'pg_class'::regclass, c.oid
        FROM pg_class c JOIN schema s ON s.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    UNION ALL SELECT format('%I.%I(%s)', s.name, p.proname, pg_get_function_identity_arguments(p.oid)), p.proowner, 'pg_proc'::regclass, p.oid
        FROM pg_proc p JOIN schema s ON s.oid = p.pronamespace
    UNION ALL SELECT format('type %I.%I', s.name, t.typname), t.typowner, 'pg_type'::regclass, t.oid
        FROM pg_type t JOIN schema s ON s.oid = t.typnamespace WHERE t.typtype IN ('e', 'd', 'r')
    UNION ALL SELECT 'large objects of ' || l.lomowner::regrole::text, l.lomowner, 'pg_largeobject'::regclass, min(l.oid)
        FROM pg_largeobject_metadata l WHERE l.lomowner::regrole::text <> current_setting('railrun.application') GROUP BY l.lomowner) AS owned
    JOIN role ON role.oid = owned.owner
WHERE (owned.class, owned.oid) NOT IN (SELECT class, oid FROM extra)"#;

/// Only where somebody has set other than the defaults, which a dump does not write down either.
const GRANTS: &str = r#"
SELECT 'grants' AS what, granted.name AS "where",
    (SELECT string_agg(format('%s%s to %s', acl.privilege_type, CASE WHEN acl.is_grantable THEN ' with grant option' ELSE '' END, role.name), ', '
        ORDER BY role.name, acl.privilege_type) FROM aclexplode(granted.acl) AS acl JOIN role ON role.oid = acl.grantee) AS value
FROM (SELECT 'schema ' || quote_ident(s.name) AS name, n.nspacl AS acl, acldefault('n', n.nspowner) AS usual, 'pg_namespace'::regclass AS class, s.oid
        FROM schema s JOIN pg_namespace n ON n.oid = s.oid
    UNION ALL SELECT format('%I.%I', s.name, c.relname), c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner), 'pg_class'::regclass, c.oid
        FROM pg_class c JOIN schema s ON s.oid = c.relnamespace
    UNION ALL SELECT format('%I.%I.%I', s.name, c.relname, a.attname), a.attacl, '{}'::aclitem[], 'pg_class'::regclass, c.oid
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN schema s ON s.oid = c.relnamespace WHERE NOT a.attisdropped
    UNION ALL SELECT format('%I.%I(%s)', s.name, p.proname, pg_get_function_identity_arguments(p.oid)), p.proacl, acldefault('f', p.proowner), 'pg_proc'::regclass, p.oid
        FROM pg_proc p JOIN schema s ON s.oid = p.pronamespace
    UNION ALL SELECT format('type %I.%I', s.name, t.typname), t.typacl, acldefault('T', t.typowner), 'pg_type'::regclass, t.oid
        FROM pg_type t JOIN schema s ON s.oid = t.typnamespace
    UNION ALL SELECT 'large object ' || l.oid, l.lomacl, acldefault('L', l.lomowner), 'pg_largeobject'::regclass, l.oid FROM pg_largeobject_metadata l) AS granted
WHERE granted.acl IS NOT NULL AND NOT (granted.acl @> granted.usual AND granted.usual @> granted.acl)
    AND (granted.class, granted.oid) NOT IN (SELECT class, oid FROM extra)"#;

const DEFAULT_GRANTS: &str = r#"
SELECT 'default grants' AS what,
    format('%s of %s%s', CASE d.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions' WHEN 'T' THEN 'types' ELSE 'schemas' END,
        owner.name, coalesce(' in ' || quote_ident(s.name), '')) AS "where",
    (SELECT string_agg(format('%s to %s', acl.privilege_type, role.name), ', ' ORDER BY role.name, acl.privilege_type)
        FROM aclexplode(d.defaclacl) AS acl JOIN role ON role.oid = acl.grantee) AS value
FROM pg_default_acl d JOIN role AS owner ON owner.oid = d.defaclrole LEFT JOIN schema s ON s.oid = d.defaclnamespace"#;

/// Tables with rows of their own; of an extension's tables those whose rows a dump carries.
pub const TABLES: &str = r"
SELECT format('%I.%I', s.name, c.relname) AS name FROM pg_class c JOIN schema s ON s.oid = c.relnamespace
WHERE c.relkind = 'r' AND (('pg_class'::regclass, c.oid) NOT IN (SELECT class, oid FROM extra)
    OR c.oid IN (SELECT unnest(extconfig) FROM pg_extension))
ORDER BY 1";

/// Sequences, and the whole-number column that each counts for.
pub const SEQUENCES: &str = r"
SELECT format('%I.%I', s.name, c.relname) AS name, counted.of AS table, counted.col AS column
FROM pg_class c JOIN schema s ON s.oid = c.relnamespace JOIN pg_sequence q ON q.seqrelid = c.oid
    LEFT JOIN LATERAL (SELECT d.refobjid::regclass::text AS of, quote_ident(a.attname) AS col FROM pg_depend d
        JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype IN ('a', 'i') AND q.seqincrement > 0
            AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) LIMIT 1) AS counted ON true
WHERE c.relkind = 'S' AND ('pg_class'::regclass, c.oid) NOT IN (SELECT class, oid FROM extra)
ORDER BY 1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_query_answers_with_what_where_and_value() {
        for query in AROUND.iter().chain(&INSIDE) {
            for column in [" AS what", "AS \"where\"", " AS value"] {
                assert!(query.contains(column) || query.contains("value)"), "{column} is missing: {query}");
            }
        }
    }
}
