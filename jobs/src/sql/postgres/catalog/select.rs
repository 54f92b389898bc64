//! Queries: from tables to rows, by loops within loops. The tables are small, and [`MAX_STEPS`]
//! bounds what a query may make of them.

use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{
    Distinct, Expr, GroupByExpr, LimitClause, OrderByExpr, OrderByKind, Query, Select, SelectItem, SetExpr,
    SetOperator, SetQuantifier,
};

use super::super::names::folded;
use super::super::refusal::{LIMIT, NOT_SUPPORTED, Refusal};
use super::Session;
use super::aggregate::aggregates;
use super::expr::Scope;
use super::from::aliased;
use super::infer::kind;
use super::rows::{Row, Table, column};
use super::shown::{items, place};
use super::value::Value;

/// Expressions evaluated and rows looked at by one query: about a second of work.
const MAX_STEPS: u64 = 3_000_000;

/// Answers one query.
pub struct Interpreter<'a> {
    /// Who asks.
    pub session: &'a Session,
    params: Vec<Value>,
    steps: Cell<u64>,
    /// The tables of WITH that are in sight, the nearest last.
    pub(super) named: RefCell<Vec<(String, Arc<Table>)>>,
}

/// Rows, or why there are none.
pub type Found = Result<Arc<Table>, Refusal>;

impl<'a> Interpreter<'a> {
    /// For a session, with a query's parameters.
    pub fn new(session: &'a Session, params: Vec<Value>) -> Interpreter<'a> {
        Interpreter { session, params, steps: Cell::new(0), named: RefCell::default() }
    }

    /// A parameter's value.
    pub fn param(&self, name: &str) -> Value {
        let place = name.trim_start_matches('$').parse::<usize>().ok().and_then(|place| place.checked_sub(1));
        place.and_then(|place| self.params.get(place).cloned()).unwrap_or(Value::Null)
    }

    /// Counts a step of work.
    pub fn step(&self) -> Result<(), Refusal> {
        self.steps.set(self.steps.get() + 1);
        if self.steps.get() > MAX_STEPS {
            return Err(Refusal::new(LIMIT, "the query goes through the catalog too often; join fewer of its tables"));
        }
        Ok(())
    }

    /// A query's rows.
    pub fn query(&self, query: &Query, outer: Option<&Scope>) -> Found {
        let before = self.named.borrow().len();
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            let table = self.query(&cte.query, outer)?;
            let table = aliased(&table, Some(&cte.alias), "");
            self.named.borrow_mut().push((folded(&cte.alias.name), Arc::new(table)));
        }
        let order: &[OrderByExpr] = match query.order_by.as_ref().map(|order| &order.kind) {
            Some(OrderByKind::Expressions(order)) => order,
            _ => &[],
        };
        let table = match &*query.body {
            SetExpr::Select(select) => self.select(select, order, outer),
            body => self.set(body, outer).and_then(|table| self.ordered(&table, order)),
        };
        self.named.borrow_mut().truncate(before);
        self.limited(table?, query.limit_clause.as_ref())
    }

    fn set(&self, body: &SetExpr, outer: Option<&Scope>) -> Found {
        match body {
            SetExpr::Select(select) => self.select(select, &[], outer),
            SetExpr::Query(query) => self.query(query, outer),
            SetExpr::SetOperation { left, op: SetOperator::Union, set_quantifier, right } => {
                let mut table = Arc::unwrap_or_clone(self.set(left, outer)?);
                table.rows.extend(self.set(right, outer)?.rows.iter().cloned());
                if !matches!(set_quantifier, SetQuantifier::All) {
                    table.rows.sort();
                    table.rows.dedup();
                }
                Ok(Arc::new(table))
            }
            SetExpr::Values(values) => {
                let (empty, mut rows) = (Table::default(), Vec::new());
                let scope = Scope { table: &empty, row: &[], group: None, outer };
                for row in &values.rows {
                    rows.push(row.iter().map(|expr| self.value(expr, &scope)).collect::<Result<Row, _>>()?);
                }
                let first = values.rows.first();
                let column = |(place, expr): (usize, &Expr)| column(&format!("column{place}"), kind(expr, &[]));
                let columns = first.into_iter().flat_map(|row| (1..).zip(row.iter())).map(column).collect();
                Ok(Arc::new(Table { columns, rows, open: Vec::new() }))
            }
            other => {
                let text: String = other.to_string().chars().take(80).collect();
                Err(Refusal::new(NOT_SUPPORTED, format!("{text} is beyond queries about the catalog")))
            }
        }
    }

    fn select(&self, select: &Select, order: &[OrderByExpr], outer: Option<&Scope>) -> Found {
        let mut source = Table { rows: vec![Vec::new()], ..Table::default() };
        for from in &select.from {
            source = self.with_joins(source, from, outer)?;
        }
        if let Some(condition) = &select.selection {
            let (rows, mut kept) = (std::mem::take(&mut source.rows), Vec::new());
            for row in rows {
                let scope = Scope { table: &source, row: &row, group: None, outer };
                if self.value(condition, &scope)?.is_true() {
                    kept.push(row);
                }
            }
            source.rows = kept;
        }
        let items = items(select, &source)?;
        let columns = items.iter().map(|(name, expr)| column(name, kind(expr, &source.columns))).collect();
        let mut rows = Vec::new();
        for (row, group) in self.groups(select, &source, outer)? {
            let scope = Scope { table: &source, row: &row, group: group.as_deref(), outer };
            if let Some(having) = &select.having
                && !self.value(having, &scope)?.is_true()
            {
                continue;
            }
            let shown = items.iter().map(|(_, expr)| self.value(expr, &scope)).collect::<Result<Row, _>>()?;
            let keys = order.iter().map(|by| match place(&by.expr, &items) {
                Some(place) => Ok(shown.get(place).cloned().unwrap_or(Value::Null)),
                None => self.value(&by.expr, &scope),
            });
            let keys = keys.collect::<Result<Vec<_>, _>>()?;
            rows.push((shown, keys));
        }
        if matches!(select.distinct, Some(Distinct::Distinct)) {
            rows.sort();
            rows.dedup_by(|a, b| a.0 == b.0);
        }
        sorted(&mut rows, order, |(_, keys)| keys);
        let rows = rows.into_iter().map(|(row, _)| row).collect();
        Ok(Arc::new(Table { columns, rows, open: Vec::new() }))
    }

