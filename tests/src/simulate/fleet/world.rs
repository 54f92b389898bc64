//! What happens in the days of a cluster, drawn from a seed.

use std::fmt;

use pipeline::Arrival;

use crate::account::{Death, Mutation, Outage, Scope, Service, Severity, Weather};
use crate::random::Random;

/// When it begins: the first of January 2026.
pub const ORIGIN: Arrival = Arrival(1_767_225_600_000);
/// Of so many worlds one is calm.
const CALM: u64 = 10;
/// How far a clock is set, at most: by little, which nobody can see, or by much.
const MOST_JUMP_MS: [i64; 2] = [700, 60_000];
/// Streams that are split and merged.
const STREAMS: [&str; 4] = ["bets", "bets", "notifications", "game-events"];

/// Everything that a simulation does.
#[derive(Debug, Clone, PartialEq)]
pub struct World {
    /// What it all follows from.
    pub seed: u64,
    /// Questions to bet on.
    pub questions: u64,
    /// Open shards of a stream in the beginning.
    pub shards: u32,
    /// Whether records are packed into aggregates.
    pub aggregate: bool,
    /// Workers that are meant to run.
    pub workers: u64,
    /// What goes wrong until it is calm.
    pub weather: Weather,
    /// Parts of the account that refuse everything for a while.
    pub outages: Vec<Outage>,
    /// How far workers' clocks are from the account's, at most, in milliseconds.
    pub skew_ms: i64,
    /// Whether one of the bettors has an address that does not exist.
    pub bounces: bool,
    /// When all waits once until everything that was done has come to an end, in milliseconds.
    pub quiet_ms: Option<i64>,
    /// What happens, by time.
    pub deeds: Vec<Deed>,
    /// How long the weather lasts, in milliseconds.
    pub calm_ms: i64,
    /// A bug that was seeded.
    pub bug: Option<Mutation>,
}

/// Something that happens at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deed {
    /// Milliseconds since the beginning.
    pub at: i64,
    /// What.
    pub act: Act,
}

/// A part of a world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Milliseconds since the beginning.
    pub from: i64,
    /// Where it ends.
    pub to: i64,
    /// What happens in it.
    pub deeds: Vec<Deed>,
}

