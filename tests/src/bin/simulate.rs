//! `cargo run --release -p tests --bin simulate`: simulated days by seed, and the bugs that they find.

// A simulation is one future, with all of the jobs in it.
#![recursion_limit = "256"]

use std::fmt::Debug;
use std::ops::Range;
use std::process::ExitCode;
use std::time::Duration;

use pipeline::fault::Bug;
use tests::account::{Mutation, Trace};
use tests::simulate::{World, fleet, run, shrink};
use tokio::time::Instant;
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const HELP: &str = "\
Runs the real jobs through days of bets by a seed, with crashes, stops, splits and merges: on the embedded store,
compared with an undisturbed run; or, with --fleet, as workers of a cluster on a modelled AWS account with weather of
its own (throttles, lost answers, lag, writes that are late), on one thread, so that a seed gives the same trace.

usage: cargo run --release -p tests --bin simulate -- [--fleet] [--seed N | --seeds N | --minutes M | --bugs [BUG]] [--from N]

  --fleet       the cluster, not the embedded store
  --seed N      one seed, with its trace
  --seeds N     so many, from 0 on or from --from
  --minutes M   as many as that takes
  --bugs        each seeded bug until a seed finds it, as a table; or one, by its name; within 40 seeds or --seeds

A seed that fails is shrunk, and printed with the command that runs it again. RUST_LOG shows what workers say.";

