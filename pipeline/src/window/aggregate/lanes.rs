//! `count`, and `sum`, `min` and `max` of decimals, side by side: a group's cells are next to each
//! other, so that a row touches one place of memory instead of one an aggregate.
//!
//! States and values are those of DataFusion's own accumulators, bit for bit. Cells are 64 bits wide
//! until a value does not fit, or a sum might not: what could be summed at most (the magnitude of each
//! batch times its rows) is added up beside them. Then all are widened to the decimals' own 128 bits,
//! in which sums wrap as DataFusion's do.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Int64Array};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Int64Type};
use datafusion::common::{Result, exec_datafusion_err};

/// Rows that every lane takes before the next ones: their cells stay in the first-level cache.
const CHUNK: usize = 512;

/// What a lane does with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    Count,
    Sum,
    Min,
    Max,
}

/// One aggregate's cells.
struct Lane {
    op: Op,
    data_type: DataType,
    /// Which groups have had a value; all, while no value was missing.
    seen: Option<Vec<bool>>,
    /// What a cell's magnitude is below.
    bound: u128,
}

/// What a lane takes of a batch.
pub struct Input {
    values: Values,
    /// What the magnitude of each value is below.
    magnitude: u128,
    /// Rows that count, where not all do.
    valid: Option<NullBuffer>,
}

enum Values {
    /// One a row.
    Ones,
    Counts(Int64Array),
    Decimals(Decimal128Array),
}

impl Input {
    /// Every row counts once.
    pub fn ones(valid: Option<NullBuffer>) -> Input {
        Input { values: Values::Ones, magnitude: 2, valid: valid.filter(|valid| valid.null_count() > 0) }
    }

    /// Of an aggregate's argument or state; `valid` is what else must hold for a row to count. `before` is
    /// another lane's, which often reads the same column.
    pub fn new(column: &ArrayRef, valid: Option<&NullBuffer>, before: Option<&Input>) -> Result<Input> {
        let values = match column.data_type() {
            DataType::Int64 => Values::Counts(column.as_primitive::<Int64Type>().clone()),
            DataType::Decimal128(..) => Values::Decimals(column.as_primitive::<Decimal128Type>().clone()),
            other => return Err(exec_datafusion_err!("an aggregate of decimals cannot read {other}")),
        };
        let valid = NullBuffer::union(column.logical_nulls().as_ref(), valid);
        let magnitude = match (&values, before.map(|before| &before.values)) {
            (Values::Decimals(a), Some(Values::Decimals(b))) if std::ptr::eq(&a.values()[..], &b.values()[..]) => None,
            _ => Some(values.magnitude()),
        };
        let magnitude = magnitude.or(before.map(|before| before.magnitude)).unwrap_or(u128::MAX);
        Ok(Input { values, magnitude, valid: valid.filter(|valid| valid.null_count() > 0) })
    }

    /// Gives the values from a row on.
    #[inline]
    fn read<T: Cell>(&self, from: usize, out: &mut [T]) {
        match &self.values {
            Values::Ones => out.fill(T::from_wide(1)),
            Values::Counts(counts) => {
                out.iter_mut().zip(&counts.values()[from..]).for_each(|(to, n)| *to = T::from_wide(i128::from(*n)));
            }
            Values::Decimals(decimals) => {
                out.iter_mut().zip(&decimals.values()[from..]).for_each(|(to, n)| *to = T::from_wide(*n));
            }
        }
    }
}

impl Values {
    /// What the magnitude of each is below.
    fn magnitude(&self) -> u128 {
        let bits = match self {
            Values::Ones => 1,
            Values::Counts(counts) => counts.values().iter().fold(0, |bits, n| bits | (n ^ n >> 63) as u128),
            Values::Decimals(decimals) => decimals.values().iter().fold(0, |bits, n| bits | (n ^ n >> 127) as u128),
        };
        1_u128 << (128 - bits.leading_zeros()).min(127)
    }
}

