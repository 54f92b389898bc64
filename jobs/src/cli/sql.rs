//! `oddsmill sql`: the read-only SQL surface, beside a running pipeline or on a stopped directory.

use std::io::{IsTerminal, Read};
use std::time::Duration;

use clap::Args;
use futures::{StreamExt, stream};
use pipeline::{Error, Result};
use tokio::time::{Instant, timeout};

use super::Context;
use super::exit::Failure;
use super::output::{OutputFormat, print};
use crate::config::duration::{parse_millis, show_millis};
use crate::control::{Access, Missing, Rows};
use crate::sql::prompt::prompt;

/// The longest query read from standard input.
const MAX_QUERY_BYTES: u64 = 1 << 20;

const EXAMPLES: &str = "\
Examples:
  oddsmill sql \"SELECT * FROM odds_windows ORDER BY window_start LIMIT 10\"
  oddsmill sql -o csv \"SELECT username, profit FROM users\" > profits.csv
  oddsmill sql --timeout 10m < report.sql
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
    /// How long a query may work, 0 for as long as it takes [default: sql.timeout, which is 30s]
    #[arg(long, value_name = "DURATION", value_parser = parse_millis)]
    timeout: Option<i64>,
}

impl Sql {
    /// Runs the verb.
    pub async fn run(self, context: &Context) -> std::result::Result<(), Failure> {
        let query = match self.query {
            Some(query) => Some(query),
            None if std::io::stdin().is_terminal() => None,
            None => Some(from_stdin()?),
        };
        let limit = Duration::from_millis(self.timeout.unwrap_or(context.config.sql.timeout_ms).unsigned_abs());
        let access = Access::open(&context.config, Missing::Refuse).await?;
        let format = context.output.unwrap_or(OutputFormat::Table);
        match query {
            Some(query) => print(rows(&access, &query, limit).await?, format).await,
            None => interactive(&access, format, limit).await,
        }
    }
}

fn from_stdin() -> std::result::Result<String, Failure> {
    let mut query = String::new();
    std::io::stdin().take(MAX_QUERY_BYTES).read_to_string(&mut query)?;
    Ok(query)
}

async fn interactive(access: &Access, format: OutputFormat, limit: Duration) -> std::result::Result<(), Failure> {
    let run = async |query: &str| {
        let rows = rows(access, query, limit).await.map_err(|error| error.to_string())?;
        match print(rows, format).await {
            Ok(()) | Err(Failure::PipeClosed) => Ok(()),
            Err(Failure::Failed(text)) => Err(text),
            Err(other) => Err(format!("{other:?}")),
        }
    };
    prompt(run).await.map_err(|error| Failure::Failed(error.to_string()))
}

/// A query's rows, for which it may work so long in all. How long somebody takes to read them does
/// not count: a pager may stand open.
async fn rows(access: &Access, query: &str, limit: Duration) -> Result<Rows> {
    let mut left = Left { time: limit, limit };
    let Rows { schema, batches } = left.take(access.sql(query)).await??;
    let batches = stream::try_unfold((batches, left), |(mut batches, mut left)| async move {
        let batch = left.take(batches.next()).await?;
        Ok(batch.transpose()?.map(|batch| (batch, (batches, left))))
    });
    Ok(Rows { schema, batches: batches.boxed() })
}

/// How long a query may still work.
struct Left {
    time: Duration,
    limit: Duration,
}

impl Left {
    async fn take<T>(&mut self, work: impl Future<Output = T>) -> Result<T> {
        if self.limit.is_zero() {
            return Ok(work.await);
        }
        let begun = Instant::now();
        let done = timeout(self.time, work).await.map_err(|_| out_of_time(self.limit))?;
        self.time = self.time.saturating_sub(begun.elapsed());
        Ok(done)
    }
}

fn out_of_time(limit: Duration) -> Error {
    let limit = show_millis(i64::try_from(limit.as_millis()).unwrap_or(i64::MAX));
    Error::Reject(format!(
        "the query worked for more than {limit}, which sql.timeout (or --timeout) allows; narrow it with WHERE or LIMIT, or give it more with --timeout"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::tests::{ENDLESS, node};

    #[tokio::test(flavor = "multi_thread")]
    async fn a_query_without_end_is_ended_and_says_how_to_give_it_longer() {
        let access = Access::Local(Box::new(node().await));
        let outcome = match rows(&access, ENDLESS, Duration::from_millis(200)).await {
            Ok(mut rows) => rows.batches.next().await.unwrap().map(|batch| batch.num_rows()),
            Err(error) => Err(error),
        };
        let text = outcome.unwrap_err().to_string();
        assert!(text.contains("worked for more than 200ms, which sql.timeout (or --timeout) allows"), "{text}");
        let mut rows = rows(&access, "SELECT 1", Duration::ZERO).await.unwrap();
        assert_eq!(rows.batches.next().await.unwrap().unwrap().num_rows(), 1);
    }
}
