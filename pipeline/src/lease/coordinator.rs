//! A worker among others: sees all leases, keeps its own alive, takes its share, makes what is missing.
//!
//! ```text
//! every round:  scan ─► observe (whose counter stands still?) ─► create what is missing
//!               ─► adopt what was handed to me ─► take, or ask for, my share ─► forget what is lost
//! beside it:    renew what I hold, three times in the fail-over time
//! ```
//!
//! Rows hold no wall-clock times: a lease has expired when its counter has stood still for the fail-over
//! time by the observer's own monotonic clock.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{StreamExt, stream};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::balance::{self, Limits};
use super::held::{Held, Standing};
use super::sync::{self, Initial, StreamKey};
use super::table::LeaseTable;
use super::{Change, Lease, LeaseKey, WorkerId};
use crate::engine::Stop;
use crate::error::{Error, Result};
use crate::shard::Shard;

/// Rounds are shorter where there are few leases to scan: half a second up to 1,700 leases, three
/// seconds for 10,000.
const ROUND: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(5)];
const ROUND_PER_LEASE: Duration = Duration::from_micros(300);
/// Writes to the lease table at once.
const AT_ONCE: usize = 32;

/// How a worker takes part.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its name; never used before.
    pub me: WorkerId,
    /// After so long without a sign a worker is gone.
    pub failover: Duration,
    /// How long a worker may take to finish what it is asked to hand over.
    pub hand_over: Duration,
    /// How often the leases are held against the shards.
    pub audit: Duration,
    /// Leases it can hold, at most.
    pub max_leases: usize,
    /// Where reading starts in a stream that was never read.
    pub initial: Initial,
    /// Makes its choices differ from the other workers'.
    pub seed: u64,
}

impl Settings {
    /// The settings of the Kinesis Client Library.
    pub fn new(me: WorkerId, seed: u64) -> Settings {
        Settings {
            me,
            failover: Duration::from_secs(10),
            hand_over: Duration::from_secs(30),
            audit: Duration::from_secs(120),
            max_leases: usize::MAX,
            initial: Initial::TrimHorizon,
            seed,
        }
    }
}

/// Lists a stream's shards, by its name.
pub type ListShards = Arc<dyn Fn(String) -> BoxFuture<'static, Result<Vec<Shard>>> + Send + Sync>;

/// What others know of a worker. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Holdings {
    held: Arc<Mutex<BTreeMap<LeaseKey, Held>>>,
    hurry: Arc<Notify>,
}

impl Holdings {
    /// Begins the next round now: there may be something to take.
    pub fn hurry(&self) {
        self.hurry.notify_one();
    }

    /// The leases that this worker holds.
    pub fn all(&self) -> Vec<Held> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<LeaseKey, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A worker's part in sharing the leases.
pub struct Coordinator {
    table: LeaseTable,
    streams: Vec<StreamKey>,
    shards: ListShards,
    settings: Settings,
    holdings: Holdings,
    /// Each lease's counter, and since when it has stood so.
    seen: BTreeMap<LeaseKey, (u64, Instant)>,
    audited: Option<Instant>,
    random: u64,
}

impl Coordinator {
    /// A worker that takes part in reading these streams.
    pub fn new(table: LeaseTable, streams: Vec<StreamKey>, shards: ListShards, settings: Settings) -> Coordinator {
        let random = settings.seed | 1;
        let (holdings, seen) = (Holdings::default(), BTreeMap::new());
        Coordinator { table, streams, shards, settings, holdings, seen, audited: None, random }
    }

    /// What it holds, as others may see it.
    pub fn holdings(&self) -> Holdings {
        self.holdings.clone()
    }

