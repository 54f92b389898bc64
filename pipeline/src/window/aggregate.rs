//! One run of a hash aggregation: DataFusion's group table and accumulators, fed batch by batch.
//!
//! This is the heart of `AggregateExec` without its stream. `Partial`, `PartialReduce` and `Final`
//! differ only in what goes in (rows or states) and what comes out (states or results):
//!
//! | stage | in | out |
//! |---|---|---|
//! | partial | [`GroupTable::update`] | [`GroupTable::into_states_by_pane`] |
//! | partial reduce | [`GroupTable::merge`] | [`GroupTable::into_sorted_states`] |
//! | final | [`GroupTable::merge`] | [`GroupTable::into_sorted_results`] |
//!
//! Driving the two traits here rather than through the plan node saves a plan, a stream and an
//! executor a batch, and leaves nothing that could skip aggregation at high cardinality, cut the
//! output at a batch size, spill, or yield to a scheduler that is not there. Counts, and sums and
//! extremes of decimals, run in lanes of our own (see `lanes`), all else in DataFusion's accumulators.

use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array};
use datafusion::arrow::buffer::{BooleanBuffer, NullBuffer};
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::logical_expr::{ColumnarValue, EmitTo, GroupsAccumulator};
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::{GroupsAccumulatorAdapter, PhysicalExpr};
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::GroupOrdering;

use super::columns::{sorted, split_by_start};
use super::keys::{Dictionaries, FixedGroups, KeyLayout};

mod lanes;

use lanes::{Input, Lanes, Op};

/// An aggregate of the query, ready to run.
#[derive(Debug)]
pub struct Aggregate {
    pub function: Arc<AggregateFunctionExpr>,
    /// What the accumulator reads of a row: the arguments, then the ordering expressions.
    pub arguments: Vec<Arc<dyn PhysicalExpr>>,
    /// `FILTER (WHERE …)`.
    pub filter: Option<Arc<dyn PhysicalExpr>>,
    /// Which columns of a state batch are this aggregate's.
    pub state_columns: Range<usize>,
}

/// How the groups of a plan's keys are found.
#[derive(Debug)]
pub struct Grouping {
    key_schema: SchemaRef,
    /// Where the keys are of fixed width.
    layout: Option<KeyLayout>,
    dictionaries: Dictionaries,
}

impl Grouping {
    /// Of these keys, `window_start` first.
    pub fn new(key_schema: SchemaRef) -> Grouping {
        let layout = KeyLayout::new(&key_schema);
        Grouping { key_schema, layout, dictionaries: Dictionaries::default() }
    }
}

/// Which keys have which group.
enum Groups<'plan> {
    Fixed(Box<FixedGroups<'plan>>),
    General(Box<dyn GroupValues>),
}

impl<'plan> Groups<'plan> {
    fn new(grouping: &'plan Grouping, rows: usize) -> Result<Groups<'plan>> {
        let Grouping { key_schema, layout, dictionaries } = grouping;
        Ok(match layout {
            Some(layout) => Groups::Fixed(Box::new(FixedGroups::new(layout, dictionaries, rows))),
            None => Groups::General(new_group_values(Arc::clone(key_schema), &GroupOrdering::None)?),
        })
    }

    fn intern(&mut self, keys: &[ArrayRef], group_indices: &mut Vec<usize>) -> Result<usize> {
        match self {
            Groups::Fixed(groups) => groups.intern(keys, group_indices).map(|()| groups.len()),
            Groups::General(groups) => groups.intern(keys, group_indices).map(|()| groups.len()),
        }
    }
}

/// What an aggregate's values are kept in.
enum Values {
    /// The lane of that number.
    Lane(usize),
    Accumulator(Box<dyn GroupsAccumulator>),
}

/// Groups and their accumulators during one run.
pub struct GroupTable<'plan> {
    aggregates: &'plan [Aggregate],
    keys: usize,
    groups: Groups<'plan>,
    lanes: Lanes,
    /// In the order of the aggregates.
    values: Vec<Values>,
    /// The group of each row of the batch being fed; kept for its allocation.
    group_indices: Vec<usize>,
}

impl<'plan> GroupTable<'plan> {
    /// An empty table. `rows` is about how many will be fed.
    pub fn new(aggregates: &'plan [Aggregate], grouping: &'plan Grouping, rows: usize) -> Result<Self> {
        let (mut lanes, mut values) = (Vec::new(), Vec::with_capacity(aggregates.len()));
        for aggregate in aggregates {
            values.push(match aggregate.lane() {
                Some(lane) => {
                    lanes.push(lane);
                    Values::Lane(lanes.len() - 1)
                }
                None => Values::Accumulator(accumulator(&aggregate.function)?),
            });
        }
        Ok(GroupTable {
            aggregates,
            keys: grouping.key_schema.fields().len(),
            groups: Groups::new(grouping, rows)?,
            lanes: Lanes::new(lanes),
            values,
            group_indices: Vec::new(),
        })
    }

