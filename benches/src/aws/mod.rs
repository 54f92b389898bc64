//! What the AWS side costs: the CPU of reading Kinesis, a process' memory, how a fleet settles, write units.
//!
//! `read` and `memory` run against ferrokinesis in a process of its own ([`server`]), `writes` against
//! ministack as `moves` does, `fleet` in memory under a clock that waits for nobody. Each part ends with what was asked of
//! it beside what it measured.

mod fleet;
mod memory;
mod moves;
mod read;
pub mod server;
mod writes;

use std::process::Command;
use std::time::Instant;

pub use server::SERVE_VERB;
use tests::schedule::{self, Schedule, Servers};

const USAGE: &str = "usage: aws [PART] [--NAME N]...
parts, by default all of them, each in a process of its own:
  read     CPU a record of polling Kinesis   [--records 600000] [--aggregated 1200000] [--shards 16] [--runs 3]
  memory   a process with many shards        [--shards 500] [--small 1000] [--slow-ms 500] [--burst-every 4]
  fleet    workers that share many shards    [--workers 100] [--shards 10000] [--seed 1]
  writes   DynamoDB write units a bet        [--bets 2000] [--bettors 500] [--rate 100]
  moves    workers stopped and killed        [--runs 5] [--failover-ms 3000]
and by itself, half a minute each:
  schedules  kills, reshards, throttles while bets come in: nothing lost, nothing doubled
                                             [--count 100] [--first 0]";

/// The verb `aws`.
pub fn run(options: &[String]) {
    let (part, rest) = options.split_first().map_or(("all", options), |(part, rest)| (part.as_str(), rest));
    let numbers = Numbers(rest);
    match part {
        "read" => read::run(&numbers),
        "memory" => memory::run(&numbers),
        "fleet" => fleet::run(&numbers),
        "writes" => writes::run(&numbers),
        "moves" => moves::run(&numbers),
        "schedules" => schedules(numbers.of("first", 0), numbers.of("count", 100)),
        "all" => ["read", "memory", "fleet", "writes", "moves"].into_iter().for_each(alone),
        _ => eprintln!("{USAGE}"),
    }
}

/// What happens in each follows from its seed; a failure prints it.
fn schedules(first: u64, count: u64) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let servers = Servers::start().await;
        for seed in first..first + count {
            let begun = Instant::now();
            schedule::run(&servers, &Schedule::new(seed)).await;
            println!("seed {seed}: nothing lost, nothing doubled; {:.0} s", begun.elapsed().as_secs_f64());
        }
    });
    println!("asked: nothing lost and nothing doubled over 100 schedules: {count} ran");
}

/// Runs a part in a process of its own: nothing of one counts for another.
fn alone(part: &str) {
    let program = std::env::current_exe().unwrap();
    let ended = Command::new(program).args(["aws", part]).status().unwrap();
    assert!(ended.success(), "{part} failed");
    println!();
}

/// Options of the form `--NAME N`.
pub struct Numbers<'a>(&'a [String]);

impl Numbers<'_> {
    /// The number under a name, or what is usual.
    pub fn of(&self, name: &str, usual: u64) -> u64 {
        let at = self.0.iter().position(|option| option.strip_prefix("--") == Some(name));
        at.map_or(usual, |at| self.0[at + 1].replace('_', "").parse().unwrap())
    }
}

/// Whether a figure is what was asked for, as a table says it.
fn verdict(reached: bool) -> &'static str {
    if reached { "reached" } else { "MISSED" }
}
