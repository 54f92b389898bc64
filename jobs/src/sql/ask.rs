//! What a query asks of a table: which columns, which keys, which times, how many rows.
//!
//! Filters on key columns are taken over whole: a row comes back if and only if its key is one
//! of those asked for, compared as an id and so in any case of its letters. Filters on time only
//! narrow what is read; DataFusion looks at each row again.

use std::collections::BTreeSet;
use std::ops::Range;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use pipeline::Result;

use super::catalog::Table;

/// What is asked of a table.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The columns, by their places in the table.
    pub columns: Vec<usize>,
    /// The columns asked for.
    pub schema: SchemaRef,
    /// Keys of which a row must have one, for each key column with a filter.
    pub keys: Vec<Keys>,
    /// From when to before when, in milliseconds.
    pub times: Range<i64>,
    /// How many rows are enough.
    pub limit: Option<usize>,
}

/// The keys that a column may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// The column.
    pub column: &'static str,
    /// Their bytes, sorted.
    pub any_of: BTreeSet<Vec<u8>>,
}

/// Every time.
pub const ALWAYS: Range<i64> = i64::MIN..i64::MAX;

impl Ask {
    /// The columns asked for, of a batch with all of them.
    pub fn project(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        Ok(batch.project(&self.columns)?)
    }

    /// Whether a column is asked for.
    pub fn wants(&self, column: &str) -> bool {
        self.schema.column_with_name(column).is_some()
    }

    /// The keys that a column may have, if it has a filter.
    pub fn keys_of(&self, column: &str) -> Option<&BTreeSet<Vec<u8>>> {
        self.keys.iter().find(|keys| keys.column == column).map(|keys| &keys.any_of)
    }

    /// How many rows to read at once: few where few are enough.
    pub fn page(&self, most: usize) -> usize {
        self.limit.map_or(most, |limit| limit.clamp(1, most))
    }
}

/// The keys that a filter lets a table's rows have: `column = 'key'`, `column IN ('a', 'b')`, and
/// such filters of one column joined by OR.
pub fn keys(table: Table, filter: &Expr) -> Option<Keys> {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
            let (column, text) = pair(left, right)?;
            keyed(table, column, &[text])
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            let (mut left, right) = (keys(table, left)?, keys(table, right)?);
            left.any_of.extend(right.any_of);
            (left.column == right.column).then_some(left)
        }
        Expr::InList(list) if !list.negated => {
            let Expr::Column(column) = &*list.expr else { return None };
            let texts = list.list.iter().map(text).collect::<Option<Vec<_>>>()?;
            keyed(table, &column.name, &texts)
        }
        _ => None,
    }
}

fn keyed(table: Table, column: &str, texts: &[&str]) -> Option<Keys> {
    let &(column, kind) = table.keys().iter().find(|(name, _)| *name == column)?;
    Some(Keys { column, any_of: texts.iter().filter_map(|text| kind.parse(text)).collect() })
}

fn pair<'a>(left: &'a Expr, right: &'a Expr) -> Option<(&'a str, &'a str)> {
    match (left, right) {
        (Expr::Column(column), other) | (other, Expr::Column(column)) => Some((&column.name, text(other)?)),
        _ => None,
    }
}

fn text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(value, _) => value.try_as_str().flatten(),
        _ => None,
    }
}

/// The times outside of which a filter lets no row of a table be.
pub fn times(table: Table, filter: &Expr) -> Option<Range<i64>> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = filter else { return None };
    let (column, op, at) = match (&**left, &**right) {
        (Expr::Column(column), other) => (column, *op, millis(other)?),
        (other, Expr::Column(column)) => (column, op.swap()?, millis(other)?),
        _ => return None,
    };
    if Some(column.name.as_str()) != table.time() {
        return None;
    }
    match op {
        Operator::Eq => Some(at..at.saturating_add(1)),
        Operator::GtEq | Operator::Gt => Some(at..i64::MAX),
        Operator::LtEq | Operator::Lt => Some(i64::MIN..at.saturating_add(1)),
        _ => None,
    }
}

fn millis(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Literal(ScalarValue::TimestampMillisecond(Some(at), _), _) => Some(*at),
        _ => None,
    }
}

/// The times in both.
pub fn both(a: Range<i64>, b: Range<i64>) -> Range<i64> {
    a.start.max(b.start)..a.end.min(b.end)
}
