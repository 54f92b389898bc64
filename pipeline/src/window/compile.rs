//! From a window's SQL to a [`WindowPlan`]: plan it logically, hold it against the one shape that
//! merges, and turn its expressions into physical ones.
//!
//! The shape is `Projection → [Filter (HAVING)] → Aggregate → [Filter | Projection]… → TableScan`.
//! DataFusion's analyzer runs (it resolves types), its optimizers do not: they would turn the shape
//! into others.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, DataFusionError, Result as DataFusionResult, TableReference};
use datafusion::datasource::empty::EmptyTable;
use datafusion::execution::context::SessionContext;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::optimizer::Optimizer;
use datafusion::optimizer::optimize_projections::OptimizeProjections;
use datafusion::physical_expr::aggregate::LoweredAggregateBuilder;
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use futures::FutureExt;
use xxhash_rust::xxh3::xxh3_64;

use super::aggregate::{Aggregate, Grouping};
use super::plan::{Step, WindowPlan};
use super::shape::Shape;
use super::{WINDOW_START, WindowError, WindowSpec, exact_div, first_last, state};

/// Windows that one row may be in: a closing window merges as many panes.
const MAX_PANES: i64 = 288;

/// See [`WindowPlan::compile`].
pub fn compile(spec: &WindowSpec, input: &SchemaRef) -> Result<WindowPlan, WindowError> {
    check_spec(spec, input)?;
    let whole = logical_plan(spec, input)?;
    Shape::of(spec, &whole)?;

    // Planned again over the columns that it reads, so that a batch needs no others.
    let input = used_columns(spec, input, whole)?;
    let plan = logical_plan(spec, &input)?;
    let shape = Shape::of(spec, &plan)?;
    lower(spec, &input, &shape)
}

fn check_spec(spec: &WindowSpec, input: &Schema) -> Result<(), WindowError> {
    let wrong = |detail: String| WindowError::Spec { window: spec.name.clone(), detail };
    if spec.length_ms <= 0 {
        return Err(wrong(format!("a length of {} ms is not positive; 300000 is five minutes", spec.length_ms)));
    }
    if spec.hop_ms <= 0 || spec.length_ms % spec.hop_ms != 0 {
        let (length, hop) = (spec.length_ms, spec.hop_ms);
        return Err(wrong(format!("a hop of {hop} ms does not divide the length of {length} ms")));
    }
    if spec.length_ms / spec.hop_ms > MAX_PANES {
        let (length, hop) = (spec.length_ms, spec.hop_ms);
        return Err(wrong(format!(
            "a row would be in {} windows, at most {MAX_PANES} are possible; take a longer hop",
            length / hop
        )));
    }
    let Ok(time) = input.field_with_name(&spec.time_column) else {
        let columns: Vec<&str> = input.fields().iter().map(|f| f.name().as_str()).collect();
        return Err(wrong(format!(
            "time column '{}' is not in table '{}', which has {}",
            spec.time_column,
            spec.table,
            columns.join(", ")
        )));
    };
    if !matches!(time.data_type(), DataType::Timestamp(TimeUnit::Millisecond, _)) {
        return Err(wrong(format!(
            "time column '{}' is {}, a timestamp in milliseconds is needed",
            spec.time_column,
            time.data_type()
        )));
    }
    Ok(())
}

/// Parses, plans and analyzes the SQL over an empty table.
fn logical_plan(spec: &WindowSpec, input: &SchemaRef) -> Result<LogicalPlan, WindowError> {
    let state = session(spec, input).map_err(sql_error(spec))?;
    // The catalog is in memory, so planning never waits and no executor is needed.
    let dialect = &state.config_options().sql_parser.dialect;
    let statement = state.sql_to_statement(&spec.sql, dialect).map_err(sql_error(spec))?;
    let planned = planner::plan(&state, statement).now_or_never();
    let pending = || Err(DataFusionError::Internal("planning waited for I/O".to_owned()));
    let plan = planned.unwrap_or_else(pending).map_err(sql_error(spec))?;
    state.analyzer().execute_and_check(plan, state.config_options(), |_, _| {}).map_err(sql_error(spec))
}

