//! What clients ask at their start and for their lists, as they ask it, and what they are told.

use arrow::array::Array;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::super::refusal::{LIMIT, NO_COLUMN, NO_FUNCTION, NO_TABLE, NOT_SUPPORTED};
use super::*;

fn session() -> Session {
    Session {
        user: "ann".into(),
        database: "db".into(),
        settings: Settings::default(),
        number: 7,
        declared: Vec::new(),
    }
}

fn rows(sql: &str, params: &[&str]) -> Result<Vec<String>, Refusal> {
    let params: Vec<Option<String>> = params.iter().map(|param| Some((*param).to_owned())).collect();
    let batch = answer(sql, &session(), &params)?;
    let options = FormatOptions::default().with_null("NULL");
    let columns: Vec<_> = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column.as_ref() as &dyn Array, &options).unwrap())
        .collect();
    let row = |row| columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join("|");
    Ok((0..batch.num_rows()).map(row).collect())
}

/// A query, its parameters, how many rows it has, and the first of them.
type Case = (&'static str, &'static [&'static str], usize, &'static str);

#[test]
fn clients_find_what_they_look_for() {
    for (sql, params, count, first) in PSQL.iter().chain(DRIVERS).chain(SQLALCHEMY).chain(GRAFANA).chain(SQL) {
        assert!(concerns(sql), "{sql}");
        let found = rows(sql, params).unwrap_or_else(|refusal| panic!("{sql}\n{refusal:?}"));
        assert_eq!((found.len(), found.first().map_or("", String::as_str)), (*count, *first), "{sql}\n{found:#?}");
    }
}

/// psql 15: `\dt`, `\d odds_windows`, `\l`, `\dn`, `\du`, a completion.
const PSQL: &[Case] = &[
    (
        r#"SELECT n.nspname as "Schema", c.relname as "Name",
          CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' WHEN 'I' THEN 'partitioned index' END as "Type",
          pg_catalog.pg_get_userbyid(c.relowner) as "Owner"
        FROM pg_catalog.pg_class c
             LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
        WHERE c.relkind IN ('r','p','')
              AND n.nspname <> 'pg_catalog' AND n.nspname !~ '^pg_toast' AND n.nspname <> 'information_schema'
          AND pg_catalog.pg_table_is_visible(c.oid)
        ORDER BY 1,2;"#,
        &[],
        15,
        "public|audit|table|oddsmill",
    ),
    (
        r"SELECT c.oid, n.nspname, c.relname FROM pg_catalog.pg_class c
             LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relname OPERATOR(pg_catalog.~) '^(odds_windows)$' COLLATE pg_catalog.default
          AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 2, 3;",
        &[],
        1,
        "16389|public|odds_windows",
    ),
    (
        r"SELECT c.relchecks, c.relkind, false AS relhasoids, '', c.reltablespace,
          CASE WHEN c.reloftype = 0 THEN '' ELSE c.reloftype::pg_catalog.regtype::pg_catalog.text END, am.amname
        FROM pg_catalog.pg_class c
         LEFT JOIN pg_catalog.pg_class tc ON (c.reltoastrelid = tc.oid)
        LEFT JOIN pg_catalog.pg_am am ON (c.relam = am.oid)
        WHERE c.oid = '16389';",
        &[],
        1,
        "0|r|false||0||heap",
    ),
    (
        r"SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod),
          (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid, true) FROM pg_catalog.pg_attrdef d
           WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum AND a.atthasdef),
          a.attnotnull,
          (SELECT c.collname FROM pg_catalog.pg_collation c, pg_catalog.pg_type t
           WHERE c.oid = a.attcollation AND t.oid = a.atttypid AND a.attcollation <> t.typcollation) AS attcollation
        FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = '16389' AND a.attnum > 6 AND NOT a.attisdropped ORDER BY a.attnum;",
        &[],
        11,
        "stake|numeric(38,6)|NULL|true|NULL",
    ),
    (
        r"SELECT pol.polname, CASE WHEN pol.polroles = '{0}' THEN NULL ELSE pg_catalog.array_to_string(array(
            select rolname from pg_catalog.pg_roles where oid = any (pol.polroles) order by 1),',') END
        FROM pg_catalog.pg_policy pol WHERE pol.polrelid = '16389' ORDER BY 1;",
        &[],
        0,
        "",
    ),
    (
        r"SELECT pubname, NULL, NULL FROM pg_catalog.pg_publication p
             JOIN pg_catalog.pg_publication_namespace pn ON p.oid = pn.pnpubid
             JOIN pg_catalog.pg_class pc ON pc.relnamespace = pn.pnnspid
        WHERE pc.oid ='16389' and pg_catalog.pg_relation_is_publishable('16389')
        UNION
        SELECT pubname, pg_get_expr(pr.prqual, c.oid), (CASE WHEN pr.prattrs IS NOT NULL THEN
                 (SELECT string_agg(attname, ', ')
                   FROM pg_catalog.generate_series(0, pg_catalog.array_upper(pr.prattrs::pg_catalog.int2[], 1)) s,
                        pg_catalog.pg_attribute WHERE attrelid = pr.prrelid AND attnum = prattrs[s])
                ELSE NULL END) FROM pg_catalog.pg_publication p
             JOIN pg_catalog.pg_publication_rel pr ON p.oid = pr.prpubid
             JOIN pg_catalog.pg_class c ON c.oid = pr.prrelid
        WHERE pr.prrelid = '16389' ORDER BY 1;",
        &[],
        0,
        "",
    ),
    (
        r"SELECT c.oid::pg_catalog.regclass, c.relkind, inhdetachpending FROM pg_catalog.pg_class c, pg_catalog.pg_inherits i
        WHERE c.oid = i.inhrelid AND i.inhparent = '16389'
        ORDER BY pg_catalog.pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT', c.oid::pg_catalog.regclass::pg_catalog.text;",
        &[],
        0,
        "",
    ),
    (
        r#"SELECT d.datname as "Name", pg_catalog.pg_get_userbyid(d.datdba) as "Owner",
               pg_catalog.pg_encoding_to_char(d.encoding) as "Encoding",
               pg_catalog.array_to_string(d.datacl, E'\n') AS "Access privileges"
        FROM pg_catalog.pg_database d ORDER BY 1;"#,
        &[],
        1,
        "db|oddsmill|UTF8|NULL",
    ),
    (
        r"SELECT r.rolname, r.rolsuper, ARRAY(SELECT b.rolname FROM pg_catalog.pg_auth_members m
                JOIN pg_catalog.pg_roles b ON (m.roleid = b.oid) WHERE m.member = r.oid) as memberof
        FROM pg_catalog.pg_roles r WHERE r.rolname !~ '^pg_' ORDER BY 1;",
        &[],
        1,
        "oddsmill|false|[]",
    ),
    (
        r"SELECT pg_catalog.quote_ident(c.relname) FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'v')
          AND substring(pg_catalog.quote_ident(c.relname),1,4)='odds' AND pg_catalog.pg_table_is_visible(c.oid)
          AND c.relnamespace <> (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'pg_catalog')
        UNION SELECT pg_catalog.quote_ident(n.nspname) || '.' FROM pg_catalog.pg_namespace n
        WHERE substring(pg_catalog.quote_ident(n.nspname) || '.',1,4)='odds' LIMIT 1000",
        &[],
        1,
        "odds_windows",
    ),
];

