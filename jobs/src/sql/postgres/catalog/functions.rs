//! Functions that queries about the database use.

use std::sync::Arc;

use super::super::refusal::{NO_FUNCTION, Refusal};
use super::super::settings::SERVER_VERSION;
use super::super::types::shown;
use super::Session;
use super::casts::{class_oid, type_oid};
use super::tables::OWNER;
use super::value::Value;

/// Functions that give rows.
const SERIES: [&str; 4] = ["generate_series", "generate_subscripts", "unnest", "pg_get_keywords"];

/// Calls a function on values.
///
/// # Errors
/// One that is not known.
pub fn call(name: &str, args: &[Value], session: &Session) -> Result<Value, Refusal> {
    if let Some(value) = about_session(name, args, session) {
        return Ok(value);
    }
    if let Some(value) = of_texts(name, args).or_else(|| of_arrays(name, args)) {
        return Ok(value);
    }
    about_objects(name, args)
        .ok_or_else(|| Refusal::new(NO_FUNCTION, format!("there is no function {name} in queries about the catalog")))
}

/// The rows of a function that gives some; nothing for one that gives a value.
pub fn series(name: &str, args: &[Value]) -> Option<Vec<Value>> {
    if !SERIES.contains(&name) {
        return None;
    }
    let items = args.first().and_then(Value::items);
    Some(match name {
        "unnest" => items.map_or_else(Vec::new, |items| items.to_vec()),
        "generate_subscripts" => (1..=items.map_or(0, |items| items.len() as i64)).map(Value::Int).collect(),
        "generate_series" => {
            let bounds = (args.first().and_then(Value::number), args.get(1).and_then(Value::number));
            let (Some(from), Some(to)) = bounds else { return Some(Vec::new()) };
            (from..=to).take(10_000).map(Value::Int).collect()
        }
        _ => Vec::new(),
    })
}

fn about_session(name: &str, args: &[Value], session: &Session) -> Option<Value> {
    Some(match name {
        "version" => format!("PostgreSQL {SERVER_VERSION} (Oddsmill {}, read-only)", env!("CARGO_PKG_VERSION")).into(),
        "current_schema" => "public".into(),
        "current_schemas" if args.first().is_some_and(Value::is_true) => {
            Value::list(vec!["pg_catalog".into(), "public".into()])
        }
        "current_schemas" => Value::list(vec!["public".into()]),
        "current_database" | "current_catalog" => session.database.as_str().into(),
        "current_user" | "session_user" | "user" | "current_role" => session.user.as_str().into(),
        "pg_backend_pid" => session.number.into(),
        "current_setting" => {
            let value =
                args.first().and_then(Value::said).and_then(|name| session.settings.get(&name).map(Value::from));
            value.unwrap_or(Value::Null)
        }
        "set_config" => args.get(1).cloned().unwrap_or(Value::Null),
        "pg_is_in_recovery" | "pg_is_wal_replay_paused" => false.into(),
        _ => return None,
    })
}

fn of_texts(name: &str, args: &[Value]) -> Option<Value> {
    let said = |place: usize| args.get(place).and_then(Value::said);
    let number = |place: usize| args.get(place).and_then(Value::number);
    // NULL in, NULL out; but these look at what is not NULL.
    if name == "coalesce" {
        return Some(args.iter().find(|value| !value.is_null()).cloned().unwrap_or(Value::Null));
    }
    if name == "concat" {
        return Some(args.iter().filter_map(Value::said).collect::<String>().into());
    }
    let one = |change: &dyn Fn(String) -> Value| Some(said(0).map_or(Value::Null, change));
    match name {
        "lower" => one(&|text| text.to_lowercase().into()),
        "upper" => one(&|text| text.to_uppercase().into()),
        "length" | "char_length" | "character_length" => one(&|text| Value::Int(text.chars().count() as i64)),
        "trim" | "btrim" | "ltrim" | "rtrim" => one(&|text| text.trim().into()),
        "quote_ident" => one(&|text| quoted_name(&text).into()),
        "quote_literal" => one(&|text| format!("'{}'", text.replace('\'', "''")).into()),
        "md5" => one(&|_| Value::Null),
        "nullif" => Some(match args {
            [a, b] if a.compare(b).is_some_and(std::cmp::Ordering::is_eq) => Value::Null,
            [a, ..] => a.clone(),
            [] => Value::Null,
        }),
        "replace" => Some(said(0).zip(said(1)).zip(said(2)).map(|((text, old), new)| text.replace(&old, &new)).into()),
        "left" => {
            let taken = |(text, n): (String, i64)| text.chars().take(n.max(0) as usize).collect::<String>();
            Some(said(0).zip(number(1)).map(taken).into())
        }
        "substring" | "substr" => Some(said(0).map(|text| part(&text, number(1).unwrap_or(1), number(2))).into()),
        "strpos" | "position" => Some(match (said(0), said(1)) {
            (Some(text), Some(part)) => Value::Int(text.find(&part).map_or(0, |at| at as i64 + 1)),
            _ => Value::Null,
        }),
        "split_part" => {
            let pieces = said(0).zip(said(1)).map(|(text, at)| text.split(&at).map(str::to_owned).collect::<Vec<_>>());
            let piece =
                pieces.zip(number(2)).map(|(pieces, n)| pieces.get((n - 1) as usize).cloned().unwrap_or_default());
            Some(piece.into())
        }
        _ => None,
    }
}

