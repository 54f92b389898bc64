//! `oddsmill trace`: everything that ever happened to a bet, in order.
//!
//! Streams are read from their beginning and searched for the bet and its question, so what is shown
//! is what the log still holds (`log.retention`); tables say the rest.

mod page;
mod story;

use std::io::Write;

use clap::Args;
use pipeline::record::Position;
use schemas::ids::BetId;

use super::Context;
use super::exit::Failure;
use super::ids::Ids;
use super::output::{OutputFormat, print_texts, stdout};
use crate::control::{Access, Missing};
use crate::sql::output::terminal_width;
use page::page;
use story::Story;

/// Data bytes read of one shard at a time.
const READ_BYTES: usize = 1 << 20;

/// What names a bet. One that was never decided is only in the log, where whole ids are searched for.
const IDS: Ids = Ids {
    of: "bet",
    places: &[("bets", "bet_uuid")],
    hint: "`oddsmill sql \"SELECT bet_uuid FROM bets LIMIT 5\"` shows some; a whole id is searched for in the log as well",
};

const EXAMPLES: &str = "\
Examples:
  oddsmill trace 0b0a8fd4
  oddsmill trace 0b0a8fd4-7a55-4c5a-9f0e-2f6f1b7a1c01 -o json
  oddsmill sql -o csv \"SELECT bet_uuid FROM bets LIMIT 1\" | tail -1 \\
      | xargs oddsmill trace

From streams: the bet's records (repeats, conflicts and redrives among them),
its question's events, the revisions of its odds window, its notifications, its
settlement. From tables: the decision, mails, acts of operators, dead letters.
Sorted by arrival, with places in brackets; -o table gives columns.
";

/// Tell everything that happened to a bet, with positions and times
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Trace {
    /// The bet's id, or the start of it
    #[arg(value_name = "BET_UUID")]
    bet: String,
}

impl Trace {
    /// Runs the verb.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let access = Access::open(&context.config, Missing::Refuse).await?;
        let bet = IDS.find(&access, &self.bet).await?;
        let bet = BetId::parse(&bet).map_err(|error| Failure::Usage(error.to_string()))?;
        let mut story = Story::of(&access, bet).await?;
        for stream in story.streams() {
            for shard in access.shards(stream).await? {
                let mut after = Position::START;
                loop {
                    let chunk = access.read(stream, shard.id, after, READ_BYTES).await?;
                    let Some(last) = chunk.records.last() else { break };
                    after = last.position;
                    chunk.records.iter().for_each(|record| story.record(stream, shard.id, record));
                }
            }
        }
        story.mails(&access).await?;
        story.acts(&access).await?;
        let lines = story.tell();
        if lines.is_empty() {
            return Err(Failure::Failed(format!(
                "nothing is known of bet {bet}: neither a row nor a record in the log of {}",
                context.config.data_dir.display()
            )));
        }
        let lines: Vec<[String; 3]> = lines.into_iter().map(|line| [line.at, line.place, line.what]).collect();
        if let (None, Some(width)) = (context.output, terminal_width()) {
            let mut out = stdout();
            out.write_all(page(&bet.to_string(), &lines, width).as_bytes())?;
            return Ok(out.flush()?);
        }
        print_texts(["at", "where", "what"], lines, context.output.unwrap_or(OutputFormat::Table)).await
    }
}