fn session(spec: &WindowSpec, input: &SchemaRef) -> DataFusionResult<SessionState> {
    let context = SessionContext::new();
    let table = TableReference::bare(spec.table.as_str());
    context.register_table(table, Arc::new(EmptyTable::new(SchemaRef::clone(input))))?;
    context.register_udf(exact_div());
    context.register_udaf(first_last::first_value());
    context.register_udaf(first_last::last_value());
    Ok(context.state())
}

/// The input's columns that the query reads, and the time column, in the input's order.
fn used_columns(spec: &WindowSpec, input: &SchemaRef, plan: LogicalPlan) -> Result<SchemaRef, WindowError> {
    let pruned = session(spec, input)
        .and_then(|state| {
            Optimizer::with_rules(vec![Arc::new(OptimizeProjections::new())]).optimize(plan, &state, |_, _| {})
        })
        .map_err(sql_error(spec))?;
    let mut used = vec![false; input.fields().len()];
    let visited = pruned.apply(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            for (index, used) in used.iter_mut().enumerate() {
                *used |= scan.projection.as_ref().is_none_or(|kept| kept.contains(&index));
            }
        }
        Ok(TreeNodeRecursion::Continue)
    });
    visited.map_err(sql_error(spec))?;

    let fields: Vec<Arc<Field>> = input
        .fields()
        .iter()
        .zip(used)
        .filter(|(field, used)| *used || *field.name() == spec.time_column)
        .map(|(field, _)| Arc::clone(field))
        .collect();
    Ok(Arc::new(Schema::new(fields)))
}

/// Turns the shape's expressions into physical ones and lays out the state.
fn lower(spec: &WindowSpec, input: &SchemaRef, shape: &Shape<'_>) -> Result<WindowPlan, WindowError> {
    let physical =
        |expressions: &[Expr], over: &DFSchema| physical_expressions(expressions, over).map_err(sql_error(spec));
    let over = shape.aggregate.input.schema();
    let aggregated = &shape.aggregate.schema;
    let group_fields = aggregated.fields().iter().take(shape.aggregate.group_expr.len());

    let mut state_fields = vec![Arc::new(Field::new(WINDOW_START, DataType::Int64, false))];
    state_fields.extend(group_fields.cloned());
    let key_schema: SchemaRef = Arc::new(Schema::new(state_fields.clone()));
    let aggregates = lower_aggregates(&shape.aggregate.aggr_expr, over, &mut state_fields).map_err(sql_error(spec))?;
    let state_schema: SchemaRef = Arc::new(Schema::new(state_fields));
    super::shape::check_state(spec, &state_schema)?;

    Ok(WindowPlan {
        name: spec.name.clone(),
        length_ms: spec.length_ms,
        hop_ms: spec.hop_ms,
        input_columns: input.fields().iter().map(|f| f.name().clone()).collect(),
        time_index: input.index_of(&spec.time_column).map_err(|error| sql_error(spec)(DataFusionError::from(error)))?,
        input_schema: SchemaRef::clone(input),
        steps: lower_steps(&shape.below).map_err(sql_error(spec))?,
        groups: physical(&shape.aggregate.group_expr, over)?,
        fingerprint: fingerprint(spec, &state_schema),
        grouping: Grouping::new(key_schema),
        aggregates,
        state_schema,
        aggregated_schema: Arc::clone(aggregated.inner()),
        having: physical(&shape.having, aggregated)?,
        projection: physical(&shape.projection.expr, aggregated)?,
        result_schema: Arc::clone(shape.projection.schema.inner()),
        key_columns: shape.key_columns.clone(),
        sort_columns: shape.sort_columns.clone(),
        exact: shape.exact,
    })
}