/// The cells of all groups, lane by lane within a group.
enum Cells {
    Narrow(Vec<i64>),
    Wide(Vec<i128>),
}

/// All lanes of a run.
pub struct Lanes {
    lanes: Vec<Lane>,
    cells: Cells,
    groups: usize,
}

impl Lanes {
    /// Lanes of these operations, and the types of their states.
    pub fn new(lanes: impl IntoIterator<Item = (Op, DataType)>) -> Lanes {
        let lane = |(op, data_type)| Lane { op, data_type, seen: None, bound: 1 };
        Lanes { lanes: lanes.into_iter().map(lane).collect(), cells: Cells::Narrow(Vec::new()), groups: 0 }
    }

    /// How many lanes there are.
    pub fn len(&self) -> usize {
        self.lanes.len()
    }

    /// Folds rows or states in, an input a lane. `groups` are the rows' groups, of `total`.
    pub fn fold(&mut self, inputs: &[Input], groups: &[usize], total: usize) {
        for (lane, input) in self.lanes.iter_mut().zip(inputs) {
            lane.grow(input, groups.len(), self.groups);
            if let Some(seen) = &mut lane.seen {
                seen.resize(total, false);
            }
        }
        if let Cells::Narrow(cells) = &self.cells
            && self.lanes.iter().any(|lane| lane.bound >= 1 << 63)
        {
            let wide = cells.chunks(self.lanes.len()).flat_map(|cells| {
                self.lanes.iter().zip(cells).map(|(lane, cell)| match (lane.op, *cell) {
                    // No value yet.
                    (Op::Min, i64::MAX) => i128::MAX,
                    (Op::Max, i64::MIN) => i128::MIN,
                    (_, cell) => i128::from(cell),
                })
            });
            self.cells = Cells::Wide(wide.collect());
        }
        let new = total - std::mem::replace(&mut self.groups, total);
        match &mut self.cells {
            Cells::Narrow(cells) => fold(&mut self.lanes, cells, new, inputs, groups),
            Cells::Wide(cells) => fold(&mut self.lanes, cells, new, inputs, groups),
        }
    }

    /// A lane's states, which are its values as well, of these groups.
    pub fn column(&self, lane: usize, order: &[u32]) -> Result<ArrayRef> {
        let (stride, Lane { op, data_type, seen, .. }) = (self.lanes.len(), &self.lanes[lane]);
        let places = || order.iter().map(|group| *group as usize * stride + lane);
        if *op == Op::Count {
            let counts: Vec<i64> = match &self.cells {
                Cells::Narrow(cells) => places().map(|at| cells[at]).collect(),
                Cells::Wide(cells) => places().map(|at| cells[at] as i64).collect(),
            };
            return Ok(Arc::new(Int64Array::from(counts)));
        }
        let mut values: Vec<i128> = match &self.cells {
            Cells::Narrow(cells) => places().map(|at| i128::from(cells[at])).collect(),
            Cells::Wide(cells) => places().map(|at| cells[at]).collect(),
        };
        let nulls = seen.as_ref().map(|seen| order.iter().map(|group| seen[*group as usize]).collect::<NullBuffer>());
        let nulls = nulls.filter(|nulls| nulls.null_count() > 0);
        if let Some(nulls) = &nulls {
            // Bytes under a null are the same whatever was folded.
            values.iter_mut().zip(nulls).filter(|(_, valid)| !valid).for_each(|(value, _)| *value = 0);
        }
        Ok(Arc::new(Decimal128Array::try_new(values.into(), nulls)?.with_data_type(data_type.clone())))
    }
}