    /// Folds rows in. `keys` are the group keys of the rows, in the order of the key schema.
    pub fn update(&mut self, keys: &[ArrayRef], rows: &RecordBatch) -> Result<()> {
        let groups = self.groups.intern(keys, &mut self.group_indices)?;
        let mut inputs = Vec::with_capacity(self.lanes.len());
        for (aggregate, values) in self.aggregates.iter().zip(&mut self.values) {
            let filter = match &aggregate.filter {
                Some(filter) => Some(evaluate_mask(filter, rows)?),
                None => None,
            };
            match values {
                Values::Lane(_) => inputs.push(aggregate.input(rows, filter.as_ref(), inputs.last())?),
                Values::Accumulator(accumulator) => {
                    let arguments = evaluate_all(&aggregate.arguments, rows)?;
                    accumulator.update_batch(&arguments, &self.group_indices, filter.as_ref(), groups)?;
                }
            }
        }
        self.lanes.fold(&inputs, &self.group_indices, groups);
        Ok(())
    }

    /// Folds states in.
    pub fn merge(&mut self, states: &RecordBatch) -> Result<()> {
        let columns = states.columns();
        let slice = |range: Range<usize>| {
            columns
                .get(range.clone())
                .ok_or_else(|| exec_datafusion_err!("a state of {} columns lacks columns {range:?}", columns.len()))
        };
        let groups = self.groups.intern(slice(0..self.keys)?, &mut self.group_indices)?;
        let mut inputs = Vec::with_capacity(self.lanes.len());
        for (aggregate, values) in self.aggregates.iter().zip(&mut self.values) {
            let states = slice(aggregate.state_columns.clone())?;
            match values {
                Values::Lane(_) => {
                    for state in states {
                        inputs.push(Input::new(state, None, None)?);
                    }
                }
                Values::Accumulator(accumulator) => accumulator.merge_batch(states, &self.group_indices, groups)?,
            }
        }
        self.lanes.fold(&inputs, &self.group_indices, groups);
        Ok(())
    }

    /// The columns of the state of each pane, panes ascending: keys, then each aggregate's state columns.
    /// Each part owns its memory, since parts outlive the batch.
    pub fn into_states_by_pane(self) -> Result<Vec<(i64, Vec<ArrayRef>)>> {
        match self.groups {
            Groups::Fixed(groups) => {
                let panes = groups.by_pane();
                let rest = Rest::states(self.lanes, self.values, panes.len() == 1)?;
                let part = |(start, order): (i64, Vec<u32>)| {
                    let mut columns = groups.columns(&order)?;
                    rest.extend(&mut columns, order)?;
                    Ok((start, columns))
                };
                panes.into_iter().map(part).collect()
            }
            Groups::General(mut groups) => {
                let mut columns = groups.emit(EmitTo::All)?;
                let order = (0_u32..).take(columns.first().map_or(0, |starts| starts.len())).collect();
                Rest::states(self.lanes, self.values, true)?.extend(&mut columns, order)?;
                split_by_start(columns)
            }
        }
    }

    /// The columns of the state, sorted by the keys.
    pub fn into_sorted_states(self) -> Result<Vec<ArrayRef>> {
        let rest = Rest::states(self.lanes, self.values, false)?;
        in_order(self.groups, self.keys, &rest)
    }

    /// The columns of the result, sorted by the keys: keys, then each aggregate's value.
    pub fn into_sorted_results(self) -> Result<Vec<ArrayRef>> {
        let rest = Rest::results(self.lanes, self.values)?;
        in_order(self.groups, self.keys, &rest)
    }
}

fn in_order(groups: Groups<'_>, keys: usize, rest: &Rest) -> Result<Vec<ArrayRef>> {
    match groups {
        Groups::Fixed(mut groups) => {
            let order = groups.order();
            let mut columns = groups.columns(&order)?;
            rest.extend(&mut columns, order)?;
            Ok(columns)
        }
        Groups::General(mut groups) => {
            let (columns, order) = sorted(groups.emit(EmitTo::All)?, keys)?;
            let mut columns = columns;
            rest.extend(&mut columns, order)?;
            Ok(columns)
        }
    }
}

/// What stands beside the keys when a run ends.
struct Rest {
    lanes: Lanes,
    columns: Vec<Column>,
    /// All groups are wanted, as they are numbered.
    whole: bool,
}