fn physical_expressions(expressions: &[Expr], over: &DFSchema) -> DataFusionResult<Vec<Arc<dyn PhysicalExpr>>> {
    let (props, context) = (ExecutionProps::new(), PhysicalPlanningContext::default());
    expressions
        .iter()
        .map(|expression| create_physical_expr(&written_out(expression, over)?, over, &props, &context))
        .collect()
}

/// Writes out functions that exist only as a rewriting (`coalesce`, `nvl`, `arrow_cast`): DataFusion
/// leaves that to an optimizer.
fn written_out(expression: &Expr, over: &DFSchema) -> DataFusionResult<Expr> {
    let context = SimplifyContext::builder().with_schema(Arc::new(over.clone())).build();
    let written = expression.clone().transform_up(|part| match part {
        Expr::ScalarFunction(ScalarFunction { func, args }) => match func.simplify(args, &context)? {
            ExprSimplifyResult::Simplified(simpler) => Ok(Transformed::yes(simpler)),
            ExprSimplifyResult::Original(args) => {
                Ok(Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args })))
            }
        },
        other => Ok(Transformed::no(other)),
    })?;
    Ok(written.data)
}

/// Lowers the aggregates and appends their state columns to `state_fields`.
fn lower_aggregates(
    expressions: &[Expr],
    over: &DFSchema,
    state_fields: &mut Vec<Arc<Field>>,
) -> DataFusionResult<Vec<Aggregate>> {
    let (props, context) = (ExecutionProps::new(), PhysicalPlanningContext::default());
    let mut aggregates = Vec::with_capacity(expressions.len());
    for expression in expressions {
        let expression = written_out(expression, over)?;
        let lowered = LoweredAggregateBuilder::new(&expression, over, over.as_arrow(), &props, &context).build()?;
        let mut arguments = lowered.aggregate.expressions();
        let orderings = lowered.aggregate.order_bys().iter();
        arguments.extend(orderings.map(|order| Arc::clone(&order.expr)));
        let first = state_fields.len();
        state_fields.extend(lowered.aggregate.state_fields()?);
        aggregates.push(Aggregate {
            function: lowered.aggregate,
            arguments,
            filter: lowered.filter,
            state_columns: first..state_fields.len(),
        });
    }
    Ok(aggregates)
}

/// Lowers what lies between the table and the aggregate, the table's side first.
fn lower_steps(nodes: &[&LogicalPlan]) -> DataFusionResult<Vec<Step>> {
    let mut steps = Vec::new();
    for node in nodes {
        match node {
            LogicalPlan::Filter(filter) => {
                let condition = std::slice::from_ref(&filter.predicate);
                let conditions = physical_expressions(condition, filter.input.schema())?;
                steps.extend(conditions.into_iter().map(Step::Filter));
            }
            LogicalPlan::Projection(projection) => {
                let expressions = physical_expressions(&projection.expr, projection.input.schema())?;
                steps.push(Step::Project(expressions, Arc::clone(projection.schema.inner())));
            }
            // An alias renames columns, which physical expressions address by position.
            _ => {}
        }
    }
    Ok(steps)
}

fn fingerprint(spec: &WindowSpec, state_schema: &Schema) -> u64 {
    let text = format!(
        "{}\0{}\0{}\0{}\0{}\0{}",
        spec.sql,
        spec.time_column,
        spec.hop_ms,
        schema_text(state_schema),
        state::FORMAT,
        datafusion::DATAFUSION_VERSION,
    );
    xxh3_64(text.as_bytes())
}

/// Canonical text of a schema, for the fingerprint.
fn schema_text(schema: &Schema) -> String {
    let field = |field: &Arc<Field>| format!("{} {} {}", field.name(), field.data_type(), field.is_nullable());
    schema.fields().iter().map(field).collect::<Vec<_>>().join("\n")
}

fn sql_error(spec: &WindowSpec) -> impl Fn(DataFusionError) -> WindowError + '_ {
    |source| WindowError::Sql { window: spec.name.clone(), source: Box::new(source) }
}
