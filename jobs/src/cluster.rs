//! A worker on AWS: shares the shards of Kinesis streams with others and runs the jobs on those it gets.
//!
//! The same jobs as on a laptop: [`Betting`] on the streams `game-events` and `bets`, each shard on its
//! own, [`Notify`] on `notifications`. Life: what the account must have is there → leases are shared →
//! shards worked on → told to stop: each shard is checkpointed and its lease let go.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use pipeline::adapters::aws::Aws;
use pipeline::adapters::aws::envelope::Secret;
use pipeline::adapters::aws::leases::DynamoLeases;
use pipeline::adapters::aws::log::KinesisLog;
use pipeline::adapters::aws::producer::ProducerOptions;
use pipeline::adapters::aws::setup::{self, Missing, Needed, StreamSpec};
use pipeline::adapters::aws::shard_reader::{Budget, Source};
use pipeline::adapters::aws::storage;
use pipeline::adapters::aws::streams::{padding, stream_key};
use pipeline::adapters::aws::tables::DynamoTables;
use pipeline::engine::Stop;
use pipeline::engine::fleet::frontiers::Frontiers;
use pipeline::engine::fleet::{Fleet, FleetOptions, closer, worker};
use pipeline::fault::Faults;
use pipeline::job::Job;
use pipeline::lease::WorkerId;
use pipeline::lease::coordinator::{Coordinator, Holdings, ListShards, Settings};
use pipeline::lease::held::Held;
use pipeline::lease::sync::StreamKey;
use pipeline::lease::table::LeaseTable;
use pipeline::metrics::Metrics;
use pipeline::window::times::WindowSettings;
use pipeline::{Clock, Error, Result};
use tokio::sync::mpsc;

use crate::bets::{BetRules, odds};
use crate::betting::{self, BETS, Betting, GAME_EVENTS, bets_table};
use crate::cluster_mail;
use crate::cluster_tasks::{TELL, Tasks};
use crate::node::{NodeOptions, streams};
use crate::notify::MailOptions;
use crate::notify::fold::{self, Notify};
use crate::windows;

/// Row tables that are tables of their own on DynamoDB: those that people look at.
const OWN_TABLES: [&str; 5] = ["users", "streamers", "streams", "questions", "outbox"];
/// The table of window results.
const RESULTS: &str = "odds_windows";
/// Bets settled in one step: the more, the fewer bettors' rows are written twice.
const SETTLE_PAGE_BETS: usize = 500;
/// Bytes that the reads of all shards of a worker may hold.
const READ_BYTES: usize = 192 << 20;
/// How much longer than a sign a hand-over may take, as with the Kinesis Client Library: who is asked may be in
/// the middle of a page, and would lose all of it.
const HAND_OVER: u32 = 3;
/// How long a worker that cannot begin waits until it tries again.
const BEGIN_AGAIN: Duration = Duration::from_secs(2);

/// Where the jobs run, and how.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// What the names of streams and tables begin with.
    pub prefix: String,
    /// Shards of the streams that are created; none for streams that grow by themselves.
    pub shards: Option<u32>,
    /// Where window states and files are: `s3://BUCKET/FOLDER`, or a folder that all workers see.
    pub states: String,
    /// What lets a producer set arrival times.
    pub secret: Option<Secret>,
    /// Whether what jobs emit, and replays append, is packed into aggregates of the KPL's format.
    pub aggregate: bool,
    /// Whether shards are read by enhanced fan-out.
    pub fan_out: bool,
    /// Whether a shard without records has its time move on with the clock.
    pub idle_clock: bool,
    /// After so long without a sign a worker is gone.
    pub failover: Duration,
    /// How mails are written and sent, where they are.
    pub mail: Option<MailOptions>,
    /// The folder of this machine's own inbox, where mails go there.
    pub inbox: PathBuf,
    /// What the jobs are told.
    pub node: NodeOptions,
}

