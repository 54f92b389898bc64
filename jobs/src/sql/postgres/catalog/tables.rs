//! The catalog's tables: ours as PostgreSQL would list them, and the types they use.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use super::super::super::catalog::Table as Ours;
use super::super::types::{Facts, Kind, TYPES};
use super::rows::{Column, Row, Table, Type};
use super::value::Value;
use super::{Session, information};

/// The number of the first of our tables; PostgreSQL's first free one.
pub const FIRST_OID: u32 = 16_384;
/// The schemas: their numbers and names.
pub const NAMESPACES: [(u32, &str); 3] = [(11, "pg_catalog"), (2200, "public"), (13_000, "information_schema")];
/// The only role, its number, and that of the only database.
pub const OWNER: &str = "oddsmill";
pub const OWNER_OID: u32 = 10;
pub const DATABASE_OID: u32 = 16_000;
const PUBLIC: u32 = 2200;
const HEAP: u32 = 2;
const COLLATION: u32 = 100;

/// A table as clients see it: its name and its columns.
pub type Shown = (String, SchemaRef);

/// The product's tables and their numbers.
pub fn product() -> impl Iterator<Item = (u32, Ours)> {
    (FIRST_OID..).zip(Ours::ALL)
}

/// Every table and its number: the product's, then those of declared windows.
pub fn ours(session: &Session) -> impl Iterator<Item = (u32, Shown)> {
    let product = Ours::ALL.map(|table| (table.name().to_owned(), table.schema()));
    (FIRST_OID..).zip(product.into_iter().chain(session.declared.iter().cloned()))
}

/// A table of a catalog schema. One that is not listed has no rows and any column.
pub fn table(schema: &str, name: &str, session: &Session) -> Table {
    let built = match (schema, name) {
        ("information_schema", "tables") => information::tables(session),
        ("information_schema", "columns") => information::columns(session),
        ("information_schema", "schemata") => information::schemata(session),
        (_, "pg_class") => classes(session),
        (_, "pg_attribute") => attributes(session),
        (_, "pg_namespace") => namespaces(),
        (_, "pg_type") => types(),
        (_, "pg_database") => databases(session),
        (_, "pg_roles" | "pg_user" | "pg_authid") => roles(),
        (_, "pg_am") => listed(&[("oid", Type::Oid), ("amname", Type::Text)], vec![vec![HEAP.into(), "heap".into()]]),
        (_, "pg_collation") => listed(
            &[("oid", Type::Oid), ("collname", Type::Text), ("collnamespace", Type::Oid)],
            vec![vec![COLLATION.into(), "default".into(), 11u32.into()]],
        ),
        (_, "pg_tables") => tables(session),
        (_, "pg_settings") => settings(session),
        _ => Table::default(),
    };
    Table { open: vec![name.into()], ..built }.called(name)
}

fn listed(columns: &[(&str, Type)], rows: Vec<Row>) -> Table {
    let column = |(name, kind): &(&str, Type)| Column { table: "".into(), name: Arc::from(*name), kind: *kind };
    Table { columns: columns.iter().map(column).collect(), rows, open: Vec::new() }
}

/// A table whose every row gives its columns' names, types and values together.
pub fn records(rows: Vec<Vec<(&str, Type, Value)>>) -> Table {
    let columns: Vec<(&str, Type)> = rows.first().into_iter().flatten().map(|(name, kind, _)| (*name, *kind)).collect();
    listed(&columns, rows.iter().map(|row| row.iter().map(|(_, _, value)| value.clone()).collect()).collect())
}

