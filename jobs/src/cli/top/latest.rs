//! The smaller readings: metrics, shards, the last mails and dead letters.

use std::collections::BTreeMap;

use pipeline::metrics::Metric;
use pipeline::shard::ShardId;
use pipeline::{Error, Result};
use schemas::time::Timestamp;

use super::cells::{Row, ask, rows};
use super::model::{DeadLetter, DeadLetters, LATEST, Mail, Shard};
use crate::control::Access;

/// What the process counts, by name.
#[derive(Debug, Default)]
pub struct Values(BTreeMap<String, u64>);

impl Values {
    /// Reads the table `sys_metrics`: a row a metric, out of memory. What it costs is the planning
    /// of a query.
    pub async fn read(access: &Access) -> Result<Values> {
        let batches = ask(access, "SELECT name, value FROM sys_metrics").await?;
        let value = |row: Row<'_>| Ok((row.text("name")?, row.number("value")?.unwrap_or(0)));
        rows(&batches).map(value).collect::<Result<_>>().map(Values)
    }

    /// A value; 0 where nobody counts it.
    pub fn get(&self, metric: Metric) -> u64 {
        self.named(metric.name()).unwrap_or(0)
    }

    /// A value by its name, where somebody counts it.
    pub fn named(&self, name: &str) -> Option<u64> {
        self.0.get(name).copied()
    }
}

/// Reads the table `sys_shards`: a row a shard, out of memory but for the checkpoints.
pub async fn shards(access: &Access) -> Result<Vec<Shard>> {
    let query = "SELECT stream, shard, records, lag_records, lag_ms FROM sys_shards ORDER BY stream, shard";
    let shard = |row: Row<'_>| {
        let shard: ShardId = row.text("shard")?.parse()?;
        Ok(Shard {
            stream: row.text("stream")?,
            shard: shard.0,
            records: row.number("records")?.unwrap_or(0),
            lag_records: row.number("lag_records")?,
            lag_ms: row.signed("lag_ms")?,
        })
    };
    rows(&ask(access, query).await?).map(shard).collect()
}

/// Reads the last mails, newest first. `oldest` is the time of the oldest one shown, if the list is
/// full: nothing earlier can come into it, so that a table stored by time is read from there.
///
/// Costs a look at every mail since then, at all of them the first time.
pub async fn mails(access: &Access, oldest: Option<Timestamp>) -> Result<Vec<Mail>> {
    let since = oldest.map(|at| format!("AND created_at >= '{at}' ")).unwrap_or_default();
    // Those that nobody wants, and those not looked at yet, have no email.
    let query = format!(
        "SELECT created_at, email, event, state FROM outbox WHERE email IS NOT NULL {since}ORDER BY created_at DESC LIMIT {LATEST}"
    );
    let mail = |row: Row<'_>| {
        Ok(Mail {
            at: row.time("created_at")?.ok_or_else(|| Error::corrupt("a mail without a time"))?,
            to: row.text("email")?,
            event: row.text("event")?,
            state: row.text("state")?,
        })
    };
    rows(&ask(access, &query).await?).map(mail).collect()
}

/// Reads how many dead letters there are for each reason, and the last ones.
///
/// Costs two looks at all of them, which hold their records' bytes; they are few, or somebody has
/// more urgent things to look at than this view.
pub async fn dead_letters(access: &Access) -> Result<DeadLetters> {
    let counts =
        ask(access, "SELECT reason, count(*) AS letters FROM dead_letters GROUP BY reason ORDER BY 2 DESC, 1").await?;
    let count = |row: Row<'_>| Ok((row.text("reason")?, row.signed("letters")?.unwrap_or(0).unsigned_abs()));
    let by_reason = rows(&counts).map(count).collect::<Result<Vec<_>>>()?;
    if by_reason.is_empty() {
        return Ok(DeadLetters::default());
    }
    let query = format!(
        "SELECT id, arrived_at, reason, detail FROM dead_letters ORDER BY arrived_at DESC, id DESC LIMIT {LATEST}"
    );
    let letter = |row: Row<'_>| {
        Ok(DeadLetter {
            at: row.time("arrived_at")?.ok_or_else(|| Error::corrupt("a dead letter without a time"))?,
            id: row.text("id")?,
            reason: row.text("reason")?,
            detail: row.text("detail")?,
        })
    };
    let latest = rows(&ask(access, &query).await?).map(letter).collect::<Result<_>>()?;
    Ok(DeadLetters { by_reason, latest })
}