/// A cluster's streams, tables and states.
#[derive(Clone)]
pub struct Cluster {
    /// The account.
    pub aws: Aws,
    /// The streams.
    pub log: KinesisLog,
    /// The tables.
    pub tables: DynamoTables,
    /// The leases.
    pub leases: LeaseTable,
    /// Window states and files.
    pub states: Arc<dyn ObjectStore>,
    /// Their folder.
    pub folder: ObjectPath,
    /// The window jobs.
    pub windows: Arc<[WindowSettings]>,
    /// Where the jobs count.
    pub metrics: Metrics,
    /// What a test breaks.
    pub faults: Faults,
    clock: Clock,
    options: Arc<ClusterOptions>,
}

impl Cluster {
    /// The cluster that these options name, in the account of `aws`.
    pub fn open(aws: Aws, options: ClusterOptions, clock: Clock) -> Result<Cluster> {
        let (secret, aggregate) = (options.secret.clone(), options.aggregate);
        let producing = ProducerOptions { secret, aggregate, ..ProducerOptions::default() };
        let log = KinesisLog::new(aws.clone(), &options.prefix, producing);
        let tables = DynamoTables::new(aws.clone(), &options.prefix, &OWN_TABLES);
        let leases = LeaseTable::Dynamo(DynamoLeases::new(aws.clone(), format!("{}leases", options.prefix)));
        let (states, folder) = object_storage(&aws, &options.states)?;
        let NodeOptions { disorder_ms, lateness_ms, max_skew_ms, .. } = options.node;
        let mut jobs = vec![odds::settings(disorder_ms, lateness_ms)?];
        for declared in &options.node.windows {
            let times = windows::Times { disorder_ms, lateness_ms, max_skew_ms };
            jobs.push(windows::settings(declared, times).map_err(Error::Fatal)?);
        }
        let (metrics, faults, options) = (Metrics::default(), Faults::none(), Arc::new(options));
        Ok(Cluster { aws, log, tables, leases, states, folder, windows: jobs.into(), metrics, faults, clock, options })
    }

    /// The same, with the faults that a test asks for.
    #[must_use]
    pub fn with_faults(mut self, faults: Faults) -> Cluster {
        self.faults = faults;
        self
    }

    /// What the account must have.
    pub fn needed(&self) -> Needed {
        let (prefix, shards) = (&self.options.prefix, self.options.shards);
        let stream = |(name, _): (&str, u32)| StreamSpec { name: format!("{prefix}{name}"), shards };
        let bets = bets_table();
        Needed {
            streams: streams(1).into_iter().map(stream).collect(),
            tables: setup::tables(prefix, &OWN_TABLES, RESULTS, &[&bets]),
            leases: format!("{prefix}leases"),
        }
    }

    /// What of it is missing.
    pub async fn missing(&self) -> Result<Vec<Missing>> {
        setup::missing(&self.aws, &self.needed()).await
    }

    /// Works as `me` until told to stop: then every shard is checkpointed and let go. An account that is
    /// out of reach for a while is waited for.
    ///
    /// # Errors
    /// `Reject` when something is missing that `oddsmill aws init` creates.
    pub async fn run(&self, me: WorkerId, stop: Stop) -> Result<()> {
        let mut stopped = stop.watch();
        while !stop.is_now() {
            match self.begin(me.clone()).await {
                Ok(worker) => return worker.run(stop).await,
                Err(Error::Retry(why)) => tracing::warn!("the worker cannot begin: {why}; trying again"),
                Err(other) => return Err(other),
            }
            tokio::select! {
                biased;
                () = tokio::time::sleep(BEGIN_AGAIN) => {}
                _ = stopped.changed() => {}
            }
        }
        Ok(())
    }

    /// Closes windows where `me` is to, which is a part of [`Cluster::run`]. Where several do at once all but the
    /// last one to begin are fenced off.
    pub async fn close_windows(&self, me: WorkerId, stop: Stop) -> Result<()> {
        closer::run(Arc::new(self.betting(BETS)), me, stop).await
    }

    async fn begin(&self, me: WorkerId) -> Result<Worker> {
        let missing = self.missing().await?;
        if !missing.is_empty() {
            let names: Vec<String> = missing.iter().map(|missing| format!("\n  {missing}")).collect();
            return Err(Error::Reject(format!("missing on AWS; `oddsmill aws init` creates it:{}", names.concat())));
        }
        Worker::new(self, me).await
    }

