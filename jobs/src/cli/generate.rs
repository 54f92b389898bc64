//! `oddsmill generate`: deterministic bets, the good and the bad.

use std::io::Write;

use clap::{Args, Subcommand, ValueEnum};
use pipeline::record::Append;
use pipeline::{Arrival, Clock};
use schemas::decimal::parse_micros;
use schemas::time::Timestamp;

use super::Context;
use super::batch::Batches;
use super::exit::Failure;
use super::output::{counted, stdout};
use super::run::Run;
use super::streams::Streams;
use crate::bets::event_time;
use crate::config::duration::parse_millis;
use crate::control::Missing;
use crate::sources::generate::{Bets, Defects, Line, MatchDay, Params};
use crate::sources::{BETS, GAME_EVENTS};

const EXAMPLES: &str = "\
Examples:
  oddsmill generate bets --count 1000 --seed 7 > bets.jsonl
  oddsmill generate bets --count 1000 --start now --stream game-events \\
      | oddsmill produce game-events
  oddsmill generate bets --count 1000 --start now | oddsmill produce bets
  oddsmill generate match-day --count 1000000 --into-log --as-of-source --apply

The same arguments give the same bytes, on any machine. Bets need their
questions and accounts: print those with --stream game-events, or let
--into-log append everything in the right order. Bets whose time is far from
their arrival are rejected as too_skewed: for a live pipeline take --start now.
Shares are fractions such as 0.01 or 1%.
";

/// Make up bets: JSON lines on standard output, or records in the log
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Generate {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Debug, Subcommand)]
enum Kind {
    /// Bets at an even rate on questions that are all open
    #[command(after_help = EXAMPLES)]
    Bets(Options),
    /// A day of matches: quiet at night, most at 20:00; odds follow the play, the score decides
    #[command(after_help = EXAMPLES)]
    MatchDay(Options),
}

#[derive(Debug, Args)]
struct Options {
    /// Bet lines, the bad ones included
    #[arg(long, default_value_t = 100_000)]
    count: u64,
    /// Another seed is another history
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Questions, Zipf-distributed
    #[arg(long)]
    questions: Option<u32>,
    /// Bettors, Zipf-distributed
    #[arg(long)]
    bettors: Option<u32>,
    /// When the first line arrives: RFC 3339, or now [default: 2022-07-11T00:00:00Z; now with --into-log]
    #[arg(long, value_name = "TIME")]
    start: Option<Start>,
    /// Over how long bets arrive [default: 1h, or all at once with --start now]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    duration: Option<u64>,
    /// Share of bets that repeat another one
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0")]
    duplicate: u32,
    /// Share of bets with another one's id and another stake
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0")]
    conflict: u32,
    /// Share of bets that come after their window closed
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0")]
    late: u32,
    /// Share of lines that are no bets: cut, negative, NaN, oversized, …
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0")]
    bad: u32,
    /// Share of bets up to 30 s out of order
    #[arg(long, value_name = "SHARE", value_parser = share, default_value = "0.01")]
    out_of_order: u32,
    /// Which stream's lines are printed
    #[arg(long, value_enum, default_value_t = Stream::Bets, conflicts_with = "into_log")]
    stream: Stream,
    /// Append everything to the log instead
    #[arg(long)]
    into_log: bool,
    /// With --into-log, keep the lines' own times as arrivals
    #[arg(long, requires = "into_log")]
    as_of_source: bool,
    /// With --into-log, then apply all that the log holds, as `run --drain` does
    #[arg(long, requires = "into_log")]
    apply: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Stream {
    Bets,
    GameEvents,
}

#[derive(Debug, Clone, Copy)]
enum Start {
    Now,
    At(Timestamp),
}

impl std::str::FromStr for Start {
    type Err = String;

