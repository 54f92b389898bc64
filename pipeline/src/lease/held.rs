//! The owner's side of a lease: renewed, checkpointed, handed on or released, one write at a time.
//!
//! Life: owned → asked to hand over, and handed over; or released; or lost, when a write finds the
//! row changed. Whoever works on the shard watches [`Held::standing`]: once it is lost, a worker
//! writes nothing more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Mutex, watch};

use super::table::{LeaseTable, fenced};
use super::{Change, Lease, LeaseKey, Progress, Reached, WorkerId};
use crate::error::{Error, Result};
use crate::shard::ShardId;

/// How an owner stands to its lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It has it.
    Owned,
    /// It is asked to finish what it has begun and to pass the lease on.
    Asked,
    /// It has it no longer.
    Lost,
}

/// A lease that this worker holds. Cheap to clone; clones are the same lease.
#[derive(Debug, Clone)]
pub struct Held(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    me: WorkerId,
    table: LeaseTable,
    key: LeaseKey,
    shard: ShardId,
    stream: Option<String>,
    /// As it was last written. Writes wait for each other here.
    lease: Mutex<Lease>,
    standing: watch::Sender<Standing>,
    /// Bytes read since the last renewal.
    read: AtomicU64,
    /// What the next renewal tells.
    progress: std::sync::Mutex<Progress>,
}

impl Held {
    /// A lease that was just taken.
    pub fn new(me: WorkerId, table: LeaseTable, lease: Lease) -> Held {
        Held(Arc::new(Inner {
            me,
            table,
            key: lease.key.clone(),
            shard: lease.shard,
            stream: lease.stream.clone(),
            progress: std::sync::Mutex::new(lease.progress),
            lease: Mutex::new(lease),
            standing: watch::Sender::new(Standing::Owned),
            read: AtomicU64::new(0),
        }))
    }

    /// Its key.
    pub fn key(&self) -> &LeaseKey {
        &self.0.key
    }

    /// Its shard.
    pub fn shard(&self) -> ShardId {
        self.0.shard
    }

    /// The shard's stream, where the table serves several.
    pub fn stream(&self) -> Option<&str> {
        self.0.stream.as_deref()
    }

    /// The lease as it was last written.
    pub async fn lease(&self) -> Lease {
        self.0.lease.lock().await.clone()
    }