/// What drivers ask when they connect.
const DRIVERS: &[Case] = &[
    (
        "select pg_catalog.version()",
        &[],
        1,
        concat!("PostgreSQL 15.0 (Oddsmill ", env!("CARGO_PKG_VERSION"), ", read-only)"),
    ),
    ("select current_schema(), current_user, current_database()", &[], 1, "public|ann|db"),
    ("SELECT current_setting('server_version_num')::int/100 as version", &[], 1, "1500"),
    (
        "SELECT t.oid, typarray FROM pg_type t JOIN pg_namespace ns ON typnamespace = ns.oid WHERE typname = 'hstore'",
        &[],
        0,
        "",
    ),
    (
        "SELECT typname AS name, oid, typarray AS array_oid, oid::regtype::text AS regtype FROM pg_type t WHERE t.oid = to_regtype($1) ORDER BY t.oid",
        &["int8"],
        1,
        "int8|20|1016|bigint",
    ),
    ("SELECT typname AS name FROM pg_type t WHERE t.oid = to_regtype($1) ORDER BY t.oid", &["hstore"], 0, ""),
];

/// SQLAlchemy 2: names, columns, keys.
const SQLALCHEMY: &[Case] = &[
    (
        "SELECT pg_catalog.pg_class.relname FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace ON pg_catalog.pg_namespace.oid = pg_catalog.pg_class.relnamespace
        WHERE pg_catalog.pg_class.relname IN ($6::VARCHAR) AND pg_catalog.pg_class.relkind = ANY (ARRAY[$1::VARCHAR, $2::VARCHAR, $3::VARCHAR, $4::VARCHAR, $5::VARCHAR]) AND pg_catalog.pg_table_is_visible(pg_catalog.pg_class.oid) AND pg_catalog.pg_namespace.nspname != $7::VARCHAR",
        &["r", "p", "f", "v", "m", "bets", "pg_catalog"],
        1,
        "bets",
    ),
    (
        "SELECT pg_catalog.pg_namespace.nspname FROM pg_catalog.pg_namespace
        WHERE (pg_catalog.pg_namespace.nspname NOT LIKE 'pg/_' || '%' ESCAPE '/') ORDER BY pg_catalog.pg_namespace.nspname",
        &[],
        2,
        "information_schema",
    ),
    (
        r#"SELECT pg_catalog.pg_attribute.attname AS name, pg_catalog.format_type(pg_catalog.pg_attribute.atttypid, pg_catalog.pg_attribute.atttypmod) AS format_type, CASE WHEN pg_catalog.pg_attribute.atthasdef THEN (SELECT pg_catalog.pg_get_expr(pg_catalog.pg_attrdef.adbin, pg_catalog.pg_attrdef.adrelid) AS pg_get_expr_1
        FROM pg_catalog.pg_attrdef
        WHERE pg_catalog.pg_attribute.atthasdef AND pg_catalog.pg_attrdef.adrelid = pg_catalog.pg_attribute.attrelid) ELSE NULL END AS "default", pg_catalog.pg_attribute.attnotnull AS not_null, pg_catalog.pg_description.description AS comment, CASE WHEN (pg_catalog.pg_attribute.attidentity != '') THEN (SELECT json_build_object('start', pg_catalog.pg_sequence.seqstart) AS json_build_object_1
        FROM pg_catalog.pg_sequence
        WHERE pg_catalog.pg_sequence.seqrelid = CAST(CAST(pg_catalog.pg_get_serial_sequence(CAST(CAST(pg_catalog.pg_attribute.attrelid AS REGCLASS) AS TEXT), pg_catalog.pg_attribute.attname) AS REGCLASS) AS OID)) ELSE NULL END AS identity_options
        FROM pg_catalog.pg_class LEFT OUTER JOIN pg_catalog.pg_attribute ON pg_catalog.pg_class.oid = pg_catalog.pg_attribute.attrelid AND pg_catalog.pg_attribute.attnum > 0 AND NOT pg_catalog.pg_attribute.attisdropped LEFT OUTER JOIN pg_catalog.pg_description ON pg_catalog.pg_description.objoid = pg_catalog.pg_attribute.attrelid AND pg_catalog.pg_description.objsubid = pg_catalog.pg_attribute.attnum JOIN pg_catalog.pg_namespace ON pg_catalog.pg_namespace.oid = pg_catalog.pg_class.relnamespace
        WHERE pg_catalog.pg_class.relkind = ANY (ARRAY['r', 'p', 'f', 'v', 'm']) AND pg_catalog.pg_class.relname IN ('odds_windows') ORDER BY pg_catalog.pg_class.relname, pg_catalog.pg_attribute.attnum"#,
        &[],
        17,
        "window_name|text|NULL|true|NULL|NULL",
    ),
    (
        "SELECT attr.conrelid, array_agg(CAST(attr.attname AS TEXT) ORDER BY attr.ord) AS cols, min(attr.description) AS description, bool_and(attr.indnullsnotdistinct) AS indnullsnotdistinct
        FROM (SELECT con.conrelid AS conrelid, con.description AS description, con.ord AS ord, con.indnullsnotdistinct AS indnullsnotdistinct, pg_catalog.pg_attribute.attname AS attname
        FROM pg_catalog.pg_attribute JOIN (SELECT pg_catalog.pg_constraint.conrelid AS conrelid, unnest(pg_catalog.pg_index.indkey) AS attnum, generate_subscripts(pg_catalog.pg_index.indkey, 1) AS ord, pg_catalog.pg_index.indnullsnotdistinct AS indnullsnotdistinct, pg_catalog.pg_description.description AS description
        FROM pg_catalog.pg_constraint JOIN pg_catalog.pg_index ON pg_catalog.pg_constraint.conindid = pg_catalog.pg_index.indexrelid LEFT OUTER JOIN pg_catalog.pg_description ON pg_catalog.pg_description.objoid = pg_catalog.pg_constraint.oid AND pg_catalog.pg_description.classoid = CAST('pg_catalog.pg_constraint' AS REGCLASS)
        WHERE pg_catalog.pg_constraint.contype = 'p' AND pg_catalog.pg_constraint.conrelid IN (16384)) AS con ON pg_catalog.pg_attribute.attnum = con.attnum AND pg_catalog.pg_attribute.attrelid = con.conrelid
        WHERE con.conrelid IN (16384)) AS attr GROUP BY attr.conrelid ORDER BY attr.conrelid",
        &[],
        0,
        "",
    ),
];

