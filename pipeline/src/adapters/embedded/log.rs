//! The embedded log: appends, reads, splits and merges, retention.
//!
//! Order: a shard's records are in the order of their appends. Durability: an append returns
//! once its records are as durable as the store's options ask for. Time: stamps never go back,
//! whatever the clock does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use fjall::{Keyspace, OwnedWriteBatch};
use tokio::sync::watch;

use super::block::{self, Body, BodyWriter};
use super::shards::{self, Topology};
use super::store::Store;
use crate::clock::{Arrival, Clock};
use crate::error::{Error, Result};
use crate::log::Chunk;
use crate::record::{Append, Position};
use crate::shard::{HashRange, Shard, ShardId, hash_key};

/// The log of an embedded store. Cheap to clone.
#[derive(Clone)]
pub struct EmbeddedLog {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    clock: Clock,
    rows: Keyspace,
    blocks: Keyspace,
    topology: RwLock<Topology>,
    /// Held from the stamp to the commit, so that a shard's blocks are written in the order of
    /// their stamps. Holds the latest stamp.
    stamp: Mutex<Arrival>,
    /// Told of every append, so that readers wait without polling.
    appended: watch::Sender<u64>,
}

/// Records packed for their shards, which wait for positions and a stamp.
pub struct Packed {
    stream: String,
    bodies: Vec<(ShardId, Body)>,
    /// For each record in the order given: its body, and its place there.
    places: Vec<(u32, u32)>,
}

impl EmbeddedLog {
    /// Opens the log of a store.
    pub fn open(store: Store, clock: Clock) -> Result<EmbeddedLog> {
        let rows = store.space("shards")?;
        let blocks = store.space("log")?;
        let topology = Topology::load(&rows, &blocks)?;
        let latest = topology.streams.values().flat_map(|s| s.values()).map(|s| s.last_arrival).max();
        let inner = Inner {
            store,
            clock,
            rows,
            blocks,
            topology: RwLock::new(topology),
            stamp: Mutex::new(latest.unwrap_or(Arrival::MIN)),
            appended: watch::Sender::new(0),
        };
        Ok(EmbeddedLog { inner: Arc::new(inner) })
    }

    /// Creates a stream with evenly split shards; leaves an existing one as it is.
    pub fn create_stream(&self, stream: &str, shard_count: u32) -> Result<()> {
        if stream.is_empty() || stream.contains('\0') || shard_count == 0 {
            return Err(Error::Reject(format!(
                "stream {stream:?} with {shard_count} shards: give a name and at least one shard"
            )));
        }
        let mut topology = self.topology_mut();
        if topology.streams.contains_key(stream) {
            return Ok(());
        }
        let shards: Vec<Shard> =
            (0..).zip(HashRange::even(shard_count)).map(|(n, range)| new_shard(n, range, vec![])).collect();
        let mut batch = self.inner.store.batch(shards.len());
        for shard in &shards {
            batch.insert(&self.inner.rows, shards::prefix(stream, shard.id), shards::encode(shard)?);
        }
        batch.commit()?;
        topology.streams.insert(stream.to_owned(), shards.into_iter().map(|s| (s.id, s)).collect());
        drop(topology);
        self.inner.store.sync()
    }

    /// Every stream's name.
    pub fn streams(&self) -> Vec<String> {
        self.topology().streams.keys().cloned().collect()
    }

    /// The shards of a stream, closed ones included, by number.
    pub fn shards(&self, stream: &str) -> Result<Vec<Shard>> {
        Ok(self.topology().shards(stream)?.values().cloned().collect())
    }

    /// Appends records in order; returns each one's shard and position once they are durable.
    pub fn append(&self, stream: &str, records: &[Append]) -> Result<Vec<(ShardId, Position)>> {
        self.append_with(stream, records, |_| Ok(()))
    }

    /// Appends records and whatever `more` adds to the same atomic write (a source's progress).
    pub fn append_with(
        &self,
        stream: &str,
        records: &[Append],
        more: impl FnOnce(&mut OwnedWriteBatch) -> Result<()>,
    ) -> Result<Vec<(ShardId, Position)>> {
        let packed = self.pack(stream, records)?;
        let mut batch = self.inner.store.batch(packed.bodies.len() + 1);
        more(&mut batch)?;
        let places = packed.places.clone();
        let firsts = self.commit_with(batch, vec![packed])?;
        self.inner.store.sync()?;
        Ok(places
            .iter()
            .map(|&(body, place)| {
                let (shard, first) = firsts[body as usize];
                (shard, Position::new(u128::from(first) + u128::from(place)))
            })
            .collect())
    }

