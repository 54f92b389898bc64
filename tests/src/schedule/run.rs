//! Running a schedule: workers that come and go, streams that change, batches of bets in between.

use std::collections::BTreeSet;
use std::time::Duration;

use jobs::config::window::windows as declared;
use pipeline::Clock;
use pipeline::adapters::aws::Aws;
use pipeline::adapters::aws::item::Item;
use pipeline::adapters::aws::producer::{Producer, ProducerOptions};
use pipeline::engine::Stop;
use pipeline::record::Append;
use schemas::outbox::OutboxRow;
use tokio::time::timeout;

use super::{Action, MAX_SHARDS, Rim, Schedule, Servers, check};
use crate::cluster::{Site, Working, bets, rows, until, wait_until, windows};
use crate::faults::Proxy;
use crate::{records, reshard};

/// Bets of a batch.
const BATCH: u64 = 30;
/// Questions to bet on.
const QUESTIONS: u64 = 12;
/// Once every bet is decided.
const FINAL_WITHIN: Duration = Duration::from_secs(60);
/// The length of windows.
pub(super) const WINDOW_MS: i64 = 2_000;
/// Short windows, so that they are final soon: of [`WINDOW_MS`].
const WINDOW: &str = "[[window]]
name = 'short'
length = '2s'
disorder = '1s'
lateness = '5s'
outputs = ['table']
sql = 'SELECT question_uuid, outcome_index, count(*) AS bets, sum(buy_amount) AS stake FROM bets GROUP BY question_uuid, outcome_index'
";

/// A schedule that runs.
pub(super) struct Run<'a> {
    servers: &'a Servers,
    pub site: Site,
    prefix: String,
    /// How producers and lookers reach the servers.
    direct: Aws,
    /// How workers do.
    proxied: Aws,
    producer: Producer,
    workers: Vec<Working>,
    started: u32,
    /// See [`Action::Double`].
    doubles: Stop,
    batches: Vec<Vec<Append>>,
}

