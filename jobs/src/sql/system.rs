//! The tables about the process itself: streams, shards, checkpoints, leases, metrics.
//!
//! They are small, so each is one batch. Shards and metrics are of the moment they are read.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder,
    TimestampMillisecondArray, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use pipeline::engine::checkpoint::{self, Checkpoint, Progress};
use pipeline::metrics::{Kind, Metric};
use pipeline::record::Position;
use pipeline::shard::{Shard, ShardId};
use pipeline::{Arrival, Result};
use schemas::bet::Bet;
use schemas::codec::Event;
use schemas::columns::timestamp;
use schemas::game_event::GameEvent;
use schemas::notification::Notification;

use super::view::View;
use crate::betting;
use crate::notify::fold;

/// The streams that the main loop reads. Notifications are read where mails are sent: once the notify
/// loop has a checkpoint.
const READ: [&str; 2] = [GameEvent::STREAM, Bet::STREAM];

fn schema<const N: usize>(columns: [(&str, DataType); N]) -> SchemaRef {
    let field = |(name, data_type): (&str, DataType)| {
        let required = name.trim_end_matches('?');
        Field::new(required, data_type, required.len() < name.len())
    };
    Arc::new(Schema::new(columns.into_iter().map(field).collect::<Vec<_>>()))
}

/// Columns of `sys_streams`.
pub fn streams_schema() -> SchemaRef {
    schema([
        ("stream", DataType::Utf8),
        ("shards", DataType::UInt64),
        ("open_shards", DataType::UInt64),
        ("records", DataType::UInt64),
        ("last_arrival?", timestamp()),
    ])
}

/// Columns of `sys_shards`. Lag is null for streams that no loop reads.
pub fn shards_schema() -> SchemaRef {
    schema([
        ("stream", DataType::Utf8),
        ("shard", DataType::Utf8),
        ("hash_start", DataType::Utf8),
        ("hash_end", DataType::Utf8),
        ("parents", DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)))),
        ("state", DataType::Utf8),
        ("records", DataType::UInt64),
        ("last_position?", DataType::Utf8),
        ("last_arrival?", timestamp()),
        ("checkpoint?", DataType::Utf8),
        ("lag_records?", DataType::UInt64),
        ("lag_ms?", DataType::Int64),
    ])
}

/// Columns of `sys_checkpoints`.
pub fn checkpoints_schema() -> SchemaRef {
    schema([
        ("loop", DataType::Utf8),
        ("stream", DataType::Utf8),
        ("shard", DataType::Utf8),
        ("position", DataType::Utf8),
        ("effective_arrival", timestamp()),
        ("frontier", timestamp()),
    ])
}

/// Columns of `sys_leases`.
pub fn leases_schema() -> SchemaRef {
    schema([
        ("stream", DataType::Utf8),
        ("shard", DataType::Utf8),
        ("owner", DataType::Utf8),
        ("checkpoint?", DataType::Utf8),
        ("ended", DataType::Boolean),
    ])
}

/// Columns of `sys_metrics`.
pub fn metrics_schema() -> SchemaRef {
    schema([("name", DataType::Utf8), ("kind", DataType::Utf8), ("value", DataType::UInt64), ("help", DataType::Utf8)])
}

/// A shard with what is applied of it.
struct Followed {
    stream: String,
    shard: Shard,
    /// Records appended to it so far, retention aside.
    records: u64,
    /// Where the loop stands in it; nothing if it has not begun.
    checkpoint: Option<Checkpoint>,
}

impl Followed {
    fn is_read(&self) -> bool {
        READ.contains(&self.stream.as_str()) || (self.stream == Notification::STREAM && self.checkpoint.is_some())
    }

    fn last(&self) -> Option<Position> {
        (self.records > 0).then_some(self.shard.last)
    }

    fn lag_records(&self) -> Option<u64> {
        let behind = |at: Position| Some(self.shard.last.as_u64()?.saturating_sub(at.as_u64()?).min(self.records));
        match self.checkpoint {
            _ if !self.is_read() => None,
            None => Some(self.records),
            Some(checkpoint) => behind(checkpoint.position),
        }
    }

    /// How much later the last record arrived than the last one applied; null where none is.
    fn lag_ms(&self) -> Option<i64> {
        match (self.lag_records()?, self.checkpoint) {
            (0, _) => Some(0),
            (_, None) => None,
            (_, Some(checkpoint)) => Some(self.shard.last_arrival.0.saturating_sub(checkpoint.effective.0).max(0)),
        }
    }

    fn checkpoint_text(&self) -> Option<String> {
        self.checkpoint.map(|checkpoint| checkpoint.position.to_string())
    }
}

/// The progress of both loops; the frontier is the main one's.
fn progress(view: &View) -> Result<Progress> {
    let load = |name| futures::executor::block_on(checkpoint::load(&view.port(), name));
    let mut progress = load(betting::LOOP)?;
    progress.shards.extend(load(fold::LOOP)?.shards);
    Ok(progress)
}

fn followed(view: &View) -> Result<Vec<Followed>> {
    let progress = progress(view)?;
    let mut out = Vec::new();
    for stream in view.node.log.streams() {
        let shards: BTreeMap<ShardId, Shard> =
            view.node.log.shards(&stream)?.into_iter().map(|shard| (shard.id, shard)).collect();
        for shard in shards.values() {
            let start = shard
                .parents
                .iter()
                .filter_map(|id| shards.get(id))
                .map(|parent| parent.last)
                .max()
                .unwrap_or_default();
            let records = shard.last.as_u64().zip(start.as_u64()).map_or(0, |(last, start)| last.saturating_sub(start));
            let checkpoint = progress.shards.get(&(stream.clone(), shard.id)).copied();
            out.push(Followed { stream: stream.clone(), shard: shard.clone(), records, checkpoint });
        }
    }
    Ok(out)
}