fn part(text: &str, from: i64, count: Option<i64>) -> String {
    let skipped = (from - 1).max(0) as usize;
    let count = count.map_or(usize::MAX, |count| (count + (from - 1).min(0)).max(0) as usize);
    text.chars().skip(skipped).take(count).collect()
}

/// A name as it must be written in a query.
fn quoted_name(name: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let is_plain = name.chars().all(plain) && !name.starts_with(|c: char| c.is_ascii_digit()) && !name.is_empty();
    if is_plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

fn of_arrays(name: &str, args: &[Value]) -> Option<Value> {
    let items: Option<Arc<[Value]>> = args.first().and_then(Value::items);
    let said = |place: usize| args.get(place).and_then(Value::said);
    let length = |items: Option<Arc<[Value]>>| match items {
        Some(items) if !items.is_empty() => Value::Int(items.len() as i64),
        _ => Value::Null,
    };
    Some(match name {
        "array_length" | "array_upper" => length(items),
        "cardinality" => items.map_or(Value::Null, |items| Value::Int(items.len() as i64)),
        "array_lower" => items.filter(|items| !items.is_empty()).map_or(Value::Null, |_| Value::Int(1)),
        "array_to_string" => {
            let joined = |items: Arc<[Value]>| {
                items.iter().filter_map(Value::said).collect::<Vec<_>>().join(&said(1).unwrap_or_default())
            };
            items.map(joined).into()
        }
        "string_to_array" => match (said(0), said(1)) {
            (Some(text), Some(at)) if !at.is_empty() => Value::list(text.split(&at).map(Value::from).collect()),
            (Some(text), _) => Value::list(vec![text.into()]),
            _ => Value::Null,
        },
        "parse_ident" => {
            let text = said(0).unwrap_or_default();
            Value::list(text.split('.').map(|part| Value::from(part.trim_matches('"'))).collect())
        }
        "array_position" => {
            let found = items.zip(args.get(1)).and_then(|(items, one)| items.iter().position(|item| item == one));
            found.map_or(Value::Null, |at| Value::Int(at as i64 + 1))
        }
        _ => return None,
    })
}

/// What is known of the database's objects; a function of PostgreSQL's own that is not known gives
/// NULL, so that a newer client finds less and no error.
fn about_objects(name: &str, args: &[Value]) -> Option<Value> {
    let number = |place: usize| args.get(place).and_then(Value::number);
    Some(match name {
        "format_type" => {
            let oid = number(0).and_then(|oid| u32::try_from(oid).ok());
            let modifier = number(1).and_then(|modifier| i32::try_from(modifier).ok()).unwrap_or(-1);
            oid.map(|oid| shown(oid, modifier).unwrap_or_else(|| "???".to_owned())).into()
        }
        "pg_get_userbyid" => OWNER.into(),
        "pg_encoding_to_char" => "UTF8".into(),
        "pg_char_to_encoding" => Value::Int(6),
        "pg_size_pretty" => "unknown".into(),
        "pg_relation_is_publishable" => false.into(),
        "to_regclass" => args.first().map_or(Value::Null, |name| class_oid(name).map_or(Value::Null, Value::from)),
        "to_regtype" => args.first().map_or(Value::Null, |name| type_oid(name).map_or(Value::Null, Value::from)),
        name if name.ends_with("_is_visible") => true.into(),
        name if name.starts_with("has_") && name.ends_with("_privilege") => may(args).into(),
        "obj_description" | "col_description" | "shobj_description" | "json_build_object" | "row_to_json"
        | "array_remove" | "inet_server_addr" | "inet_server_port" | "txid_current" => Value::Null,
        name if name.starts_with("pg_") => Value::Null,
        _ => return None,
    })
}

/// Whether what is asked for is to look.
fn may(args: &[Value]) -> bool {
    let asked = args.last().and_then(Value::said).unwrap_or_default().to_uppercase();
    asked.split(',').all(|asked| ["SELECT", "USAGE", "CONNECT", "EXECUTE"].contains(&asked.trim()))
}
