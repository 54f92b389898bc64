//! The filters of `tap`: conditions on an event's fields, joined by `and`.
//!
//! A condition is `field OP value`. Fields inside others are reached by dots. `=` and `!=` compare
//! numbers as numbers and the rest as text; `>`, `>=`, `<`, `<=` compare numbers, exactly; `~` asks
//! whether the text contains the value. A field that is not there meets no condition but `!=`.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::str::FromStr;

use schemas::decimal::parse_micros;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Condition {
    path: Vec<String>,
    operator: Operator,
    value: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    Unequal,
    AtLeast,
    AtMost,
    Greater,
    Less,
    Contains,
}

/// Longer texts first, so that `>=` is not read as `>`.
const OPERATORS: [(&str, Operator); 7] = [
    ("!=", Operator::Unequal),
    (">=", Operator::AtLeast),
    ("<=", Operator::AtMost),
    ("=", Operator::Equal),
    (">", Operator::Greater),
    ("<", Operator::Less),
    ("~", Operator::Contains),
];

impl FromStr for Filter {
    type Err = String;

    fn from_str(text: &str) -> Result<Filter, String> {
        let conditions = split_and(text).into_iter().map(condition).collect::<Result<_, _>>()?;
        Ok(Filter { conditions })
    }
}

impl Filter {
    /// Whether an event, a JSON object, meets every condition.
    pub fn matches(&self, event: &[u8]) -> bool {
        let Ok(text) = std::str::from_utf8(event) else { return false };
        self.conditions.iter().all(|condition| condition.holds(field(text, &condition.path).as_deref()))
    }
}

impl Condition {
    fn holds(&self, found: Option<&str>) -> bool {
        let Some(found) = found else { return self.operator == Operator::Unequal };
        let order = || Some(parse_micros(found).ok()?.cmp(&parse_micros(&self.value).ok()?));
        let equal = || order().map_or(found == self.value, |order| order == Ordering::Equal);
        match self.operator {
            Operator::Equal => equal(),
            Operator::Unequal => !equal(),
            Operator::AtLeast => order().is_some_and(Ordering::is_ge),
            Operator::AtMost => order().is_some_and(Ordering::is_le),
            Operator::Greater => order().is_some_and(Ordering::is_gt),
            Operator::Less => order().is_some_and(Ordering::is_lt),
            Operator::Contains => found.contains(&self.value),
        }
    }
}

fn condition(text: &str) -> Result<Condition, String> {
    let wrong =
        || format!("{:?} is no condition; write field=value, with =, !=, >, >=, <, <= or ~ between them", text.trim());
    let found = OPERATORS.iter().filter_map(|(symbol, operator)| Some((text.find(symbol)?, *symbol, *operator)));
    // The first operator of the text; of those that begin there, the longest stands first.
    let (at, symbol, operator) = found.min_by_key(|(at, ..)| *at).ok_or_else(wrong)?;
    let (field, value) = (text[..at].trim(), text[at + symbol.len()..].trim());
    if field.is_empty() {
        return Err(wrong());
    }
    let value = value.trim_matches(|c| c == '"' || c == '\'').to_owned();
    Ok(Condition { path: field.split('.').map(str::to_owned).collect(), operator, value })
}

/// The conditions between `and`s that stand outside of quotes.
fn split_and(text: &str) -> Vec<&str> {
    let (mut parts, mut from, mut quote) = (Vec::new(), 0, None);
    for (at, c) in text.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '"' || c == '\'' => quote = Some(c),
            None if at >= from && text[at..].to_ascii_lowercase().starts_with(" and ") => {
                parts.push(&text[from..at]);
                from = at + " and ".len();
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

/// The text of a field: a string's content, another value's JSON.
fn field(event: &str, path: &[String]) -> Option<String> {
    /// An object whose values stay text, so that numbers keep every digit.
    #[derive(Deserialize)]
    struct Object<'a>(#[serde(borrow)] HashMap<Cow<'a, str>, &'a RawValue>);

    let mut value = event;
    for name in path {
        let Object(fields) = serde_json::from_str(value).ok()?;
        value = fields.get(name.as_str())?.get();
    }
    match value.starts_with('"') {
        true => serde_json::from_str(value).ok(),
        false => Some(value.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"type":"question_opened","odds":"2.50","placed_at":1657550847332,"ok":true,
        "question":{"game":"cricket and tea","n":10},"exact":0.1}"#;

    #[test]
    fn conditions_hold_or_not() {
        for (filter, expected) in [
            ("type=question_opened", true),
            ("type = 'question_opened'", true),
            ("type!=question_opened", false),
            ("odds=2.5", true),
            ("odds>2.4999", true),
            ("odds>2.5", false),
            ("odds>=2.5", true),
            ("odds<=2.5 and odds<2.6", true),
            ("placed_at>1657550847331", true),
            ("placed_at<1657550847332", false),
            ("question.game~cricket", true),
            ("question.game=\"cricket and tea\" AND question.n=10.0", true),
            ("question.n=9", false),
            ("ok=true", true),
            ("exact=0.10", true),
            ("nothing=1", false),
            ("nothing!=1", true),
            ("type>1", false),
            ("question.game.deeper=1", false),
        ] {
            assert_eq!(filter.parse::<Filter>().unwrap().matches(EVENT.as_bytes()), expected, "{filter}");
        }
        assert!(!"a=1".parse::<Filter>().unwrap().matches(b"not json"));
    }

    #[test]
    fn what_is_no_filter_says_what_would_be() {
        for bad in ["", "odds", "=5", "a=1 and b", "type is bet"] {
            let text = bad.parse::<Filter>().unwrap_err();
            assert!(text.contains("write field=value"), "{bad}: {text}");
        }
    }
}
