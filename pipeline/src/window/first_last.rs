//! `first_value(x ORDER BY …)` and `last_value(x ORDER BY …)` without a heap allocation a group.
//!
//! The stock accumulators keep the ordering values of every group as a vector of scalars, each a heap
//! allocation, cloned and compared one by one; at thousands of groups a batch that is most of a
//! window's cost. Here a group keeps the address of its winning row (batch, row), orderings are
//! compared as memory-comparable row bytes ([arrow's row format]), and the state is taken from the
//! batches at the end, a column at a time.
//!
//! The columns of the state are the stock ones (value, ordering values, is set), so everything else
//! is left to the stock functions. The batches fed in are kept until the state is taken: memory is
//! bounded by the input of one run.
//!
//! With an ordering that never ties the result does not depend on the order of rows or merges; where
//! rows tie, the one seen first stays.
//!
//! [arrow's row format]: https://docs.rs/arrow-row

use std::cmp::Ordering;
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, UInt32Array};
use datafusion::arrow::compute::{concat, take};
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::arrow::row::{RowConverter, Rows, SortField};
use datafusion::common::{Result, exec_datafusion_err, exec_err, internal_err};
use datafusion::functions_aggregate::first_last::{first_value_udaf, last_value_udaf};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature};

/// `first_value`, taking the place of the stock function of that name.
pub fn first_value() -> AggregateUDF {
    AggregateUDF::from(FirstLast { stock: first_value_udaf(), end: End::First })
}

