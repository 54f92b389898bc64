//! What stands after FROM: tables, joins, subqueries, functions that give rows.

use std::cmp::Ordering;
use std::sync::Arc;

use datafusion::sql::sqlparser::ast::{Expr, JoinConstraint, JoinOperator, TableAlias, TableFactor, TableWithJoins};

use super::super::names::{folded, last};
use super::super::refusal::{NO_TABLE, NOT_SUPPORTED, Refusal};
use super::expr::{Scope, argument};
use super::rows::{Row, Table, Type, column};
use super::select::{Found, Interpreter};
use super::value::Value;
use super::{SCHEMAS, functions, tables};

impl Interpreter<'_> {
    /// The rows of `left` with those of one more part of FROM.
    pub fn with_joins(&self, left: Table, from: &TableWithJoins, outer: Option<&Scope>) -> Result<Table, Refusal> {
        let mut table = self.joined(left, &from.relation, None, false, outer)?;
        for join in &from.joins {
            let (on, keeps) = match &join.join_operator {
                JoinOperator::Join(on) | JoinOperator::Inner(on) | JoinOperator::CrossJoin(on) => (on, false),
                JoinOperator::Left(on) | JoinOperator::LeftOuter(on) => (on, true),
                other => {
                    let text = format!("{other:?}");
                    let name = text.split('(').next().unwrap_or_default();
                    return Err(Refusal::new(NOT_SUPPORTED, format!("{name} is beyond queries about the catalog")));
                }
            };
            table = self.joined(table, &join.relation, Some(on), keeps, outer)?;
        }
        Ok(table)
    }

    /// Every row with every row of another table that goes with it; `keeps` is whether one without
    /// any is kept.
    fn joined(
        &self,
        left: Table,
        relation: &TableFactor,
        on: Option<&JoinConstraint>,
        keeps: bool,
        outer: Option<&Scope>,
    ) -> Result<Table, Refusal> {
        let lateral = is_lateral(relation);
        let at_first =
            Scope { table: &left, row: left.rows.first().map_or(&[][..], Vec::as_slice), group: None, outer };
        let mut right = self.relation(relation, if lateral { Some(&at_first) } else { outer })?;
        let using = match on {
            Some(JoinConstraint::Using(names)) => names.iter().map(last).collect(),
            _ => Vec::new(),
        };
        let mut joined = Table { columns: left.columns.clone(), rows: Vec::new(), open: left.open.clone() };
        joined.columns.extend(right.columns.iter().cloned());
        joined.open.extend(right.open.iter().cloned());
        let width = joined.columns.len();
        for row in &left.rows {
            if lateral {
                right = self.relation(relation, Some(&Scope { table: &left, row, group: None, outer }))?;
            }
            let mut found = false;
            for other in &right.rows {
                self.step()?;
                let both: Row = row.iter().chain(other).cloned().collect();
                let scope = Scope { table: &joined, row: &both, group: None, outer };
                let goes = match on {
                    Some(JoinConstraint::On(condition)) => self.value(condition, &scope)?.is_true(),
                    _ => using.iter().all(|name| same(name, (&left, row), (&right, other))),
                };
                if goes {
                    found = true;
                    joined.rows.push(both);
                }
            }
            if keeps && !found {
                let mut alone = row.clone();
                alone.resize(width, Value::Null);
                joined.rows.push(alone);
            }
        }
        Ok(joined)
    }

    fn relation(&self, relation: &TableFactor, outer: Option<&Scope>) -> Found {
        match relation {
            TableFactor::Table { name, alias, args: None, .. } => {
                let path: Vec<String> = name.0.iter().filter_map(|part| part.as_ident()).map(folded).collect();
                let table = self.table(&path)?;
                Ok(Arc::new(aliased(&table, alias.as_ref(), path.last().map_or("", String::as_str))))
            }
            TableFactor::Table { name, alias, args: Some(args), .. } => {
                let args: Vec<&Expr> = args.args.iter().filter_map(argument).collect();
                self.rows_of_function(&last(name), &args, alias.as_ref(), outer)
            }
            TableFactor::Function { name, args, alias, .. } => {
                let args: Vec<&Expr> = args.iter().filter_map(argument).collect();
                self.rows_of_function(&last(name), &args, alias.as_ref(), outer)
            }
            TableFactor::UNNEST { alias, array_exprs, .. } => {
                let args: Vec<&Expr> = array_exprs.iter().collect();
                self.rows_of_function("unnest", &args, alias.as_ref(), outer)
            }
            TableFactor::Derived { subquery, alias, .. } => {
                Ok(Arc::new(aliased(&*self.query(subquery, outer)?, alias.as_ref(), "")))
            }
            TableFactor::NestedJoin { table_with_joins, .. } => {
                let one = Table { rows: vec![Vec::new()], ..Table::default() };
                self.with_joins(one, table_with_joins, outer).map(Arc::new)
            }
            other => {
                let text: String = other.to_string().chars().take(80).collect();
                Err(Refusal::new(NOT_SUPPORTED, format!("{text} is beyond queries about the catalog")))
            }
        }
    }

    fn table(&self, path: &[String]) -> Found {
        let name = path.last().map_or("", String::as_str);
        if let [only] = path
            && let Some((_, table)) = self.named.borrow().iter().rev().find(|(named, _)| named == only)
        {
            return Ok(table.clone());
        }
        let schema = path.iter().rev().nth(1).map_or("pg_catalog", String::as_str);
        if !SCHEMAS.contains(&schema) || (path.len() == 1 && !name.starts_with("pg_")) {
            let problem = format!(
                "{} is no table of the catalog; a query reads either the catalog or the tables",
                path.join(".")
            );
            return Err(Refusal::new(NO_TABLE, problem));
        }
        Ok(Arc::new(tables::table(schema, name, self.session)))
    }

    fn rows_of_function(&self, name: &str, args: &[&Expr], alias: Option<&TableAlias>, outer: Option<&Scope>) -> Found {
        let empty = Table::default();
        let scope = Scope { table: &empty, row: &[], group: None, outer };
        let args = args.iter().map(|arg| self.value(arg, &scope)).collect::<Result<Vec<_>, _>>()?;
        let values = match functions::series(name, &args) {
            Some(values) => values,
            None => vec![functions::call(name, &args, self.session)?],
        };
        let called = alias.map_or_else(|| name.to_owned(), |alias| folded(&alias.name));
        let kind = if name.starts_with("generate") { Type::Int4 } else { Type::Text };
        let rows = values.into_iter().map(|value| vec![value]).collect();
        let table = Table { columns: vec![column(&called, kind)], rows, open: Vec::new() };
        Ok(Arc::new(aliased(&table, alias, &called)))
    }
}

/// The table under its alias, or under its own name.
pub fn aliased(table: &Table, alias: Option<&TableAlias>, name: &str) -> Table {
    let mut called = table.called(&alias.map_or_else(|| name.to_owned(), |alias| folded(&alias.name)));
    for (column, given) in called.columns.iter_mut().zip(alias.iter().flat_map(|alias| &alias.columns)) {
        column.name = folded(&given.name).into();
    }
    called
}

fn is_lateral(relation: &TableFactor) -> bool {
    match relation {
        TableFactor::Derived { lateral, .. } => *lateral,
        TableFactor::Table { args, .. } => args.is_some(),
        TableFactor::Function { .. } | TableFactor::UNNEST { .. } => true,
        _ => false,
    }
}

fn same(name: &str, left: (&Table, &Row), right: (&Table, &Row)) -> bool {
    let value = |(table, row): (&Table, &Row)| {
        let place = table.columns.iter().position(|column| *column.name == *name)?;
        row.get(place).cloned()
    };
    let (left, right) = (value(left), value(right));
    left.zip(right).is_some_and(|(a, b)| a.compare(&b).is_some_and(Ordering::is_eq))
}