    fn from_str(text: &str) -> Result<Start, String> {
        match text {
            "now" => Ok(Start::Now),
            time => Timestamp::parse_rfc3339(time).map(Start::At).map_err(|error| error.to_string()),
        }
    }
}

impl Generate {
    /// Runs the verb.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let (options, lines): (&Options, Box<dyn Iterator<Item = Line>>) = match &self.kind {
            Kind::Bets(options) => (options, Box::new(Bets::new(options.params()).map_err(usage)?)),
            Kind::MatchDay(options) => (options, Box::new(MatchDay::new(options.params()).map_err(usage)?)),
        };
        if !options.into_log {
            return options.print(lines);
        }
        if options.apply {
            context.needs_directory()?;
        }
        options.append(context, lines).await?;
        if options.apply { Run::draining().run(context).await } else { Ok(()) }
    }
}

impl Options {
    fn params(&self) -> Params {
        let defaults = Params::default();
        let start = self.start.unwrap_or(match self.into_log && !self.as_of_source {
            true => Start::Now,
            false => Start::At(defaults.start),
        });
        let (start, duration_ms) = match start {
            Start::Now => (event_time(Clock::System.now()), 0),
            Start::At(start) => (start, defaults.duration_ms),
        };
        Params {
            count: self.count,
            seed: self.seed,
            questions: self.questions.unwrap_or(defaults.questions),
            bettors: self.bettors.unwrap_or(defaults.bettors),
            start,
            duration_ms: self.duration.unwrap_or(duration_ms),
            defects: Defects {
                out_of_order: self.out_of_order,
                duplicate: self.duplicate,
                conflict: self.conflict,
                late: self.late,
                bad: self.bad,
            },
        }
    }

    fn print(&self, lines: impl Iterator<Item = Line>) -> Result<(), Failure> {
        let wanted = match self.stream {
            Stream::Bets => BETS,
            Stream::GameEvents => GAME_EVENTS,
        };
        let mut out = stdout();
        for line in lines.filter(|line| line.stream == wanted) {
            out.write_all(&line.bytes)?;
            out.write_all(b"\n")?;
        }
        Ok(out.flush()?)
    }

    async fn append(&self, context: &Context, lines: impl Iterator<Item = Line>) -> Result<(), Failure> {
        let streams = Streams::open(context, Missing::Create).await?;
        let mut batches = Batches::new(&streams);
        let mut refused = 0;
        for line in lines {
            let record = Append::new(line.partition_key, line.bytes);
            let record = if self.as_of_source { record.arrived(Arrival(line.at.millis())) } else { record };
            match record.check() {
                Ok(()) => batches.add(line.stream, record).await?,
                Err(_) => refused += 1,
            }
        }
        batches.flush().await?;
        let refused = if refused > 0 {
            format!("; {} over the log's limits left out", counted(refused, "line"))
        } else {
            String::new()
        };
        context.remark(format!("{} appended{refused}", counted(batches.appended, "record")));
        Ok(())
    }
}

fn usage(error: impl std::fmt::Display) -> Failure {
    Failure::Usage(error.to_string())
}

fn duration(text: &str) -> Result<u64, String> {
    Ok(parse_millis(text)?.unsigned_abs())
}

/// A fraction or a percentage, in parts per million.
fn share(text: &str) -> Result<u32, String> {
    let wrong = || "choose a share from 0 to 1, such as 0.01 or 1%".to_owned();
    let (number, divisor) = text.strip_suffix('%').map_or((text, 1), |number| (number, 100));
    let micros = parse_micros(number).map_err(|_| wrong())?;
    u32::try_from(micros / divisor).ok().filter(|share| *share <= 1_000_000).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_parts_per_million() {
        for (text, expected) in
            [("0", 0), ("0.01", 10_000), ("1%", 10_000), ("1", 1_000_000), ("100%", 1_000_000), ("0.5%", 5_000)]
        {
            assert_eq!(share(text), Ok(expected), "{text}");
        }
        for bad in ["1.1", "-0.1", "x", "101%", ""] {
            assert!(share(bad).is_err(), "{bad}");
        }
    }
}
