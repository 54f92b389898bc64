//! The standard's names for what there is: `information_schema`.

use arrow::datatypes::Field;

use super::super::types::{Kind, shown};
use super::Session;
use super::rows::{Table, Type};
use super::tables::{NAMESPACES, OWNER, Shown, ours, records};
use super::value::Value;

/// The tables.
pub fn tables(session: &Session) -> Table {
    let table = |(_, (name, _)): (u32, Shown)| {
        vec![
            ("table_catalog", Type::Text, session.database.as_str().into()),
            ("table_schema", Type::Text, "public".into()),
            ("table_name", Type::Text, name.as_str().into()),
            ("table_type", Type::Text, "BASE TABLE".into()),
            ("is_insertable_into", Type::Text, "NO".into()),
            ("is_typed", Type::Text, "NO".into()),
        ]
    };
    records(ours(session).map(table).collect())
}

/// The tables' columns.
pub fn columns(session: &Session) -> Table {
    let column = |table: &str, number: i64, field: &Field| {
        let kind = Kind::of_field(field);
        let facts = kind.scalar.facts();
        let (precision, scale) = match kind.modifier {
            -1 => (Value::Null, Value::Null),
            packed => (Value::Int(((packed - 4) >> 16).into()), Value::Int(((packed - 4) & 0x7ff).into())),
        };
        let udt = if kind.list { format!("_{}", facts.name) } else { facts.name.to_owned() };
        let shown = if kind.list { Some("ARRAY".to_owned()) } else { shown(kind.oid(), -1) };
        vec![
            ("table_catalog", Type::Text, session.database.as_str().into()),
            ("table_schema", Type::Text, "public".into()),
            ("table_name", Type::Text, table.into()),
            ("column_name", Type::Text, field.name().as_str().into()),
            ("ordinal_position", Type::Int4, number.into()),
            ("column_default", Type::Text, Value::Null),
            ("is_nullable", Type::Text, if field.is_nullable() { "YES" } else { "NO" }.into()),
            ("data_type", Type::Text, shown.into()),
            ("character_maximum_length", Type::Int4, Value::Null),
            ("numeric_precision", Type::Int4, precision),
            ("numeric_scale", Type::Int4, scale),
            ("datetime_precision", Type::Int4, if facts.category == "D" { Value::Int(6) } else { Value::Null }),
            ("udt_catalog", Type::Text, session.database.as_str().into()),
            ("udt_schema", Type::Text, "pg_catalog".into()),
            ("udt_name", Type::Text, udt.into()),
            ("is_identity", Type::Text, "NO".into()),
            ("is_generated", Type::Text, "NEVER".into()),
            ("is_updatable", Type::Text, "NO".into()),
        ]
    };
    let rows = ours(session).flat_map(|(_, (name, schema))| {
        let columns = (1..).zip(schema.fields().iter());
        columns.map(|(number, field)| column(&name, number, field)).collect::<Vec<_>>()
    });
    records(rows.collect())
}

/// The schemas.
pub fn schemata(session: &Session) -> Table {
    let schema = |(_, name): &(u32, &str)| {
        vec![
            ("catalog_name", Type::Text, session.database.as_str().into()),
            ("schema_name", Type::Text, (*name).into()),
            ("schema_owner", Type::Text, OWNER.into()),
        ]
    };
    records(NAMESPACES.iter().map(schema).collect())
}
