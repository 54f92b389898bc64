//! From bytes in the log through profiles and windows to durable tables: how many bets a second.
//!
//! `cargo run --release -- throughput [--count N] [--runs N]` alternates our node with a consumer
//! that a team would write instead (SQLite in WAL mode, one transaction a batch), on the same
//! records, and asserts that both end with the same totals. `latency --rate N` measures from an
//! append to the visible profile; `settle` settles a million bets on one question, `mails` fills the
//! local inbox; `windows` compares our windows with those of Flink, Pathway, Bytewax, DuckDB, Polars
//! and a bare loop; `aws` measures what reading, memory, sharing and writing cost there; `vision` compares the models'
//! speed with onnxruntime's, PyTorch's and tract's. Medians and
//! ratios are what counts; absolute times are this machine's.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a benchmark measures, and stops at the first fault"
)]

mod aws;
mod latency;
mod ours;
mod settle;
mod sqlite;
mod usage;
mod vision;
mod windows;

use jobs::node::NodeOptions;
use jobs::sources::generate::{Bets, Defects, Params};

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What is generated: 250-byte JSON bets over a span of event time.
#[derive(Debug, Clone)]
pub struct Work {
    pub count: u64,
    pub questions: u32,
    pub bettors: u32,
    /// Event time covered; windows close on the way.
    pub hours: u64,
    /// Records of a batch, at most.
    pub batch: u64,
    /// The buffer's limit, in MiB.
    pub buffer: u64,
}

impl Work {
    /// The work as this program's arguments.
    pub fn arguments(&self) -> [String; 8] {
        let Work { count, questions, bettors, hours, .. } = self;
        let pairs =
            [("count", *count), ("questions", (*questions).into()), ("bettors", (*bettors).into()), ("hours", *hours)];
        let mut arguments = pairs.into_iter().flat_map(|(name, value)| [format!("--{name}"), value.to_string()]);
        std::array::from_fn(|_| arguments.next().unwrap())
    }

    pub fn lines(&self) -> Bets {
        let defects = Defects { out_of_order: 10_000, ..Defects::default() };
        Bets::new(Params {
            count: self.count,
            seed: 42,
            questions: self.questions,
            bettors: self.bettors,
            duration_ms: self.hours * 3_600_000,
            defects,
            ..Params::default()
        })
        .unwrap()
    }
}

/// What both sides must agree on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    pub accepted: u64,
    pub staked_micros: i128,
    pub windows: u64,
    pub window_rows: u64,
}

fn main() {
    let mut args = std::env::args().skip(1);
    let verb = args.next().unwrap_or_default();
    let options: Vec<String> = args.collect();
    match verb.as_str() {
        "windows" => return windows::run(&options),
        "aws" => return aws::run(&options),
        "vision" => return vision::run(&options),
        aws::SERVE_VERB => return aws::server::serve(),
        windows::CONTESTANT_VERB => return windows::run_own(&options),
        _ => {}
    }
    let number = |name: &str, default: u64| {
        let at = options.iter().position(|option| option == name);
        at.map_or(default, |at| options[at + 1].replace('_', "").parse().unwrap())
    };
    let defaults = NodeOptions::default();
    let work = Work {
        count: number("--count", 10_000_000),
        questions: number("--questions", 10_000) as u32,
        bettors: number("--bettors", 200_000) as u32,
        hours: number("--hours", 1),
        batch: number("--batch", defaults.batch_records as u64),
        buffer: number("--buffer", defaults.buffer_bytes as u64 >> 20),
    };
    let peer = number("--peer", 1_000_000);
    match verb.as_str() {
        "throughput" => throughput(&work, number("--runs", 3), peer),
        "fill" => {
            let at = options.iter().position(|option| option == "--dir").expect("--dir DIR");
            ours::fill(std::path::Path::new(&options[at + 1]), &work);
        }
        "settle" => settle::settle(&Work { count: number("--count", 1_000_000), ..work }, number("--runs", 3)),
        "mails" => settle::mails(number("--count", 100_000), number("--runs", 3)),
        "latency" => latency::run(&work, number("--rate", 50_000), number("--seconds", 20), number("--runs", 3)),
        _ => eprintln!(
            "usage: throughput [--count N] [--peer N] | latency [--rate N] [--seconds N] | settle [--count N] | mails [--count N] | windows [--help] | aws [--help] | vision [--help]\nall but these three: [--runs N] [--batch N] [--buffer MIB] [--questions N] [--bettors N] [--hours N]"
        ),
    }
}

/// Alternates ours (on all of the work) with the peer (on the first `peer` bets, which it is slow
/// at) and asserts equal answers on that part.
fn throughput(work: &Work, runs: u64, peer: u64) {
    let part = Work { count: peer.min(work.count), ..work.clone() };
    let (mut rates, mut part_rates, mut peer_rates) = (Vec::new(), Vec::new(), Vec::new());
    for run in 1..=runs {
        let (report, _) = ours::run(work);
        println!("run {run} oddsmill  {report}");
        rates.push(report.rate());
        if peer > 0 {
            let (ours, our_answer) = ours::run(&part);
            let (theirs, their_answer) = sqlite::run(&part);
            assert_eq!(our_answer, their_answer, "both must give the same answers");
            println!("run {run} oddsmill  {ours}\nrun {run} sqlite    {theirs}");
            part_rates.push(ours.rate());
            peer_rates.push(theirs.rate());
        }
    }
    println!("median oddsmill {:.0} bets/s on {} bets", median(&mut rates), work.count);
    if peer > 0 {
        let (ours, theirs) = (median(&mut part_rates), median(&mut peer_rates));
        println!("on {} bets: oddsmill {ours:.0}, sqlite {theirs:.0} bets/s, ratio {:.1}", part.count, ours / theirs);
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
