//! Schedules: what may happen to a cluster while bets come in, drawn from a seed, and what must hold after it.
//!
//! ```text
//! questions ─► (a batch of bets ─► an action)* ─► heal ─► every bet decided, told, in its window ─► check
//! ```
//!
//! Workers reach the servers through proxies, which lose what they are told to lose; the producers of bets
//! and whoever looks at the end reach them directly. Prefixes of names keep schedules on one server apart.

mod check;
mod run;

use std::fmt;
use std::ops::Range;

use self::run::Run;
use crate::faults::{Proxy, Trouble};
use crate::random::Random;
use crate::servers::{self, Server};

/// Batches, with an action after each.
const STEPS: usize = 10;
/// Open shards of a stream, at most: servers and readers are slow.
const MAX_SHARDS: u32 = 5;

/// The servers that schedules run on.
#[derive(Debug)]
pub struct Servers {
    /// Streams.
    kinesis: (Server, Proxy),
    /// Tables.
    others: (Server, Proxy),
}

impl Servers {
    /// Starts them.
    pub async fn start() -> Servers {
        let proxied = |server: Server| {
            let proxy = Proxy::before(&server);
            (server, proxy)
        };
        let servers = Servers { kinesis: proxied(servers::kinesis_local()), others: proxied(servers::ministack()) };
        // A proxy's first request takes it seconds, while it reads what there is to know of a service.
        servers.kinesis.1.account(0).kinesis.list_streams().send().await.unwrap();
        servers.others.1.account(0).dynamodb.list_tables().send().await.unwrap();
        servers
    }
}

/// What is between workers and the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rim {
    /// In front of the streams.
    Streams,
    /// In front of the tables.
    Tables,
}

/// One thing that happens. Numbers choose among what there is then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A worker ends in the midst of whatever it does.
    Kill(u64),
    /// A worker is told to stop, and stops.
    Stop(u64),
    /// A worker more.
    Add,
    /// A shard is split in two.
    Split(&'static str, u64),
    /// Two shards that are neighbours become one.
    Merge(&'static str, u64),
    /// A stream gets so many shards, as far as it may in one go.
    Reshard(&'static str, u32),
    /// A batch is put once more: each bet counts once.
    Repeat(u64),
    /// So many requests of workers meet trouble.
    Disturb(Rim, Trouble, u32),
    /// Workers, if there are any, come as far as half of the bets.
    CatchUp,
    /// For each worker another closes windows under its name, as one does that has slept through a loss. It is
    /// in no schedule of a seed.
    Double,
}

impl Action {
    fn draw(random: &mut Random) -> Action {
        let stream = random.pick(&["bets", "bets", "bets", "notifications", "game-events"]);
        let which = random.below(1 << 20);
        match random.below(14) {
            0 | 1 => Action::Kill(which),
            2 => Action::Stop(which),
            3 | 4 => Action::Add,
            5 => Action::Split(stream, which),
            6 => Action::Merge(stream, which),
            7 => Action::Reshard(stream, 1 + random.below(u64::from(MAX_SHARDS)) as u32),
            8 => Action::Repeat(which),
            9..12 => {
                let rim = random.pick(&[Rim::Streams, Rim::Tables]);
                Action::Disturb(rim, random.pick(&Trouble::ALL), 1 + random.below(15) as u32)
            }
            _ => Action::CatchUp,
        }
    }
}

/// What happens, one action after each batch of bets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// What it follows from.
    pub seed: u64,
    /// Whether records are packed into aggregates.
    pub aggregate: bool,
    /// In order.
    pub actions: Vec<Action>,
}

impl Schedule {
    /// The schedule of a seed.
    pub fn new(seed: u64) -> Schedule {
        let mut random = Random::new(seed);
        let aggregate = random.percent(30);
        Schedule { seed, aggregate, actions: (0..STEPS).map(|_| Action::draw(&mut random)).collect() }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let aggregated = if self.aggregate { ", aggregated" } else { "" };
        writeln!(f, "schedule of seed {}{aggregated}:", self.seed)?;
        self.actions.iter().enumerate().try_for_each(|(step, action)| match action {
            Action::Disturb(rim, trouble, requests) => {
                writeln!(f, "  {step}: {requests} requests to the {rim:?} {trouble}")
            }
            other => writeln!(f, "  {step}: {other:?}"),
        })
    }
}

/// Says which schedule it was when a check fails.
struct Told<'a>(&'a Schedule);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0);
        }
    }
}

/// Runs the schedules of some seeds, one after the other.
///
/// # Panics
/// With the seed and its schedule, where something does not hold.
pub async fn run_all(servers: &Servers, seeds: Range<u64>) {
    for seed in seeds {
        run(servers, &Schedule::new(seed)).await;
    }
}

/// Runs one schedule.
///
/// # Panics
/// With the seed and the schedule, where something does not hold.
pub async fn run(servers: &Servers, schedule: &Schedule) {
    let _told = Told(schedule);
    let mut run = Run::begin(servers, schedule).await;
    for action in &schedule.actions {
        run.put_batch().await;
        run.act(*action).await;
    }
    run.heal().await;
    run.wait().await;
    run.check().await;
    run.clear().await;
}
