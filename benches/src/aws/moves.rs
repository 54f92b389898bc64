//! How long bets wait while their shards go from one worker to another: at a deployment, where a new worker
//! comes and an old one is stopped, and where a worker is killed.
//!
//! Bets are put at the moment of the stop or the kill; what is measured is the time until all of them are
//! decided, beside the same where nothing happens.

use std::fmt;
use std::time::{Duration, Instant};

use pipeline::Clock;
use pipeline::adapters::aws::producer::{Producer, ProducerOptions};
use pipeline::record::Append;
use schemas::question::QuestionRow;
use tests::cluster::{Site, Working, bets, rows, until};
use tests::{records, servers};

use super::{Numbers, verdict};
use crate::median;

/// Questions, and bets put at once: over all shards.
const QUESTIONS: u64 = 40;
/// Of `bets`.
const SHARDS: u32 = 4;
/// The longest round of a fleet as small as this one.
const ROUND: Duration = Duration::from_millis(500);
/// Asked of a hand-over.
const HAND_OVER: Duration = Duration::from_secs(1);

/// What happens as bets are put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Nothing,
    Deployment,
    Kill,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Event::Nothing => "nothing",
            Event::Deployment => "a worker is stopped",
            Event::Kill => "a worker is killed",
        })
    }
}

/// A cluster with workers, one of which goes at each event.
struct Fleet {
    site: Site,
    producer: Producer,
    workers: Vec<Working>,
    started: u32,
    put: u64,
}

pub fn run(numbers: &Numbers) {
    let (runs, failover) = (numbers.of("runs", 5), Duration::from_millis(numbers.of("failover-ms", 3_000)));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let server = servers::ministack();
    let events = [Event::Nothing, Event::Deployment, Event::Kill];
    let mut waits = events.map(|_| Vec::new());
    runtime.block_on(async {
        let mut fleet = Fleet::new(&server, failover).await;
        for _ in 0..runs {
            for (waits, event) in waits.iter_mut().zip(events) {
                waits.push(fleet.wait(event).await.as_secs_f64());
            }
        }
    });
    println!("seconds until {QUESTIONS} bets are decided that are put at the moment when …; {runs} times each");
    println!("{:<24}{:>10}{:>10}", "", "median", "longest");
    let [usual, stopped, killed] = waits.map(|mut waits| {
        let longest = waits.iter().copied().fold(0.0, f64::max);
        (median(&mut waits), longest)
    });
    for (event, (median, longest)) in events.into_iter().zip([usual, stopped, killed]) {
        println!("{event:<24}{median:>10.2}{longest:>10.2}");
    }
    let within = |asked: Duration, (median, _): (f64, f64)| verdict(median - usual.0 <= asked.as_secs_f64());
    println!("asked of a hand-over: {HAND_OVER:?} more than usual: {}", within(HAND_OVER, stopped));
    println!("asked of a fail-over: {failover:?} and a round of {ROUND:?}: {}", within(failover + ROUND, killed));
}

impl Fleet {
    async fn new(server: &servers::Server, failover: Duration) -> Fleet {
        let aws = server.account(1);
        let site = Site::create(aws.clone(), |options| {
            (options.idle_clock, options.failover, options.shards) = (true, failover, Some(SHARDS));
        })
        .await;
        let producer = Producer::new(aws, ProducerOptions { ordered: false, ..ProducerOptions::default() });
        let mut fleet = Fleet { site, producer, workers: Vec::new(), started: 0, put: 0 };
        fleet.append("game-events", (0..QUESTIONS).map(records::opening).collect()).await;
        fleet.add();
        fleet.add();
        let cluster = &fleet.site.cluster;
        let opened = async || rows::<QuestionRow>(cluster).await.len() == QUESTIONS as usize;
        until("the questions are there", 60, opened).await;
        fleet
    }

    async fn append(&self, stream: &str, records: Vec<Append>) {
        let name = self.site.cluster.log.name(stream);
        assert_eq!(self.producer.append(&name, &records).await.unwrap().missing(), 0);
    }

    fn add(&mut self) {
        self.started += 1;
        self.workers.push(self.site.start(&format!("worker-{}", self.started)));
    }

    /// How many leases each worker has, those that are on their way to it included.
    async fn owned(&self) -> Vec<usize> {
        let leases = self.site.cluster.leases.scan().await.unwrap();
        let of = |worker: &Working| leases.iter().filter(|lease| lease.owner.as_ref() == Some(&worker.id)).count();
        self.workers.iter().map(of).collect()
    }

    /// Until the leases are shared and nothing is on its way.
    async fn settle(&self) {
        let shared = async || {
            let leases = self.site.cluster.leases.scan().await.unwrap();
            let still = leases.iter().all(|lease| lease.handing_over.is_none());
            still && self.owned().await.iter().all(|owned| *owned > leases.len() / (2 * self.workers.len()))
        };
        until("the leases are shared", 120, shared).await;
    }

    /// How long bets wait that are put as something happens.
    async fn wait(&mut self, event: Event) -> Duration {
        if event == Event::Deployment {
            self.add();
        }
        self.settle().await;
        let now = Clock::System.now().0;
        let batch = (self.put..self.put + QUESTIONS).map(|number| records::bet(number, QUESTIONS, now)).collect();
        self.put += QUESTIONS;
        let begun = Instant::now();
        match event {
            Event::Nothing => self.append("bets", batch).await,
            Event::Deployment => {
                let old = self.workers.remove(0);
                tokio::join!(old.stop(), self.append("bets", batch));
            }
            Event::Kill => {
                self.workers.remove(0).kill().await;
                self.append("bets", batch).await;
            }
        }
        while bets(&self.site.cluster).await.len() < self.put as usize {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let waited = begun.elapsed();
        if event == Event::Kill {
            self.add();
        }
        waited
    }
}
