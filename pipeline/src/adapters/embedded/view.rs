//! Everything as of one moment: the trees, and the runs that are not in them yet.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use fjall::{Keyspace, Readable, Snapshot};

use super::run::Run;
use crate::error::Result;

/// A row as it is read: its key and its value.
pub type Row = (Bytes, Bytes);
/// A range of keys.
pub type Bounds<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// A consistent view of the store. Cheap to clone; keep it for a query, not for ever.
#[derive(Clone)]
pub struct View {
    /// The trees, and whatever is written past the buffer.
    pub trees: Snapshot,
    /// The buffered runs, oldest first.
    pub runs: Arc<[Arc<Run>]>,
}

impl View {
    /// Reads a row of a buffered space.
    pub fn get(&self, keyspace: &Keyspace, key: &[u8]) -> Result<Option<Bytes>> {
        for run in self.runs.iter().rev() {
            let Some(section) = run.section(keyspace.name()) else { continue };
            let row = run.lower_bound(section, key);
            if row < run.len(section) && run.key(section, row) == key {
                return Ok(run.value(section, row));
            }
        }
        Ok(self.trees.get(keyspace, key)?.map(Bytes::from))
    }

    /// The rows of a buffered space within bounds, in key order.
    pub fn range<'a>(&'a self, keyspace: &Keyspace, bounds: Bounds<'_>) -> impl Iterator<Item = Result<Row>> + use<'a> {
        let buffered = Buffered::new(&self.runs, keyspace.name(), bounds);
        let stored = self.trees.range::<&[u8], _>(keyspace, bounds).map(read);
        merged(buffered, stored, Ordering::Less)
    }

    /// The rows of a buffered space whose keys start with `prefix`, in key order.
    pub fn prefix<'a>(&'a self, keyspace: &Keyspace, prefix: &[u8]) -> impl Iterator<Item = Result<Row>> + use<'a> {
        let end = after_prefix(prefix);
        self.range(keyspace, (Bound::Included(prefix), bound(&end)))
    }

    /// The rows of a buffered space whose keys start with `prefix` and come after `after`, in key order.
    pub fn prefix_after<'a>(
        &'a self,
        keyspace: &Keyspace,
        prefix: &[u8],
        after: &[u8],
    ) -> impl Iterator<Item = Result<Row>> + use<'a> {
        let end = after_prefix(prefix);
        self.range(keyspace, (Bound::Excluded(after), bound(&end)))
    }

    /// The same as [`View::range`], last first. What is buffered within the bounds is held at once.
    pub fn range_rev<'a>(
        &'a self,
        keyspace: &Keyspace,
        bounds: Bounds<'_>,
    ) -> impl Iterator<Item = Result<Row>> + use<'a> {
        let buffered: Vec<_> = Buffered::new(&self.runs, keyspace.name(), bounds).collect();
        let stored = self.trees.range::<&[u8], _>(keyspace, bounds).rev().map(read);
        merged(buffered.into_iter().rev(), stored, Ordering::Greater)
    }

    /// The same as [`View::prefix`], last first.
    pub fn prefix_rev<'a>(&'a self, keyspace: &Keyspace, prefix: &[u8]) -> impl Iterator<Item = Result<Row>> + use<'a> {
        let end = after_prefix(prefix);
        self.range_rev(keyspace, (Bound::Included(prefix), bound(&end)))
    }
}

fn read(row: fjall::Guard) -> Result<Row> {
    let (key, value) = row.into_inner()?;
    Ok((key.into(), value.into()))
}

/// The first key after all that start with `prefix`; nothing where there is none.
fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

fn bound(end: &Option<Vec<u8>>) -> Bound<&[u8]> {
    end.as_deref().map_or(Bound::Unbounded, Bound::Excluded)
}

/// Two orders of rows as one; where both have a key, the buffered row counts.
fn merged(
    buffered: impl Iterator<Item = (Bytes, Option<Bytes>)>,
    stored: impl Iterator<Item = Result<Row>>,
    first: Ordering,
) -> impl Iterator<Item = Result<Row>> {
    let (mut buffered, mut stored) = (buffered.peekable(), stored.peekable());
    std::iter::from_fn(move || {
        loop {
            let order = match (buffered.peek(), stored.peek()) {
                (None, _) | (_, Some(Err(_))) => return stored.next(),
                (Some(_), None) => first,
                (Some((key, _)), Some(Ok((other, _)))) => key.cmp(other),
            };
            if order != first && order != Ordering::Equal {
                return stored.next();
            }
            if order == Ordering::Equal {
                stored.next();
            }
            if let Some((key, Some(value))) = buffered.next() {
                return Some(Ok((key, value)));
            }
        }
    })
}

/// The buffered rows within bounds in key order, the latest of each key.
struct Buffered<'a> {
    heap: BinaryHeap<Cursor<'a>>,
}

/// A place in one run.
struct Cursor<'a> {
    run: &'a Run,
    section: usize,
    row: usize,
    end: usize,
    /// The run's age: higher is younger.
    age: usize,
}

impl Cursor<'_> {
    fn key(&self) -> &[u8] {
        self.run.key(self.section, self.row)
    }
}

impl Ord for Cursor<'_> {
    /// The greatest is next: the smallest key, of the youngest run.
    fn cmp(&self, other: &Self) -> Ordering {
        other.key().cmp(self.key()).then(self.age.cmp(&other.age))
    }
}

impl PartialOrd for Cursor<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Cursor<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Cursor<'_> {}

impl<'a> Buffered<'a> {
    fn new(runs: &'a [Arc<Run>], space: &str, (from, to): Bounds<'_>) -> Self {
        let cursors = runs.iter().enumerate().filter_map(|(age, run)| {
            let section = run.section(space)?;
            let row = match from {
                Bound::Unbounded => 0,
                Bound::Included(key) => run.lower_bound(section, key),
                Bound::Excluded(key) => after(run, section, key),
            };
            let end = match to {
                Bound::Unbounded => run.len(section),
                Bound::Included(key) => after(run, section, key),
                Bound::Excluded(key) => run.lower_bound(section, key),
            };
            (row < end).then_some(Cursor { run, section, row, end, age })
        });
        Buffered { heap: cursors.collect() }
    }
}

/// The first row whose key is after `key`.
fn after(run: &Run, section: usize, key: &[u8]) -> usize {
    let row = run.lower_bound(section, key);
    row + usize::from(row < run.len(section) && run.key(section, row) == key)
}

impl Iterator for Buffered<'_> {
    type Item = (Bytes, Option<Bytes>);

    fn next(&mut self) -> Option<Self::Item> {
        let latest = self.advance()?;
        while self.heap.peek().is_some_and(|next| next.key() == &latest.0[..]) {
            self.advance();
        }
        Some(latest)
    }
}

impl Buffered<'_> {
    fn advance(&mut self) -> Option<(Bytes, Option<Bytes>)> {
        let mut next = self.heap.pop()?;
        let row = next.run.row(next.section, next.row);
        next.row += 1;
        if next.row < next.end {
            self.heap.push(next);
        }
        Some(row)
    }
}