    /// Takes part until told to stop, and gives every lease it gets to `given`. It lets nothing go at
    /// the end: whoever works on a lease does, once it has finished.
    pub async fn run(mut self, given: mpsc::Sender<Held>, stop: Stop) -> Result<()> {
        // It ends with this, however this ends.
        let mut renewing = JoinSet::new();
        renewing.spawn(renew(self.holdings.clone(), self.settings.failover));
        let mut stopped = stop.watch();
        let outcome = loop {
            if stop.is_now() || given.is_closed() {
                break Ok(());
            }
            let pause = match self.round(&given).await {
                Ok(leases) => (ROUND_PER_LEASE * u32::try_from(leases).unwrap_or(u32::MAX)).clamp(ROUND[0], ROUND[1]),
                Err(Error::Retry(why)) => {
                    tracing::warn!("the lease table: {why}");
                    ROUND[1]
                }
                Err(other) => break Err(other),
            };
            tokio::select! {
                biased;
                () = tokio::time::sleep(pause) => {}
                () = self.holdings.hurry.notified() => {}
                _ = stopped.changed() => {}
            }
        };
        // Leases stay alive until their shards' work is finished.
        while outcome.is_ok() && !self.holdings.all().iter().all(Held::is_lost) && !given.is_closed() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        outcome
    }

    /// One look at the table and what follows from it; returns how many leases there are.
    async fn round(&mut self, given: &mpsc::Sender<Held>) -> Result<usize> {
        let mut leases = self.table.scan().await?;
        leases.retain(|lease| self.streams.iter().any(|stream| stream.has(lease)));
        let due = self.audited.is_none_or(|at| at.elapsed() >= self.settings.audit);
        if due || leases.is_empty() {
            leases.extend(self.audit(&leases).await?);
        }
        self.observe(&leases);
        self.adopt(&leases, given).await?;
        self.take_share(&leases, given).await?;
        self.holdings.lock().retain(|_, held| !held.is_lost());
        Ok(leases.len())
    }

    /// Makes the leases that are missing, and removes those that are no longer needed.
    async fn audit(&mut self, leases: &[Lease]) -> Result<Vec<Lease>> {
        let mut made = Vec::new();
        for stream in &self.streams {
            let shards = (self.shards)(stream.name.clone()).await?;
            let leases: Vec<Lease> = leases.iter().filter(|lease| stream.has(lease)).cloned().collect();
            for lease in sync::missing(stream, &shards, &leases, self.settings.initial) {
                if self.table.create(&lease).await? {
                    tracing::info!(lease = %lease.key, from = lease.reached.text(), "lease created");
                    made.push(lease);
                }
            }
            for lease in sync::finished(&shards, &leases) {
                if self.table.remove(lease).await? {
                    tracing::info!(lease = %lease.key, "finished lease removed");
                }
            }
        }
        self.audited = Some(Instant::now());
        Ok(made)
    }

    fn observe(&mut self, leases: &[Lease]) {
        let now = Instant::now();
        let before = std::mem::take(&mut self.seen);
        for lease in leases {
            let since = before.get(&lease.key).filter(|(counter, _)| *counter == lease.counter).map(|(_, at)| *at);
            self.seen.insert(lease.key.clone(), (lease.counter, since.unwrap_or(now)));
        }
    }

    fn still_for(&self, lease: &Lease) -> Duration {
        self.seen.get(&lease.key).map_or(Duration::ZERO, |(_, since)| since.elapsed())
    }

    /// Starts on leases that were handed to this worker. A scan may be old, and show as its own what it has finished
    /// and let go: so the lease is read before it is worked on.
    async fn adopt(&self, leases: &[Lease], given: &mpsc::Sender<Held>) -> Result<()> {
        let mine = |lease: &Lease| lease.owner.as_ref() == Some(&self.settings.me);
        let to_do = |lease: &Lease| mine(lease) && lease.handing_over.is_none() && !lease.is_finished();
        for lease in leases.iter().filter(|lease| mine(lease)) {
            let known = self.holdings.lock().contains_key(&lease.key);
            match &lease.handing_over {
                None if !known && to_do(lease) => {
                    if let Some(stored) = self.table.get(&lease.key).await?.filter(to_do) {
                        self.give(stored, given).await;
                    }
                }
                // Whoever was asked for it does not answer.
                Some(_) if self.still_for(lease) >= self.settings.hand_over => self.take(lease, given).await?,
                _ => {}
            }
        }
        Ok(())
    }