/// Grafana's query builder.
const GRAFANA: &[Case] = &[
    ("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'", &[], 0, ""),
    (
        r#"SELECT CASE WHEN quote_ident(table_schema) IN (
              SELECT CASE WHEN trim(s[i]) = '"$user"' THEN user ELSE trim(s[i]) END
              FROM generate_series(
                  array_lower(string_to_array(current_setting('search_path'),','),1),
                  array_upper(string_to_array(current_setting('search_path'),','),1)) as i,
                string_to_array(current_setting('search_path'),',') s)
          THEN quote_ident(table_name) ELSE quote_ident(table_schema) || '.' || quote_ident(table_name) END AS "table"
        FROM information_schema.tables
        WHERE quote_ident(table_schema) NOT IN ('information_schema', 'pg_catalog', '_timescaledb_cache')
        ORDER BY CASE WHEN quote_ident(table_schema) = 'public' THEN 0 ELSE 1 END, 1"#,
        &[],
        15,
        "audit",
    ),
    (
        r#"SELECT quote_ident(column_name) AS "column", data_type AS "type" FROM information_schema.columns
        WHERE CASE WHEN array_length(parse_ident('public.odds_windows'),1) = 2
            THEN quote_ident(table_schema) = (parse_ident('public.odds_windows'))[1]
              AND quote_ident(table_name) = (parse_ident('public.odds_windows'))[2]
            ELSE quote_ident(table_name) = 'odds_windows' END AND data_type LIKE '%time%'"#,
        &[],
        3,
        "window_start|timestamp with time zone",
    ),
];