    /// The rows to show, each with the rows that it stands for where there are groups.
    #[allow(clippy::type_complexity, reason = "a row and its group, named nowhere else")]
    fn groups(
        &self,
        select: &Select,
        source: &Table,
        outer: Option<&Scope>,
    ) -> Result<Vec<(Row, Option<Vec<Row>>)>, Refusal> {
        let by: &[Expr] = match &select.group_by {
            GroupByExpr::Expressions(by, _) => by,
            GroupByExpr::All(_) => &[],
        };
        let shown = select.projection.iter().filter_map(|item| match item {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr),
            _ => None,
        });
        if by.is_empty() && !shown.chain(&select.having).any(aggregates) {
            return Ok(source.rows.iter().map(|row| (row.clone(), None)).collect());
        }
        let mut groups: Vec<(Vec<Value>, Vec<Row>)> = Vec::new();
        for row in &source.rows {
            let scope = Scope { table: source, row, group: None, outer };
            let key = by.iter().map(|expr| self.value(expr, &scope)).collect::<Result<Vec<_>, _>>()?;
            match groups.iter_mut().find(|(known, _)| *known == key) {
                Some((_, rows)) => rows.push(row.clone()),
                None => groups.push((key, vec![row.clone()])),
            }
        }
        if by.is_empty() && groups.is_empty() {
            groups.push((Vec::new(), Vec::new()));
        }
        Ok(groups.into_iter().map(|(_, rows)| (rows.first().cloned().unwrap_or_default(), Some(rows))).collect())
    }

    /// Rows that stand for themselves, in an order that names their own columns.
    fn ordered(&self, table: &Table, order: &[OrderByExpr]) -> Found {
        let items: Vec<(String, Expr)> = table
            .columns
            .iter()
            .map(|column| (column.name.to_string(), Expr::Identifier(column.name.to_string().as_str().into())))
            .collect();
        let mut rows = Vec::new();
        for row in &table.rows {
            let scope = Scope { table, row, group: None, outer: None };
            let keys = order.iter().map(|by| match place(&by.expr, &items) {
                Some(place) => Ok(row.get(place).cloned().unwrap_or(Value::Null)),
                None => self.value(&by.expr, &scope),
            });
            rows.push((row.clone(), keys.collect::<Result<Vec<_>, _>>()?));
        }
        sorted(&mut rows, order, |(_, keys)| keys);
        let rows = rows.into_iter().map(|(row, _)| row).collect();
        Ok(Arc::new(Table { rows, ..table.clone() }))
    }

    fn limited(&self, table: Arc<Table>, clause: Option<&LimitClause>) -> Found {
        let Some(LimitClause::LimitOffset { limit, offset, .. }) = clause else { return Ok(table) };
        let empty = Table::default();
        let scope = Scope { table: &empty, row: &[], group: None, outer: None };
        let count = |expr: Option<&Expr>| -> Result<Option<usize>, Refusal> {
            let value = expr.map(|expr| self.value(expr, &scope)).transpose()?;
            Ok(value.and_then(|value| value.number()).and_then(|count| usize::try_from(count).ok()))
        };
        let most = count(limit.as_ref())?.unwrap_or(usize::MAX);
        let skipped = count(offset.as_ref().map(|offset| &offset.value))?.unwrap_or(0);
        let rows = table.rows.iter().skip(skipped).take(most).cloned().collect();
        Ok(Arc::new(Table { rows, ..(*table).clone() }))
    }
}

/// Sorts by keys in the order asked for; NULL comes last, or first where the order is descending.
pub fn sorted<T>(rows: &mut [T], order: &[OrderByExpr], keys: impl Fn(&T) -> &Vec<Value>) {
    rows.sort_by(|a, b| {
        let pairs = keys(a).iter().zip(keys(b)).zip(order);
        let compared = pairs.map(|((a, b), by)| {
            let descending = by.options.asc == Some(false);
            let nulls_first = by.options.nulls_first.unwrap_or(descending);
            match (a.is_null(), b.is_null()) {
                (true, true) => Ordering::Equal,
                (true, false) => {
                    if nulls_first {
                        Ordering::Less
                    } else {
                        Ordering::Greater
                    }
                }
                (false, true) => {
                    if nulls_first {
                        Ordering::Greater
                    } else {
                        Ordering::Less
                    }
                }
                (false, false) => {
                    let compared = a.compare(b).unwrap_or(Ordering::Equal);
                    if descending { compared.reverse() } else { compared }
                }
            }
        });
        compared.fold(Ordering::Equal, Ordering::then)
    });
}