fn classes(session: &Session) -> Table {
    let class = |(oid, (name, schema)): (u32, Shown)| {
        vec![
            ("oid", Type::Oid, oid.into()),
            ("relname", Type::Text, name.as_str().into()),
            ("relnamespace", Type::Oid, PUBLIC.into()),
            ("reltype", Type::Oid, 0u32.into()),
            ("reloftype", Type::Oid, 0u32.into()),
            ("relowner", Type::Oid, OWNER_OID.into()),
            ("relam", Type::Oid, HEAP.into()),
            ("relfilenode", Type::Oid, 0u32.into()),
            ("reltablespace", Type::Oid, 0u32.into()),
            ("relpages", Type::Int4, 0u32.into()),
            ("reltuples", Type::Int8, Value::Int(-1)),
            ("reltoastrelid", Type::Oid, 0u32.into()),
            ("relhasindex", Type::Bool, false.into()),
            ("relisshared", Type::Bool, false.into()),
            ("relpersistence", Type::Text, "p".into()),
            ("relkind", Type::Text, "r".into()),
            ("relnatts", Type::Int2, Value::Int(schema.fields().len() as i64)),
            ("relchecks", Type::Int2, 0u32.into()),
            ("relhasrules", Type::Bool, false.into()),
            ("relhastriggers", Type::Bool, false.into()),
            ("relhassubclass", Type::Bool, false.into()),
            ("relrowsecurity", Type::Bool, false.into()),
            ("relforcerowsecurity", Type::Bool, false.into()),
            ("relispopulated", Type::Bool, true.into()),
            ("relreplident", Type::Text, "d".into()),
            ("relispartition", Type::Bool, false.into()),
            ("reloptions", Type::Texts, Value::Null),
            ("relacl", Type::Texts, Value::Null),
            ("relpartbound", Type::Text, Value::Null),
        ]
    };
    records(ours(session).map(class).collect())
}

fn attributes(session: &Session) -> Table {
    let attribute = |oid: u32, number: i64, field: &arrow::datatypes::Field| {
        let kind = Kind::of_field(field);
        let collated = kind.scalar.facts().category == "S";
        vec![
            ("attrelid", Type::Oid, oid.into()),
            ("attname", Type::Text, field.name().as_str().into()),
            ("atttypid", Type::Oid, kind.oid().into()),
            ("attlen", Type::Int2, Value::Int(kind.length().into())),
            ("attnum", Type::Int2, number.into()),
            ("attndims", Type::Int4, Value::Int(kind.list.into())),
            ("atttypmod", Type::Int4, Value::Int(kind.modifier.into())),
            ("attnotnull", Type::Bool, (!field.is_nullable()).into()),
            ("atthasdef", Type::Bool, false.into()),
            ("atthasmissing", Type::Bool, false.into()),
            ("attidentity", Type::Text, "".into()),
            ("attgenerated", Type::Text, "".into()),
            ("attisdropped", Type::Bool, false.into()),
            ("attislocal", Type::Bool, true.into()),
            ("attinhcount", Type::Int4, 0u32.into()),
            ("attcollation", Type::Oid, if collated { COLLATION } else { 0 }.into()),
            ("attstorage", Type::Text, if kind.length() < 0 { "x" } else { "p" }.into()),
            ("attcompression", Type::Text, "".into()),
            ("attstattarget", Type::Int4, Value::Int(-1)),
            ("attacl", Type::Texts, Value::Null),
            ("attoptions", Type::Texts, Value::Null),
        ]
    };
    let rows = ours(session).flat_map(|(oid, (_, schema))| {
        (1..).zip(schema.fields().iter()).map(|(number, field)| attribute(oid, number, field)).collect::<Vec<_>>()
    });
    records(rows.collect())
}

fn namespaces() -> Table {
    let namespace = |(oid, name): &(u32, &str)| {
        vec![
            ("oid", Type::Oid, (*oid).into()),
            ("nspname", Type::Text, (*name).into()),
            ("nspowner", Type::Oid, OWNER_OID.into()),
            ("nspacl", Type::Texts, Value::Null),
        ]
    };
    records(NAMESPACES.iter().map(namespace).collect())
}