    /// Packs records for [`EmbeddedLog::commit_with`], outside of any lock.
    pub fn pack(&self, stream: &str, records: &[Append]) -> Result<Packed> {
        let mut writers: BTreeMap<ShardId, (u32, BodyWriter)> = BTreeMap::new();
        let mut done: Vec<(u32, ShardId, Option<Body>)> = Vec::new();
        let mut places = Vec::with_capacity(records.len());
        let mut bodies = 0;
        let topology = self.topology();
        for record in records {
            record.check()?;
            let shard = topology.route(stream, hash_key(record.partition_key.as_bytes(), record.explicit_hash_key))?;
            let (number, writer) = writers.entry(shard).or_insert_with(|| {
                bodies += 1;
                (bodies - 1, BodyWriter::default())
            });
            if writer.is_full() {
                done.push((*number, shard, std::mem::take(writer).finish()));
                bodies += 1;
                *number = bodies - 1;
            }
            places.push((*number, u32::try_from(writer.len()).unwrap_or(u32::MAX)));
            writer.push(record);
        }
        drop(topology);
        done.extend(writers.into_iter().map(|(shard, (number, writer))| (number, shard, writer.finish())));
        done.sort_by_key(|(number, ..)| *number);
        let bodies = done.into_iter().filter_map(|(_, shard, body)| Some((shard, body?))).collect();
        Ok(Packed { stream: stream.to_owned(), bodies, places })
    }

    /// Stamps packed records, adds them to `batch` and commits it, all in one atomic write; does
    /// not wait for the disk. Returns each body's shard and first position.
    pub fn commit_with(&self, mut batch: OwnedWriteBatch, packed: Vec<Packed>) -> Result<Vec<(ShardId, u64)>> {
        let mut topology = self.topology_mut();
        let mut stamp = self.stamp();
        *stamp = self.inner.clock.now().max(*stamp);
        let mut firsts = Vec::new();
        for part in packed {
            for (id, body) in part.bodies {
                let shard = topology.shard_mut(&part.stream, id)?;
                if shard.closed {
                    return Err(Error::Retry(format!("shard {id} of {} was split or merged meanwhile", part.stream)));
                }
                let (first, count) = (next_position(shard)?, body.count as u64);
                shard.last_arrival = shard.last_arrival.max(body.high(*stamp));
                shard.last = Position::new(u128::from(first + count - 1));
                let key = shards::block_key(&part.stream, id, first + count - 1);
                batch.insert(&self.inner.blocks, key, body.seal(first, *stamp, shard.last_arrival));
                firsts.push((id, first));
            }
        }
        batch.commit()?;
        drop((stamp, topology));
        self.inner.appended.send_modify(|n| *n += 1);
        Ok(firsts)
    }

    /// A moment such that every record that arrived before it can be read now, and none that
    /// arrives before it will follow.
    pub fn barrier(&self) -> Arrival {
        let mut stamp = self.stamp();
        *stamp = self.inner.clock.now().max(*stamp);
        *stamp
    }

    /// Reads a shard after a position, up to about `max_bytes` of data.
    pub fn read(&self, stream: &str, id: ShardId, after: Position, max_bytes: usize) -> Result<Chunk> {
        let (closed, last) = {
            let topology = self.topology();
            let shards = topology.shards(stream)?;
            let shard = shards.get(&id).ok_or_else(|| Error::Reject(format!("stream {stream} has no shard {id}")))?;
            (shard.closed, shard.last)
        };
        let from = after.as_u64().ok_or_else(|| Error::Reject(format!("position {after} is not of this log")))?;
        let mut chunk = Chunk::default();
        let mut bytes = 0;
        let range = shards::block_key(stream, id, from.saturating_add(1))..=shards::block_key(stream, id, u64::MAX);
        for row in self.inner.blocks.range(range) {
            bytes += block::read_after(&row.value()?, from, &mut chunk.records)?;
            if bytes >= max_bytes {
                break;
            }
        }
        let reached = chunk.records.last().map_or(after, |r| r.position);
        chunk.shard_end = closed && reached >= last;
        Ok(chunk)
    }

