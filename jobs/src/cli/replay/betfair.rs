//! `oddsmill replay betfair`: an exchange's stream file at its own times.

use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::ProgressBar;
use pipeline::{Arrival, Clock};

use super::{bar, interrupt_on_signals};
use crate::bets::event_time;
#[cfg(feature = "aws")]
use crate::cli::aws;
use crate::cli::exit::Failure;
#[cfg(feature = "aws")]
use crate::cli::output::counted;
use crate::cli::{Context, summary};
#[cfg(feature = "aws")]
use crate::config::Adapter;
use crate::control::access::open_alone;
use crate::control::{Mode, Server};
#[cfg(feature = "aws")]
use crate::replay::ReplayError;
use crate::replay::{self, Outcome, Progress, Speed};
use crate::sources::betfair::{self, incidents};
use crate::sources::{SourceError, Sourced, merge};

const EXAMPLES: &str = "\
Examples:
  oddsmill replay betfair 1.200806927
  oddsmill replay betfair 1.200806927 --speed 600 \\
      --incidents sportsdata/1.200806927
  oddsmill replay betfair market.bz2 --speed realtime --data-dir ./live-demo

The file's volume increases become bets (bettors are made up, the same ones
every time), its definitions questions and answers. Running the same replay
again adds nothing; an interrupted one goes on where it stopped. The directory
must hold nothing later than the file's first record. With --log kinesis the
records are appended for workers to apply, under aws.envelope_secret.
";

/// A Betfair exchange stream file: plain, gz or bz2
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Betfair {
    /// The market file; it may hold several markets
    #[arg(value_name = "MARKET_FILE")]
    market: PathBuf,
    /// The ball-by-ball file of the same match
    #[arg(long, value_name = "FILE")]
    incidents: Option<PathBuf>,
    /// max, realtime, or so many times realtime
    #[arg(long, value_name = "SPEED", default_value = "max")]
    speed: Speed,
}

/// Why a replay onto Kinesis needs it.
#[cfg(feature = "aws")]
const NEEDS_SECRET: &str = "a replay onto Kinesis gives records the file's own times, which workers believe where both \
                            know a secret: set aws.envelope_secret (16 bytes or more) for both, and aws.idle_clock=false \
                            for the workers";

type Events = Box<dyn Iterator<Item = Result<Sourced, SourceError>>>;

impl Betfair {
    /// Runs the verb.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        #[cfg(feature = "aws")]
        if context.config.adapter == Adapter::Kinesis {
            return self.run_onto_kinesis(context).await;
        }
        let files: Vec<&Path> = std::iter::once(&self.market).chain(&self.incidents).map(PathBuf::as_path).collect();
        let fingerprint = replay::fingerprint(files)?;
        let node = open_alone(&context.config, Clock::manual(Arrival::MIN)).await?;
        let server = Server::start(node.clone(), "replay", Mode::ReadOnly)?;
        let interrupt = interrupt_on_signals()?;
        let bar = bar(context, "{msg} [{bar:30}] {human_pos} of {human_len} records, {elapsed}");
        let mut watch = |progress: Progress| show(&bar, progress);
        let outcome = replay::replay(
            &node,
            context.config.mail.as_ref(),
            || self.events(),
            fingerprint,
            self.speed,
            &interrupt,
            &mut watch,
        )
        .await;
        bar.finish_and_clear();
        server.stop().await;
        let outcome = outcome?;
        if outcome.interrupted || outcome.appended < outcome.survey.records {
            return Err(interrupted(&outcome));
        }
        summary::print(context, &node, &self.market, &outcome).await
    }

    /// Appends everything as fast as it goes; workers apply it.
    #[cfg(feature = "aws")]
    async fn run_onto_kinesis(&self, context: &Context) -> Result<(), Failure> {
        if self.speed != Speed::Max {
            return Err(Failure::Usage("on Kinesis a replay goes at the speed max; leave out --speed".into()));
        }
        if context.config.aws.envelope_secret.is_none() {
            return Err(Failure::Usage(NEEDS_SECRET.into()));
        }
        let cluster = aws::open(context).await?;
        let interrupt = interrupt_on_signals()?;
        let bar = bar(context, "{msg} [{bar:30}] {human_pos} of {human_len} records, {elapsed}");
        let events = || self.events().map_err(ReplayError::from);
        let total = events()?.count() as u64;
        bar.set_length(total);
        let appended = replay::onto::replay_onto(&cluster.log, events()?, &interrupt, &mut |appended, at| {
            bar.set_position(appended);
            bar.set_message(format!("appending, at {}", event_time(at)));
        })
        .await;
        bar.finish_and_clear();
        let appended = appended?;
        if appended < total {
            return Err(Failure::Interrupted(format!(
                "interrupted: {appended} of {total} records are in the streams; the same command appends them again, and workers count each once"
            )));
        }
        let prefix = &context.config.aws.prefix;
        context.remark(format!("{} appended to {prefix}game-events and {prefix}bets", counted(appended, "record")));
        Ok(())
    }

    fn events(&self) -> Result<Events, SourceError> {
        let market = betfair::Replay::new(betfair::open(&self.market)?);
        Ok(match &self.incidents {
            None => Box::new(market),
            Some(path) => Box::new(merge(incidents::Replay::new(incidents::open(path)?), market)),
        })
    }
}

fn interrupted(outcome: &Outcome) -> Failure {
    Failure::Interrupted(format!(
        "interrupted: {} of {} records are in the log; run the same command again to go on",
        outcome.appended, outcome.survey.records
    ))
}

fn show(bar: &ProgressBar, progress: Progress) {
    bar.set_length(progress.total);
    bar.set_position(progress.appended);
    let doing = if progress.appended < progress.total { "appending" } else { "applying" };
    bar.set_message(format!("{doing}, at {}", event_time(progress.clock)));
}