/// What may happen. Numbers choose among what there is then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of an act are its sentence")]
pub enum Act {
    /// So many bets are put, from this number on.
    Bets { first: u64, count: u64 },
    /// Bets are put again, as a producer does that lost an answer.
    Repeat { first: u64, count: u64 },
    /// Another bet under the id of one that there is.
    Conflict(u64),
    /// A bet that was placed long ago.
    Stale(u64),
    /// A bet on a question that nobody opened.
    Stray(u64),
    /// Bytes that are no bet: mistakes, and what is meant to hurt.
    Garbage(u64),
    /// A question takes no bets for so many milliseconds.
    Pause { question: u64, ms: u64 },
    /// A question's text is corrected, and betting on it ends earlier.
    Amend(u64),
    /// A question has its answer: no more bets, and what was seen.
    Answer(u64),
    /// Sources disagree about a question, until an operator decides.
    Dispute(u64),
    /// A question is void.
    Void(u64),
    /// An operator answers by the emergency's way.
    Emergency(u64),
    /// A worker dies at one of its next requests.
    Kill { which: u64, death: Death },
    /// A worker's requests are sent only so many milliseconds later.
    Stall { which: u64, ms: u64 },
    /// A worker's clock is set by so many milliseconds.
    Jump { which: u64, ms: i64 },
    /// A worker is told to stop.
    Stop(u64),
    /// A worker more, for a while.
    Add,
    /// A shard is split in two.
    Split { stream: &'static str, which: u64 },
    /// Two neighbours become one.
    Merge { stream: &'static str, which: u64 },
}

impl World {
    /// The world of a seed.
    pub fn new(seed: u64) -> World {
        let mut random = Random::new(seed ^ 0xF1EE7);
        let random = &mut random;
        let calm_ms = 1_000 * random.between(20, 90);
        let questions = 2 + random.below(8);
        let mut deeds = producers(random, calm_ms);
        deeds.extend(answers(random, calm_ms, questions));
        deeds.extend(operators(random, calm_ms, questions));
        deeds.extend(trouble(random, calm_ms));
        deeds.sort_by_key(|deed| deed.at);
        let world = World {
            seed,
            questions,
            shards: 1 + random.below(3) as u32,
            aggregate: random.percent(30),
            workers: 1 + random.below(3),
            weather: Weather::draw(random),
            outages: outages(random, calm_ms),
            skew_ms: random.pick(&[0, 0, 50, 400, 30_000]),
            bounces: random.percent(30),
            quiet_ms: random.percent(25).then(|| random.between(calm_ms / 4, calm_ms)),
            deeds,
            calm_ms,
            bug: None,
        };
        if seed % CALM == CALM - 1 { world.calmed() } else { world }
    }

    /// The same without anything that goes wrong on the way: bad records come all the same.
    fn calmed(mut self) -> World {
        self.deeds.retain(|deed| !deed.disturbs());
        World { weather: Weather::default(), outages: Vec::new(), skew_ms: 0, ..self }
    }

    /// Its parts, after each of which all comes to rest.
    pub fn parts(&self) -> Vec<Part> {
        let ends = [self.quiet_ms, Some(self.calm_ms.max(self.deeds.last().map_or(0, |deed| deed.at + 1)))];
        let mut from = 0;
        let part = |to: i64| {
            let deeds = self.deeds.iter().filter(|deed| (from..to).contains(&deed.at)).copied().collect();
            let part = Part { from, to, deeds };
            from = to;
            part
        };
        ends.into_iter().flatten().map(part).collect()
    }

    /// What of it is done by then.
    pub fn until(&self, ms: i64) -> World {
        let mut world = self.clone();
        world.deeds.retain(|deed| deed.at < ms);
        world
    }

    /// Whether nothing goes wrong in it, so that every good bet counts.
    pub fn is_calm(&self) -> bool {
        self.weather == Weather::default() && self.outages.is_empty() && !self.deeds.iter().any(Deed::disturbs)
    }
}

impl Deed {
    /// Whether it befalls workers or streams, or keeps a good bet from counting.
    fn disturbs(&self) -> bool {
        use Act::{Add, Amend, Jump, Kill, Merge, Pause, Split, Stall, Stop};
        matches!(
            self.act,
            Kill { .. }
                | Stall { .. }
                | Jump { .. }
                | Stop(_)
                | Add
                | Split { .. }
                | Merge { .. }
                | Pause { .. }
                | Amend(_)
        )
    }
}

/// Bets in bursts, and what bad producers add.
fn producers(random: &mut Random, until: i64) -> Vec<Deed> {
    let mut deeds = Vec::new();
    let (mut first, mut at) = (0, 2_000);
    let bad = random.pick(&[0, 5, 30]);
    while at < until {
        let most = random.pick(&[3, 10, 40]);
        let count = 1 + random.below(most);
        deeds.push(Deed { at, act: Act::Bets { first, count } });
        if random.percent(bad) {
            let number = random.below(first + count);
            let act = match random.below(5) {
                0 => Act::Repeat { first: number, count: 1 + random.below(first + count - number) },
                1 => Act::Conflict(number),
                2 => Act::Stale(1_000_000 + number),
                3 => Act::Stray(2_000_000 + number),
                _ => Act::Garbage(number),
            };
            deeds.push(Deed { at: at + random.between(0, 4_000), act });
        }
        first += count;
        at += random.between(200, 8_000);
    }
    deeds
}

/// Most questions are answered, some of them while bets come.
fn answers(random: &mut Random, until: i64, questions: u64) -> Vec<Deed> {
    let mut deeds = Vec::new();
    for question in 0..questions {
        let act = match random.below(8) {
            0 => continue,
            1 => Act::Void(question),
            2 => Act::Dispute(question),
            3 => Act::Emergency(question),
            _ => Act::Answer(question),
        };
        let at = if random.percent(50) { random.between(until / 2, until) } else { until + random.between(0, 10_000) };
        deeds.push(Deed { at, act });
    }
    deeds
}

/// What operators do while bets come.
fn operators(random: &mut Random, until: i64, questions: u64) -> Vec<Deed> {
    let acts = if random.percent(50) { 0 } else { random.below(4) };
    let mut act = |_| {
        let (at, question) = (random.between(3_000, until), random.below(questions));
        let pause = Act::Pause { question, ms: 500 + random.below(20_000) };
        Deed { at, act: if random.percent(60) { pause } else { Act::Amend(question) } }
    };
    (0..acts).map(&mut act).collect()
}

/// What befalls the workers and the streams.
fn trouble(random: &mut Random, until: i64) -> Vec<Deed> {
    let mut deeds = Vec::new();
    let [kills, stalls, jumps, stops, adds, splits, merges] =
        [3, 2, 3, 2, 2, 2, 2].map(|most| if random.percent(50) { 0 } else { random.below(most + 1) });
    let mut draw = |count: u64, act: &dyn Fn(&mut Random) -> Act| {
        for _ in 0..count {
            let at = random.between(3_000, until);
            deeds.push(Deed { at, act: act(random) });
        }
    };
    draw(kills, &|random| {
        let most = random.pick(&[5, 40, 300]);
        let death = Death { at: 1 + random.below(most), done: random.percent(50) };
        Act::Kill { which: random.bits(), death }
    });
    draw(stalls, &|random| Act::Stall { which: random.bits(), ms: 1_000 + random.below(40_000) });
    draw(jumps, &|random| {
        let most = random.pick(&MOST_JUMP_MS);
        Act::Jump { which: random.bits(), ms: random.between(-most, most + 1) }
    });
    draw(stops, &|random| Act::Stop(random.bits()));
    draw(adds, &|_| Act::Add);
    draw(splits, &|random| Act::Split { stream: random.pick(&STREAMS), which: random.bits() });
    draw(merges, &|random| Act::Merge { stream: random.pick(&STREAMS), which: random.bits() });
    deeds
}

fn outages(random: &mut Random, until: i64) -> Vec<Outage> {
    let count = if random.percent(60) { 0 } else { 1 + random.below(2) };
    let mut outage = |_| {
        let from = ORIGIN.0 + random.between(2_000, until);
        let of = match random.below(5) {
            0 => Scope::Service(Service::Kinesis),
            1 => Scope::Service(Service::Dynamo),
            2 => Scope::Service(Service::Mail),
            _ => Scope::Shard(random.below(4)),
        };
        let severity = if random.percent(60) { Severity::Refuses } else { Severity::Slow(1 + random.below(5_000)) };
        Outage { of, severity, from, to: from + random.between(1_000, 60_000) }
    };
    (0..count).map(&mut outage).collect()
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let World { seed, questions, shards, aggregate, workers, skew_ms, bounces, quiet_ms, calm_ms, .. } = self;
        let packed = if *aggregate { ", aggregated" } else { "" };
        let bounced = if *bounces { ", an address bounces" } else { "" };
        let quiet = quiet_ms.map(|ms| format!(", all comes to rest at {ms} ms")).unwrap_or_default();
        writeln!(
            f,
            "world of seed {seed}: {questions} questions, {shards} shards{packed}, {workers} workers, clocks off by {skew_ms} ms{bounced}{quiet}, calm after {calm_ms} ms"
        )?;
        writeln!(f, "  {:?}", self.weather)?;
        self.outages.iter().try_for_each(|outage| writeln!(f, "  {outage:?}"))?;
        self.deeds.iter().try_for_each(|Deed { at, act }| writeln!(f, "  {at:>7} ms  {act:?}"))
    }
}