/// `last_value`, taking the place of the stock function of that name.
pub fn last_value() -> AggregateUDF {
    AggregateUDF::from(FirstLast { stock: last_value_udaf(), end: End::Last })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum End {
    First,
    Last,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct FirstLast {
    stock: Arc<AggregateUDF>,
    end: End,
}

impl AggregateUDFImpl for FirstLast {
    fn name(&self) -> &str {
        self.stock.name()
    }

    fn signature(&self) -> &Signature {
        self.stock.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.stock.return_type(types)
    }

    fn return_field(&self, fields: &[FieldRef]) -> Result<FieldRef> {
        self.stock.return_field(fields)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.stock.accumulator(args)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.stock.state_fields(args)
    }

    /// Not a requirement on the input's order: the accumulator finds the ends itself.
    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Beneficial
    }

    fn with_beneficial_ordering(
        self: Arc<Self>,
        _beneficial_ordering: bool,
    ) -> Result<Option<Arc<dyn AggregateUDFImpl>>> {
        Ok(Some(self))
    }

    fn supports_null_handling_clause(&self) -> bool {
        true
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        !args.order_bys.is_empty()
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        let mut fields = Vec::with_capacity(args.order_bys.len());
        let mut state_types = vec![args.return_field.data_type().clone()];
        for order in args.order_bys {
            let data_type = order.expr.data_type(args.schema)?;
            state_types.push(data_type.clone());
            fields.push(SortField::new_with_options(data_type, order.options));
        }
        Ok(Box::new(Ends {
            end: self.end,
            ignore_nulls: args.ignore_nulls,
            state_types,
            converter: RowConverter::new(fields)?,
            batches: Vec::new(),
            winners: Vec::new(),
        }))
    }
}

/// Where a group's winning row lies; `batch` is [`UNSET`] while the group has none.
#[derive(Debug, Clone, Copy)]
struct Winner {
    batch: u32,
    row: u32,
}

const UNSET: u32 = u32::MAX;

/// A batch that may hold winners: the value column followed by the ordering columns, and the
/// ordering columns once more as comparable bytes.
struct Fed {
    columns: Vec<ArrayRef>,
    orderings: Rows,
}

struct Ends {
    end: End,
    ignore_nulls: bool,
    state_types: Vec<DataType>,
    converter: RowConverter,
    batches: Vec<Fed>,
    winners: Vec<Winner>,
}

impl Ends {
    /// Lets the rows of a batch for which `counts` holds compete for their groups.
    fn compete(
        &mut self,
        columns: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
        counts: impl Fn(usize) -> bool,
    ) -> Result<()> {
        let wanted = match self.end {
            End::First => Ordering::Less,
            End::Last => Ordering::Greater,
        };
        let unset = Winner { batch: UNSET, row: 0 };
        self.winners.resize(total_num_groups, unset);
        let Some((value, orderings)) = columns.split_first() else {
            return internal_err!("first_value and last_value need a value column");
        };
        let batch = index(self.batches.len())?;
        self.batches.push(Fed { orderings: self.converter.convert_columns(orderings)?, columns: columns.to_vec() });
        let Some(fed) = self.batches.last() else {
            return internal_err!("a batch was just pushed");
        };

        for (row, group) in group_indices.iter().enumerate() {
            if !counts(row) || (self.ignore_nulls && value.is_null(row)) {
                continue;
            }
            let Some(winner) = self.winners.get_mut(*group) else {
                return internal_err!("group {group} of {total_num_groups}");
            };
            let wins = match winner.batch {
                UNSET => true,
                earlier => {
                    let Some(holder) = self.batches.get(earlier as usize) else {
                        return internal_err!("batch {earlier} was never fed");
                    };
                    let held = holder.orderings.row(winner.row as usize);
                    fed.orderings.row(row).cmp(&held) == wanted
                }
            };
            if wins {
                *winner = Winner { batch, row: index(row)? };
            }
        }
        Ok(())
    }

    /// Takes out the winners' rows of the columns `0..columns`, null where a group has none, and
    /// which of the groups are set.
    fn emit(&mut self, emit_to: EmitTo, columns: usize) -> Result<(Vec<ArrayRef>, BooleanArray)> {
        let winners = emit_to.take_needed(&mut self.winners);
        let mut starts = Vec::with_capacity(self.batches.len());
        let mut rows = 0;
        for fed in &self.batches {
            starts.push(rows);
            rows += fed.orderings.num_rows();
        }
        index(rows)?;
        let places: UInt32Array = winners
            .iter()
            .map(|winner| {
                let start = starts.get(winner.batch as usize)?;
                u32::try_from(start + winner.row as usize).ok()
            })
            .collect();
        let is_set: BooleanArray = winners.iter().map(|winner| Some(winner.batch != UNSET)).collect();

        let mut taken = Vec::with_capacity(columns);
        for (column, data_type) in self.state_types.iter().enumerate().take(columns) {
            let all = self.column(column, data_type)?;
            taken.push(take(&all, &places, None)?);
        }
        if self.winners.is_empty() {
            self.batches.clear();
        }
        Ok((taken, is_set))
    }

    /// One column over all batches fed.
    fn column(&self, column: usize, data_type: &DataType) -> Result<ArrayRef> {
        let parts: Vec<&dyn Array> =
            self.batches.iter().filter_map(|fed| fed.columns.get(column)).map(AsRef::as_ref).collect();
        match parts.as_slice() {
            [] => Ok(datafusion::arrow::array::new_empty_array(data_type)),
            [one] => Ok(one.slice(0, one.len())),
            many => Ok(concat(many)?),
        }
    }
}

impl GroupsAccumulator for Ends {
    fn update_batch(
        &mut self,
        columns: &[ArrayRef],
        group_indices: &[usize],
        filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        match filter {
            None => self.compete(columns, group_indices, total_num_groups, |_| true),
            Some(filter) => {
                self.compete(columns, group_indices, total_num_groups, |row| filter.is_valid(row) && filter.value(row))
            }
        }
    }

    fn merge_batch(&mut self, states: &[ArrayRef], group_indices: &[usize], total_num_groups: usize) -> Result<()> {
        let Some((is_set, columns)) = states.split_last() else {
            return internal_err!("the state of first_value and last_value has no columns");
        };
        let Some(is_set) = is_set.as_boolean_opt() else {
            return exec_err!("the last state column of {:?} is not boolean", self.end);
        };
        self.compete(columns, group_indices, total_num_groups, |row| is_set.is_valid(row) && is_set.value(row))
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let (mut columns, _) = self.emit(emit_to, 1)?;
        columns.pop().ok_or_else(|| exec_datafusion_err!("the state of {:?} has no value column", self.end))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let (mut columns, is_set) = self.emit(emit_to, self.state_types.len())?;
        columns.push(Arc::new(is_set));
        Ok(columns)
    }

    fn convert_to_state(&self, columns: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let rows = columns.first().map_or(0, |column| column.len());
        let is_set: BooleanArray = (0..rows)
            .map(|row| {
                let passes = filter.is_none_or(|f| f.is_valid(row) && f.value(row));
                let counts = !self.ignore_nulls || columns.first().is_some_and(|c| c.is_valid(row));
                Some(passes && counts)
            })
            .collect();
        let mut state = columns.to_vec();
        state.push(Arc::new(is_set));
        Ok(state)
    }

    fn size(&self) -> usize {
        let batches: usize = self
            .batches
            .iter()
            .map(|fed| {
                let columns: usize = fed.columns.iter().map(|c| c.get_array_memory_size()).sum();
                columns + fed.orderings.size()
            })
            .sum();
        batches + self.winners.capacity() * size_of::<Winner>() + self.converter.size()
    }
}

/// An address within the rows of one run, which is far from 32 bits (a run is bounded by memory).
fn index(position: usize) -> Result<u32> {
    match u32::try_from(position) {
        Ok(index) if index != UNSET => Ok(index),
        _ => exec_err!("{position} rows or batches in one aggregation run; feed smaller batches"),
    }
}