    fn betting(&self, input: usize) -> Fleet<Betting> {
        let node = &self.options.node;
        let rules = BetRules { max_skew_ms: node.max_skew_ms, notify: node.notify };
        let mut settling = node.settle_rules();
        settling.page_bets = SETTLE_PAGE_BETS;
        let published = |name: &str| node.windows.iter().any(|window| window.stream && window.name == name);
        let streamed = self.windows.iter().filter(|job| published(&job.spec.name));
        let streamed = streamed.map(|job| (job.spec.name.clone(), job.plan.key_columns().to_vec())).collect();
        let windows = if input == BETS { self.windows.clone() } else { Arc::from([]) };
        self.fleet(Betting::new(rules, settling, streamed), input, betting::LOOP, windows)
    }

    fn fleet<J: Job>(&self, job: J, input: usize, name: &'static str, windows: Arc<[WindowSettings]>) -> Fleet<J> {
        let mut options = FleetOptions::new(name);
        if name == betting::LOOP && input == GAME_EVENTS {
            // Bets on questions that are not there wait for it.
            options.checkpoint_every = Duration::from_secs(1);
        }
        if !self.options.idle_clock {
            options.idle_behind_ms = None;
            // Streams wait for each other, and learn of it by checkpoints.
            options.checkpoint_every = Duration::from_millis(300);
        }
        Fleet {
            job: Arc::new(job),
            input,
            log: self.log.clone(),
            tables: self.tables.clone(),
            states: self.states.clone(),
            folder: self.folder.clone(),
            windows,
            results: RESULTS,
            frontiers: Frontiers::new(self.leases.clone()),
            clock: self.clock.clone(),
            metrics: self.metrics.clone(),
            faults: self.faults.clone(),
            options,
        }
    }
}

/// One process' part in a cluster.
struct Worker {
    me: WorkerId,
    coordinator: Coordinator,
    holdings: Holdings,
    given: (mpsc::Sender<Held>, mpsc::Receiver<Held>),
    /// By the stream's name in Kinesis.
    sources: BTreeMap<String, (StreamKey, Source)>,
    games: Arc<Fleet<Betting>>,
    bets: Arc<Fleet<Betting>>,
    notifications: Arc<Fleet<Notify>>,
    mail: Option<(MailOptions, PathBuf)>,
}

impl Worker {
    async fn new(cluster: &Cluster, me: WorkerId) -> Result<Worker> {
        let games = Arc::new(cluster.betting(GAME_EVENTS));
        let bets = Arc::new(cluster.betting(BETS));
        let notifications = Arc::new(cluster.fleet(Notify::default(), 0, fold::LOOP, Arc::from([])));
        let budget = Budget::new(READ_BYTES);
        let mut sources = BTreeMap::new();
        for stream in [games.stream(), bets.stream(), notifications.stream()] {
            let name = cluster.log.name(stream);
            let source = Source {
                aws: cluster.aws.clone(),
                stream: name.as_str().into(),
                consumer: cluster.consumer(&name).await,
                budget: budget.clone(),
                padding: padding(&cluster.aws, &name).await?,
                idle: Duration::from_millis(1_000),
            };
            sources.insert(name.clone(), (stream_key(&cluster.aws, &name).await?, source));
        }
        let aws = cluster.aws.clone();
        let list: ListShards = Arc::new(move |stream| {
            let aws = aws.clone();
            Box::pin(async move { pipeline::adapters::aws::streams::shards(&aws, &stream).await })
        });
        let seed = xxhash_rust::xxh3::xxh3_64(me.0.as_bytes());
        let failover = cluster.options.failover;
        let settings = Settings { failover, hand_over: failover * HAND_OVER, ..Settings::new(me.clone(), seed) };
        let keys = sources.values().map(|(key, _)| key.clone()).collect();
        let coordinator = Coordinator::new(cluster.leases.clone(), keys, list, settings);
        let holdings = coordinator.holdings();
        let mail = cluster.options.mail.clone().map(|mail| (mail, cluster.options.inbox.clone()));
        Ok(Worker { me, coordinator, holdings, given: mpsc::channel(16), sources, games, bets, notifications, mail })
    }