impl Lane {
    /// Takes note of what a batch may do to the cells, of which there are `groups` so far.
    fn grow(&mut self, input: &Input, rows: usize, groups: usize) {
        let magnitude = input.magnitude;
        self.bound = match self.op {
            Op::Count | Op::Sum => self.bound.saturating_add(magnitude.saturating_mul(rows as u128)),
            Op::Min | Op::Max => self.bound.max(magnitude),
        };
        if self.op != Op::Count && input.valid.is_some() && self.seen.is_none() {
            self.seen = Some(vec![true; groups]);
        }
    }
}

fn fold<T: Cell>(lanes: &mut [Lane], cells: &mut Vec<T>, new: usize, inputs: &[Input], groups: &[usize]) {
    let (before, stride) = (cells.len(), lanes.len());
    cells.resize(before + new * stride, T::empty(Op::Sum));
    for (at, lane) in lanes.iter().enumerate().filter(|(_, lane)| matches!(lane.op, Op::Min | Op::Max)) {
        cells[before..].iter_mut().skip(at).step_by(stride).for_each(|cell| *cell = T::empty(lane.op));
    }
    let mut values = [T::from_wide(0); CHUNK];
    for (number, groups) in groups.chunks(CHUNK).enumerate() {
        let (from, values) = (number * CHUNK, &mut values[..groups.len()]);
        for (at, (lane, input)) in lanes.iter_mut().zip(inputs).enumerate() {
            input.read(from, values);
            let places = groups.iter().map(|group| group.wrapping_mul(stride).wrapping_add(at));
            let rows = places.zip(&*values);
            let Some(valid) = &input.valid else {
                match lane.op {
                    Op::Count | Op::Sum => rows.for_each(|(at, value)| cells[at] = cells[at].plus(*value)),
                    Op::Min => rows.for_each(|(at, value)| cells[at] = cells[at].min(*value)),
                    Op::Max => rows.for_each(|(at, value)| cells[at] = cells[at].max(*value)),
                }
                if let Some(seen) = &mut lane.seen {
                    groups.iter().for_each(|group| seen[*group] = true);
                }
                continue;
            };
            for (row, (at, value)) in rows.enumerate().filter(|(row, _)| valid.is_valid(from + row)) {
                cells[at] = match lane.op {
                    Op::Count | Op::Sum => cells[at].plus(*value),
                    Op::Min => cells[at].min(*value),
                    Op::Max => cells[at].max(*value),
                };
                if let Some(seen) = &mut lane.seen {
                    seen[groups[row]] = true;
                }
            }
        }
    }
}

/// A width of cells.
trait Cell: Copy + Ord {
    /// What a group without values has.
    fn empty(op: Op) -> Self;
    /// Of a value that fits.
    fn from_wide(value: i128) -> Self;
    fn plus(self, other: Self) -> Self;
}

macro_rules! cell {
    ($type:ty) => {
        impl Cell for $type {
            fn empty(op: Op) -> Self {
                match op {
                    Op::Count | Op::Sum => 0,
                    Op::Min => <$type>::MAX,
                    Op::Max => <$type>::MIN,
                }
            }

            #[inline]
            fn from_wide(value: i128) -> Self {
                value as $type
            }

            #[inline]
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
        }
    };
}

cell!(i64);
cell!(i128);

#[cfg(test)]
mod tests {
    use super::*;

    const LANES: [(Op, DataType); 4] = [
        (Op::Count, DataType::Int64),
        (Op::Sum, DataType::Decimal128(38, 6)),
        (Op::Min, DataType::Decimal128(38, 6)),
        (Op::Max, DataType::Decimal128(38, 6)),
    ];
    const GROUPS: usize = 7;
    /// More rows than a chunk, of as many groups as there are by then.
    const ROWS: usize = 3 * CHUNK / 2;

    /// The values of a batch: row `n` is of group `n % groups`.
    struct Batch {
        groups: usize,
        values: Vec<Option<i128>>,
    }

    fn batch(groups: usize, value: impl Fn(i128) -> Option<i128>) -> Batch {
        Batch { groups, values: (0..ROWS as i128).map(value).collect() }
    }

