//! Running a schedule: workers that come and go, streams that change, batches of bets in between.

use std::collections::BTreeSet;

use jobs::config::window::windows as declared;
use pipeline::Clock;
use pipeline::adapters::aws::Aws;
use pipeline::adapters::aws::item::Item;
use pipeline::adapters::aws::producer::{Producer, ProducerOptions};
use pipeline::record::Append;
use schemas::outbox::OutboxRow;

use super::{Action, MAX_SHARDS, Rim, Schedule, Servers, check};
use crate::cluster::{Site, Working, bets, rows, until, windows};
use crate::faults::Proxy;
use crate::{records, reshard};

/// Bets of a batch.
const BATCH: u64 = 30;
/// Questions to bet on.
const QUESTIONS: u64 = 12;
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
        let (workers, batches) = (Vec::new(), Vec::new());
        let mut run = Run { servers, site, prefix, direct, proxied, producer, workers, started: 0, batches };
        run.put("game-events", &(0..QUESTIONS).map(opening).collect::<Vec<_>>()).await;
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
        let batch: Vec<Append> = (first..first + BATCH).map(|number| bet(number, now)).collect();
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
        until("every window is final", 60, async || {
            let windows = windows(cluster).await;
            let of = |((window, _), _): &(&(String, String), &Item)| ended.contains(window);
            let there: BTreeSet<_> = windows.iter().filter(of).map(|((window, _), _)| window).collect();
            let is_final = |item: &Item| item["final"].as_bool() == Ok(&true);
            there.len() == ended.len() && windows.iter().filter(of).all(|(_, item)| is_final(item))
        })
        .await;
        for worker in self.workers.drain(..) {
            worker.stop().await;
        }
    }

    /// Makes room for others on the same servers.
    pub async fn clear(&self) {
        for stream in self.site.cluster.needed().streams {
            self.direct.kinesis.delete_stream().stream_name(stream.name).send().await.unwrap();
        }
    }
}

/// An event that opens a question.
fn opening(number: u64) -> Append {
    let (question, now) = (question(number), Clock::System.now().0);
    let event = format!("0e000000-0000-4000-8000-{number:012x}");
    Append::new(question.clone(), records::opened(&event, &question, 2, now, now + 3_600_000))
}

/// A bet on one of the questions.
fn bet(number: u64, now: i64) -> Append {
    let question = question(number % QUESTIONS);
    let json = format!(
        r#"{{"bet_uuid":"0b000000-0000-4000-8000-{number:012x}","question_uuid":"{question}","outcome_index":{},"bettor":"0x{:040x}","buy_amount":"{}.25","odds":"2.5","chain_id":137,"placed_at":{now}}}"#,
        number / QUESTIONS % 2,
        0xb0 + number % 7,
        1 + number % 50
    );
    Append::new(question, json)
}

fn question(number: u64) -> String {
    format!("0a000000-0000-4000-8000-{number:012x}")
}
