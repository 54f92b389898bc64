//! `oddsmill sql`: the read-only SQL surface, beside a running pipeline or on a stopped directory.

use std::io::{IsTerminal, Read};

use clap::Args;

use super::Context;
use super::exit::Failure;
use super::output::{OutputFormat, print};
use crate::control::{Access, Missing};
use crate::sql::prompt::prompt;

/// The longest query read from standard input.
const MAX_QUERY_BYTES: u64 = 1 << 20;

const EXAMPLES: &str = "\
Examples:
  oddsmill sql \"SELECT * FROM odds_windows ORDER BY window_start LIMIT 10\"
  oddsmill sql -o csv \"SELECT username, profit FROM users\" > profits.csv
  oddsmill sql < report.sql
  oddsmill sql               an interactive prompt; \\d lists the tables

Tables: bets, users, questions, streamers, streams, odds_windows, settlements,
audit, outbox, dead_letters, and sys_streams, sys_shards, sys_checkpoints,
sys_leases, sys_metrics.
";

/// Query the tables; without a query, an interactive prompt
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Sql {
    /// The query; where it is left out and standard input is no terminal, it is read from there
    #[arg(value_name = "QUERY")]
    query: Option<String>,
}

impl Sql {
    /// Runs the verb.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let query = match self.query {
            Some(query) => Some(query),
            None if std::io::stdin().is_terminal() => None,
            None => Some(from_stdin()?),
        };
        let access = Access::open(&context.config, Missing::Refuse).await?;
        let format = context.output.unwrap_or(OutputFormat::Table);
        match query {
            Some(query) => print(access.sql(&query).await?, format).await,
            None => interactive(&access, format).await,
        }
    }
}

fn from_stdin() -> Result<String, Failure> {
    let mut query = String::new();
    std::io::stdin().take(MAX_QUERY_BYTES).read_to_string(&mut query)?;
    Ok(query)
}

async fn interactive(access: &Access, format: OutputFormat) -> Result<(), Failure> {
    let run = async |query: &str| {
        let rows = access.sql(query).await.map_err(|error| error.to_string())?;
        match print(rows, format).await {
            Ok(()) | Err(Failure::PipeClosed) => Ok(()),
            Err(Failure::Failed(text)) => Err(text),
            Err(other) => Err(format!("{other:?}")),
        }
    };
    prompt(run).await.map_err(|error| Failure::Failed(error.to_string()))
}
