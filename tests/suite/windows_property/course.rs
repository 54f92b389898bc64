//! A world's way through a node: in one go, or over any shards, batches, splits, merges, drains,
//! restarts and crashes.

use jobs::node::{Node, NodeOptions, Running};
use jobs::redrive::{Selection, UNKNOWN_QUESTION, redrive};
use pipeline::adapters::embedded::Durability;
use pipeline::fault::{Bug, CrashPoint, Faults};
use pipeline::record::Append;
use pipeline::shard::ShardId;
use pipeline::{Arrival, Clock, Error};
use schemas::codec::Event;
use tests::random::Random;
use tests::{fixture, invariants, records};

use super::declared;
use super::told::{self, Met, Told};
use super::world::{Step, What, World};

/// The points that a node without mails reaches.
pub const POINTS: [CrashPoint; 9] = [
    CrashPoint::AfterSourceAppend,
    CrashPoint::AfterRead,
    CrashPoint::AfterApply,
    CrashPoint::AfterPartials,
    CrashPoint::BeforeCommit,
    CrashPoint::AfterCommit,
    CrashPoint::AfterMerge,
    CrashPoint::AfterExport,
    CrashPoint::AfterTick,
];
/// Nodes opened with a crash ahead of them, at most: later ones run undisturbed, so that every course
/// ends.
const MAX_CRASHES: usize = 5;

/// How much of the log is there before it is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Portions {
    /// Everything, up to a step that waits.
    All,
    /// A few records at a time.
    Few,
}

pub struct Course<'a> {
    world: &'a World,
    random: Random,
    options: NodeOptions,
    clock: Clock,
    portions: Portions,
    /// Whether it is disturbed at all.
    rough: bool,
    bug: Option<Bug>,
    faults: Faults,
    node: Option<Node>,
    running: Option<Running>,
    armed: usize,
    met: Met,
    told: Told,
    dir: tempfile::TempDir,
}

/// The world in one go: one shard, everything in the log, no crash.
pub async fn calm(world: &World) -> Result<Told, String> {
    let course = Course::new(world, Random::new(0), false, None);
    course.run().await.map(|(told, _)| told)
}

/// The world on a way that follows from the seed.
pub async fn rough(world: &World, seed: u64, bug: Option<Bug>) -> Result<(Told, Met), String> {
    Course::new(world, Random::new(seed), true, bug).run().await
}