impl<'a> Run<'a> {
    pub async fn begin(servers: &'a Servers, schedule: &Schedule) -> Run<'a> {
        let (seed, prefix) = (schedule.seed, format!("s{}-", schedule.seed));
        let (kinesis, others) = (&servers.kinesis, &servers.others);
        let direct = Aws { kinesis: kinesis.0.account(seed).kinesis, ..others.0.account(seed) };
        let proxied = Aws { kinesis: kinesis.1.account(seed).kinesis, ..others.1.account(seed) };
        let site = Site::create(direct.clone(), |options| {
            options.prefix.clone_from(&prefix);
            options.idle_clock = true;
            options.aggregate = schedule.aggregate;
            options.node.max_skew_ms = 5_000;
            options.node.windows = declared("schedule", WINDOW).unwrap();
        })
        .await;
        let options = ProducerOptions { aggregate: schedule.aggregate, ..ProducerOptions::default() };
        let producer = Producer::new(direct.clone(), options);
        let (workers, batches, doubles) = (Vec::new(), Vec::new(), Stop::default());
        let mut run = Run { servers, site, prefix, direct, proxied, producer, workers, started: 0, doubles, batches };
        run.put("game-events", &(0..QUESTIONS).map(records::opening).collect::<Vec<_>>()).await;
        run.add();
        run.add();
        run
    }

    fn name(&self, stream: &str) -> String {
        format!("{}{stream}", self.prefix)
    }

    async fn put(&self, stream: &str, records: &[Append]) {
        let appended = self.producer.append(&self.name(stream), records).await.unwrap();
        assert_eq!(appended.missing(), 0, "{:?}", appended.trouble);
    }

    pub async fn put_batch(&mut self) {
        let (first, now) = (self.batches.len() as u64 * BATCH, Clock::System.now().0);
        let batch: Vec<Append> = (first..first + BATCH).map(|number| records::bet(number, QUESTIONS, now)).collect();
        self.put("bets", &batch).await;
        self.batches.push(batch);
    }

    pub fn bets(&self) -> usize {
        self.batches.iter().map(Vec::len).sum()
    }

    fn add(&mut self) {
        self.started += 1;
        let name = format!("worker-{}", self.started);
        self.workers.push(self.site.start_with(&name, self.proxied.clone()));
    }

    /// Takes a worker out, if there is one.
    fn take(&mut self, which: u64) -> Option<Working> {
        let among = self.workers.len();
        (among > 0).then(|| self.workers.swap_remove(which as usize % among))
    }

    pub async fn act(&mut self, action: Action) {
        tracing::info!(?action, "next");
        match action {
            Action::Kill(which) => {
                if let Some(worker) = self.take(which) {
                    worker.kill().await;
                }
            }
            Action::Stop(which) => {
                if let Some(worker) = self.take(which) {
                    worker.stop().await;
                }
            }
            Action::Add => self.add(),
            Action::Split(stream, which) => {
                let stream = self.name(stream);
                if (reshard::open(&self.direct, &stream).await.len() as u32) < MAX_SHARDS {
                    reshard::split(&self.direct, &stream, which).await;
                }
            }
            Action::Merge(stream, which) => reshard::merge(&self.direct, &self.name(stream), which).await,
            Action::Reshard(stream, to) => reshard::resize(&self.direct, &self.name(stream), to).await,
            Action::Repeat(which) => {
                let batch = self.batches[which as usize % self.batches.len()].clone();
                self.put("bets", &batch).await;
            }
            Action::Disturb(rim, trouble, requests) => self.proxy(rim).rules(&[trouble.rule(None, requests)]).await,
            Action::CatchUp => self.catch_up().await,
            Action::Double => self.double(),
        }
    }

    fn double(&self) {
        for worker in &self.workers {
            let (cluster, id, stop) = (self.site.cluster.clone(), worker.id.clone(), self.doubles.clone());
            tokio::spawn(async move { cluster.close_windows(id, stop).await.unwrap() });
        }
    }

    fn proxy(&self, rim: Rim) -> &Proxy {
        match rim {
            Rim::Streams => &self.servers.kinesis.1,
            Rim::Tables => &self.servers.others.1,
        }
    }

    async fn catch_up(&self) {
        if self.workers.is_empty() {
            return;
        }
        let half = self.bets() / 2;
        until("half of the bets are decided", 60, async || bets(&self.site.cluster).await.len() >= half).await;
    }

    /// No more trouble, and somebody to work.
    pub async fn heal(&mut self) {
        for rim in [Rim::Streams, Rim::Tables] {
            self.proxy(rim).rules(&[]).await;
        }
        if self.workers.is_empty() {
            self.add();
        }
    }

    pub async fn wait(&mut self) {
        let (cluster, all) = (&self.site.cluster, self.bets());
        until("every bet is decided", 90, async || bets(cluster).await.len() == all).await;
        until("every decision is told", 60, async || rows::<OutboxRow>(cluster).await.len() == all).await;
        let ended: BTreeSet<String> = bets(cluster).await.values().map(check::window_of).collect();
        let open = async || {
            let mut open = ended.clone();
            let windows = windows(cluster).await;
            let is_final = |item: &Item| item["final"].as_bool() == Ok(&true);
            open.retain(|start| {
                let mut rows = windows.iter().filter(|((window, _), _)| window == start).peekable();
                rows.peek().is_none() || rows.any(|(_, item)| !is_final(item))
            });
            open
        };
        if timeout(FINAL_WITHIN, wait_until(async || open().await.is_empty())).await.is_err() {
            let (open, leases) = (open().await, cluster.leases.scan().await.unwrap());
            let bets: Vec<_> =
                bets(cluster).await.into_values().filter(|bet| open.contains(&check::window_of(bet))).collect();
            panic!("not final: {open:?}\nbets in them: {bets:#?}\nleases: {leases:#?}");
        }
        for worker in self.workers.drain(..) {
            worker.stop().await;
        }
        self.doubles.now();
    }

    /// Makes room for others on the same servers.
    pub async fn clear(&self) {
        for stream in self.site.cluster.needed().streams {
            self.direct.kinesis.delete_stream().stream_name(stream.name).send().await.unwrap();
        }
    }
}
