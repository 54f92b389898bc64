//! A world by a seed: what comes in, and how often the pipeline dies meanwhile.

use std::fmt;
use std::path::Path;

use jobs::node::NodeOptions;
use jobs::sources::generate::Line;
use pipeline::adapters::embedded::Durability;
use pipeline::fault::CrashPoint;

use crate::drive;
use crate::random::Random;

/// Everything that a simulation does.
#[derive(Debug, Clone)]
pub struct World {
    /// What it all follows from.
    pub seed: u64,
    /// Bets settled in a commit. When a page has its turn depends on it, and so does when all is settled.
    pub settle_page_bets: usize,
    /// What producers, operators and sources append, by arrival.
    pub lines: Vec<Line>,
    /// Lives of the process, one after another; a last one without faults follows.
    pub lives: Vec<Life>,
}

/// From one start of the process to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// Where it crashes, after so many passes.
    pub crash: Option<(CrashPoint, u32)>,
    /// The line at which it is stopped, if it has not crashed by then.
    pub until: usize,
    /// Lines of an append.
    pub chunk: usize,
    /// Records of a batch.
    pub batch_records: usize,
    /// Bytes of small rows merged together.
    pub buffer_bytes: usize,
    /// What is done to the stream of bets before it.
    pub reshard: Option<Reshard>,
    /// What the disk has lost after it.
    pub torn: Option<Torn>,
}

/// The end of what was written, as it is where the power fails before it is on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Torn {
    /// Bytes that are lost.
    pub bytes: u64,
    /// Whether the file is as long as before, with zeros where they were.
    pub zeros: bool,
}

/// A change of the stream of bets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reshard {
    /// An open shard becomes two; which, by a number.
    Split(u64),
    /// Two open shards beside each other become one.
    Merge(u64),
}

impl World {
    /// The world of a seed. Of the kinds of faults some are off and some are frequent, in each seed others
    /// (swarm testing: Groce et al., ISSTA 2012).
    pub fn new(seed: u64) -> World {
        let mut random = Random::new(seed);
        let count = 200 + random.below(500);
        let lines = if random.percent(50) { drive::lines(seed, count) } else { drive::match_day(seed, count) };
        let mut points = CrashPoint::ALL.to_vec();
        points.retain(|_| random.percent(50));
        let (crashes, reshards, tears) =
            (random.pick(&[30, 70, 100]), random.pick(&[0, 0, 50]), random.pick(&[0, 0, 30, 100]));
        let lives = 1 + random.below(5);
        let mut until = 0;
        let lives = (0..lives).map(|number| {
            // Each life gets further than the one before.
            let left = lines.len() as u64 - until as u64;
            until += (random.below(1 + 2 * left / (lives - number))).min(left) as usize;
            let crash = (!points.is_empty() && random.percent(crashes))
                .then(|| (random.pick(&points), random.below(12) as u32));
            let which = random.bits();
            let change = if random.percent(70) { Reshard::Split(which) } else { Reshard::Merge(which) };
            Life {
                crash,
                until,
                chunk: random.pick(&[1, 7, 50, 200, 1_000]),
                batch_records: random.pick(&[1, 5, 60, 300, 12_288]),
                buffer_bytes: random.pick(&[1 << 10, 16 << 10, 1 << 20]),
                reshard: random.percent(reshards).then_some(change),
                torn: random.percent(tears).then(|| {
                    let most = random.pick(&[1, 1_000, 100_000, 1_000_000]);
                    Torn { bytes: 1 + random.below(most), zeros: random.percent(50) }
                }),
            }
        });
        let lives = lives.collect();
        World { seed, settle_page_bets: random.pick(&[1, 10, 100, 2_048]), lines, lives }
    }

    /// Whether shards are as they were, so that positions can be compared.
    pub fn keeps_shards(&self) -> bool {
        self.lives.iter().all(|life| life.reshard.is_none())
    }

    /// The time that passes in it, in milliseconds.
    pub fn span_ms(&self) -> i64 {
        let [first, last] = [self.lines.first(), self.lines.last()].map(|line| line.map_or(0, |line| line.at.millis()));
        last - first
    }
}

impl Life {
    /// How its node is opened.
    pub fn options(&self, world: &World, dir: &Path) -> NodeOptions {
        NodeOptions {
            data_dir: Some(dir.into()),
            durability: Durability::Os,
            batch_records: self.batch_records,
            settle_page_bets: world.settle_page_bets,
            buffer_bytes: self.buffer_bytes,
            ..NodeOptions::default()
        }
    }
}

impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(reshard) = self.reshard {
            write!(f, "{reshard:?}, ")?;
        }
        match self.crash {
            Some((point, passes)) => write!(f, "crash at {point:?} after {passes} passes, at the latest a stop")?,
            None => write!(f, "a stop")?,
        }
        let Life { until, chunk, batch_records, buffer_bytes, .. } = self;
        write!(f, " at line {until} (appends of {chunk}, batches of {batch_records}, buffer of {buffer_bytes})")?;
        self.torn.map_or(Ok(()), |torn| write!(f, ", then {torn:?}"))
    }
}
