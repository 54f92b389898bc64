//! Expressions: from a row, and the rows around it, to a value.

use std::cmp::Ordering;

use datafusion::sql::sqlparser::ast::{
    AccessExpr, BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Query,
    Subscript, Value as Literal, ValueWithSpan,
};

use super::super::names::{folded, last};
use super::super::refusal::{NO_COLUMN, NOT_SUPPORTED, Refusal};
use super::aggregate::AGGREGATES;
use super::operators::{among, liked, operate, unary};
use super::rows::{Row, Table};
use super::select::Interpreter;
use super::value::Value;
use super::{casts, functions};

/// Where names are looked up: a row, the rows that it stands for, and the query around.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// Whose columns the row has.
    pub table: &'a Table,
    /// The row.
    pub row: &'a [Value],
    /// The rows of its group, where rows are grouped.
    pub group: Option<&'a [Row]>,
    /// The query around.
    pub outer: Option<&'a Scope<'a>>,
}

/// A value, or why there is none.
pub type Outcome = Result<Value, Refusal>;

impl Interpreter<'_> {
    /// An expression's value.
    pub fn value(&self, expr: &Expr, scope: &Scope) -> Outcome {
        self.step()?;
        let value = |expr: &Expr| self.value(expr, scope);
        Ok(match expr {
            Expr::Identifier(name) => return self.column(None, name, scope),
            Expr::CompoundIdentifier(path) => match path.as_slice() {
                [.., table, name] => return self.column(Some(table), name, scope),
                _ => return Err(beyond(expr)),
            },
            Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => return value(inner),
            Expr::Value(literal) => self.literal(&literal.value)?,
            Expr::Cast { expr, data_type, .. } => casts::cast(value(expr)?, &data_type.to_string())?,
            Expr::TypedString(typed) => self.literal(&typed.value.value)?,
            Expr::UnaryOp { op, expr } => unary(op, &value(expr)?),
            Expr::BinaryOp { left, op, right } => self.binary(left, op, right, scope)?,
            Expr::IsNull(inner) => value(inner)?.is_null().into(),
            Expr::IsNotNull(inner) => (!value(inner)?.is_null()).into(),
            Expr::IsTrue(inner) => value(inner)?.is_true().into(),
            Expr::IsNotTrue(inner) => (!value(inner)?.is_true()).into(),
            Expr::IsFalse(inner) => (value(inner)?.truth() == Some(false)).into(),
            Expr::IsNotFalse(inner) => (value(inner)?.truth() != Some(false)).into(),
            Expr::IsDistinctFrom(a, b) => (value(a)? != value(b)?).into(),
            Expr::IsNotDistinctFrom(a, b) => (value(a)? == value(b)?).into(),
            Expr::Between { expr, negated, low, high } => {
                let (at, low, high) = (value(expr)?, value(low)?, value(high)?);
                let within = at.compare(&low).zip(at.compare(&high)).map(|(low, high)| low.is_ge() && high.is_le());
                within.map(|within| within != *negated).into()
            }
            Expr::InList { expr, list, negated } => {
                let list = list.iter().map(value).collect::<Result<Vec<_>, _>>()?;
                among(&value(expr)?, &list, *negated)
            }
            Expr::InSubquery { expr, subquery, negated } => {
                among(&value(expr)?, &self.first_column(subquery, scope)?, *negated)
            }
            Expr::AnyOp { left, compare_op, right, .. } => self.quantified(left, compare_op, right, scope, true)?,
            Expr::AllOp { left, compare_op, right } => self.quantified(left, compare_op, right, scope, false)?,
            Expr::Exists { subquery, negated } => {
                (self.query(subquery, Some(scope))?.rows.is_empty() == *negated).into()
            }
            Expr::Subquery(query) => self.first_column(query, scope)?.into_iter().next().unwrap_or(Value::Null),
            Expr::Like { negated, expr, pattern, escape_char, .. } => {
                liked(&value(expr)?, &escaped(value(pattern)?, escape_char.as_ref()), *negated, false)
            }
            Expr::ILike { negated, expr, pattern, escape_char, .. } => {
                liked(&value(expr)?, &escaped(value(pattern)?, escape_char.as_ref()), *negated, true)
            }
            Expr::Case { operand, conditions, else_result, .. } => {
                let operand = operand.as_deref().map(value).transpose()?;
                for when in conditions {
                    let condition = value(&when.condition)?;
                    let holds = match &operand {
                        Some(operand) => operand.compare(&condition).is_some_and(Ordering::is_eq),
                        None => condition.is_true(),
                    };
                    if holds {
                        return value(&when.result);
                    }
                }
                else_result.as_deref().map_or(Ok(Value::Null), value)?
            }
            Expr::Array(array) => Value::list(array.elem.iter().map(value).collect::<Result<_, _>>()?),
            Expr::Tuple(items) => Value::list(items.iter().map(value).collect::<Result<_, _>>()?),
            Expr::CompoundFieldAccess { root, access_chain } => {
                let mut found = value(root)?;
                for access in access_chain {
                    let AccessExpr::Subscript(Subscript::Index { index }) = access else { return Err(beyond(expr)) };
                    let at = value(index)?.number().and_then(|at| usize::try_from(at - 1).ok());
                    let items = found.items();
                    found = items.zip(at).and_then(|(items, at)| items.get(at).cloned()).unwrap_or(Value::Null);
                }
                found
            }
            Expr::Position { expr, r#in } => self.call("position", &[value(r#in)?, value(expr)?])?,
            Expr::Trim { expr, .. } => self.call("trim", &[value(expr)?])?,
            Expr::Substring { expr, substring_from, substring_for, .. } => {
                let mut args = vec![value(expr)?];
                args.push(substring_from.as_deref().map_or(Ok(Value::Int(1)), value)?);
                args.extend(substring_for.as_deref().map(value).transpose()?);
                self.call("substring", &args)?
            }
            Expr::Function(function) => self.function(function, scope)?,
            other => return Err(beyond(other)),
        })
    }

    fn literal(&self, literal: &Literal) -> Outcome {
        Ok(match literal {
            Literal::Null => Value::Null,
            Literal::Boolean(truth) => (*truth).into(),
            Literal::Number(digits, _) => digits.parse().map_or_else(|_| Value::text(digits), Value::Int),
            Literal::Placeholder(name) => self.param(name),
            Literal::DollarQuotedString(text) => text.value.as_str().into(),
            other => other.clone().into_string().map_or(Value::Null, Value::from),
        })
    }

    fn column(&self, table: Option<&Ident>, name: &Ident, scope: &Scope) -> Outcome {
        let table = table.map(folded);
        let name = folded(name);
        let mut around = Some(scope);
        let mut open = false;
        while let Some(scope) = around {
            let fits = |column: &super::rows::Column| {
                *column.name == *name && table.as_ref().is_none_or(|table| *column.table == **table)
            };
            if let Some(place) = scope.table.columns.iter().position(fits) {
                return Ok(scope.row.get(place).cloned().unwrap_or(Value::Null));
            }
            let known = |open: &std::sync::Arc<str>| table.as_ref().is_none_or(|table| **open == **table);
            open |= scope.table.open.iter().any(known);
            around = scope.outer;
        }
        match (open, table, name.as_str()) {
            (true, ..) => Ok(Value::Null),
            // Words of SQL that are functions without parentheses.
            (
                _,
                None,
                "user" | "current_user" | "session_user" | "current_role" | "current_catalog" | "current_schema",
            ) => self.call(&name, &[]),
            (_, table, _) => {
                let table = table.map(|table| format!("{table}.")).unwrap_or_default();
                Err(Refusal::new(NO_COLUMN, format!("there is no column {table}{name} in this query")))
            }
        }
    }

    fn binary(&self, left: &Expr, op: &BinaryOperator, right: &Expr, scope: &Scope) -> Outcome {
        let a = self.value(left, scope)?;
        // What is decided by its left side alone leaves the right one alone.
        match (op, a.truth()) {
            (BinaryOperator::And, Some(false)) => return Ok(false.into()),
            (BinaryOperator::Or, Some(true)) => return Ok(true.into()),
            _ => {}
        }
        let b = self.value(right, scope)?;
        operate(&a, op, &b)
    }

    fn quantified(&self, left: &Expr, op: &BinaryOperator, right: &Expr, scope: &Scope, any: bool) -> Outcome {
        let left = self.value(left, scope)?;
        let inner = match right {
            Expr::Nested(inner) => inner,
            other => other,
        };
        let items = match inner {
            Expr::Subquery(query) => Some(self.first_column(query, scope)?.into()),
            other => self.value(other, scope)?.items(),
        };
        let Some(items) = items else { return Ok(Value::Null) };
        let mut unknown = false;
        for item in items.iter() {
            match operate(&left, op, item)?.truth() {
                Some(truth) if truth == any => return Ok(any.into()),
                None => unknown = true,
                _ => {}
            }
        }
        Ok(if unknown { Value::Null } else { (!any).into() })
    }

    fn first_column(&self, query: &Query, scope: &Scope) -> Result<Vec<Value>, Refusal> {
        let table = self.query(query, Some(scope))?;
        Ok(table.rows.iter().map(|row| row.first().cloned().unwrap_or(Value::Null)).collect())
    }

    fn call(&self, name: &str, args: &[Value]) -> Outcome {
        functions::call(name, args, self.session)
    }

    fn function(&self, function: &Function, scope: &Scope) -> Outcome {
        let name = last(&function.name);
        if let ("array", FunctionArguments::Subquery(query)) = (name.as_str(), &function.args) {
            return Ok(Value::list(self.first_column(query, scope)?));
        }
        if let (true, Some(group)) = (AGGREGATES.contains(&name.as_str()), scope.group) {
            return self.aggregate(&name, function, group, scope);
        }
        if function.over.is_some() {
            return Err(Refusal::new(NOT_SUPPORTED, "window functions are not supported in queries about the catalog"));
        }
        let args = arguments(function).into_iter().map(|arg| arg.map_or(Ok(Value::Null), |arg| self.value(arg, scope)));
        let args = args.collect::<Result<Vec<_>, _>>()?;
        match functions::series(&name, &args) {
            Some(values) => Ok(values.into_iter().next().unwrap_or(Value::Null)),
            None => self.call(&name, &args),
        }
    }
}

