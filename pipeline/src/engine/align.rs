//! Reading: every shard of every input merged into one order by effective arrival, decoded.
//!
//! Order: (effective arrival, input, shard, position). A record is handed on only once nothing
//! can arrive before it: the log's barrier gives the moment up to which that holds. So a live run
//! and a replay decide in the same order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::Sender;

use super::checkpoint::{Checkpoint, Progress};
use super::{LoopOptions, Ports, Shared, Stop};
use crate::clock::Arrival;
use crate::dead_letter::Reject;
use crate::error::Result;
use crate::fault::{Bug, CrashPoint};
use crate::job::{DecisionKey, Input, Job};
use crate::metrics::Metric;
use crate::record::{Position, Record};
use crate::shard::{Shard, ShardId};

/// Data bytes read ahead of one shard at a time.
const READ_BYTES: usize = 2 << 20;
/// How long the reader sleeps when nothing is due; an append or a stop wakes it earlier.
const IDLE: Duration = Duration::from_millis(1000);

/// A record in its place, decoded or refused.
#[derive(Debug)]
pub struct Entry<E> {
    /// The input's number.
    pub input: usize,
    /// The shard it was read from.
    pub shard: ShardId,
    /// The shard's effective arrival: the running maximum, never before the loop's frontier.
    pub effective: Arrival,
    /// The record.
    pub record: Record,
    /// The event in it, and the decision it asks for.
    pub event: std::result::Result<(DecisionKey, E), Reject>,
}

/// Records in order, and how far in time they reach.
#[derive(Debug)]
pub struct Batch<E> {
    /// The records.
    pub entries: Vec<Entry<E>>,
    /// Every record that arrived before this is in this batch or an earlier one.
    pub frontier: Arrival,
}

struct Cursor {
    input: usize,
    shard: ShardId,
    after: Position,
    effective: Arrival,
    queue: VecDeque<Record>,
    /// Whether the last read found nothing more, as of the current barrier.
    exhausted: bool,
    /// Whether the shard is closed and read to its end.
    ended: bool,
}

impl Cursor {
    /// The head's effective arrival, if a record waits.
    fn head(&self) -> Option<Arrival> {
        self.queue.front().map(|record| record.arrived_at.max(self.effective))
    }
}

/// The reading half of a loop.
pub struct Reader<J: Job> {
    job: Arc<J>,
    ports: Ports,
    batch_records: usize,
    batch_bytes: usize,
    progress: Progress,
    shared: Arc<Shared>,
    stop: Stop,
    cursors: Vec<Cursor>,
    /// The frontier last handed on.
    sent: Arrival,
    /// Batches handed on.
    handed: u64,
}

impl<J: Job> Reader<J> {
    pub(super) fn new(
        job: Arc<J>,
        ports: Ports,
        options: &LoopOptions,
        progress: Progress,
        shared: Arc<Shared>,
        stop: Stop,
    ) -> Self {
        let sent = progress.frontier;
        let (batch_records, batch_bytes) = (options.batch_records, options.batch_bytes);
        let cursors = Vec::new();
        Reader { job, ports, batch_records, batch_bytes, progress, shared, stop, cursors, sent, handed: 0 }
    }

    /// Reads until told to stop, drained, or the applier is gone.
    pub(super) async fn run(mut self, batches: Sender<Batch<J::Event>>) -> Result<()> {
        let mut appended = self.ports.log.embedded()?.watch();
        while !self.stop.is_now() {
            appended.mark_unchanged();
            let mut stopped = self.stop.watch();
            let draining = self.stop.is_draining();
            let barrier = self.ports.log.barrier().await?;
            self.refresh().await?;
            self.cursors.iter_mut().for_each(|cursor| cursor.exhausted = false);
            loop {
                let batch = self.next_batch(barrier).await?;
                self.ports.faults.reach(CrashPoint::AfterRead)?;
                let (full, worth) = (!batch.entries.is_empty(), batch.frontier >= self.shared.next_due() || draining);
                if full || (worth && batch.frontier > self.sent) {
                    self.sent = batch.frontier;
                    self.handed += 1;
                    if batches.send(batch).await.is_err() {
                        return Ok(());
                    }
                } else if self.shared.taken() == self.handed {
                    // Time passes also where nothing comes: it is shown, and nothing is decided by it.
                    self.ports.show_frontier(batch.frontier);
                }
                if !full || self.stop.is_now() {
                    break;
                }
            }
            let next = self.cursors.iter().filter_map(Cursor::head).min();
            if draining && next.is_none() {
                return Ok(());
            }
            let wake = next.unwrap_or(Arrival::MAX).min(self.shared.next_due());
            let sleep = self.ports.clock.until(wake.plus_ms(1)).min(IDLE);
            tokio::select! {
                _ = appended.changed() => {}
                _ = stopped.changed() => {}
                () = tokio::time::sleep(sleep) => {}
            }
        }
        Ok(())
    }

