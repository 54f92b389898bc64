//! Functions over the rows of a group.

use datafusion::sql::sqlparser::ast::{Expr, Function, FunctionArgumentClause, FunctionArguments, OrderByExpr};

use super::super::names::last;
use super::super::refusal::Refusal;
use super::expr::{Outcome, Scope, arguments};
use super::rows::Row;
use super::select::{Interpreter, sorted};
use super::value::Value;

/// Their names.
pub const AGGREGATES: [&str; 9] =
    ["count", "min", "max", "sum", "bool_and", "bool_or", "every", "array_agg", "string_agg"];

impl Interpreter<'_> {
    /// What one of [`AGGREGATES`] makes of a group.
    pub fn aggregate(&self, name: &str, function: &Function, group: &[Row], scope: &Scope) -> Outcome {
        let args = arguments(function);
        let each = |row: &Row| -> Result<(Value, Vec<Value>), Refusal> {
            let scope = Scope { row, group: None, ..*scope };
            if let Some(filter) = &function.filter
                && !self.value(filter, &scope)?.is_true()
            {
                return Ok((Value::Null, Vec::new()));
            }
            let value = args.first().copied().flatten().map_or(Ok(Value::Int(1)), |arg| self.value(arg, &scope))?;
            let keys = order(function).iter().map(|by| self.value(&by.expr, &scope)).collect::<Result<_, _>>()?;
            Ok((value, keys))
        };
        let mut values = group.iter().map(each).collect::<Result<Vec<_>, _>>()?;
        sorted(&mut values, order(function), |(_, keys)| keys);
        let mut values: Vec<Value> = values.into_iter().map(|(value, _)| value).collect();
        if name == "array_agg" {
            return Ok(if values.is_empty() { Value::Null } else { Value::list(values) });
        }
        values.retain(|value| !value.is_null());
        let truths = || values.iter().filter_map(Value::truth);
        Ok(match name {
            "count" => Value::Int(values.len() as i64),
            _ if values.is_empty() => Value::Null,
            "min" => values.into_iter().min().unwrap_or(Value::Null),
            "max" => values.into_iter().max().unwrap_or(Value::Null),
            "sum" => Value::Int(values.iter().filter_map(Value::number).fold(0, i64::saturating_add)),
            "bool_or" => truths().any(|truth| truth).into(),
            "string_agg" => {
                let between = args.get(1).copied().flatten().map(|arg| self.value(arg, scope)).transpose()?;
                let between = between.and_then(|between| between.said()).unwrap_or_default();
                values.iter().filter_map(Value::said).collect::<Vec<_>>().join(&between).into()
            }
            _ => truths().all(|truth| truth).into(),
        })
    }
}

/// Whether an expression is over the rows of a group.
pub fn aggregates(expr: &Expr) -> bool {
    match expr {
        Expr::Function(function) => {
            AGGREGATES.contains(&last(&function.name).as_str())
                || arguments(function).into_iter().flatten().any(aggregates)
        }
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } | Expr::UnaryOp { expr: inner, .. } => aggregates(inner),
        Expr::IsNull(inner) | Expr::IsNotNull(inner) => aggregates(inner),
        Expr::BinaryOp { left, right, .. } => aggregates(left) || aggregates(right),
        Expr::Case { operand, conditions, else_result, .. } => {
            let parts = conditions.iter().flat_map(|when| [&when.condition, &when.result]);
            parts.chain(operand.as_deref()).chain(else_result.as_deref()).any(aggregates)
        }
        _ => false,
    }
}

fn order(function: &Function) -> &[OrderByExpr] {
    let FunctionArguments::List(list) = &function.args else { return &[] };
    let by = list.clauses.iter().find_map(|clause| match clause {
        FunctionArgumentClause::OrderBy(by) => Some(by.as_slice()),
        _ => None,
    });
    by.unwrap_or_default()
}
