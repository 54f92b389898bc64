//! Tests of window jobs, and what they share: a table of sensor readings, the shipped kind of query
//! over it, and a seeded generator.

mod backfill;
mod exact;
mod queries;
mod reference;
mod refused;
mod states;

use std::sync::Arc;

use datafusion::arrow::array::{
    Decimal128Array, FixedSizeBinaryBuilder, RecordBatch, TimestampMillisecondArray, UInt16Array,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::{WindowPlan, WindowSpec};

pub const LENGTH_MS: i64 = 300_000;

pub const QUERY: &str = "SELECT sensor, channel, count(*) AS readings, sum(weight) AS weight, \
     sum(value) AS sum_value, exact_div(sum(value), count(*)) AS avg_value, \
     exact_div(sum(value*weight), sum(weight)) AS weighted_value, \
     min(value) AS min_value, max(value) AS max_value, \
     first_value(value ORDER BY event_time, id) AS first_value, \
     last_value(value ORDER BY event_time, id) AS last_value \
     FROM readings GROUP BY sensor, channel";

/// A row of the table `readings`. Amounts are millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    pub sensor: u128,
    pub channel: u16,
    pub weight: Option<i128>,
    pub value: Option<i128>,
    pub event_time: i64,
    pub id: u128,
}

pub fn schema() -> SchemaRef {
    let utc = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("sensor", DataType::FixedSizeBinary(16), false),
        Field::new("channel", DataType::UInt16, false),
        Field::new("weight", DataType::Decimal128(18, 6), true),
        Field::new("value", DataType::Decimal128(18, 6), true),
        Field::new("event_time", utc, false),
        Field::new("id", DataType::FixedSizeBinary(16), false),
        Field::new("note", DataType::Utf8, true),
    ]))
}

pub fn spec(sql: &str) -> WindowSpec {
    WindowSpec {
        name: "readings-5m".to_owned(),
        table: "readings".to_owned(),
        sql: sql.to_owned(),
        time_column: "event_time".to_owned(),
        length_ms: LENGTH_MS,
        hop_ms: LENGTH_MS,
    }
}

pub fn plan(sql: &str) -> WindowPlan {
    WindowPlan::compile(&spec(sql), schema()).unwrap()
}

/// The readings as a batch without the column `note`, which no query here reads.
pub fn batch(readings: &[Reading]) -> RecordBatch {
    let bytes = |of: fn(&Reading) -> u128| {
        let mut builder = FixedSizeBinaryBuilder::with_capacity(readings.len(), 16);
        for reading in readings {
            builder.append_value(of(reading).to_be_bytes()).unwrap();
        }
        Arc::new(builder.finish())
    };
    let decimals = |of: fn(&Reading) -> Option<i128>| {
        let values: Decimal128Array = readings.iter().map(of).collect();
        Arc::new(values.with_precision_and_scale(18, 6).unwrap())
    };
    let times = readings.iter().map(|r| r.event_time);
    RecordBatch::try_new(
        Arc::new(schema().project(&[0, 1, 2, 3, 4, 5]).unwrap()),
        vec![
            bytes(|r| r.sensor),
            Arc::new(UInt16Array::from_iter_values(readings.iter().map(|r| r.channel))),
            decimals(|r| r.weight),
            decimals(|r| r.value),
            Arc::new(TimestampMillisecondArray::from_iter_values(times).with_timezone("UTC")),
            bytes(|r| r.id),
        ],
    )
    .unwrap()
}

/// `count` readings over about `groups` groups and half an hour, a tenth of the amounts null where
/// `nulls` is set, and times that tie often.
pub fn readings(seed: u64, count: usize, groups: u64, nulls: bool) -> Vec<Reading> {
    let mut random = Random(seed);
    let amount = |random: &mut Random| {
        let drawn = i128::from(random.below(1_000_000_000_000_000_000)) - 1_000_000_000;
        (!nulls || random.below(10) > 0).then_some(drawn)
    };
    (0..count)
        .map(|row| {
            let group = random.below(groups);
            Reading {
                sensor: u128::from(group / 3).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835),
                channel: u16::try_from(group % 3).unwrap(),
                weight: amount(&mut random),
                value: amount(&mut random),
                event_time: 1_700_000_000_000 + i64::try_from(random.below(180)).unwrap() * 10_000,
                id: u128::from(random.next()) << 64 | row as u128,
            }
        })
        .collect()
}

/// SplitMix64 (Steele, Lea and Flood 2014): enough for shuffles.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end as u64 + 1) as usize);
        }
    }
}