/// What the interpreter must know of SQL.
const SQL: &[Case] = &[
    (
        "SELECT count(*), min(nspname), string_agg(nspname, '+' ORDER BY nspname DESC) FROM pg_namespace",
        &[],
        1,
        "3|information_schema|public+pg_catalog+information_schema",
    ),
    ("SELECT relkind, count(*) FROM pg_class GROUP BY relkind HAVING count(*) > 1", &[], 1, "r|15"),
    (
        "WITH t AS (SELECT relname FROM pg_class WHERE relname LIKE 's%') SELECT * FROM t ORDER BY relname DESC LIMIT 1 OFFSET 1",
        &[],
        1,
        "sys_shards",
    ),
    (
        "SELECT 3 NOT IN (1, NULL), NULL::text IS NULL, 1 = ANY('{1,2}'::int[]), pg_backend_pid()",
        &[],
        1,
        "NULL|true|true|7",
    ),
    ("SELECT x FROM pg_catalog.generate_series(1, 3) AS s(x) ORDER BY x DESC", &[], 3, "3"),
    (
        "SELECT 'bets'::regclass::oid, 16384::regclass, pg_typeof(1), to_regclass('nope')",
        &[],
        1,
        "16384|bets|NULL|NULL",
    ),
    (
        "SELECT DISTINCT table_type FROM information_schema.tables t WHERE EXISTS (SELECT 1 FROM information_schema.columns c WHERE c.table_name = t.table_name AND c.udt_name = 'timestamptz')",
        &[],
        1,
        "BASE TABLE",
    ),
    ("SELECT has_table_privilege('bets', 'SELECT'), has_table_privilege('bets', 'INSERT')", &[], 1, "true|false"),
];