enum Column {
    Lane(usize),
    /// Of all groups.
    Whole(ArrayRef),
}

impl Rest {
    fn states(lanes: Lanes, values: Vec<Values>, whole: bool) -> Result<Rest> {
        let mut columns = Vec::with_capacity(values.len());
        for values in values {
            match values {
                Values::Lane(lane) => columns.push(Column::Lane(lane)),
                Values::Accumulator(mut of) => columns.extend(of.state(EmitTo::All)?.into_iter().map(Column::Whole)),
            }
        }
        Ok(Rest { lanes, columns, whole })
    }

    fn results(lanes: Lanes, values: Vec<Values>) -> Result<Rest> {
        let column = |values| match values {
            Values::Lane(lane) => Ok(Column::Lane(lane)),
            Values::Accumulator(mut of) => Ok(Column::Whole(of.evaluate(EmitTo::All)?)),
        };
        let columns = values.into_iter().map(column).collect::<Result<_>>()?;
        Ok(Rest { lanes, columns, whole: false })
    }

    /// Adds the columns of these groups.
    fn extend(&self, to: &mut Vec<ArrayRef>, order: Vec<u32>) -> Result<()> {
        let order = UInt32Array::from(order);
        for column in &self.columns {
            to.push(match column {
                Column::Lane(lane) => self.lanes.column(*lane, order.values())?,
                Column::Whole(column) if self.whole => Arc::clone(column),
                Column::Whole(column) => take(column, &order, None)?,
            });
        }
        Ok(())
    }
}

impl Aggregate {
    /// The lane in which it runs, if it is one of those that have one.
    fn lane(&self) -> Option<(Op, DataType)> {
        let function = &self.function;
        if function.is_distinct() || !function.order_bys().is_empty() || self.arguments.len() != 1 {
            return None;
        }
        let data_type = function.field().data_type().clone();
        match (function.fun().name(), &data_type) {
            ("count", DataType::Int64) => Some((Op::Count, data_type)),
            ("sum", DataType::Decimal128(..)) => Some((Op::Sum, data_type)),
            ("min", DataType::Decimal128(..)) => Some((Op::Min, data_type)),
            ("max", DataType::Decimal128(..)) => Some((Op::Max, data_type)),
            _ => None,
        }
    }

    /// What its lane takes of rows.
    fn input(&self, rows: &RecordBatch, filter: Option<&BooleanArray>, before: Option<&Input>) -> Result<Input> {
        let passes = filter.map(|filter| NullBuffer::new(true_bits(filter)));
        let [argument] = &self.arguments[..] else {
            return Err(exec_datafusion_err!("{} takes one argument", self.function.name()));
        };
        let counts = self.function.fun().name() == "count";
        match argument.evaluate(rows)? {
            ColumnarValue::Scalar(value) if counts && !value.is_null() => Ok(Input::ones(passes)),
            value => {
                let values = value.into_array(rows.num_rows())?;
                match counts {
                    true => Ok(Input::ones(NullBuffer::union(values.logical_nulls().as_ref(), passes.as_ref()))),
                    false => Input::new(&values, passes.as_ref(), before),
                }
            }
        }
    }
}

/// Where a mask is true; a null is not.
fn true_bits(mask: &BooleanArray) -> BooleanBuffer {
    match mask.nulls() {
        Some(nulls) => mask.values() & nulls.inner(),
        None => mask.values().clone(),
    }
}

/// Evaluates expressions to columns as long as the batch.
pub fn evaluate_all(expressions: &[Arc<dyn PhysicalExpr>], rows: &RecordBatch) -> Result<Vec<ArrayRef>> {
    expressions.iter().map(|expression| expression.evaluate(rows)?.into_array(rows.num_rows())).collect()
}

/// Evaluates a predicate. A null counts as false for all who read the mask.
pub fn evaluate_mask(predicate: &Arc<dyn PhysicalExpr>, rows: &RecordBatch) -> Result<BooleanArray> {
    let mask = predicate.evaluate(rows)?.into_array(rows.num_rows())?;
    mask.as_boolean_opt()
        .cloned()
        .ok_or_else(|| exec_datafusion_err!("the condition {predicate} is {}, not boolean", mask.data_type()))
}

/// A function's own accumulator over groups, or one plain accumulator a group where it has none.
fn accumulator(function: &Arc<AggregateFunctionExpr>) -> Result<Box<dyn GroupsAccumulator>> {
    if function.groups_accumulator_supported() {
        return function.create_groups_accumulator();
    }
    let function = Arc::clone(function);
    let one = move || function.create_accumulator();
    Ok(Box::new(GroupsAccumulatorAdapter::new(one)))
}