    async fn run(self, stop: Stop) -> Result<()> {
        let Worker { me, coordinator, holdings, given, sources, games, bets, notifications, mail } = self;
        let (sender, mut given) = given;
        let mut sharing = tokio::spawn(coordinator.run(sender, stop.clone()));
        let mut tasks = Tasks::new();
        if let Some((mail, inbox)) = mail {
            let sending = cluster_mail::run(notifications.clone(), mail, inbox.into(), me.clone(), stop.clone());
            tasks.spawn("mails", sending);
        }
        tasks.spawn("closing windows", closer::run(bets.clone(), me, stop.clone()));
        let (mut outcome, mut shares, mut stopped) = (Ok(()), true, stop.watch());
        while shares || !tasks.is_empty() {
            tokio::select! {
                biased;
                held = given.recv(), if shares => {
                    let Some(held) = held else {
                        // It may have failed: then nobody renews the leases.
                        shares = false;
                        stop.now();
                        continue;
                    };
                    let Some((key, source)) = held.stream().and_then(|stream| sources.get(stream)).cloned() else {
                        held.forget();
                        continue;
                    };
                    let (stop, stream, name) = (stop.clone(), source.stream.clone(), held.key().0.clone());
                    if *stream == *games.log.name(games.stream()) {
                        tasks.spawn(name, worker::work(games.clone(), key, source, held, stop));
                    } else if *stream == *bets.log.name(bets.stream()) {
                        tasks.spawn(name, worker::work(bets.clone(), key, source, held, stop));
                    } else {
                        tasks.spawn(name, worker::work(notifications.clone(), key, source, held, stop));
                    }
                }
                Some(ended) = tasks.join_next() => {
                    holdings.hurry();
                    match ended {
                        Ok(()) => {}
                        Err(crash @ Error::Crashed(_)) => {
                            outcome = Err(crash);
                            stop.now();
                            sharing.abort();
                            tasks.abort_all();
                        }
                        // What a crash has cut off.
                        Err(_) if outcome.is_err() => {}
                        Err(error) if !shares => outcome = Err(error),
                        Err(error) => tracing::error!("{error}"),
                    }
                }
                // From then on it is told what is waited for.
                _ = stopped.changed() => {}
                () = tokio::time::sleep(TELL), if stop.is_now() => {
                    let names = if tasks.is_empty() { "the lease table".into() } else { tasks.names() };
                    tracing::warn!("the stop waits for: {names}");
                }
            }
        }
        match (&mut sharing).await {
            Ok(shared) => outcome.and(shared),
            Err(cause) if cause.is_panic() => outcome.and(Err(Error::fatal("sharing the leases", cause))),
            // A crash has cut it off.
            Err(_) => outcome,
        }
    }
}

impl Cluster {
    /// The consumer by which a stream is read, where fan-out is asked for and can be had.
    async fn consumer(&self, stream: &str) -> Option<Arc<str>> {
        if !self.options.fan_out {
            return None;
        }
        let name = format!("{}workers", self.options.prefix);
        match pipeline::adapters::aws::fanout::register(&self.aws, stream, &name).await {
            Ok(consumer) => Some(consumer.into()),
            Err(why) => {
                tracing::warn!("stream {stream} is polled, since enhanced fan-out cannot be had: {why}");
                None
            }
        }
    }
}

/// The storage that a setting names, and the folder in it.
fn object_storage(aws: &Aws, states: &str) -> Result<(Arc<dyn ObjectStore>, ObjectPath)> {
    let unusable = |cause: object_store::Error| Error::Reject(format!("aws.states is {states:?}: {cause}"));
    if let Some(place) = states.strip_prefix("s3://") {
        let (bucket, folder) = place.split_once('/').unwrap_or((place, ""));
        return Ok((Arc::new(storage::bucket(aws, bucket)?), ObjectPath::from(folder)));
    }
    std::fs::create_dir_all(Path::new(states))
        .map_err(|cause| Error::Reject(format!("aws.states is {states:?}: {cause}")))?;
    let store = LocalFileSystem::new_with_prefix(states).map_err(unusable)?;
    Ok((Arc::new(store), ObjectPath::from("states")))
}