    /// How this worker stands to it, and every change of that.
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.0.standing.subscribe()
    }

    /// Whether it is lost.
    pub fn is_lost(&self) -> bool {
        *self.0.standing.borrow() == Standing::Lost
    }

    /// Counts bytes read from the shard.
    pub fn count_read(&self, bytes: usize) {
        self.0.read.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Tells with the next renewal that everything that arrived before `frontier` is applied, where
    /// nothing came that a checkpoint could pass.
    pub fn idle_until(&self, progress: Progress) {
        *self.0.progress.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = progress;
    }

    fn progress(&self) -> Progress {
        *self.0.progress.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Says that the owner is alive; `seconds` have passed since the last time.
    pub async fn renew(&self, seconds: f64) -> Result<()> {
        let rate = self.0.read.swap(0, Ordering::Relaxed) as f64 / 1_000.0 / seconds.max(0.001);
        let mut lease = self.0.lease.lock().await;
        // Half of it is new, so that one quiet moment does not move shards about.
        let throughput = if lease.throughput == 0 { rate } else { (lease.throughput as f64 + rate) / 2.0 };
        let change = Change::Renew { throughput: throughput.round() as u64, progress: self.progress() };
        self.write(&mut lease, &change).await
    }

    /// Reads whether the lease is still this worker's. One that was asked for it renews no more, and would
    /// not learn that it took too long.
    ///
    /// # Errors
    /// `Fenced` when it is another's.
    pub async fn confirm(&self) -> Result<()> {
        // A write that is on its way would look like another worker's.
        let _lease = self.0.lease.lock().await;
        let stored = self.0.table.get(&self.0.key).await?;
        let me = Some(&self.0.me);
        let mine = |stored: &Lease| match stored.handing_over.as_ref() {
            None => stored.owner.as_ref() == me,
            from => from == me,
        };
        if !self.is_lost() && stored.is_some_and(|stored| mine(&stored)) {
            return Ok(());
        }
        self.forget();
        Err(fenced(&self.0.key))
    }

    /// Says how far the shard was read.
    pub async fn checkpoint(&self, to: Reached, progress: Progress) -> Result<()> {
        let mut lease = self.0.lease.lock().await;
        self.write(&mut lease, &Change::Checkpoint { to, progress }).await?;
        // Not before: a renewal would tell of a snapshot that no checkpoint has reached.
        self.idle_until(progress);
        Ok(())
    }

    /// Makes another lease, a child's; whether there was none yet.
    pub async fn create(&self, lease: &Lease) -> Result<bool> {
        self.0.table.create(lease).await
    }

    /// Notes what the shard was split or merged into.
    pub async fn note_children(&self, children: Vec<ShardId>) -> Result<()> {
        let mut lease = self.0.lease.lock().await;
        self.write(&mut lease, &Change::NoteChildren(children)).await
    }

    /// Lets the lease go: to the worker that was asked for it, or to whoever wants it.
    pub async fn let_go(&self) -> Result<()> {
        let mut lease = self.0.lease.lock().await;
        let change = match *self.0.standing.borrow() {
            Standing::Owned => Change::Release,
            Standing::Asked => Change::HandedOver,
            Standing::Lost => return Ok(()),
        };
        let outcome = self.write(&mut lease, &change).await;
        self.0.standing.send_replace(Standing::Lost);
        outcome
    }

    /// Gives it up without a word, as a worker that is gone does.
    pub fn forget(&self) {
        self.0.standing.send_replace(Standing::Lost);
    }

    /// Writes. Meanwhile it may be lost to this very worker, that took the lease again for other work on the shard:
    /// what is stored tells nothing of that.
    async fn write(&self, lease: &mut Lease, change: &Change) -> Result<()> {
        if self.is_lost() {
            return Err(fenced(&self.0.key));
        }
        let written = self.write_to_row(lease, change).await;
        if self.is_lost() { Err(fenced(&self.0.key)) } else { written }
    }

    /// What fails because the row was changed may be a request to hand over.
    async fn write_to_row(&self, lease: &mut Lease, change: &Change) -> Result<()> {
        // Children are noted by whoever saw them, without a condition and without counting.
        let counter = lease.counter + u64::from(!matches!(change, Change::NoteChildren(_)));
        match self.0.table.change(lease, change).await {
            Ok(written) if written.counter == counter => {
                *lease = written;
                Ok(())
            }
            // It is another's, whose counter must not be learned: the next checkpoint would pass for the owner's.
            Ok(_) => self.find_out(lease, change, format!("lease {} is another worker's", self.0.key)).await,
            Err(Error::Fenced(why)) => self.find_out(lease, change, why).await,
            // The answer may have been lost: the row tells.
            Err(Error::Retry(why)) => match self.0.table.get(&self.0.key).await? {
                Some(stored) if stored.counter == lease.counter + 1 && stored.owner.as_ref() == Some(&self.0.me) => {
                    *lease = stored;
                    Ok(())
                }
                _ => Err(Error::Retry(why)),
            },
            Err(other) => Err(other),
        }
    }

    /// Reads what became of a lease whose row is not as it was left.
    async fn find_out(&self, lease: &mut Lease, change: &Change, why: String) -> Result<()> {
        let stored = self.0.table.get(&self.0.key).await?;
        // Who asks does not count; one more is a write of ours whose answer was lost. What counts further was another's in
        // between, and is this worker's again for other work.
        let (me, last) = (Some(&self.0.me), lease.counter + 1);
        if let Some(stored) = stored.filter(|stored| stored.handing_over.as_ref() == me && stored.counter <= last) {
            *lease = stored;
            self.0.standing.send_if_modified(|standing| {
                let news = *standing == Standing::Owned;
                if news {
                    *standing = Standing::Asked;
                }
                news
            });
            // A renewal is not needed any more; the rest is repeated by whoever asked for it.
            return if matches!(change, Change::Renew { .. }) { Ok(()) } else { Err(Error::Retry(why)) };
        }
        self.0.standing.send_replace(Standing::Lost);
        Err(Error::Fenced(why))
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::MemoryLeases;
    use super::*;
    use crate::clock::Arrival;
    use crate::record::Position;

    /// A lease that a worker has just taken.
    async fn taken(table: &LeaseTable) -> (Held, Lease) {
        let me = WorkerId("me".into());
        let lease = Lease::new(LeaseKey("shardId-000000000000".into()), None, ShardId(0), Reached::TrimHorizon);
        assert!(table.create(&lease).await.unwrap());
        let lease = table.change(&lease, &Change::Take { by: me.clone() }).await.unwrap();
        (Held::new(me, table.clone(), lease.clone()), lease)
    }

    fn checkpoint(at: u128) -> Change {
        Change::Checkpoint { to: Reached::At(Position::new(at)), progress: Progress::default() }
    }

    #[tokio::test]
    async fn a_renewal_tells_of_a_snapshot_only_once_a_checkpoint_has_reached_it() {
        let leases = MemoryLeases::default();
        let table = LeaseTable::Memory(leases.clone());
        let (held, _) = taken(&table).await;
        let position = Position::new(7);
        let progress = Progress { effective: Arrival(5), frontier: Arrival(6), snapshot: Some(position) };
        leases.fail(1);
        let failed = held.checkpoint(Reached::At(position), progress).await;
        assert!(matches!(failed, Err(Error::Retry(_))), "{failed:?}");
        let stored = async || table.get(held.key()).await.unwrap().unwrap();
        held.renew(1.0).await.unwrap();
        assert_eq!((stored().await.reached, stored().await.progress), (Reached::TrimHorizon, Progress::default()));
        held.checkpoint(Reached::At(position), progress).await.unwrap();
        held.renew(1.0).await.unwrap();
        assert_eq!((stored().await.reached, stored().await.progress), (Reached::At(position), progress));
    }

    #[tokio::test]
    async fn who_notes_children_of_anothers_lease_is_fenced() {
        let (table, other) = (LeaseTable::Memory(MemoryLeases::default()), WorkerId("other".into()));
        let (held, lease) = taken(&table).await;
        let taken = table.change(&lease, &Change::Take { by: other }).await.unwrap();
        // Whoever reached the shard's end may say what comes after it; more of the lease is not theirs.
        let noted = held.note_children(vec![ShardId(1)]).await;
        assert!(matches!(noted, Err(Error::Fenced(_))) && held.is_lost(), "{noted:?}");
        assert!(held.checkpoint(Reached::ShardEnd, Progress::default()).await.is_err());
        let stored = table.get(held.key()).await.unwrap().unwrap();
        assert_eq!((stored.reached, stored.counter), (Reached::TrimHorizon, taken.counter));
    }

    #[tokio::test]
    async fn who_takes_a_lease_again_takes_it_for_other_work() {
        let (table, other) = (LeaseTable::Memory(MemoryLeases::default()), WorkerId("other".into()));
        let (stalled, lease) = taken(&table).await;
        let theirs = table.change(&lease, &Change::Take { by: other.clone() }).await.unwrap();
        let again = table.change(&theirs, &Change::Take { by: WorkerId("me".into()) }).await.unwrap();
        let reached = table.change(&again, &checkpoint(9)).await.unwrap();
        table.change(&reached, &Change::HandOff { to: other }).await.unwrap();
        // To the first work it looks as if it were asked for its lease.
        let written = stalled.checkpoint(Reached::At(Position::new(7)), Progress::default()).await;
        assert!(matches!(written, Err(Error::Fenced(_))) && stalled.is_lost(), "{written:?}");
        let stored = table.get(stalled.key()).await.unwrap().unwrap();
        assert_eq!(stored.reached, Reached::At(Position::new(9)));
    }

    #[tokio::test]
    async fn who_was_asked_and_took_too_long_learns_of_it() {
        let (table, other) = (LeaseTable::Memory(MemoryLeases::default()), WorkerId("other".into()));
        let (held, lease) = taken(&table).await;
        held.confirm().await.unwrap();
        let asked = table.change(&lease, &Change::HandOff { to: other.clone() }).await.unwrap();
        held.confirm().await.unwrap();
        table.change(&asked, &Change::Take { by: other }).await.unwrap();
        assert!(matches!(held.confirm().await, Err(Error::Fenced(_))) && held.is_lost());
    }
}
