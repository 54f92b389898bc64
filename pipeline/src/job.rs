//! What a job is: a pure fold over records, which changes rows and returns effects.
//!
//! Life of a record: read → decoded (or dead-lettered) → its decision looked up (repeat, conflict
//! or new) → applied → its effects committed with the batch → checkpointed. A job does no I/O,
//! reads no clock and draws no random number: the same records in the same order give the same
//! bytes.

use std::hash::Hash;
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::datatypes::Schema;

use crate::clock::Arrival;
use crate::dead_letter::{DeadLetter, Reject};
use crate::error::Result;
use crate::metrics::Metric;
use crate::record::{Append, Position};
use crate::rows::Rows;
use crate::shard::ShardId;
use crate::tables::{FactTable, RowRef};
use crate::window::lateness::LateRows;
use crate::window::windows::WindowRows;

/// A stream that a job reads. Where records of several inputs arrived in the same millisecond,
/// the input listed first is applied first.
#[derive(Debug, Clone)]
pub struct Input {
    /// The stream's name.
    pub stream: &'static str,
    /// Where the decisions about its records are kept.
    pub decisions: Arc<FactTable>,
}

/// Which decision an event asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecisionKey {
    /// The event's id.
    pub id: [u8; 16],
    /// Hash of its body: a repeat has the same one, a conflict another.
    pub fingerprint: u64,
}

/// Where and when a record stands while it is applied.
#[derive(Debug, Clone, Copy)]
pub struct At {
    /// The shard's effective arrival: what a job calls "now".
    pub now: Arrival,
    /// When this record arrived, by its own envelope.
    pub arrived_at: Arrival,
    /// Its shard.
    pub shard: ShardId,
    /// Its position there.
    pub position: Position,
    /// Whether the same event was decided before, provisionally, and is decided again.
    pub again: bool,
}

/// What became of an event.
#[derive(Debug)]
pub struct Decided<F> {
    /// The fact to keep, if it leaves one.
    pub fact: Option<F>,
    /// Whether the same body may be decided again later.
    pub open: bool,
    /// Whether the decision is kept, so that a repeat is known by it. Where it is not, the job's rows must tell
    /// a repeat; on AWS every decision is kept.
    pub kept: bool,
}

/// A batch's facts in columns.
#[derive(Debug)]
pub struct Sealed {
    /// One row a fact, in the order given.
    pub rows: RecordBatch,
    /// Which rows enter the windows.
    pub windowed: BooleanArray,
}

impl Sealed {
    /// No facts, as of an input whose decisions leave none.
    pub fn none() -> Sealed {
        let rows = RecordBatch::new_empty(Arc::new(Schema::empty()));
        Sealed { rows, windowed: BooleanArray::from(Vec::<bool>::new()) }
    }
}

/// Records to emit, timers to set, rows to write, counts, notes: what a fold returns besides rows and facts.
#[derive(Debug, Default)]
pub struct Effects {
    /// Records to append, each to its stream.
    pub emits: Vec<(&'static str, Append)>,
    /// Timers: when, and what to hand back then.
    pub timers: Vec<(Arrival, Vec<u8>)>,
    /// Rows that no fold reads back: table, key, value.
    pub puts: Vec<(&'static str, Vec<u8>, Vec<u8>)>,
    /// What to add to which counter.
    pub counts: Vec<(Metric, u64)>,
    /// What an operator should know: logged as warnings.
    pub notes: Vec<String>,
}

impl Effects {
    /// Adds to a counter.
    pub fn count(&mut self, metric: Metric, n: u64) {
        match self.counts.iter_mut().find(|(counted, _)| *counted == metric) {
            Some((_, sum)) => *sum += n,
            None => self.counts.push((metric, n)),
        }
    }
}

/// Stored facts that a timer works on: some of an input's that share an index key, oldest first.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The input's number.
    pub input: usize,
    /// The index.
    pub index: &'static str,
    /// The key in it.
    pub key: Vec<u8>,
    /// Only facts that stand after this one.
    pub after: Option<RowRef>,
    /// So many at most.
    pub limit: usize,
}

/// Facts, each with its place.
pub type Placed<F> = Vec<(RowRef, F)>;

/// A pure fold over the records of its inputs. One that sets no timers, leaves no facts and has no windows need
/// not speak of them.
pub trait Job: Send + Sync + 'static {
    /// A decoded record.
    type Event: Send + Sync + 'static;
    /// A row's key, of whichever table.
    type Key: Clone + Eq + Hash + Send + 'static;
    /// A row, of whichever table.
    type Row: Send + 'static;
    /// What an event leaves in its insert-only table.
    type Fact: Send + 'static;

    /// The streams it reads.
    fn inputs(&self) -> &[Input];

    /// Decodes a record of the input with this number, or says why it cannot.
    fn decode(&self, input: usize, data: &[u8]) -> std::result::Result<Self::Event, Reject>;

