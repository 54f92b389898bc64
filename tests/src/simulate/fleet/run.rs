//! Running a world: its deeds at their moments, then calm weather, then the end.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jobs::cluster::{Cluster, ClusterOptions};
use jobs::config::window::windows as declared;
use jobs::node::NodeOptions;
use jobs::notify::letter::Sender;
use jobs::notify::{MailOptions, MailServer};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use pipeline::adapters::aws::envelope::Secret;
use pipeline::adapters::aws::setup;
use pipeline::engine::Stop;
use pipeline::fault::Faults;
use pipeline::lease::WorkerId;
use pipeline::{Clock, Result};
use schemas::user::UserRow;
use tokio::runtime::Builder;
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tokio::time::{Instant, sleep, timeout};

use super::super::said;
use super::check;
use super::left;
use super::producers::{ACCOUNTS, BOUNCING, Producers, Put};
use super::world::{Act, Deed, ORIGIN, Part, World};
use crate::account::{Account, Link, Mutation, Outage, Trace, Weather};
use crate::cluster::rows;
use crate::random::Random;
use crate::reshard;

/// What the names of streams and tables begin with.
const PREFIX: &str = "sim-";
/// Accounts that were told of are there within this.
const OPENED_WITHIN: Duration = Duration::from_secs(60);
/// How often the world looks around.
const LOOK: Duration = Duration::from_millis(250);
/// After calm weather everything must be done within this.
const END_WITHIN: Duration = Duration::from_secs(300);
/// Who is told to stop has done so within this, where nothing disturbs it.
const STOPPED_WITHIN: Duration = Duration::from_secs(20);
/// The last bet.
const LAST: u64 = 3_000_000;
/// How often it is looked whether everything is done.
const END_LOOK: Duration = Duration::from_secs(5);
/// Requests that a worker has under way at once, at most: what it holds in memory and what waits for others is bounded.
const MOST_UNDER_WAY: usize = 150;
/// Open shards of a stream, at most.
const MAX_SHARDS: usize = 5;

/// Short windows beside the odds, of [`check::WINDOW_MS`].
const WINDOW: &str = "[[window]]
name = 'short'
length = '20s'
disorder = '2s'
lateness = '10s'
outputs = ['table']
sql = 'SELECT question_uuid, outcome_index, count(*) AS bets, sum(buy_amount) AS stake FROM bets GROUP BY question_uuid, outcome_index'
";

/// How a simulation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What is wrong, if anything.
    pub fault: Option<String>,
    /// The last lines of the trace.
    pub trace: Vec<String>,
    /// A hash of the whole trace, and its lines.
    pub digest: (u64, u64),
    /// How much time passed in it, in milliseconds.
    pub span_ms: i64,
    /// Workers that died.
    pub deaths: usize,
}

/// Runs a world on this thread.
///
/// # Panics
/// Where there is no memory for a runtime.
pub fn run(world: &World) -> Outcome {
    run_traced(world, Trace::default())
}

/// The same, with a trace of one's own.
pub fn run_traced(world: &World, trace: Trace) -> Outcome {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    LocalSet::new().block_on(&runtime, async {
        let account = Account::new(world.seed, ORIGIN, trace);
        if world.bounces {
            account.bounce(BOUNCING);
        }
        let simulation = Simulation::new(world, account.clone());
        // A check that fails panics; whoever simulates wants to go on.
        let lived = spawn_local(simulation.live()).await;
        let (fault, deaths) = match lived {
            Ok((fault, deaths)) => (fault, deaths),
            Err(panic) => (Some(said(panic)), 0),
        };
        let (digest, lines) =
            account.trace(|trace| (trace.digest(), trace.lines().map(str::to_owned).collect::<Vec<_>>()));
        let span_ms = account.clock().now().0 - ORIGIN.0;
        Outcome { fault, trace: lines, digest, span_ms, deaths }
    })
}

/// A worker's process.
struct Process {
    name: String,
    link: Link,
    clock: Clock,
    stop: Stop,
    task: JoinHandle<Result<()>>,
}

struct Simulation {
    world: World,
    account: Account,
    /// What nobody disturbs: whoever looks at the end, and operators.
    cluster: Cluster,
    states: Arc<dyn ObjectStore>,
    producers: Producers,
    putting: Vec<JoinHandle<()>>,
    processes: Vec<Process>,
    /// When workers that are gone come back.
    returns: Vec<Instant>,
    started: u64,
    deaths: usize,
    random: Random,
}

impl Simulation {
    fn new(world: &World, account: Account) -> Simulation {
        let states: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let looker = account.client("looker", &Link::default(), false);
        let mut cluster =
            Cluster::open(looker, options(world), account.clock().clone()).expect("options that are good");
        cluster.states = states.clone();
        let producer = account.client("producer", &Link::default(), true);
        let producers = Producers::new(producer, account.clock().clone(), world.questions, world.aggregate, PREFIX);
        Simulation {
            world: world.clone(),
            account,
            cluster,
            states,
            producers,
            putting: Vec::new(),
            processes: Vec::new(),
            returns: Vec::new(),
            started: 0,
            deaths: 0,
            random: Random::new(world.seed ^ 0xBAD_DA15),
        }
    }

