//! One run of a hash aggregation: DataFusion's group table and accumulators, fed batch by batch.
//!
//! This is the heart of `AggregateExec` without its stream. `Partial`, `PartialReduce` and `Final`
//! differ only in what goes in (rows or states) and what comes out (states or results):
//!
//! | stage | in | out |
//! |---|---|---|
//! | partial | [`GroupTable::update`] | [`GroupTable::into_states`] |
//! | partial reduce | [`GroupTable::merge`] | [`GroupTable::into_sorted_states`] |
//! | final | [`GroupTable::merge`] | [`GroupTable::into_sorted_results`] |
//!
//! Driving the two traits here rather than through the plan node saves a plan, a stream and an
//! executor a batch, and leaves nothing that could skip aggregation at high cardinality, cut the
//! output at a batch size, spill, or yield to a scheduler that is not there.

use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array};
use datafusion::arrow::compute::take_arrays;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::logical_expr::{EmitTo, GroupsAccumulator};
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::{GroupsAccumulatorAdapter, PhysicalExpr};
use datafusion::physical_plan::aggregates::group_values::{GroupValues, new_group_values};
use datafusion::physical_plan::aggregates::order::GroupOrdering;

use super::columns::sorted;
use super::keys::FixedKeys;

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

/// Which keys have which group.
enum Groups {
    Fixed(FixedKeys),
    General(Box<dyn GroupValues>),
}

impl Groups {
    fn new(key_schema: &SchemaRef) -> Result<Groups> {
        Ok(match FixedKeys::new(key_schema) {
            Some(keys) => Groups::Fixed(keys),
            None => Groups::General(new_group_values(Arc::clone(key_schema), &GroupOrdering::None)?),
        })
    }

    fn intern(&mut self, keys: &[ArrayRef], group_indices: &mut Vec<usize>) -> Result<usize> {
        match self {
            Groups::Fixed(groups) => groups.intern(keys, group_indices).map(|()| groups.len()),
            Groups::General(groups) => groups.intern(keys, group_indices).map(|()| groups.len()),
        }
    }

    /// The groups in the order of their keys, where it is known without their columns.
    fn order(&self) -> Option<UInt32Array> {
        match self {
            Groups::Fixed(groups) => Some(groups.order()),
            Groups::General(_) => None,
        }
    }

    fn emit(self) -> Result<Vec<ArrayRef>> {
        match self {
            Groups::Fixed(groups) => groups.emit(),
            Groups::General(mut groups) => groups.emit(EmitTo::All),
        }
    }
}

/// Groups and their accumulators during one run.
pub struct GroupTable<'plan> {
    aggregates: &'plan [Aggregate],
    keys: usize,
    groups: Groups,
    accumulators: Vec<Box<dyn GroupsAccumulator>>,
    /// The group of each row of the batch being fed; kept for its allocation.
    group_indices: Vec<usize>,
}

impl<'plan> GroupTable<'plan> {
    /// An empty table. `key_schema` holds the group keys, `window_start` first.
    pub fn new(aggregates: &'plan [Aggregate], key_schema: &SchemaRef) -> Result<Self> {
        Ok(GroupTable {
            aggregates,
            keys: key_schema.fields().len(),
            groups: Groups::new(key_schema)?,
            accumulators: aggregates.iter().map(|aggregate| accumulator(&aggregate.function)).collect::<Result<_>>()?,
            group_indices: Vec::new(),
        })
    }

    /// Folds rows in. `keys` are the group keys of the rows, in the order of the key schema.
    pub fn update(&mut self, keys: &[ArrayRef], rows: &RecordBatch) -> Result<()> {
        let groups = self.groups.intern(keys, &mut self.group_indices)?;
        for (aggregate, accumulator) in self.aggregates.iter().zip(&mut self.accumulators) {
            let arguments = evaluate_all(&aggregate.arguments, rows)?;
            let filter = match &aggregate.filter {
                Some(filter) => Some(evaluate_mask(filter, rows)?),
                None => None,
            };
            accumulator.update_batch(&arguments, &self.group_indices, filter.as_ref(), groups)?;
        }
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
        for (aggregate, accumulator) in self.aggregates.iter().zip(&mut self.accumulators) {
            accumulator.merge_batch(slice(aggregate.state_columns.clone())?, &self.group_indices, groups)?;
        }
        Ok(())
    }

    /// The columns of the state: keys, then each aggregate's state columns.
    pub fn into_states(self) -> Result<Vec<ArrayRef>> {
        let mut columns = self.groups.emit()?;
        for mut accumulator in self.accumulators {
            columns.extend(accumulator.state(EmitTo::All)?);
        }
        Ok(columns)
    }

    /// The same, sorted by the keys.
    pub fn into_sorted_states(self) -> Result<Vec<ArrayRef>> {
        let (order, keys) = (self.groups.order(), self.keys);
        in_order(self.into_states()?, order, keys)
    }

    /// The columns of the result, sorted by the keys: keys, then each aggregate's value.
    pub fn into_sorted_results(self) -> Result<Vec<ArrayRef>> {
        let (order, keys) = (self.groups.order(), self.keys);
        in_order(self.into_results()?, order, keys)
    }

    fn into_results(self) -> Result<Vec<ArrayRef>> {
        let mut columns = self.groups.emit()?;
        for mut accumulator in self.accumulators {
            columns.push(accumulator.evaluate(EmitTo::All)?);
        }
        Ok(columns)
    }
}

fn in_order(columns: Vec<ArrayRef>, order: Option<UInt32Array>, keys: usize) -> Result<Vec<ArrayRef>> {
    match order {
        Some(order) => Ok(take_arrays(&columns, &order, None)?),
        None => sorted(columns, keys),
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