/// A function's arguments; nothing for `*`.
pub fn arguments(function: &Function) -> Vec<Option<&Expr>> {
    let FunctionArguments::List(list) = &function.args else { return Vec::new() };
    list.args.iter().map(argument).collect()
}

/// An argument; nothing for `*`.
pub fn argument(arg: &FunctionArg) -> Option<&Expr> {
    match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))
        | FunctionArg::Named { arg: FunctionArgExpr::Expr(expr), .. }
        | FunctionArg::ExprNamed { arg: FunctionArgExpr::Expr(expr), .. } => Some(expr),
        _ => None,
    }
}

/// A pattern whose escapes are backslashes.
fn escaped(pattern: Value, escape: Option<&ValueWithSpan>) -> Value {
    let escape = escape.and_then(|escape| escape.value.clone().into_string()).filter(|escape| !escape.is_empty());
    match (pattern.said(), escape) {
        (Some(pattern), Some(escape)) => pattern.replace(&escape, "\\").into(),
        _ => pattern,
    }
}

fn beyond(expr: &Expr) -> Refusal {
    let text: String = expr.to_string().chars().take(80).collect();
    Refusal::new(
        NOT_SUPPORTED,
        format!("{text} is beyond queries about the catalog; the tables' own queries know more SQL"),
    )
}