    /// Waits for the next append after the ones that `seen` knows of.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.inner.appended.subscribe()
    }

    /// Splits an open shard in two at a hash key, which starts the second one.
    pub fn split(&self, stream: &str, id: ShardId, at: u128) -> Result<[ShardId; 2]> {
        let mut topology = self.topology_mut();
        let parent = topology.shard_mut(stream, id)?.clone();
        if parent.closed || at <= parent.range.start || at > parent.range.end {
            return Err(Error::Reject(format!(
                "shard {id} cannot be split at {at}: it must be open and the key inside {}..={}",
                parent.range.start, parent.range.end
            )));
        }
        let low = HashRange { start: parent.range.start, end: at - 1 };
        let high = HashRange { start: at, end: parent.range.end };
        let children = self.replace(&mut topology, stream, vec![parent], vec![low, high])?;
        Ok([children[0], children[1]])
    }

    /// Merges two open shards with adjacent ranges.
    pub fn merge(&self, stream: &str, first: ShardId, second: ShardId) -> Result<ShardId> {
        let mut topology = self.topology_mut();
        let mut parents = [topology.shard_mut(stream, first)?.clone(), topology.shard_mut(stream, second)?.clone()];
        parents.sort_by_key(|s| s.range.start);
        let [low, high] = &parents;
        if low.closed || high.closed || low.range.end.checked_add(1) != Some(high.range.start) {
            return Err(Error::Reject(format!(
                "shards {first} and {second} cannot be merged: both must be open and their ranges adjacent"
            )));
        }
        let range = HashRange { start: low.range.start, end: high.range.end };
        Ok(self.replace(&mut topology, stream, parents.to_vec(), vec![range])?[0])
    }

    fn replace(
        &self,
        topology: &mut Topology,
        stream: &str,
        parents: Vec<Shard>,
        ranges: Vec<HashRange>,
    ) -> Result<Vec<ShardId>> {
        let next = topology.shards(stream)?.keys().next_back().map_or(0, |id| id.0 + 1);
        let ids: Vec<ShardId> = parents.iter().map(|p| p.id).collect();
        let mut changed: Vec<Shard> = (next..).zip(ranges).map(|(n, range)| new_shard(n, range, ids.clone())).collect();
        let children = changed.iter().map(|s| s.id).collect();
        for child in &mut changed {
            child.last = parents.iter().map(|p| p.last).max().unwrap_or_default();
            child.last_arrival = parents.iter().map(|p| p.last_arrival).max().unwrap_or_default();
        }
        changed.extend(parents.into_iter().map(|parent| Shard { closed: true, ..parent }));
        let mut batch = self.inner.store.batch(changed.len());
        for shard in &changed {
            batch.insert(&self.inner.rows, shards::prefix(stream, shard.id), shards::encode(shard)?);
        }
        batch.commit()?;
        topology.streams.entry(stream.to_owned()).or_default().extend(changed.into_iter().map(|s| (s.id, s)));
        self.inner.store.sync()?;
        self.inner.appended.send_modify(|n| *n += 1);
        Ok(children)
    }

    /// Removes a shard's blocks whose records all arrived before `before` and stand at or before
    /// `consumed`; returns how many blocks went.
    pub fn trim(&self, stream: &str, id: ShardId, before: Arrival, consumed: Position) -> Result<usize> {
        let mut topology = self.topology_mut();
        let shard = topology.shard_mut(stream, id)?.clone();
        let mut batch = self.inner.store.batch(0);
        // The row keeps the tail, so that a shard whose every block went still knows where it is.
        batch.insert(&self.inner.rows, shards::prefix(stream, id), shards::encode(&shard)?);
        for row in self.inner.blocks.prefix(shards::prefix(stream, id)) {
            let (key, value) = row.into_inner()?;
            let (header, _) = block::header(&value)?;
            let last = Position::new(u128::from(header.first + header.count - 1));
            if header.high >= before || last > consumed {
                break;
            }
            batch.remove(&self.inner.blocks, key);
        }
        let removed = batch.len() - 1;
        if removed > 0 {
            batch.commit()?;
        }
        Ok(removed)
    }

    fn topology(&self) -> std::sync::RwLockReadGuard<'_, Topology> {
        self.inner.topology.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn topology_mut(&self) -> std::sync::RwLockWriteGuard<'_, Topology> {
        self.inner.topology.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn stamp(&self) -> MutexGuard<'_, Arrival> {
        self.inner.stamp.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn next_position(shard: &Shard) -> Result<u64> {
    shard
        .last
        .as_u64()
        .and_then(|last| last.checked_add(1))
        .ok_or_else(|| Error::corrupt("an embedded position over 64 bits"))
}

fn new_shard(number: u32, range: HashRange, parents: Vec<ShardId>) -> Shard {
    Shard { id: ShardId(number), range, parents, closed: false, last: Position::START, last_arrival: Arrival::MIN }
}
