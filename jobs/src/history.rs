//! Bets in the order in which they were decided, read from the table's blocks.
//!
//! Blocks are written in that order, but a bet that was rejected for now and decided again stays
//! where it stood first. So what is read is held back until a block begins that was decided later
//! than it: from there on nothing earlier can come.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, RecordBatch, TimestampMillisecondArray, UInt32Array};
use arrow::compute::{concat_batches, filter_record_batch, take_record_batch};
use arrow::datatypes::{TimestampMillisecondType, UInt8Type};
use futures::{Stream, stream};
use pipeline::{Error, Result};
use schemas::bet_row::BetStatus;
use schemas::columns::bet_block::{self, COUNTED};

use crate::sql::render::lacks;
use crate::sql::view::View;

/// Bets decided in a range of times, in milliseconds since the epoch, of those that were first
/// decided at `since` or later. Batches are ascending by `decided_at` and share no moment.
///
/// Memory is a block, and the bets that were decided again until the time of that is reached.
pub struct Decided {
    view: Arc<View>,
    times: Range<i64>,
    next: u64,
    end: u64,
    /// Read, each sorted, and perhaps not before what comes.
    held: Vec<RecordBatch>,
}

impl Decided {
    /// Reads the bets of a view.
    pub fn of(view: Arc<View>, since: i64, times: Range<i64>) -> Result<Decided> {
        let end = view.blocks()?;
        let next = first_block(&view, end, since)?;
        Ok(Decided { view, times, next, end, held: Vec::new() })
    }

    /// Takes in the next block; returns what is held and earlier than everything from there on.
    fn step(&mut self) -> Result<RecordBatch> {
        let Some(floor) = self.floor()? else {
            self.next = self.end;
            return self.release(i64::MAX);
        };
        let out = self.release(floor)?;
        let block = self.view.block(self.next)?.ok_or_else(empty)?;
        self.next += 1;
        self.held.push(self.within(&sorted(block)?)?);
        Ok(out)
    }

    /// When the first bet of the next block was decided first; nothing where no more is wanted.
    fn floor(&self) -> Result<Option<i64>> {
        let block = if self.next < self.end { self.view.written(self.next)? } else { None };
        let first = |block: RecordBatch| decided_at(&block)?.values().first().copied().ok_or_else(empty);
        Ok(block.map(first).transpose()?.filter(|floor| *floor < self.times.end))
    }

    /// Takes out what was decided before a moment, in order.
    fn release(&mut self, floor: i64) -> Result<RecordBatch> {
        let mut ready = Vec::new();
        for rows in std::mem::take(&mut self.held) {
            let cut = decided_at(&rows)?.values().partition_point(|at| *at < floor);
            match rows.num_rows() - cut {
                _ if cut == 0 => self.held.push(rows),
                0 => ready.push(rows),
                left => {
                    ready.push(rows.slice(0, cut));
                    // A copy, so that a few rows do not hold on to a block.
                    self.held.push(concat_batches(&rows.schema(), [&rows.slice(cut, left)])?);
                }
            }
        }
        self.held.retain(|rows| rows.num_rows() > 0);
        match &ready[..] {
            [one] => Ok(one.clone()),
            many => sorted(concat_batches(&bet_block::schema(), many)?),
        }
    }

    /// The rows within the times asked for; they are sorted.
    fn within(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let times = decided_at(rows)?.values();
        let from = times.partition_point(|at| *at < self.times.start);
        let to = times.partition_point(|at| *at < self.times.end);
        Ok(rows.slice(from, to.saturating_sub(from)))
    }
}

impl Iterator for Decided {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Result<RecordBatch>> {
        while self.next < self.end || !self.held.is_empty() {
            match self.step() {
                Ok(rows) if rows.num_rows() == 0 => {}
                rows => return Some(rows),
            }
        }
        None
    }
}

/// The block in which the first bets stand that were decided at `since` or later.
fn first_block(view: &View, end: u64, since: i64) -> Result<u64> {
    let (mut low, mut high) = (0, end);
    while low < high {
        let middle = low + (high - low) / 2;
        // A block that is not in the view comes after all that are.
        let earlier = match view.written(middle)? {
            Some(block) => decided_at(&block)?.values().first().is_some_and(|at| *at < since),
            None => false,
        };
        if earlier { low = middle + 1 } else { high = middle }
    }
    Ok(low.saturating_sub(1))
}

fn sorted(rows: RecordBatch) -> Result<RecordBatch> {
    let times = decided_at(&rows)?.values();
    if times.is_sorted() {
        return Ok(rows);
    }
    let mut order: Vec<u32> = (0..).take(rows.num_rows()).collect();
    order.sort_by_key(|row| times.get(*row as usize));
    Ok(take_record_batch(&rows, &UInt32Array::from(order))?)
}

/// When each row was decided.
pub fn decided_at(rows: &RecordBatch) -> Result<&TimestampMillisecondArray> {
    let column = rows.column_by_name("decided_at");
    column.and_then(|c| c.as_primitive_opt::<TimestampMillisecondType>()).ok_or_else(|| lacks("decided_at"))
}

/// The bets of a batch that were accepted, in the columns that windows are computed from, and when each was.
pub fn accepted(rows: &RecordBatch) -> Result<(RecordBatch, TimestampMillisecondArray)> {
    let status = rows.column_by_name("status").and_then(|c| c.as_primitive_opt::<UInt8Type>());
    let status = status.ok_or_else(|| lacks("status"))?;
    let rejected = BetStatus::Rejected.code();
    let rows = match status.values().contains(&rejected) {
        true => filter_record_batch(rows, &BooleanArray::from_unary(status, |code| code != rejected))?,
        false => rows.clone(),
    };
    let place = |name: &&str| Ok(rows.schema().index_of(name)?);
    let places = COUNTED.iter().map(place).collect::<Result<Vec<usize>>>()?;
    Ok((rows.project(&places)?, decided_at(&rows)?.clone()))
}

/// An iterator that blocks, as a stream: each step on a thread that may.
pub fn stepped<T: Send + 'static>(
    items: impl Iterator<Item = Result<T>> + Send + 'static,
) -> impl Stream<Item = Result<T>> + Send {
    stream::try_unfold(items, |mut items| async move {
        let step = move || {
            let item = items.next().transpose()?;
            Ok(item.map(|item| (item, items)))
        };
        tokio::task::spawn_blocking(step).await.map_err(|cause| Error::fatal("reading bets", cause))?
    })
}

fn empty() -> Error {
    Error::corrupt("a block of bets without rows")
}