    /// Decodes records that were read together, each with its input's number, in their order. A job that does
    /// better with many at once, or takes longer than a moment, has its own way.
    ///
    /// # Errors
    /// What no record is to blame for: the loop ends.
    fn decode_batch(&self, records: &[(usize, &[u8])]) -> Result<Vec<std::result::Result<Self::Event, Reject>>> {
        Ok(records.iter().map(|(input, data)| self.decode(*input, data)).collect())
    }

    /// Which decision the event asks for.
    fn decision(&self, event: &Self::Event) -> DecisionKey;

    /// Adds the keys of the rows that applying the event needs.
    fn needs(&self, event: &Self::Event, keys: &mut Vec<Self::Key>);

    /// Adds the keys of rows that are named by rows which [`Job::needs`] has brought, where there are such. What is
    /// not asked for may be in memory by chance, and must not be relied on.
    fn needs_also(&self, _event: &Self::Event, _rows: &Rows<Self::Key, Self::Row>, _keys: &mut Vec<Self::Key>) {}

    /// Applies an event. A rejection must leave the rows as they were.
    fn apply(
        &self,
        event: &Self::Event,
        at: &At,
        rows: &mut Rows<Self::Key, Self::Row>,
        effects: &mut Effects,
    ) -> std::result::Result<Decided<Self::Fact>, Reject>;

    /// Adds the keys of the rows that a timer of this job needs.
    fn tick_needs(&self, _timer: &[u8], _keys: &mut Vec<Self::Key>) {}

    /// The facts that a timer works on, if any; the rows it needs are there.
    fn tick_asks(&self, _timer: &[u8], _rows: &Rows<Self::Key, Self::Row>) -> Option<Ask> {
        None
    }

    /// Adds the keys of the rows that working on a fact needs.
    fn fact_needs(&self, _fact: &Self::Fact, _keys: &mut Vec<Self::Key>) {}

    /// Applies a timer that this job set, at the time it was due, and returns the facts that it
    /// changed. They do not enter the windows again.
    fn tick(
        &self,
        _timer: &[u8],
        _due: Arrival,
        _facts: Placed<Self::Fact>,
        _rows: &mut Rows<Self::Key, Self::Row>,
        _effects: &mut Effects,
    ) -> Placed<Self::Fact> {
        Vec::new()
    }

    /// The record that tells consumers of a dead letter, if any.
    fn announce(&self, letter: &DeadLetter) -> Option<(&'static str, Append)>;

    /// The records that tell consumers of new or revised window results.
    fn publish(&self, _results: &WindowRows) -> Result<Vec<(&'static str, Append)>> {
        Ok(Vec::new())
    }

    /// The records that tell of rows which came too late for a window, each with its row's arrival.
    fn late(&self, _late: &LateRows) -> Result<Vec<(&'static str, Append)>> {
        Ok(Vec::new())
    }

    /// The facts of the input with this number in columns.
    fn seal(&self, _input: usize, _facts: &[Self::Fact]) -> Result<Sealed> {
        Ok(Sealed::none())
    }

    /// The inverse of [`Job::seal`].
    fn unseal(&self, _input: usize, _rows: &RecordBatch) -> Result<Vec<Self::Fact>> {
        Ok(Vec::new())
    }

    /// The row that a fact adds to, where there is one: a sum, which no event reads. Where shards are
    /// worked on apart, each keeps its own and [`Job::apply`]'s changes to it are forgotten.
    fn sum_of(&self, _fact: &Self::Fact) -> Option<Self::Key> {
        None
    }

    /// Whether a row is such a sum.
    fn is_sum(&self, _key: &Self::Key) -> bool {
        false
    }

    /// Adds a fact to its sum. What [`Job::apply`] has let through fits.
    fn add(&self, _fact: &Self::Fact, _rows: &mut Rows<Self::Key, Self::Row>) {}

    /// The sum of several shards' sums.
    fn total(&self, sums: Vec<Self::Row>) -> Option<Self::Row> {
        sums.into_iter().next()
    }

    /// The records that deciding a fact emitted, from the fact as it is stored now.
    fn retell(&self, _fact: &Self::Fact) -> Vec<(&'static str, Append)> {
        Vec::new()
    }

    /// The input whose records may bring a row that is missing, where an event would be decided otherwise
    /// with it.
    fn awaits(&self, _event: &Self::Event, _rows: &Rows<Self::Key, Self::Row>) -> Option<usize> {
        None
    }

    /// Where a row is stored: its table, and its key there.
    fn locate(&self, key: &Self::Key) -> (&'static str, Vec<u8>);

    /// A row's stored bytes.
    fn encode(&self, row: &Self::Row) -> Vec<u8>;

    /// The inverse of [`Job::encode`].
    fn restore(&self, key: &Self::Key, bytes: &[u8]) -> Result<Self::Row>;
}
