//! Operators, in three truths where they compare.

use std::cmp::Ordering;

use arrow::array::StringArray;
use arrow::compute::kernels::regexp::regexp_is_match_scalar;
use datafusion::sql::sqlparser::ast::{BinaryOperator, UnaryOperator};

use super::super::refusal::{BAD_TEXT, NOT_SUPPORTED, Refusal};
use super::expr::Outcome;
use super::value::{Value, like};

/// A sign, or NOT.
pub fn unary(op: &UnaryOperator, value: &Value) -> Value {
    match op {
        UnaryOperator::Not => value.truth().map(|truth| !truth).into(),
        UnaryOperator::Minus => value.number().and_then(i64::checked_neg).map_or(Value::Null, Value::Int),
        _ => value.clone(),
    }
}

/// What an operator makes of two values.
///
/// # Errors
/// One that is not known.
pub fn operate(a: &Value, op: &BinaryOperator, b: &Value) -> Outcome {
    let compared = |holds: fn(Ordering) -> bool| Ok(a.compare(b).map(holds).into());
    let computed = |compute: fn(i64, i64) -> Option<i64>| {
        Ok(a.number().zip(b.number()).and_then(|(a, b)| compute(a, b)).map_or(Value::Null, Value::Int))
    };
    match op {
        BinaryOperator::Eq => compared(Ordering::is_eq),
        BinaryOperator::NotEq => compared(Ordering::is_ne),
        BinaryOperator::Lt => compared(Ordering::is_lt),
        BinaryOperator::LtEq => compared(Ordering::is_le),
        BinaryOperator::Gt => compared(Ordering::is_gt),
        BinaryOperator::GtEq => compared(Ordering::is_ge),
        BinaryOperator::And => Ok(match (a.truth(), b.truth()) {
            (Some(false), _) | (_, Some(false)) => false.into(),
            (Some(true), Some(true)) => true.into(),
            _ => Value::Null,
        }),
        BinaryOperator::Or => Ok(match (a.truth(), b.truth()) {
            (Some(true), _) | (_, Some(true)) => true.into(),
            (Some(false), Some(false)) => false.into(),
            _ => Value::Null,
        }),
        BinaryOperator::Plus => computed(i64::checked_add),
        BinaryOperator::Minus => computed(i64::checked_sub),
        BinaryOperator::Multiply => computed(i64::checked_mul),
        BinaryOperator::Divide => computed(i64::checked_div),
        BinaryOperator::Modulo => computed(i64::checked_rem),
        BinaryOperator::BitwiseAnd => computed(|a, b| Some(a & b)),
        BinaryOperator::StringConcat => Ok(joined(a, b)),
        BinaryOperator::PGRegexMatch => matched(a, b, false, false),
        BinaryOperator::PGRegexIMatch => matched(a, b, false, true),
        BinaryOperator::PGRegexNotMatch => matched(a, b, true, false),
        BinaryOperator::PGRegexNotIMatch => matched(a, b, true, true),
        BinaryOperator::PGLikeMatch => Ok(liked(a, b, false, false)),
        BinaryOperator::PGNotLikeMatch => Ok(liked(a, b, true, false)),
        BinaryOperator::PGILikeMatch => Ok(liked(a, b, false, true)),
        BinaryOperator::PGNotILikeMatch => Ok(liked(a, b, true, true)),
        BinaryOperator::PGCustomBinaryOperator(path) => match path.last().map(String::as_str) {
            Some("~") => matched(a, b, false, false),
            Some("~*") => matched(a, b, false, true),
            Some("!~") => matched(a, b, true, false),
            Some("!~*") => matched(a, b, true, true),
            Some("=") => compared(Ordering::is_eq),
            Some("<>" | "!=") => compared(Ordering::is_ne),
            Some("~~") => Ok(liked(a, b, false, false)),
            _ => Err(Refusal::new(NOT_SUPPORTED, format!("the operator {} is not known here", path.join(".")))),
        },
        other => Err(Refusal::new(NOT_SUPPORTED, format!("the operator {other} is not known here"))),
    }
}

fn joined(a: &Value, b: &Value) -> Value {
    match (a, b) {
        (Value::Null, _) | (_, Value::Null) => Value::Null,
        (Value::List(a), Value::List(b)) => Value::list(a.iter().chain(b.iter()).cloned().collect()),
        (Value::List(a), b) => Value::list(a.iter().chain([b]).cloned().collect()),
        (a, b) => format!("{}{}", a.said().unwrap_or_default(), b.said().unwrap_or_default()).into(),
    }
}

/// Whether a value is in a list, in three truths.
pub fn among(value: &Value, list: &[Value], negated: bool) -> Value {
    let mut unknown = value.is_null() && !list.is_empty();
    for item in list {
        match value.compare(item) {
            Some(Ordering::Equal) => return (!negated).into(),
            None => unknown = true,
            _ => {}
        }
    }
    if unknown { Value::Null } else { negated.into() }
}

/// Whether a text is like a pattern.
pub fn liked(text: &Value, pattern: &Value, negated: bool, any_case: bool) -> Value {
    let (Some(mut text), Some(mut pattern)) = (text.said(), pattern.said()) else { return Value::Null };
    if any_case {
        (text, pattern) = (text.to_lowercase(), pattern.to_lowercase());
    }
    (like(&text, &pattern) != negated).into()
}

fn matched(text: &Value, pattern: &Value, negated: bool, any_case: bool) -> Outcome {
    let (Some(text), Some(pattern)) = (text.said(), pattern.said()) else { return Ok(Value::Null) };
    let text = StringArray::from(vec![text]);
    let found = regexp_is_match_scalar(&text, &pattern, any_case.then_some("i"))
        .map_err(|_| Refusal::new(BAD_TEXT, format!("{pattern:?} is no regular expression")))?;
    Ok((found.value(0) != negated).into())
}