    async fn live(mut self) -> (Option<String>, usize) {
        for missing in self.cluster.missing().await.expect("the looker is not disturbed") {
            setup::create(&self.cluster.aws, &missing).await.expect("the looker is not disturbed");
        }
        self.producers.open().await;
        (0..self.world.workers).for_each(|_| self.start());
        // Who has a mail address is looked up when a mail is due: it is to be there by then.
        let until = Instant::now() + OPENED_WITHIN;
        while rows::<UserRow>(&self.cluster).await.len() < ACCOUNTS as usize {
            if Instant::now() > until {
                return (Some(format!("{ACCOUNTS} accounts are not there within {OPENED_WITHIN:?}")), self.deaths);
            }
            sleep(LOOK).await;
        }
        for part in self.world.parts() {
            let fault = match self.days(&part).await {
                None => self.rest(&part).await,
                fault => fault,
            };
            if fault.is_some() {
                return (fault, self.deaths);
            }
        }
        let fault = self.stop().await;
        (fault, self.deaths)
    }

    /// Lets a part of the world happen, in its weather.
    async fn days(&mut self, part: &Part) -> Option<String> {
        let passed = self.account.clock().now().0 - ORIGIN.0;
        let shifted = |outage: &Outage| {
            let by = if part.from > 0 { passed - part.from } else { 0 };
            Outage { from: outage.from + by, to: outage.to + by, ..*outage }
        };
        self.account.set_weather(self.world.weather, self.world.outages.iter().map(shifted).collect());
        let begun = Instant::now();
        let at = |ms: i64| begun + Duration::from_millis((ms - part.from).unsigned_abs());
        for Deed { at: ms, act } in &part.deeds {
            let fault = self.wait_until(at(*ms)).await;
            if fault.is_some() {
                return fault;
            }
            self.act(*act).await;
        }
        self.wait_until(at(part.to)).await
    }

    async fn wait_until(&mut self, moment: Instant) -> Option<String> {
        while Instant::now() < moment {
            sleep(LOOK.min(moment - Instant::now())).await;
            let fault = self.look().await;
            if fault.is_some() {
                return fault;
            }
        }
        None
    }

    /// Calms the weather, waits until everything has come to an end, and checks it.
    async fn rest(&mut self, part: &Part) -> Option<String> {
        self.account.note("calm");
        self.account.set_weather(Weather::default(), Vec::new());
        let (calm, so_far) = (self.account.clock().now().0, self.world.until(part.to));
        let until = Instant::now() + END_WITHIN;
        while let Some(left) = self.left(&so_far).await {
            if Instant::now() > until {
                return Some(format!("not done {END_WITHIN:?} after the weather is calm: {left}"));
            }
            let fault = self.wait_until(Instant::now() + END_LOOK).await;
            if fault.is_some() {
                return fault;
            }
        }
        let (cluster, account) = (self.cluster.clone(), self.account.clone());
        let put = self.producers.acknowledged(Put::clone);
        let checked = spawn_local(async move { check::at_rest(&so_far, &put, &cluster, &account, calm).await });
        checked.await.err().map(said)
    }

    /// Stops the workers one after the other, which must go in peace: also where a bet waits for a question, and those
    /// are gone that would bring it.
    async fn stop(&mut self) -> Option<String> {
        // Not one that ended by itself a moment ago.
        let fault = self.look().await;
        if fault.is_some() {
            return fault;
        }
        self.producers.act(Act::Stray(LAST)).await;
        sleep(Duration::from_millis(self.random.below(3_000))).await;
        for process in std::mem::take(&mut self.processes) {
            process.stop.now();
            match timeout(STOPPED_WITHIN, process.task).await {
                Ok(Ok(Ok(()))) => {}
                Ok(Ok(Err(error))) => return Some(format!("{} stopped with: {error}", process.name)),
                Ok(Err(panic)) => return Some(said(panic)),
                Err(_) => return Some(format!("{} did not stop within {STOPPED_WITHIN:?}", process.name)),
            }
        }
        self.account.broken()
    }

    /// What is not done yet.
    async fn left(&mut self, so_far: &World) -> Option<String> {
        self.putting.retain(|task| !task.is_finished());
        if !self.putting.is_empty() {
            return Some("producers are not through".into());
        }
        let good = self.producers.acknowledged(|put| put.good.clone());
        left::of(&self.cluster, &self.account, so_far, &good).await
    }

