//! A source's events onto Kinesis, at the source's own times.
//!
//! Each record carries its time, and marks tell every shard how far time is: a shard without records
//! moves on as well, as a live one does with the clock. Workers must know the secret that signs both,
//! and run with `aws.idle_clock = false`. What was appended before an interruption is appended again;
//! jobs know it by its ids.

use std::collections::BTreeMap;

use pipeline::Arrival;
use pipeline::adapters::aws::log::KinesisLog;
use pipeline::record::Append;

use super::feed::{Feed, to_append};
use super::{Interrupt, ReplayError};
use crate::sources::{BETS, GAME_EVENTS, SourceError, Sourced};

/// Records of a chunk; all records of one millisecond are in one chunk.
const CHUNK: usize = 2_000;
/// How far time goes beyond the last record, in milliseconds: past every window's lateness, every
/// challenge and emergency.
const AFTERWARDS_MS: i64 = 2 * 3_600_000;

/// Appends a source's events; returns how many. Stops between two chunks where it is interrupted.
pub async fn replay_onto<I>(
    log: &KinesisLog,
    events: I,
    interrupt: &Interrupt,
    watch: &mut dyn FnMut(u64, Arrival),
) -> Result<u64, ReplayError>
where
    I: Iterator<Item = Result<Sourced, SourceError>>,
{
    let (mut feed, mut appended, mut last) = (Feed::new(events), 0, Arrival::MIN);
    while !feed.is_done() && interrupt.count() == 0 {
        let chunk = feed.take(Arrival::MAX, CHUNK)?;
        appended += chunk.len() as u64;
        last = chunk.last().map_or(last, |sourced| Arrival(sourced.at.millis()));
        let mut streams = BTreeMap::<&str, Vec<Append>>::new();
        for sourced in chunk {
            let (stream, record) = to_append(sourced);
            streams.entry(stream).or_default().push(record);
        }
        // A question is there before its bets.
        for stream in [GAME_EVENTS, BETS] {
            if let Some(records) = streams.remove(stream) {
                log.append(stream, &records).await?;
            }
        }
        mark(log, last).await?;
        watch(appended, last);
    }
    if interrupt.count() == 0 {
        mark(log, last.plus_ms(AFTERWARDS_MS)).await?;
    }
    Ok(appended)
}

async fn mark(log: &KinesisLog, at: Arrival) -> Result<(), ReplayError> {
    for stream in [GAME_EVENTS, BETS] {
        log.mark_time(stream, at).await?;
    }
    Ok(())
}
