//! The states of a window job as of a position, and their bytes.
//!
//! A snapshot of other SQL, of another state format or version of DataFusion has another fingerprint
//! and is refused: its states would not merge.
//!
//! ```text
//! format u8 · fingerprint u64 · position 28 bytes · frontier i64 · counts 3 × u32
//! · panes, published rows (start i64 · length u32 · Arrow IPC) · timers (due i64 · length u32 · key)
//! · xxh3 of all before u64
//! ```
//!
//! Numbers are little-endian, the position is big-endian; Arrow IPC is as in [`super::state`].

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use xxhash_rust::xxh3::xxh3_64;

use super::schedule::Due;
use super::{WindowPlan, results, state};
use crate::clock::Arrival;
use crate::error::{Error, Result};
use crate::record::Position;

const FORMAT: u8 = 2;

/// The states of one window job, as of a position.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// Everything that was decided before this is in it.
    pub frontier: Arrival,
    /// The state of each open pane, by its start.
    pub panes: BTreeMap<i64, RecordBatch>,
    /// The rows of windows that were published and are not final, by their start.
    pub published: BTreeMap<i64, RecordBatch>,
    /// What is due when.
    pub timers: Vec<Due>,
}

impl Snapshot {
    /// Its bytes. Equal snapshots have equal ones.
    pub(super) fn encode(&self, plan: &WindowPlan, position: Position) -> Result<Vec<u8>> {
        let Snapshot { frontier, panes, published, timers } = self;
        let mut out = vec![FORMAT];
        out.extend_from_slice(&plan.fingerprint().to_le_bytes());
        out.extend_from_slice(&position.to_be_bytes());
        out.extend_from_slice(&frontier.0.to_le_bytes());
        for count in [panes.len(), published.len(), timers.len()] {
            out.extend_from_slice(&short(count)?);
        }
        for (start, batch) in panes.iter().chain(published) {
            put(&mut out, *start, &state::encode(batch)?)?;
        }
        for (due, key) in timers {
            put(&mut out, due.0, key)?;
        }
        let hash = xxh3_64(&out);
        out.extend_from_slice(&hash.to_le_bytes());
        Ok(out)
    }

    /// Reads the bytes of a snapshot of this plan and position.
    pub(super) fn decode(
        plan: &WindowPlan,
        position: Position,
        bytes: &[u8],
    ) -> std::result::Result<Snapshot, Unusable> {
        let (all, hash) = bytes.split_last_chunk::<8>().ok_or(Unusable::Torn)?;
        if xxh3_64(all) != u64::from_le_bytes(*hash) {
            return Err(Unusable::Torn);
        }
        let mut rest = Rest(all);
        let [format] = rest.take()?;
        if format != FORMAT {
            return Err(Unusable::Format(format));
        }
        if u64::from_le_bytes(rest.take()?) != plan.fingerprint() {
            return Err(Unusable::OtherPlan);
        }
        if Position::from_be_bytes(rest.take()?) != position {
            return Err(Unusable::Torn);
        }
        let frontier = Arrival(i64::from_le_bytes(rest.take()?));
        let [panes, published, timers] = [rest.count()?, rest.count()?, rest.count()?];
        Ok(Snapshot {
            frontier,
            panes: rest.batches(panes, &plan.state_schema())?,
            published: rest.batches(published, &results::schema(plan))?,
            timers: rest.timers(timers)?,
        })
    }
}

/// Why bytes are no snapshot of this plan and position.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    #[error("it is torn or damaged")]
    Torn,
    #[error("it has format {0}, this program writes {FORMAT}")]
    Format(u8),
    #[error("it is of other SQL or of another version")]
    OtherPlan,
    #[error(transparent)]
    State(#[from] super::WindowError),
}

fn put(out: &mut Vec<u8>, number: i64, bytes: &[u8]) -> Result<()> {
    out.extend_from_slice(&number.to_le_bytes());
    out.extend_from_slice(&short(bytes.len())?);
    out.extend_from_slice(bytes);
    Ok(())
}

fn short(length: usize) -> Result<[u8; 4]> {
    let length = u32::try_from(length).map_err(|_| Error::Fatal("a snapshot of over 4 GiB in one part".into()))?;
    Ok(length.to_le_bytes())
}

/// What is left to read.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take<const N: usize>(&mut self) -> std::result::Result<[u8; N], Unusable> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(Unusable::Torn)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn count(&mut self) -> std::result::Result<u32, Unusable> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    fn part(&mut self) -> std::result::Result<(i64, &'a [u8]), Unusable> {
        let number = i64::from_le_bytes(self.take()?);
        let length = self.count()? as usize;
        let (part, rest) = self.0.split_at_checked(length).ok_or(Unusable::Torn)?;
        self.0 = rest;
        Ok((number, part))
    }

    fn timers(&mut self, count: u32) -> std::result::Result<Vec<Due>, Unusable> {
        (0..count).map(|_| self.part().map(|(due, key)| (Arrival(due), key.to_vec()))).collect()
    }

    fn batches(&mut self, count: u32, schema: &SchemaRef) -> std::result::Result<BTreeMap<i64, RecordBatch>, Unusable> {
        let mut batches = BTreeMap::new();
        for _ in 0..count {
            let (start, bytes) = self.part()?;
            batches.insert(start, state::decode(schema, bytes)?);
        }
        Ok(batches)
    }
}