    /// Buries who died, and starts who comes back. Gives what nobody should have done.
    async fn look(&mut self) -> Option<String> {
        for at in (0..self.processes.len()).rev() {
            let gone = self.processes[at].link.is_cut();
            if !gone && !self.processes[at].task.is_finished() {
                continue;
            }
            let process = self.processes.swap_remove(at);
            if gone {
                process.task.abort();
                self.deaths += 1;
            } else {
                match process.task.await {
                    // Whoever watches over processes starts it again.
                    Ok(ended) => self.account.note(format_args!("{} ended: {ended:?}", process.name)),
                    Err(panic) => return Some(format!("{} panicked: {}", process.name, said(panic))),
                }
            }
            self.returns.push(Instant::now() + Duration::from_millis(self.random.below(20_000)));
        }
        let now = Instant::now();
        let due = self.returns.iter().filter(|at| **at <= now).count();
        self.returns.retain(|at| *at > now);
        (0..due).for_each(|_| self.start());
        let busy = self.processes.iter().find(|process| process.link.most() > MOST_UNDER_WAY);
        busy.map(|process| format!("{} had {} requests under way", process.name, process.link.most()))
            .or_else(|| self.account.broken())
    }

    fn start(&mut self) {
        self.started += 1;
        let (name, link) = (format!("worker-{}", self.started), Link::default());
        let skew = self.random.between(-self.world.skew_ms, self.world.skew_ms + 1);
        let clock = Clock::scaled(self.account.clock().now().plus_ms(skew), 1);
        let aws = self.account.mutant(&name, &link, true, self.world.bug);
        let mut cluster = Cluster::open(aws, options(&self.world), clock.clone()).expect("options that are good");
        cluster.states = match self.world.bug {
            // What it saves is gone.
            Some(Mutation::CheckpointPastSnapshot) => Arc::new(InMemory::new()),
            _ => self.states.clone(),
        };
        if let Some(bug) = self.world.bug.and_then(Mutation::switch) {
            cluster.faults = Faults::with_bug(bug);
        }
        self.account.note(format_args!("{name} starts"));
        let (stop, me) = (Stop::default(), WorkerId(name.clone()));
        let told = stop.clone();
        let task = tokio::spawn(async move { cluster.run(me, told).await });
        self.processes.push(Process { name, link, clock, stop, task });
    }

    /// One of the processes.
    fn pick(&self, which: u64) -> Option<&Process> {
        let among = self.processes.len() as u64;
        (among > 0).then(|| &self.processes[(which % among) as usize])
    }

    async fn act(&mut self, act: Act) {
        self.account.note(Noted(act));
        match act {
            Act::Kill { which, death } => {
                if let Some(process) = self.pick(which) {
                    process.link.die(death);
                }
            }
            Act::Stall { which, ms } => {
                if let Some(process) = self.pick(which) {
                    process.link.stall_until(Instant::now() + Duration::from_millis(ms));
                }
            }
            Act::Jump { which, ms } => {
                if let Some(process) = self.pick(which) {
                    process.clock.jump(ms);
                }
            }
            Act::Stop(which) => {
                if let Some(process) = self.pick(which) {
                    process.stop.now();
                }
            }
            Act::Add => self.start(),
            Act::Split { stream, which } => {
                let name = self.cluster.log.name(stream);
                if reshard::open(&self.cluster.aws, &name).await.len() < MAX_SHARDS {
                    reshard::split(&self.cluster.aws, &name, which).await;
                }
            }
            Act::Merge { stream, which } => {
                reshard::merge(&self.cluster.aws, &self.cluster.log.name(stream), which).await;
            }
            other => {
                let producers = self.producers.clone();
                self.putting.push(spawn_local(async move { producers.act(other).await }));
            }
        }
    }
}

/// An act as the trace has it.
struct Noted(Act);

impl fmt::Display for Noted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

/// Mails go out one by one through the account's SES.
fn mail() -> MailOptions {
    let server = MailServer::Ses { configuration_set: None, prefix: PREFIX.into() };
    let sender = Sender::new("Oddsmill <bets@example.com>", "Oddsmill", "USDC").expect("an address");
    MailOptions { server, sender, digest_after: u32::MAX, rate: 0 }
}

fn options(world: &World) -> ClusterOptions {
    let windows = declared("simulation", WINDOW).expect("a window that is good");
    ClusterOptions {
        prefix: PREFIX.into(),
        shards: Some(world.shards),
        states: std::env::temp_dir().display().to_string(),
        secret: Some(Secret::new("a secret of the simulation")),
        aggregate: world.aggregate,
        fan_out: false,
        idle_clock: true,
        failover: Duration::from_secs(10),
        mail: Some(mail()),
        inbox: std::env::temp_dir(),
        node: NodeOptions {
            max_skew_ms: 5_000,
            disorder_ms: 2_000,
            lateness_ms: 10_000,
            challenge_ms: 20_000,
            emergency_delay_ms: 25_000,
            windows,
            ..NodeOptions::default()
        },
    }
}