    async fn take_share(&mut self, leases: &[Lease], given: &mpsc::Sender<Held>) -> Result<()> {
        let ready = ready(leases);
        let mut random = self.random;
        let draw = |n: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            (random % n.max(1) as u64) as usize
        };
        let expired = |lease: &Lease| {
            lease.owner.as_ref() != Some(&self.settings.me) && self.still_for(lease) >= self.settings.failover
        };
        let limits = Limits { max_leases: self.settings.max_leases };
        let plan = balance::plan(&self.settings.me, &ready, expired, limits, draw);
        self.random = random;
        let by_key: BTreeMap<&LeaseKey, &Lease> = ready.iter().map(|lease| (&lease.key, lease)).collect();
        let of =
            |keys: &[LeaseKey]| keys.iter().filter_map(|key| by_key.get(key).copied().cloned()).collect::<Vec<_>>();
        let (take, ask) = (of(&plan.take), of(&plan.ask));
        let this = &*self;
        let taken = stream::iter(take).map(|lease| async move { this.take(&lease, given).await });
        let taken = taken.buffer_unordered(AT_ONCE);
        taken.collect::<Vec<_>>().await.into_iter().collect::<Result<Vec<()>>>()?;
        let asked = stream::iter(ask).map(|lease| async move { this.ask(&lease).await }).buffer_unordered(AT_ONCE);
        asked.collect::<Vec<_>>().await.into_iter().collect::<Result<Vec<()>>>()?;
        Ok(())
    }

    async fn take(&self, lease: &Lease, given: &mpsc::Sender<Held>) -> Result<()> {
        let me = self.settings.me.clone();
        match self.table.change(lease, &Change::Take { by: me }).await {
            Ok(taken) => self.give(taken, given).await,
            Err(Error::Fenced(_)) => {}
            Err(other) => return Err(other),
        }
        Ok(())
    }

    async fn ask(&self, lease: &Lease) -> Result<()> {
        match self.table.change(lease, &Change::HandOff { to: self.settings.me.clone() }).await {
            Ok(_) | Err(Error::Fenced(_)) => Ok(()),
            Err(other) => Err(other),
        }
    }

    async fn give(&self, lease: Lease, given: &mpsc::Sender<Held>) {
        tracing::info!(lease = %lease.key, worker = %self.settings.me, at = lease.reached.text(), "lease taken");
        let held = Held::new(self.settings.me.clone(), self.table.clone(), lease);
        let before = self.holdings.lock().insert(held.key().clone(), held.clone());
        // Its work may not know yet that the lease was another's in between, and would take the new one for its own.
        if let Some(before) = before {
            before.forget();
        }
        // A receiver that is gone has stopped; nobody renews the lease then, and it expires.
        let _ = given.send(held).await;
    }
}

/// Leases that can be worked on: those whose parents are finished or forgotten.
fn ready(leases: &[Lease]) -> Vec<Lease> {
    let unfinished = leases.iter().filter(|lease| !lease.is_finished());
    let unfinished: std::collections::BTreeSet<_> = unfinished.map(|lease| (&lease.stream, lease.shard)).collect();
    let waits = |lease: &Lease| lease.parents.iter().any(|parent| unfinished.contains(&(&lease.stream, *parent)));
    leases.iter().filter(|lease| !waits(lease)).cloned().collect()
}

/// Renews what is held, three times in the fail-over time.
async fn renew(holdings: Holdings, failover: Duration) {
    let every = (failover / 3).saturating_sub(Duration::from_millis(25)).max(Duration::from_millis(10));
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = Instant::now();
    loop {
        ticks.tick().await;
        let seconds = last.elapsed().as_secs_f64();
        last = Instant::now();
        let renewed = stream::iter(holdings.all()).map(|held| async move {
            let owned = *held.standing().borrow() == Standing::Owned;
            if owned && let Ok(Err(Error::Retry(why))) = timeout(failover, held.renew(seconds)).await {
                tracing::warn!(lease = %held.key(), "renewing: {why}");
            }
        });
        renewed.buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    }
}