impl<'a> Course<'a> {
    fn new(world: &'a World, mut random: Random, rough: bool, bug: Option<Bug>) -> Course<'a> {
        let dir = fixture::memory_dir();
        let options = NodeOptions {
            data_dir: Some(dir.path().into()),
            durability: Durability::Os,
            bets_shards: if rough { 1 + random.below(4) as u32 } else { 1 },
            windows: declared::configuration(&world.windows[1..]).1,
            ..NodeOptions::default()
        };
        let portions = if rough && random.percent(80) { Portions::Few } else { Portions::All };
        let clock = Clock::manual(Arrival(world.steps[0].at));
        let (node, running, armed, met) = (None, None, 0, Met::default());
        Course {
            world,
            random,
            options,
            clock,
            portions,
            rough,
            bug,
            faults: Faults::none(),
            node,
            running,
            armed,
            met,
            told: Told::default(),
            dir,
        }
    }

    async fn run(mut self) -> Result<(Told, Met), String> {
        self.open()?;
        let mut rest = &self.world.steps[..];
        while !rest.is_empty() {
            let (portion, after) = rest.split_at(self.portion(rest));
            self.reshard()?;
            self.append(portion).await?;
            let last = &portion[portion.len() - 1];
            self.clock.advance_to(Arrival(last.at + 1));
            match last.what {
                What::Redrive => self.redrive().await?,
                What::Look => self.look(last.at).await?,
                _ => {}
            }
            self.act().await?;
            rest = after;
        }
        self.clock.advance_to(Arrival(self.world.end));
        self.drain().await?;
        let node = self.node.as_ref().expect("drained");
        invariants::money_is_conserved(node);
        invariants::windows_have_every_bet(node).await;
        told::tell(node, &self.world.windows, &mut self.told).await;
        told::compute_again(node).await;
        Ok((self.told, self.met))
    }

    fn node(&self) -> &Node {
        self.node.as_ref().expect("a course has a node between its steps")
    }

    /// Opens the directory, again or for the first time.
    fn open(&mut self) -> Result<(), String> {
        // The earlier one owns the directory until it is gone.
        self.node = None;
        self.faults = Faults::none();
        if self.rough {
            self.options.batch_records = self.random.pick(&[1, 2, 7, 30, 10_000]);
            self.options.buffer_bytes = self.random.pick(&[1 << 10, 8 << 10, 1 << 20]);
            if self.armed < MAX_CRASHES && self.random.percent(70) {
                self.armed += 1;
                self.faults = Faults::crash_at(self.random.pick(&POINTS), self.random.below(12) as u32);
            }
        }
        if let Some(bug) = self.bug {
            self.faults = self.faults.clone().and_bug(bug);
        }
        match Node::open_with(self.options.clone(), self.clock.clone(), self.faults.clone()) {
            Ok(node) => self.node = Some(node),
            Err(error) => return Err(format!("opening {}: {error}", self.dir.path().display())),
        }
        Ok(())
    }

    /// How many of the steps are in the log next: whole milliseconds, and nothing after one that waits.
    fn portion(&mut self, rest: &[Step]) -> usize {
        let waits = rest.iter().position(|step| step.what.waits()).map_or(rest.len(), |at| at + 1);
        let wanted = match self.portions {
            Portions::All => rest.len(),
            Portions::Few => 1 + self.random.below(20) as usize,
        };
        let mut end = wanted.min(waits);
        while end < waits && rest[end].at == rest[end - 1].at {
            end += 1;
        }
        end
    }

    /// Splits or merges shards of `bets`, now and then.
    fn reshard(&mut self) -> Result<(), String> {
        if !self.rough || self.random.percent(70) {
            return Ok(());
        }
        let log = self.node().log.clone();
        let mut open: Vec<_> = log.shards("bets").unwrap().into_iter().filter(|shard| !shard.closed).collect();
        open.sort_by_key(|shard| shard.range.start);
        let chosen = self.random.below(open.len() as u64) as usize;
        if let [left, right] = open[chosen..].iter().take(2).map(|shard| shard.id).collect::<Vec<ShardId>>()[..]
            && self.random.percent(50)
        {
            self.met.one("merge");
            return log.merge("bets", left, right).map(|_| ()).map_err(|error| error.to_string());
        }
        let range = open[chosen].range;
        let part = u128::from(1 + self.random.below(98));
        self.met.one("split");
        let at = range.start + (range.end - range.start) / 100 * part;
        log.split("bets", open[chosen].id, at).map(|_| ()).map_err(|error| error.to_string())
    }

    async fn append(&mut self, steps: &[Step]) -> Result<(), String> {
        let (mut bets, mut games) = (Vec::new(), Vec::new());
        for (number, step) in steps.iter().enumerate() {
            // A key of its own for each, so that nothing is kept together.
            let key = format!("{:x}", if self.rough { self.random.bits() } else { number as u64 });
            let record = |data: Vec<u8>| Append::new(key, data).arrived(Arrival(step.at));
            match &step.what {
                What::Opened(number) => games.push(record(self.opening(*number, step.at).into_bytes())),
                What::Bet(bet) => bets.push(record(bet.to_json())),
                What::Garbage(text) => bets.push(record(text.clone().into_bytes())),
                What::Redrive | What::Look => {}
            }
        }
        let at_once = if self.rough { self.random.pick(&[1, 3, usize::MAX]) } else { usize::MAX };
        for (stream, records) in [("bets", bets), ("game-events", games)] {
            for records in records.chunks(at_once.min(records.len().max(1))) {
                self.node().log.append(stream, records).map_err(|error| error.to_string())?;
            }
        }
        match self.faults.reach(CrashPoint::AfterSourceAppend) {
            Ok(()) => Ok(()),
            Err(crash) => {
                self.stop(false).await?;
                self.crashed(&crash)
            }
        }
    }

    fn opening(&self, number: usize, at: i64) -> String {
        let question = &self.world.questions[number];
        let event = format!("00000000-0000-4000-8000-0000000000{number:02x}");
        records::opened(&event, &question.id.to_string(), question.outcomes, at, question.betting_end)
    }

    /// Lets the node work, or not, and disturbs it.
    async fn act(&mut self) -> Result<(), String> {
        if !self.rough {
            return Ok(());
        }
        match self.random.below(100) {
            0..=24 if self.running.is_none() => self.running = Some(self.node().start(false)),
            25..=44 => self.drain().await?,
            45..=54 => self.stop(false).await?,
            55..=69 => {
                let drain = self.random.percent(50);
                self.stop(drain).await?;
                self.met.one("restart");
                self.open()?;
            }
            _ => tokio::task::yield_now().await,
        }
        Ok(())
    }

    /// Applies all that the log holds.
    async fn drain(&mut self) -> Result<(), String> {
        self.met.one("drain");
        loop {
            let running = self.running.take().unwrap_or_else(|| self.node().start(true));
            if self.end(running, true).await? {
                return Ok(());
            }
        }
    }

    /// Stops the loop, if it runs.
    async fn stop(&mut self, drain: bool) -> Result<(), String> {
        match self.running.take() {
            Some(running) => self.end(running, drain).await.map(|_| ()),
            None => Ok(()),
        }
    }

    /// Ends the loop; whether it ended well, or in a crash after which the node is open again.
    async fn end(&mut self, running: Running, drain: bool) -> Result<bool, String> {
        if drain {
            running.stop.when_drained();
        } else {
            running.stop.now();
        }
        match running.task.await {
            Ok(Ok(())) => Ok(true),
            Ok(Err(crash @ Error::Crashed(_))) => self.crashed(&crash).map(|()| false),
            Ok(Err(error)) => Err(format!("the loop failed: {error}")),
            Err(error) => Err(format!("the loop panicked: {error}")),
        }
    }

    fn crashed(&mut self, crash: &Error) -> Result<(), String> {
        if let Error::Crashed(point) = crash {
            self.met.one(&format!("{point:?}"));
        }
        self.open()
    }

    async fn look(&mut self, at: i64) -> Result<(), String> {
        self.drain().await?;
        let node = self.node.as_ref().expect("drained");
        told::look(node, &self.world.windows, at, &mut self.told).await;
        Ok(())
    }

    async fn redrive(&mut self) -> Result<(), String> {
        let selection = Selection { reason: Some(UNKNOWN_QUESTION.to_owned()), ..Selection::default() };
        loop {
            self.drain().await?;
            match redrive(self.node(), &selection).await {
                Ok(_) => return Ok(()),
                // What was redriven before the crash is redriven again, and is a repeat then.
                Err(crash @ Error::Crashed(_)) => self.crashed(&crash)?,
                Err(error) => return Err(format!("redriving: {error}")),
            }
        }
    }
}