#[test]
fn what_is_about_the_tables_goes_to_the_tables() {
    for sql in
        ["SELECT * FROM bets", "SELECT 1", "SELECT 'pg_class'", "SELECT now()", "SELECT user FROM bets -- pg_class"]
    {
        assert!(!concerns(sql), "{sql}");
    }
}

#[test]
fn what_is_beyond_is_refused_with_a_way_out() {
    let deep = "SELECT count(*) FROM pg_attribute a, pg_attribute b, pg_attribute c, pg_attribute d";
    for (sql, code, words) in [
        (deep, LIMIT, "join fewer"),
        ("SELECT * FROM bets, pg_class", NO_TABLE, "bets is no table of the catalog"),
        ("SELECT nope FROM (SELECT 1 AS one) AS t, current_schema() AS pg_x", NO_COLUMN, "no column nope"),
        ("SELECT nope(oid) FROM pg_class", NO_FUNCTION, "no function nope"),
        ("SELECT row_number() OVER () FROM pg_class", NOT_SUPPORTED, "window functions"),
        ("SELECT 'nope'::regclass FROM pg_class", NO_TABLE, "no table nope"),
        ("SELECT oid FORM pg_class a", "42601", "syntax error"),
    ] {
        let refusal = rows(sql, &[]).unwrap_err();
        assert_eq!(refusal.code, code, "{sql}: {refusal:?}");
        assert!(refusal.message.contains(words), "{refusal:?}");
    }
}

#[test]
fn columns_have_types_with_and_without_rows() {
    let types = |sql: &str| {
        let batch = answer(sql, &session(), &[]).unwrap();
        batch.schema().fields().iter().map(|field| field.data_type().to_string()).collect::<Vec<_>>().join(" ")
    };
    let sql = "SELECT oid, relname, relnatts, relhasindex, relname IS NULL, count(*), array_agg(relname) FROM pg_class WHERE false GROUP BY oid";
    assert_eq!(types(sql), "UInt32 Utf8 Int16 Boolean Boolean Int64 List(Utf8)");
    assert_eq!(parameters("SELECT $2 FROM pg_class WHERE oid = $1 AND '$9' = $2"), 2);
}
