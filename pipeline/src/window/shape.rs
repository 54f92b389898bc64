//! The one shape of query whose states merge in any order, and the errors for all others.
//!
//! A query is refused when its result could depend on anything but the set of rows: on their order
//! (`first_value` without `ORDER BY`, sums of floats), on other tables or rows (joins, subqueries,
//! window functions), on the moment (`now()`, `random()`), or on how states were merged
//! (`array_agg`).

use std::collections::BTreeMap;

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{Aggregate, Expr, ExprSchemable, LogicalPlan, Projection, Volatility};

use super::{RESERVED, WindowError, WindowSpec};

/// Aggregates whose states merge in any order to the same bits.
const EXACT: &[&str] =
    &["count", "sum", "min", "max", "first_value", "last_value", "bit_and", "bit_or", "bit_xor", "bool_and", "bool_or"];

/// Aggregates that merge in any order within an error bound of their own.
const SKETCHES: &[&str] =
    &["approx_distinct", "approx_median", "approx_percentile_cont", "approx_percentile_cont_with_weight"];

/// A query taken apart.
pub struct Shape<'plan> {
    pub projection: &'plan Projection,
    /// Conditions of `HAVING`.
    pub having: Vec<Expr>,
    pub aggregate: &'plan Aggregate,
    /// What lies between the table and the aggregate, the table's side first.
    pub below: Vec<&'plan LogicalPlan>,
    /// Names of the result columns that are keys of `GROUP BY`, in the order of the result.
    pub key_columns: Vec<String>,
    /// The same in the order of `GROUP BY`, by which results are sorted.
    pub sort_columns: Vec<String>,
    /// Whether no aggregate is a sketch.
    pub exact: bool,
}

impl<'plan> Shape<'plan> {
    /// Takes an analyzed plan apart, or says what about it is not supported.
    pub fn of(spec: &WindowSpec, plan: &'plan LogicalPlan) -> Result<Self, WindowError> {
        let LogicalPlan::Projection(projection) = plan else {
            return Err(unexpected(spec, plan));
        };
        let mut having = Vec::new();
        let mut node = projection.input.as_ref();
        while let LogicalPlan::Filter(filter) = node {
            having.push(filter.predicate.clone());
            node = filter.input.as_ref();
        }
        let LogicalPlan::Aggregate(aggregate) = node else {
            return Err(unexpected(spec, node));
        };
        let below = below(spec, &aggregate.input)?;

        check_expressions(spec, plan)?;
        for group in &aggregate.group_expr {
            if matches!(group, Expr::GroupingSet(_)) {
                let instead = "declare a window for each set of keys";
                return Err(unsupported(spec, group, instead));
            }
        }
        for expression in &aggregate.aggr_expr {
            check_aggregate(spec, expression, aggregate)?;
        }
        let keys = keys(spec, projection, aggregate)?;
        let key_columns = keys.iter().map(|(_, name)| name.clone()).collect();
        let sort_columns = BTreeMap::from_iter(keys).into_values().collect();
        let exact = !aggregate.aggr_expr.iter().any(is_sketch);
        Ok(Shape { key_columns, sort_columns, exact, projection, having, aggregate, below })
    }
}

/// Refuses states that cannot be stored without what lies outside of them.
pub fn check_state(spec: &WindowSpec, state: &Schema) -> Result<(), WindowError> {
    for field in state.flattened_fields() {
        let data_type = field.data_type();
        if matches!(data_type, DataType::Dictionary(..) | DataType::RunEndEncoded(..) | DataType::Union(..)) {
            let what = format!("the type {data_type} of '{}'", field.name());
            return Err(unsupported(spec, what, "cast it to a plain type"));
        }
    }
    Ok(())
}

/// The nodes under the aggregate, down to the table.
fn below<'plan>(spec: &WindowSpec, top: &'plan LogicalPlan) -> Result<Vec<&'plan LogicalPlan>, WindowError> {
    let mut nodes = Vec::new();
    let mut node = top;
    loop {
        let input = match node {
            LogicalPlan::TableScan(_) => break,
            LogicalPlan::Filter(filter) => &filter.input,
            LogicalPlan::Projection(projection) => &projection.input,
            LogicalPlan::SubqueryAlias(alias) => &alias.input,
            other => return Err(unexpected(spec, other)),
        };
        nodes.push(node);
        node = input.as_ref();
    }
    nodes.reverse();
    Ok(nodes)
}

/// Refuses expressions, wherever they stand, whose value is not a function of the row.
fn check_expressions(spec: &WindowSpec, plan: &LogicalPlan) -> Result<(), WindowError> {
    let mut refused = None;
    let visited = plan.apply(|node| {
        node.apply_expressions(|expression| {
            expression.apply(|part| {
                let instead = match part {
                    Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) => {
                        "a window reads its own table only; write the values out"
                    }
                    Expr::ScalarFunction(call) if call.func.signature().volatility != Volatility::Immutable => {
                        "a window must give the same rows whenever it runs; compare with a column"
                    }
                    Expr::Placeholder(_) | Expr::ScalarVariable(..) => "write the value out",
                    _ => return Ok(TreeNodeRecursion::Continue),
                };
                refused = Some(unsupported(spec, part, instead));
                Ok(TreeNodeRecursion::Stop)
            })
        })
    });
    visited.map_err(|source| WindowError::Sql { window: spec.name.clone(), source: Box::new(source) })?;
    refused.map_or(Ok(()), Err)
}