    fn fold(batches: &[&Batch]) -> Lanes {
        let mut lanes = Lanes::new(LANES);
        let mut total = 0;
        for Batch { groups, values } in batches {
            let column: ArrayRef = Arc::new(values.iter().copied().collect::<Decimal128Array>());
            let valid = column.logical_nulls();
            let mut inputs = vec![Input::ones(valid)];
            for _ in 1..LANES.len() {
                inputs.push(Input::new(&column, None, inputs.last()).unwrap());
            }
            total = total.max(*groups);
            lanes.fold(&inputs, &(0..ROWS).map(|row| row % groups).collect::<Vec<_>>(), total);
        }
        lanes
    }

    fn columns(lanes: &Lanes) -> Vec<ArrayRef> {
        let order: Vec<u32> = (0..lanes.groups as u32).rev().collect();
        (0..LANES.len()).map(|lane| lanes.column(lane, &order).unwrap()).collect()
    }

    /// What the columns must be, from the values alone.
    fn expected(batches: &[&Batch]) -> Vec<ArrayRef> {
        let groups = batches.iter().map(|batch| batch.groups).max().unwrap();
        let of = |group: usize| {
            let rows = batches
                .iter()
                .flat_map(|batch| batch.values.iter().enumerate().map(move |(n, value)| (n % batch.groups, value)));
            rows.filter(move |(of, _)| *of == group).filter_map(|(_, value)| *value)
        };
        let all = || (0..groups).rev();
        let decimals = |values: Decimal128Array| Arc::new(values.with_precision_and_scale(38, 6).unwrap()) as ArrayRef;
        vec![
            Arc::new(Int64Array::from_iter_values(all().map(|group| of(group).count() as i64))),
            decimals(all().map(|group| of(group).reduce(i128::wrapping_add)).collect()),
            decimals(all().map(|group| of(group).min()).collect()),
            decimals(all().map(|group| of(group).max()).collect()),
        ]
    }

    #[test]
    fn lanes_say_what_the_values_say() {
        let small = batch(3, |n| Some(n * 1_000_003 - 500_000_000));
        let fewer = batch(GROUPS, |n| (n % 3 > 0).then_some(-n));
        // Group 1 of 5 has no value, in this batch.
        let none = batch(5, |n| (n % 5 != 1).then_some(n));
        let edge = batch(4, |n| Some(if n % 2 == 0 { i64::MAX.into() } else { i64::MIN.into() }));
        let sums = batch(2, |_| Some(1 << 53));
        let large = batch(GROUPS, |n| (n % 4 > 0).then_some((n - 700) * 10_i128.pow(34)));
        let cases: &[&[&Batch]] = &[
            &[&small],
            &[&none],
            &[&small, &fewer],
            &[&none, &small, &fewer],
            &[&edge],
            &[&small, &edge, &fewer],
            &[&sums, &sums, &sums],
            &[&fewer, &large, &small],
            &[&small, &fewer, &none, &edge, &sums, &large],
        ];
        for (case, batches) in cases.iter().enumerate() {
            assert_eq!(columns(&fold(batches)), expected(batches), "case {case}");
        }
    }

    #[test]
    fn states_merge_to_the_same() {
        let parts = [
            batch(3, |n| (n % 3 != 2).then_some(n * 77)),
            batch(GROUPS, |n| (n % 2 > 0).then_some(n << 90)),
            batch(GROUPS, |n| Some(-n)),
        ];
        let mut merged = Lanes::new(LANES);
        for part in &parts {
            let lanes = fold(&[part]);
            let (states, groups) = (columns(&lanes), (0..lanes.groups).rev().collect::<Vec<_>>());
            let inputs: Vec<Input> = states.iter().map(|state| Input::new(state, None, None).unwrap()).collect();
            let total = merged.groups.max(groups.len());
            merged.fold(&inputs, &groups, total);
        }
        assert_eq!(columns(&merged), expected(&parts.each_ref()));
    }
}