/// Lines of a trace that are shown of a seed that fails.
const TRACE_LINES: usize = 30;
/// Seeds that a bug may take, where nobody says.
const MOST: u64 = 40;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str| {
        let at = args.iter().position(|arg| arg == name)?;
        args.get(at + 1)?.parse::<u64>().ok()
    };
    // A check that fails is told of as a fault, not as a panic.
    std::panic::set_hook(Box::new(|_| {}));
    // What workers say, as `RUST_LOG` asks for it.
    if let Ok(filter) = EnvFilter::try_from_default_env() {
        tracing_subscriber::fmt().with_env_filter(filter).without_time().with_writer(std::io::stderr).init();
    }
    let named = |at: usize| args.get(at + 1).filter(|name| !name.starts_with("--")).cloned();
    let (from, of_fleet) = (number("--from").unwrap_or(0), args.iter().any(|arg| arg == "--fleet"));
    let hunt = args
        .iter()
        .position(|arg| arg == "--bugs")
        .map(|at| Hunt { bug: named(at), seeds: from..from + number("--seeds").unwrap_or(MOST) });
    if let Some(unknown) = hunt.as_ref().and_then(|hunt| hunt.unknown(of_fleet)) {
        eprintln!("{unknown}");
        return ExitCode::FAILURE;
    }
    if of_fleet {
        if let Some(hunt) = hunt {
            return mutations(&hunt);
        }
        return fleet(number("--seed"), number("--seeds"), number("--minutes"), from);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let Ok(runtime) = runtime else { return ExitCode::FAILURE };
    let good = runtime.block_on(async {
        if let Some(hunt) = hunt {
            return bugs(&hunt).await;
        }
        match (number("--seed"), number("--seeds"), number("--minutes")) {
            (Some(seed), ..) => one(seed, true).await.is_some(),
            (_, Some(seeds), _) => many((from..from + seeds).map(|seed| (seed, false))).await,
            (.., Some(minutes)) => {
                let (began, most) = (Instant::now(), Duration::from_secs(60 * minutes));
                many((from..).map(|seed| (seed, began.elapsed() >= most)).take_while(|(_, over)| !over)).await
            }
            _ => {
                println!("{HELP}");
                true
            }
        }
    });
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a seed; the time that passed in it, in milliseconds, or nothing where it fails.
async fn one(seed: u64, tells: bool) -> Option<i64> {
    let world = World::new(seed);
    let outcome = run(&world, None).await;
    if tells {
        outcome.trace.iter().for_each(|line| println!("{line}"));
        println!(
            "seed {seed}: {} lines, {} crashes, digest {:016x}",
            world.lines.len(),
            outcome.crashes,
            outcome.digest
        );
    }
    if outcome.fault.is_none() {
        return Some(world.span_ms());
    }
    let (world, outcome) = shrink(&world, outcome, None).await;
    println!("seed {seed} FAILS: {}", outcome.fault.unwrap_or_default());
    println!("what is needed of it: the first {} lines, and", world.lines.len());
    outcome.trace.iter().for_each(|line| println!("  {line}"));
    println!("again: cargo run --release -p tests --bin simulate -- --seed {seed}");
    None
}

async fn many(seeds: impl Iterator<Item = (u64, bool)>) -> bool {
    let (began, mut days, mut count, mut failed) = (Instant::now(), 0.0, 0u64, 0u64);
    for (seed, _) in seeds {
        count += 1;
        match one(seed, false).await {
            Some(span) => days += span as f64 / 86_400_000.0,
            None => failed += 1,
        }
        if count.is_multiple_of(20) {
            println!("{count} seeds, {failed} failed, {days:.1} days in {:.0} s", began.elapsed().as_secs_f64());
        }
    }
    let minutes = began.elapsed().as_secs_f64() / 60.0;
    println!(
        "{count} seeds, {failed} failed; {days:.1} simulated days in {minutes:.1} minutes: {:.1} a minute",
        days / minutes
    );
    failed == 0
}

/// Which bugs are looked for, and with what seeds.
struct Hunt {
    /// One of them, or all.
    bug: Option<String>,
    seeds: Range<u64>,
}

impl Hunt {
    /// What to say where there is no bug of this name.
    fn unknown(&self, of_fleet: bool) -> Option<String> {
        let names: Vec<String> = match of_fleet {
            true => Mutation::ALL.iter().map(|bug| format!("{bug:?}")).collect(),
            false => Bug::ALL.iter().map(|bug| format!("{bug:?}")).collect(),
        };
        let bug = self.bug.as_ref().filter(|bug| !names.contains(bug))?;
        Some(format!("there is no bug {bug}; there are {}", names.join(", ")))
    }

    fn is_for(&self, bug: impl Debug) -> bool {
        self.bug.as_ref().is_none_or(|name| *name == format!("{bug:?}"))
    }
}

async fn bugs(hunt: &Hunt) -> bool {
    println!("{:<24}{:>8}  found by", "seeded bug", "seeds");
    let mut all = true;
    for bug in Bug::ALL.into_iter().filter(|bug| hunt.is_for(bug)) {
        let mut found = None;
        for seed in hunt.seeds.clone() {
            if let Some(fault) = run(&World::new(seed), Some(bug)).await.fault {
                found = Some((seed, fault));
                break;
            }
        }
        all &= tell(&format!("{bug:?}"), hunt, found);
    }
    all
}

/// Prints which seed found a bug, and by what; whether one did.
fn tell(bug: &str, hunt: &Hunt, found: Option<(u64, String)>) -> bool {
    match &found {
        Some((seed, fault)) => {
            let first: String = fault.lines().next().unwrap_or_default().chars().take(100).collect();
            println!("{bug:<24}{:>8}  {first}", seed - hunt.seeds.start + 1);
        }
        None => println!("{bug:<24}{:>8}  NOTHING", format!("{}+", hunt.seeds.end - hunt.seeds.start)),
    }
    found.is_some()
}

/// Worlds of a cluster.
fn fleet(seed: Option<u64>, seeds: Option<u64>, minutes: Option<u64>, from: u64) -> ExitCode {
    let (began, mut span, mut failed, mut count) = (Instant::now(), 0, 0, 0u64);
    let most = minutes.map(|minutes| Duration::from_secs(60 * minutes));
    let until = seed.map_or(from + seeds.unwrap_or(if most.is_some() { u64::MAX / 2 } else { 20 }), |seed| seed + 1);
    for number in seed.unwrap_or(from)..until {
        if most.is_some_and(|most| began.elapsed() >= most) {
            break;
        }
        let world = fleet::World::new(number);
        let trace = if seed.is_some() { Trace::whole() } else { Trace::default() };
        let outcome = fleet::run_traced(&world, trace);
        (span, count) = (span + outcome.span_ms, count + 1);
        if seed.is_some() {
            println!("{world}");
            outcome.trace.iter().for_each(|line| println!("  {line}"));
            println!(
                "seed {number}: {:.1} minutes, {} deaths, digest {:016x} of {} lines",
                outcome.span_ms as f64 / 60_000.0,
                outcome.deaths,
                outcome.digest.0,
                outcome.digest.1
            );
        }
        if outcome.fault.is_some() {
            failed += 1;
            let (world, outcome) = fleet::shrink(&world, outcome);
            println!("seed {number} FAILS: {}", outcome.fault.unwrap_or_default());
            println!("what is needed of {world}the end of its trace:");
            let first = outcome.trace.len().saturating_sub(TRACE_LINES);
            outcome.trace[first..].iter().for_each(|line| println!("  {line}"));
            println!("again: cargo run --release -p tests --bin simulate -- --fleet --seed {number}");
        }
        if count.is_multiple_of(20) {
            println!("{count} seeds, {failed} failed, in {:.0} s", began.elapsed().as_secs_f64());
        }
    }
    let (hours, minutes) = (span as f64 / 3_600_000.0, began.elapsed().as_secs_f64() / 60.0);
    println!(
        "{count} seeds, {failed} failed; {hours:.1} simulated hours in {minutes:.1} minutes: {:.2} days a minute",
        hours / 24.0 / minutes
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Each mutation until a seed finds it.
fn mutations(hunt: &Hunt) -> ExitCode {
    println!("{:<24}{:>8}  found by", "bug of a worker", "seeds");
    let mut all = true;
    for bug in Mutation::ALL.into_iter().filter(|bug| hunt.is_for(bug)) {
        let fault = |seed: u64| fleet::run(&fleet::World { bug: Some(bug), ..fleet::World::new(seed) }).fault;
        let found = hunt.seeds.clone().find_map(|seed| Some((seed, fault(seed)?)));
        all &= tell(&format!("{bug:?}"), hunt, found);
    }
    if all { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