fn is_sketch(expression: &Expr) -> bool {
    match expression.clone().unalias_nested().data {
        Expr::AggregateFunction(AggregateFunction { func, .. }) => SKETCHES.contains(&func.name()),
        _ => false,
    }
}

fn check_aggregate(spec: &WindowSpec, expression: &Expr, aggregate: &Aggregate) -> Result<(), WindowError> {
    let Expr::AggregateFunction(AggregateFunction { func, params }) = expression.clone().unalias_nested().data else {
        return Err(unsupported(spec, expression, "use an aggregate function"));
    };
    let name = func.name();
    let refuse = |instead: &str| Err(unsupported(spec, expression, instead));
    // A distinct count keeps every value seen, which its window bounds.
    if params.distinct && name != "count" {
        return refuse("only count takes DISTINCT; count(DISTINCT x), or approx_distinct(x) for many values");
    }
    if matches!(name, "avg" | "mean") {
        return refuse("its decimals are cut off; exact_div(sum(x), count(x)) rounds half to even");
    }
    if !EXACT.contains(&name) && !SKETCHES.contains(&name) {
        let known: Vec<&str> = EXACT.iter().chain(SKETCHES).copied().collect();
        return refuse(&format!(
            "its state does not merge in any order, or keeps every value seen; there are {}",
            known.join(", ")
        ));
    }
    if matches!(name, "first_value" | "last_value") && params.order_by.is_empty() {
        return refuse("say which comes first: first_value(x ORDER BY time, id)");
    }
    let floats = params.args.iter().any(|argument| {
        let data_type = argument.get_type(aggregate.input.schema());
        data_type.is_ok_and(|data_type| data_type.is_floating())
    });
    if name == "sum" && floats {
        return refuse("sums of floats depend on the order; cast to a decimal");
    }
    Ok(())
}

/// The result columns that are keys, each with its place in `GROUP BY`. Every key must be one: rows
/// are told apart by them.
fn keys(
    spec: &WindowSpec,
    projection: &Projection,
    aggregate: &Aggregate,
) -> Result<Vec<(usize, String)>, WindowError> {
    let mut selected = vec![false; aggregate.group_expr.len()];
    let mut names = Vec::new();
    for (expression, field) in projection.expr.iter().zip(projection.schema.fields()) {
        if RESERVED.contains(&field.name().as_str()) {
            let what = format!("a result column named {}", field.name());
            let instead = "the name is taken by a column of the window itself; choose another";
            return Err(unsupported(spec, what, instead));
        }
        if let Expr::Column(column) = expression.clone().unalias_nested().data
            && let Some(index) = aggregate.schema.maybe_index_of_column(&column)
            && let Some(selected) = selected.get_mut(index)
        {
            *selected = true;
            names.push((index, field.name().clone()));
        }
    }
    for (group, selected) in aggregate.group_expr.iter().zip(selected) {
        if !selected {
            let what = format!("GROUP BY {group} without {group} in the SELECT list");
            return Err(unsupported(spec, what, "select it, or rows cannot be told apart"));
        }
    }
    Ok(names)
}

/// The error for a node that the shape has no place for.
fn unexpected(spec: &WindowSpec, node: &LogicalPlan) -> WindowError {
    let (what, instead) = match node {
        LogicalPlan::Sort(_) => ("ORDER BY", "results are sorted by the keys of GROUP BY"),
        LogicalPlan::Limit(_) => ("LIMIT", "filter with HAVING"),
        LogicalPlan::Join(_) => ("a join", "a window reads one table"),
        LogicalPlan::Union(_) => ("UNION", "a window reads one table"),
        LogicalPlan::Window(_) => ("a window function (OVER)", "aggregate with GROUP BY"),
        LogicalPlan::Distinct(_) => ("SELECT DISTINCT", "GROUP BY the columns"),
        LogicalPlan::Unnest(_) => ("unnest", "a window reads plain columns"),
        LogicalPlan::TableScan(_) | LogicalPlan::Projection(_) => {
            ("a query without an aggregate", "SELECT keys, count(*) … GROUP BY keys")
        }
        LogicalPlan::Aggregate(_) => ("an aggregate of an aggregate", "aggregate once"),
        LogicalPlan::SubqueryAlias(_) | LogicalPlan::Subquery(_) => {
            ("a query around the aggregate", "put GROUP BY in the outermost SELECT")
        }
        LogicalPlan::EmptyRelation(_) | LogicalPlan::Values(_) => {
            ("a query without the table", "SELECT … FROM the window's table")
        }
        other => {
            let statement = other.display().to_string();
            return unsupported(spec, statement, "write SELECT … FROM … GROUP BY …");
        }
    };
    unsupported(spec, what, instead)
}

fn unsupported(spec: &WindowSpec, what: impl std::fmt::Display, instead: impl Into<String>) -> WindowError {
    WindowError::Unsupported { window: spec.name.clone(), what: what.to_string(), instead: instead.into() }
}
