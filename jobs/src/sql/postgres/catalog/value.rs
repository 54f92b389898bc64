//! Values of the interpreter, and how they compare.

use std::cmp::Ordering;
use std::sync::Arc;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// Unknown.
    Null,
    /// True or false.
    Bool(bool),
    /// Any whole number, and an object's number.
    Int(i64),
    /// Everything else.
    Text(Arc<str>),
    /// An array.
    List(Arc<[Value]>),
}

impl Value {
    /// A text.
    pub fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    /// An array.
    pub fn list(items: Vec<Value>) -> Value {
        Value::List(items.into())
    }

    /// Whether it is unknown.
    pub fn is_null(&self) -> bool {
        *self == Value::Null
    }

    /// Whether it is true: unknown is not.
    pub fn is_true(&self) -> bool {
        self.truth() == Some(true)
    }

    /// True, false or unknown.
    pub fn truth(&self) -> Option<bool> {
        match self {
            Value::Bool(truth) => Some(*truth),
            Value::Int(number) => Some(*number != 0),
            Value::Text(text) => match text.to_lowercase().as_str() {
                "t" | "true" | "on" | "yes" | "1" => Some(true),
                "f" | "false" | "off" | "no" | "0" => Some(false),
                _ => None,
            },
            Value::Null | Value::List(_) => None,
        }
    }

    /// Its number, if it is one or reads as one.
    pub fn number(&self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(*number),
            Value::Bool(truth) => Some((*truth).into()),
            Value::Text(text) => text.trim().parse().ok(),
            Value::Null | Value::List(_) => None,
        }
    }

    /// Its text; nothing for NULL.
    pub fn said(&self) -> Option<String> {
        match self {
            Value::Null => None,
            Value::Bool(truth) => Some(truth.to_string()),
            Value::Int(number) => Some(number.to_string()),
            Value::Text(text) => Some(text.to_string()),
            Value::List(items) => {
                let items: Vec<String> =
                    items.iter().map(|item| item.said().unwrap_or_else(|| "NULL".to_owned())).collect();
                Some(format!("{{{}}}", items.join(",")))
            }
        }
    }

    /// Its items; a text in braces has some, too.
    pub fn items(&self) -> Option<Arc<[Value]>> {
        match self {
            Value::List(items) => Some(items.clone()),
            Value::Text(text) => {
                let inner = text.strip_prefix('{')?.strip_suffix('}')?;
                let items = inner.split(',').filter(|item| !item.is_empty());
                Some(items.map(|item| Value::text(item.trim().trim_matches('"'))).collect())
            }
            _ => None,
        }
    }

    /// How it compares; nothing where either is unknown or they have nothing in common.
    pub fn compare(&self, other: &Value) -> Option<Ordering> {
        match (self, other) {
            (Value::Null, _) | (_, Value::Null) => None,
            (Value::Text(a), Value::Text(b)) => Some(a.cmp(b)),
            (Value::List(_), _) | (_, Value::List(_)) => Some(self.items()?.cmp(&other.items()?)),
            (Value::Bool(_), _) | (_, Value::Bool(_)) => Some(self.truth()?.cmp(&other.truth()?)),
            _ => Some(self.number()?.cmp(&other.number()?)),
        }
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Value {
        Value::Bool(truth)
    }
}

impl From<Option<bool>> for Value {
    fn from(truth: Option<bool>) -> Value {
        truth.map_or(Value::Null, Value::Bool)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Int(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Value {
        Value::Int(number.into())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::text(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text.into())
    }
}

impl From<Option<String>> for Value {
    fn from(text: Option<String>) -> Value {
        text.map_or(Value::Null, Value::from)
    }
}

/// Whether a text is like a pattern with `%` and `_`.
pub fn like(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
    // Where the last % stood, and the text's place it was tried from.
    let (mut t, mut p, mut last) = (0, 0, None);
    while t < text.len() {
        let (escaped, wanted) = match pattern.get(p) {
            Some('\\') => (true, pattern.get(p + 1)),
            other => (false, other),
        };
        match wanted {
            Some('%') if !escaped => {
                last = Some((p, t));
                p += 1;
            }
            Some(c) if *c == text[t] || (*c == '_' && !escaped) => {
                t += 1;
                p += if escaped { 2 } else { 1 };
            }
            _ => {
                let Some((from, tried)) = last else { return false };
                (p, t) = (from + 1, tried + 1);
                last = Some((from, t));
            }
        }
    }
    pattern[p..].iter().all(|c| *c == '%')
}
