//! From one type to another, and between the names of things and their numbers.

use super::super::super::error::SqlError;
use super::super::refusal::{BAD_TEXT, Refusal};
use super::super::types::{TYPES, shown};
use super::tables::{NAMESPACES, OWNER, product};
use super::value::Value;

/// The number of one of our tables, by its name with or without a schema.
pub fn class_oid(name: &Value) -> Option<u32> {
    let name = name.said()?;
    let name = name.rsplit('.').next()?.trim_matches('"').to_owned();
    let found = product().find(|(_, table)| table.name() == name).map(|(oid, _)| oid);
    // The catalog's own tables have numbers that nothing refers to.
    found.or_else(|| name.starts_with("pg_").then_some(1))
}

/// The number of a type, by either of its names.
pub fn type_oid(name: &Value) -> Option<u32> {
    let name = name.said()?.to_lowercase();
    let name = name.trim_start_matches("pg_catalog.").trim_matches('"');
    let (name, array) = name.strip_suffix("[]").map_or((name, false), |item| (item, true));
    let facts = TYPES.iter().find(|facts| facts.name == name || facts.shown == name)?;
    Some(if array { facts.array } else { facts.oid })
}

/// The name of what has a number: of a table, a type, a schema, a role.
fn name_of(kind: &str, oid: i64) -> Value {
    let oid = u32::try_from(oid).unwrap_or_default();
    let found = match kind {
        "regclass" => product().find(|(known, _)| *known == oid).map(|(_, table)| table.name().to_owned()),
        "regtype" => shown(oid, -1),
        "regnamespace" => NAMESPACES.iter().find(|(known, _)| *known == oid).map(|(_, name)| (*name).to_owned()),
        "regrole" => Some(OWNER.to_owned()),
        _ => None,
    };
    found.unwrap_or_else(|| if oid == 0 { "-".to_owned() } else { oid.to_string() }).into()
}

/// Brings a value to a type that a query names.
///
/// # Errors
/// A text that is no such value.
pub fn cast(value: Value, to: &str) -> Result<Value, Refusal> {
    let lower = to.to_lowercase().replace("pg_catalog.", "");
    let name = lower.split('(').next().unwrap_or_default().trim().trim_matches('"');
    let wrong = |value: &Value| Refusal::new(BAD_TEXT, format!("{:?} is no {name}", value.said().unwrap_or_default()));
    if value.is_null() {
        return Ok(Value::Null);
    }
    if name.ends_with("[]") || name.ends_with("vector") {
        return Ok(value.items().map_or(value, Value::List));
    }
    Ok(match name {
        "regclass" | "regtype" | "regnamespace" | "regrole" | "regproc" | "regprocedure" => {
            match (value.number(), name) {
                (Some(oid), _) => name_of(name, oid),
                (None, "regclass") => class_oid(&value).ok_or_else(|| no_class(&value))?.into(),
                (None, "regtype") => type_oid(&value).ok_or_else(|| wrong(&value))?.into(),
                (None, "regnamespace") => {
                    let found = NAMESPACES.iter().find(|(_, known)| value == Value::from(*known));
                    found.map(|(oid, _)| *oid).ok_or_else(|| wrong(&value))?.into()
                }
                _ => value,
            }
        }
        "int" | "integer" | "int2" | "int4" | "int8" | "bigint" | "smallint" | "oid" | "xid" => {
            Value::Int(value.number().ok_or_else(|| wrong(&value))?)
        }
        "bool" | "boolean" => value.truth().ok_or_else(|| wrong(&value))?.into(),
        "text" | "varchar" | "character varying" | "name" | "char" | "bpchar" | "character" => value.said().into(),
        _ => value,
    })
}

fn no_class(name: &Value) -> Refusal {
    let name = name.said().unwrap_or_default();
    let error = SqlError::NoTable { name, close: None };
    Refusal::of(&error, "")
}