fn types() -> Table {
    let entry = |facts: &Facts, array: bool| {
        let (oid, name) =
            if array { (facts.array, format!("_{}", facts.name)) } else { (facts.oid, facts.name.into()) };
        vec![
            ("oid", Type::Oid, oid.into()),
            ("typname", Type::Text, Value::from(name)),
            ("typnamespace", Type::Oid, 11u32.into()),
            ("typowner", Type::Oid, OWNER_OID.into()),
            ("typlen", Type::Int2, Value::Int(if array { -1 } else { facts.length.into() })),
            ("typbyval", Type::Bool, (!array && (1..=8).contains(&facts.length)).into()),
            ("typtype", Type::Text, "b".into()),
            ("typcategory", Type::Text, if array { "A" } else { facts.category }.into()),
            ("typispreferred", Type::Bool, false.into()),
            ("typisdefined", Type::Bool, true.into()),
            ("typdelim", Type::Text, ",".into()),
            ("typrelid", Type::Oid, 0u32.into()),
            ("typelem", Type::Oid, if array { facts.oid } else { 0 }.into()),
            ("typarray", Type::Oid, if array { 0 } else { facts.array }.into()),
            ("typinput", Type::Text, if array { "array_in" } else { "in" }.into()),
            ("typnotnull", Type::Bool, false.into()),
            ("typbasetype", Type::Oid, 0u32.into()),
            ("typtypmod", Type::Int4, Value::Int(-1)),
            ("typndims", Type::Int4, 0u32.into()),
            ("typcollation", Type::Oid, if facts.category == "S" { COLLATION } else { 0 }.into()),
            ("typdefault", Type::Text, Value::Null),
        ]
    };
    records(TYPES.iter().flat_map(|facts| [entry(facts, false), entry(facts, true)]).collect())
}

fn databases(session: &Session) -> Table {
    records(vec![vec![
        ("oid", Type::Oid, DATABASE_OID.into()),
        ("datname", Type::Text, session.database.as_str().into()),
        ("datdba", Type::Oid, OWNER_OID.into()),
        ("encoding", Type::Int4, Value::Int(6)),
        ("datlocprovider", Type::Text, "c".into()),
        ("datistemplate", Type::Bool, false.into()),
        ("datallowconn", Type::Bool, true.into()),
        ("datconnlimit", Type::Int4, Value::Int(-1)),
        ("datcollate", Type::Text, "C".into()),
        ("datctype", Type::Text, "C".into()),
        ("daticulocale", Type::Text, Value::Null),
        ("dattablespace", Type::Oid, 1663u32.into()),
        ("datacl", Type::Texts, Value::Null),
    ]])
}

fn roles() -> Table {
    records(vec![vec![
        ("oid", Type::Oid, OWNER_OID.into()),
        ("rolname", Type::Text, OWNER.into()),
        ("rolsuper", Type::Bool, false.into()),
        ("rolinherit", Type::Bool, true.into()),
        ("rolcreaterole", Type::Bool, false.into()),
        ("rolcreatedb", Type::Bool, false.into()),
        ("rolcanlogin", Type::Bool, true.into()),
        ("rolreplication", Type::Bool, false.into()),
        ("rolconnlimit", Type::Int4, Value::Int(-1)),
        ("rolvaliduntil", Type::Text, Value::Null),
        ("rolbypassrls", Type::Bool, false.into()),
        ("usename", Type::Text, OWNER.into()),
        ("usesuper", Type::Bool, false.into()),
    ]])
}

fn tables(session: &Session) -> Table {
    let table = |(_, (name, _)): (u32, Shown)| {
        vec![
            ("schemaname", Type::Text, "public".into()),
            ("tablename", Type::Text, name.as_str().into()),
            ("tableowner", Type::Text, OWNER.into()),
            ("tablespace", Type::Text, Value::Null),
            ("hasindexes", Type::Bool, false.into()),
            ("hasrules", Type::Bool, false.into()),
            ("hastriggers", Type::Bool, false.into()),
            ("rowsecurity", Type::Bool, false.into()),
        ]
    };
    records(ours(session).map(table).collect())
}

fn settings(session: &Session) -> Table {
    let setting = |(name, value): (&str, &str)| {
        vec![
            ("name", Type::Text, Value::from(name.to_lowercase())),
            ("setting", Type::Text, value.into()),
            ("unit", Type::Text, Value::Null),
            ("vartype", Type::Text, "string".into()),
            ("context", Type::Text, "user".into()),
            ("source", Type::Text, "default".into()),
        ]
    };
    records(session.settings.all().map(setting).collect())
}