/// `sys_streams`.
pub fn streams(view: &View) -> Result<RecordBatch> {
    let shards = followed(view)?;
    let streams: Vec<&[Followed]> = shards.chunk_by(|a, b| a.stream == b.stream).collect();
    let count = |of: fn(&[Followed]) -> u64| {
        Arc::new(UInt64Array::from_iter_values(streams.iter().map(|shards| of(shards)))) as ArrayRef
    };
    let columns = vec![
        texts(streams.iter().map(|shards| shards[0].stream.clone())),
        count(|shards| shards.len() as u64),
        count(|shards| shards.iter().filter(|shard| !shard.shard.closed).count() as u64),
        count(|shards| shards.iter().map(|shard| shard.records).sum()),
        arrivals(
            streams.iter().map(|shards| shards.iter().filter(|s| s.records > 0).map(|s| s.shard.last_arrival).max()),
        ),
    ];
    Ok(RecordBatch::try_new(streams_schema(), columns)?)
}

/// `sys_shards`.
pub fn shards(view: &View) -> Result<RecordBatch> {
    let shards = followed(view)?;
    let mut parents = ListBuilder::new(StringBuilder::new());
    for followed in &shards {
        for parent in &followed.shard.parents {
            parents.values().append_value(parent.to_string());
        }
        parents.append(true);
    }
    let columns: Vec<ArrayRef> = vec![
        texts(shards.iter().map(|shard| shard.stream.clone())),
        texts(shards.iter().map(|shard| shard.shard.id.to_string())),
        texts(shards.iter().map(|shard| shard.shard.range.start.to_string())),
        texts(shards.iter().map(|shard| shard.shard.range.end.to_string())),
        Arc::new(parents.finish()),
        texts(shards.iter().map(|shard| if shard.shard.closed { "closed" } else { "open" }.to_owned())),
        Arc::new(UInt64Array::from_iter_values(shards.iter().map(|shard| shard.records))),
        optional_texts(shards.iter().map(|shard| shard.last().map(|last| last.to_string()))),
        arrivals(shards.iter().map(|shard| shard.last().map(|_| shard.shard.last_arrival))),
        optional_texts(shards.iter().map(Followed::checkpoint_text)),
        Arc::new(shards.iter().map(Followed::lag_records).collect::<UInt64Array>()),
        Arc::new(shards.iter().map(Followed::lag_ms).collect::<Int64Array>()),
    ];
    Ok(RecordBatch::try_new(shards_schema(), columns)?)
}

/// `sys_checkpoints`.
pub fn checkpoints(view: &View) -> Result<RecordBatch> {
    let progress = progress(view)?;
    let keys = || progress.shards.keys();
    let columns = vec![
        texts(keys().map(|(stream, _)| loop_of(stream).to_owned())),
        texts(keys().map(|(stream, _)| stream.clone())),
        texts(keys().map(|(_, shard)| shard.to_string())),
        texts(progress.shards.values().map(|checkpoint| checkpoint.position.to_string())),
        arrivals(progress.shards.values().map(|checkpoint| Some(checkpoint.effective))),
        // The notify loop has reached what it has applied: nothing else moves it on.
        arrivals(progress.shards.iter().map(|((stream, _), checkpoint)| {
            Some(if stream == Notification::STREAM { checkpoint.effective } else { progress.frontier })
        })),
    ];
    Ok(RecordBatch::try_new(checkpoints_schema(), columns)?)
}

/// The loop that reads a stream.
fn loop_of(stream: &str) -> &'static str {
    if stream == Notification::STREAM { fold::LOOP } else { betting::LOOP }
}

/// `sys_leases`: the process that holds the directory owns every shard that is read.
pub fn leases(view: &View) -> Result<RecordBatch> {
    let shards: Vec<Followed> = followed(view)?.into_iter().filter(Followed::is_read).collect();
    let owner = format!("process {}", std::process::id());
    let columns: Vec<ArrayRef> = vec![
        texts(shards.iter().map(|shard| shard.stream.clone())),
        texts(shards.iter().map(|shard| shard.shard.id.to_string())),
        texts(shards.iter().map(|_| owner.clone())),
        optional_texts(shards.iter().map(Followed::checkpoint_text)),
        Arc::new(
            shards
                .iter()
                .map(|shard| Some(shard.shard.closed && shard.lag_records() == Some(0)))
                .collect::<BooleanArray>(),
        ),
    ];
    Ok(RecordBatch::try_new(leases_schema(), columns)?)
}

/// `sys_metrics`.
pub fn metrics(view: &View) -> Result<RecordBatch> {
    let all = || Metric::ALL.iter();
    let kind = |metric: &Metric| match metric.kind() {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
    };
    let columns: Vec<ArrayRef> = vec![
        texts(all().map(|metric| metric.name().to_owned())),
        texts(all().map(|metric| kind(metric).to_owned())),
        Arc::new(UInt64Array::from_iter_values(all().map(|metric| view.node.metrics.get(*metric)))),
        texts(all().map(|metric| metric.help().to_owned())),
    ];
    Ok(RecordBatch::try_new(metrics_schema(), columns)?)
}

fn texts(values: impl Iterator<Item = String>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn optional_texts(values: impl Iterator<Item = Option<String>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

fn arrivals(values: impl Iterator<Item = Option<Arrival>>) -> ArrayRef {
    let millis: TimestampMillisecondArray = values.map(|at| at.map(|at| at.0)).collect();
    Arc::new(millis.with_timezone("UTC"))
}
