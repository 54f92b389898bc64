//! One worker of a simulated fleet: a coordinator, and for each lease somebody who writes checkpoints.

use std::sync::Arc;
use std::time::Duration;

use pipeline::engine::Stop;
use pipeline::lease::coordinator::{Coordinator, Holdings, ListShards, Settings};
use pipeline::lease::held::{Held, Standing};
use pipeline::lease::{Lease, Progress, Reached, WorkerId};
use pipeline::record::Position;
use pipeline::shard::ShardId;
use pipeline::{Error, Result};
use tests::random::Random;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};

use super::World;

/// As `jobs::cluster` writes them while records come.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(10);
/// What finishing what is begun takes.
const FINISH: Duration = Duration::from_millis(100);

pub struct Worker {
    pub id: WorkerId,
    stop: Stop,
    holdings: Holdings,
    tasks: [AbortHandle; 2],
}

impl Worker {
    pub fn start(world: &Arc<World>, number: usize, seed: u64) -> Worker {
        let (id, stop) = (WorkerId(format!("worker-{number:04}")), Stop::default());
        let listed = world.clone();
        let list: ListShards = Arc::new(move |_| {
            let shards = listed.shards.borrow().clone();
            Box::pin(async move { Ok(shards) })
        });
        let mut random = Random::new(seed + number as u64);
        let settings = Settings::new(id.clone(), random.bits());
        let coordinator = Coordinator::new(world.table.clone(), vec![world.stream.clone()], list, settings);
        let holdings = coordinator.holdings();
        let (sender, given) = mpsc::channel(16);
        let sharing = tokio::spawn(coordinator.run(sender, stop.clone())).abort_handle();
        let me = Owner { world: world.clone(), id: id.clone(), stop: stop.clone(), holdings: holdings.clone() };
        let working = tokio::spawn(me.work(given, random)).abort_handle();
        Worker { id, stop, holdings, tasks: [sharing, working] }
    }

    /// Lets it finish what it has begun.
    pub fn stop(&self) {
        self.stop.now();
    }

    /// Ends it without a word; returns what it believes to hold.
    pub async fn stall(self) -> Vec<(WorkerId, Lease)> {
        let held = self.holdings.all();
        // Its renewals go on otherwise: they are a task of their own.
        held.iter().for_each(Held::forget);
        self.tasks.iter().for_each(AbortHandle::abort);
        let mut leases = Vec::new();
        for held in held {
            leases.push((self.id.clone(), held.lease().await));
        }
        leases
    }
}

/// Stalled owners that wake, each after a while, and go on as if nothing had happened: how many of them
/// tried to write a checkpoint, and how many were refused.
pub async fn wake(world: Arc<World>, mut stalled: Vec<(WorkerId, Lease, Duration)>) -> (usize, usize) {
    let begun = Instant::now();
    stalled.sort_by_key(|(_, _, after)| *after);
    let (tried, mut refused) = (stalled.len(), 0);
    for (id, lease, after) in stalled {
        sleep_until(begun + after).await;
        let held = Held::new(id.clone(), world.table.clone(), lease);
        let outcome = checkpoint(&world, &id, &held, Reached::At(Position::new(u64::MAX.into()))).await;
        refused += usize::from(matches!(outcome, Err(Error::Fenced(_))));
    }
    (tried, refused)
}

/// What the owner's tasks need.
#[derive(Clone)]
struct Owner {
    world: Arc<World>,
    id: WorkerId,
    stop: Stop,
    holdings: Holdings,
}

impl Owner {
    async fn work(self, mut given: mpsc::Receiver<Held>, mut random: Random) {
        let mut tasks = JoinSet::new();
        while let Some(held) = given.recv().await {
            self.world.journal.taken(held.key(), &self.id);
            let first = CHECKPOINT_EVERY.mul_f64(random.below(1_000) as f64 / 1_000.0);
            tasks.spawn(self.clone().own(held, first));
            while tasks.try_join_next().is_some() {}
        }
        tasks.join_all().await;
    }

    /// Owns a lease until it goes or its shard ends.
    async fn own(self, held: Held, first: Duration) {
        let (mut standing, mut stopped) = (held.standing(), self.stop.watch());
        let mut shards = self.world.shards.subscribe();
        let mut next = Instant::now() + first;
        let mut position = 0;
        let outcome = loop {
            position += 1;
            let here = Reached::At(Position::new(position));
            if *standing.borrow_and_update() != Standing::Owned || self.stop.is_now() {
                sleep(FINISH).await;
                break checkpoint(&self.world, &self.id, &held, here).await;
            }
            if self.children(held.shard()).is_some() {
                // An idle shard is looked at once a second.
                sleep(first / 10).await;
                break self.finish(&held).await;
            }
            tokio::select! {
                _ = standing.changed() => {}
                _ = stopped.changed() => {}
                _ = shards.changed() => {}
                () = sleep_until(next) => {
                    next += CHECKPOINT_EVERY;
                    if let Err(fenced @ Error::Fenced(_)) = checkpoint(&self.world, &self.id, &held, here).await {
                        break Err(fenced);
                    }
                }
            }
        };
        // As the worker on a shard does.
        if outcome.is_ok() {
            let _ = held.let_go().await;
        } else {
            held.forget();
        }
        self.holdings.hurry();
    }

    /// The shards that a closed one was split into.
    fn children(&self, shard: ShardId) -> Option<Vec<ShardId>> {
        let shards = self.world.shards.borrow();
        shards[shard.0 as usize].closed.then(|| {
            let children = shards.iter().filter(|child| child.parents.contains(&shard));
            children.map(|child| child.id).collect()
        })
    }

    async fn finish(&self, held: &Held) -> Result<()> {
        let children = self.children(held.shard()).unwrap_or_default();
        for child in &children {
            let lease = self.world.stream.lease(&self.world.shards.borrow()[child.0 as usize], Reached::TrimHorizon);
            held.create(&lease).await?;
        }
        held.note_children(children).await?;
        checkpoint(&self.world, &self.id, held, Reached::ShardEnd).await
    }
}

/// Writes a checkpoint, again where the lease is asked for meanwhile, and notes that it succeeded.
async fn checkpoint(world: &World, id: &WorkerId, held: &Held, to: Reached) -> Result<()> {
    loop {
        match held.checkpoint(to, Progress::default()).await {
            Ok(()) => {
                // Nothing else runs before this is noted: a look at leases in memory waits for nothing.
                let stored = world.table.get(held.key()).await?;
                world.journal.checkpoint(held.key(), id, stored.map_or(0, |lease| lease.counter));
                return Ok(());
            }
            Err(Error::Retry(_)) => sleep(Duration::from_millis(50)).await,
            Err(other) => return Err(other),
        }
    }
}