    /// Adds a cursor for each shard that has none yet.
    async fn refresh(&mut self) -> Result<()> {
        let inputs: Vec<Input> = self.job.inputs().to_vec();
        for (number, input) in inputs.iter().enumerate() {
            let shards = self.ports.log.shards(input.stream).await?;
            for shard in &shards {
                if self.cursors.iter().any(|c| c.input == number && c.shard == shard.id) {
                    continue;
                }
                let from = self.start_of(input.stream, shard, &shards);
                self.cursors.push(Cursor {
                    input: number,
                    shard: shard.id,
                    after: from.position,
                    effective: from.effective,
                    queue: VecDeque::new(),
                    exhausted: false,
                    ended: false,
                });
            }
        }
        Ok(())
    }

    /// Where a shard's reading starts: at its checkpoint, or at its first record with its
    /// parents' effective arrival.
    fn start_of(&self, stream: &str, shard: &Shard, all: &[Shard]) -> Checkpoint {
        if let Some(checkpoint) = self.progress.shards.get(&(stream.to_owned(), shard.id)) {
            return *checkpoint;
        }
        let parents = all.iter().filter(|s| shard.parents.contains(&s.id));
        Checkpoint {
            position: Position::START,
            effective: parents.map(|p| p.last_arrival).max().unwrap_or(Arrival::MIN),
        }
    }

    /// The next records in order that arrived before `barrier`, as many as make a batch.
    async fn next_batch(&mut self, barrier: Arrival) -> Result<Batch<J::Event>> {
        let waiting: usize = self.cursors.iter().map(|cursor| cursor.queue.len()).sum();
        let mut read = Vec::with_capacity(waiting.min(self.batch_records));
        let mut bytes = 0;
        while read.len() < self.batch_records && bytes < self.batch_bytes {
            self.fill().await?;
            let Some((place, effective)) = self.first(barrier) else { break };
            let cursor = &mut self.cursors[place];
            let Some(record) = cursor.queue.pop_front() else { break };
            cursor.effective = effective;
            cursor.after = record.position;
            bytes += record.data.len();
            read.push((cursor.input, cursor.shard, effective, record));
        }
        // An empty queue says nothing about the frontier until its shard was asked again.
        self.fill().await?;
        let entries = self.decode(read)?;
        self.ports.metrics.add(Metric::LogReadRecords, entries.len() as u64);
        self.ports.metrics.add(Metric::LogReadBytes, bytes as u64);
        let frontier = self.cursors.iter().filter_map(Cursor::head).min().unwrap_or(Arrival::MAX).min(barrier);
        Ok(Batch { entries, frontier: frontier.max(self.sent) })
    }

    fn decode(&self, read: Vec<(usize, ShardId, Arrival, Record)>) -> Result<Vec<Entry<J::Event>>> {
        let data: Vec<(usize, &[u8])> = read.iter().map(|(input, .., record)| (*input, &record.data[..])).collect();
        let events = self.job.decode_batch(&data)?.into_iter();
        let entry = |((input, shard, effective, record), event): (_, std::result::Result<J::Event, Reject>)| {
            let event = event.map(|event| (self.job.decision(&event), event));
            Entry { input, shard, effective, record, event }
        };
        Ok(read.into_iter().zip(events).map(entry).collect())
    }

    /// Reads on in every shard whose queue ran dry and that may have more before the barrier.
    async fn fill(&mut self) -> Result<()> {
        for cursor in &mut self.cursors {
            if !cursor.queue.is_empty() || cursor.exhausted || cursor.ended {
                continue;
            }
            let stream = self.job.inputs()[cursor.input].stream;
            let chunk = self.ports.log.read(stream, cursor.shard, cursor.after, READ_BYTES).await?;
            cursor.exhausted = chunk.records.is_empty();
            cursor.ended = chunk.shard_end && chunk.records.is_empty();
            cursor.queue.extend(chunk.records);
        }
        Ok(())
    }

    /// The cursor whose head comes next, and that head's effective arrival.
    fn first(&self, barrier: Arrival) -> Option<(usize, Arrival)> {
        let heads = self.cursors.iter().enumerate().filter_map(|(place, cursor)| {
            // A job's records carry its own time, which may be behind what was handed on by now:
            // such a record is due, whatever the moment it is counted to.
            let due = cursor.queue.front().is_some_and(|record| record.arrived_at < barrier);
            let head = cursor.head().filter(|_| due)?.max(self.sent);
            Some((self.order(head, cursor), place, head))
        });
        heads.min_by_key(|(order, ..)| *order).map(|(_, place, head)| (place, head))
    }

    fn order(&self, head: Arrival, cursor: &Cursor) -> (Arrival, usize, ShardId) {
        let reversed = self.ports.faults.has(Bug::TiesReversed);
        let input = if reversed { usize::MAX - cursor.input } else { cursor.input };
        (head, input, cursor.shard)
    }
}
