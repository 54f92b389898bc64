//! A fleet on leases in memory, under a clock that waits for nobody: how long until every worker has its
//! share, and whether two owners' checkpoints of one shard ever both succeed.
//!
//! The workers are our coordinators and owners of leases; reading is left out. Writes take no time here,
//! so what is measured are the rounds: how often a worker looks and how much it takes at once.

mod journal;
mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use pipeline::Arrival;
use pipeline::lease::sync::StreamKey;
use pipeline::lease::table::{LeaseTable, MemoryLeases};
use pipeline::lease::{Lease, WorkerId};
use pipeline::record::Position;
use pipeline::shard::{HashRange, Shard, ShardId};
use tests::random::Random;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use self::journal::Journal;
use self::worker::Worker;
use super::{Numbers, verdict};

const ASKED: Duration = Duration::from_secs(60);
/// How far a worker may be from the fair share: it is a whole number of shards, and one is not worth a move.
const TOLERANCE: usize = 1;
/// How many come and go.
const SOME: usize = 10;
const SPLIT: usize = 200;
/// When stalled workers wake, in seconds.
const WAKE: [i64; 2] = [20, 60];

/// What the workers share.
pub struct World {
    pub table: LeaseTable,
    pub stream: StreamKey,
    /// All shards, and every change of them.
    pub shards: watch::Sender<Vec<Shard>>,
    pub journal: Journal,
}

pub fn run(numbers: &Numbers) {
    let (workers, shards) = (numbers.of("workers", 100) as usize, numbers.of("shards", 10_000) as u32);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(simulate(workers, shards, numbers.of("seed", 1)));
}

async fn simulate(workers: usize, shards: u32, seed: u64) {
    let world = Arc::new(World {
        table: LeaseTable::Memory(MemoryLeases::default()),
        stream: StreamKey { name: "bets".into(), prefix: Some("1:bets:1".into()) },
        shards: watch::Sender::new(first_shards(shards)),
        journal: Journal::default(),
    });
    let mut random = Random::new(seed);
    let mut started = 0;
    let mut start = |count: usize, world: &Arc<World>| -> Vec<Worker> {
        let numbers = started..started + count;
        started += count;
        numbers.map(|number| Worker::start(world, number, seed)).collect()
    };
    println!("{workers} workers and {shards} shards, in simulated time");
    println!(
        "{:<34}{:>12}{:>12}{:>10}{:>12}",
        "until all have their share after", "seconds", "fair share", "fewest", "most"
    );
    let mut longest = Duration::ZERO;
    let mut fleet = start(workers, &world);
    longest = longest.max(balanced(&world, &fleet, "a start").await);

    let mut stalled = Vec::new();
    for worker in fleet.drain(..SOME.min(workers / 2)) {
        stalled.push(worker.stall().await);
    }
    let wakers: Vec<_> = stalled
        .into_iter()
        .map(|stalled| {
            let leases = stalled.into_iter().map(|(me, lease)| {
                (me, lease, Duration::from_millis(random.between(WAKE[0] * 1_000, WAKE[1] * 1_000) as u64))
            });
            tokio::spawn(worker::wake(world.clone(), leases.collect()))
        })
        .collect();
    longest = longest.max(balanced(&world, &fleet, &format!("{SOME} killed")).await);

    fleet.extend(start(SOME, &world));
    longest = longest.max(balanced(&world, &fleet, &format!("{SOME} added")).await);

    let leaving: Vec<Worker> = fleet.drain(..SOME.min(workers / 2)).collect();
    leaving.iter().for_each(Worker::stop);
    longest = longest.max(balanced(&world, &fleet, &format!("{SOME} stopped")).await);

    world.shards.send_modify(split);
    longest = longest.max(balanced(&world, &fleet, &format!("{SPLIT} shards split")).await);

    let (mut tried, mut refused) = (0, 0);
    for waker in wakers {
        let (more, no) = waker.await.unwrap();
        (tried, refused) = (tried + more, refused + no);
    }
    println!("asked: less than {} s each: {}", ASKED.as_secs(), verdict(longest < ASKED));
    println!(
        "\ncheckpoints of stalled workers that woke {} to {} s later: {tried} tried, {refused} refused",
        WAKE[0], WAKE[1]
    );
    let (checkpoints, takes, faults) = world.journal.check();
    println!(
        "{checkpoints} checkpoints succeeded over {takes} changes of owner; by another than the last taker, or out of order: {faults}"
    );
    println!(
        "asked: no two owners' checkpoints of a shard both succeed: {}",
        verdict(faults == 0 && tried == refused && tried > 0)
    );
}

/// Waits until every lease is with a living worker and each has its share; prints and returns how long that took.
async fn balanced(world: &World, fleet: &[Worker], after: &str) -> Duration {
    let begun = Instant::now();
    let living: BTreeSet<&WorkerId> = fleet.iter().map(|worker| &worker.id).collect();
    loop {
        sleep(Duration::from_millis(250)).await;
        let leases = world.table.scan().await.unwrap();
        let open = world.shards.borrow().iter().filter(|shard| !shard.closed).count();
        let Some(counts) = counts(&leases, &living, open) else { continue };
        let (fewest, most) = (counts.values().min().copied().unwrap_or(0), counts.values().max().copied().unwrap_or(0));
        let share = open / living.len();
        if fewest + TOLERANCE >= share && most <= open.div_ceil(living.len()) + TOLERANCE {
            let took = begun.elapsed();
            println!(
                "{after:<34}{:>12.1}{:>12.1}{fewest:>10}{most:>12}",
                took.as_secs_f64(),
                open as f64 / living.len() as f64
            );
            return took;
        }
        assert!(begun.elapsed() < 20 * ASKED, "after {after}: {fewest} to {most} shards a worker, {share} are fair");
    }
}

/// Leases by worker; nothing while one is nobody's, a dead one's, or on its way, or a shard is not shared yet.
fn counts<'a>(
    leases: &'a [Lease],
    living: &BTreeSet<&'a WorkerId>,
    open: usize,
) -> Option<BTreeMap<&'a WorkerId, usize>> {
    let mut counts: BTreeMap<&WorkerId, usize> = living.iter().map(|worker| (*worker, 0)).collect();
    let unfinished = || leases.iter().filter(|lease| !lease.is_finished());
    for lease in unfinished() {
        let owner = lease.owner.as_ref().filter(|_| lease.handing_over.is_none())?;
        *counts.get_mut(owner)? += 1;
    }
    (unfinished().count() == open).then_some(counts)
}

fn first_shards(count: u32) -> Vec<Shard> {
    let ranges = HashRange::even(count).into_iter().zip(0..);
    ranges.map(|(range, number)| shard(number, range, Vec::new())).collect()
}

fn shard(number: u32, range: HashRange, parents: Vec<ShardId>) -> Shard {
    Shard { id: ShardId(number), range, parents, closed: false, last: Position::START, last_arrival: Arrival::MIN }
}

/// Splits some shards in two.
fn split(shards: &mut Vec<Shard>) {
    for at in 0..SPLIT.min(shards.len()) {
        let Shard { id, range, .. } = shards[at];
        shards[at].closed = true;
        let middle = range.start + (range.end - range.start) / 2;
        for range in [HashRange { end: middle, ..range }, HashRange { start: middle + 1, ..range }] {
            shards.push(shard(shards.len() as u32, range, vec![id]));
        }
    }
}
