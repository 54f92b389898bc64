//! `cargo run --release -p tests --bin simulate`: simulated days by seed, and the bugs that they find.

// A simulation is one future, with all of the jobs in it.
#![recursion_limit = "256"]

use std::process::ExitCode;
use std::time::Duration;

use pipeline::fault::Bug;
use tests::simulate::{World, run, shrink};
use tokio::time::Instant;

const HELP: &str = "\
Runs the real jobs on the embedded store through days of bets, with crashes, stops, splits and merges by a seed,
and compares with an undisturbed run.

usage: cargo run --release -p tests --bin simulate -- [--seed N | --seeds N | --minutes M | --bugs] [--from N]

  --seed N      one seed, with its trace
  --seeds N     so many, from 0 on or from --from
  --minutes M   as many as that takes
  --bugs        each seeded bug until a seed finds it, as a table

A seed that fails is shrunk, and printed with the command that runs it again.";

/// Seeds that a bug may take.
const MOST: u64 = 40;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str| {
        let at = args.iter().position(|arg| arg == name)?;
        args.get(at + 1)?.parse::<u64>().ok()
    };
    // A check that fails is told of as a fault, not as a panic.
    std::panic::set_hook(Box::new(|_| {}));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let Ok(runtime) = runtime else { return ExitCode::FAILURE };
    let from = number("--from").unwrap_or(0);
    let good = runtime.block_on(async {
        match (number("--seed"), number("--seeds"), number("--minutes")) {
            (Some(seed), ..) => one(seed, true).await.is_some(),
            (_, Some(seeds), _) => many((from..from + seeds).map(|seed| (seed, false))).await,
            (.., Some(minutes)) => {
                let (began, most) = (Instant::now(), Duration::from_secs(60 * minutes));
                many((from..).map(|seed| (seed, began.elapsed() >= most)).take_while(|(_, over)| !over)).await
            }
            _ if args.iter().any(|arg| arg == "--bugs") => bugs(from).await,
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

async fn bugs(from: u64) -> bool {
    println!("{:<24}{:>8}  found by", "seeded bug", "seeds");
    let mut all = true;
    for bug in Bug::ALL {
        let mut found = None;
        for seed in from..from + MOST {
            if let Some(fault) = run(&World::new(seed), Some(bug)).await.fault {
                found = Some((seed, fault));
                break;
            }
        }
        all &= found.is_some();
        match found {
            Some((seed, fault)) => {
                let first: String = fault.lines().next().unwrap_or_default().chars().take(100).collect();
                println!("{:<24}{:>8}  {first}", format!("{bug:?}"), seed - from + 1);
            }
            None => println!("{:<24}{:>8}  NOTHING", format!("{bug:?}"), format!("{MOST}+")),
        }
    }
    all
}
