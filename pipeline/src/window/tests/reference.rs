//! The shipped kind of query in plain Rust, sharing nothing with the code under test.

use std::collections::BTreeMap;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{Decimal128Type, Int64Type, UInt16Type};

use super::{LENGTH_MS, Reading};

/// A row of the result, in the order of the `SELECT` list. Amounts are millionths.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    pub sensor: u128,
    pub channel: u16,
    pub readings: i64,
    pub weight: Option<i128>,
    pub sum_value: Option<i128>,
    pub avg_value: Option<i128>,
    pub weighted_value: Option<i128>,
    pub min_value: Option<i128>,
    pub max_value: Option<i128>,
    pub first_value: Option<i128>,
    pub last_value: Option<i128>,
}

/// The result rows of every window, each window's sorted by its keys.
pub fn windows(readings: &[Reading]) -> BTreeMap<i64, Vec<Row>> {
    let mut groups: BTreeMap<(i64, u128, u16), Vec<Reading>> = BTreeMap::new();
    for reading in readings {
        let start = reading.event_time.div_euclid(LENGTH_MS) * LENGTH_MS;
        let key = (start, reading.sensor, reading.channel);
        groups.entry(key).or_default().push(*reading);
    }
    let mut windows: BTreeMap<i64, Vec<Row>> = BTreeMap::new();
    for ((start, sensor, channel), mut members) in groups {
        members.sort_by_key(|r| (r.event_time, r.id));
        let sum = |of: &dyn Fn(&Reading) -> Option<i128>| members.iter().filter_map(of).reduce(|a, b| a + b);
        let weight = sum(&|r| r.weight);
        let sum_value = sum(&|r| r.value);
        let products = sum(&|r| Some(r.value? * r.weight?));
        let count = i64::try_from(members.len()).unwrap();
        windows.entry(start).or_default().push(Row {
            sensor,
            channel,
            readings: count,
            weight,
            sum_value,
            avg_value: sum_value.map(|sum| half_even(sum, i128::from(count))),
            // Scale 12 over scale 6 leaves millionths.
            weighted_value: products
                .zip(weight.filter(|w| *w != 0))
                .map(|(products, weight)| half_even(products, weight)),
            min_value: members.iter().filter_map(|r| r.value).min(),
            max_value: members.iter().filter_map(|r| r.value).max(),
            first_value: members.first().and_then(|r| r.value),
            last_value: members.last().and_then(|r| r.value),
        });
    }
    windows
}

/// Rounds to the nearest integer by looking at both neighbours, the even one where they are as near.
fn half_even(numerator: i128, denominator: i128) -> i128 {
    let floor = numerator.div_euclid(denominator);
    let distance = |candidate: i128| (numerator - candidate * denominator).abs();
    [floor, floor - 1, floor + 1]
        .into_iter()
        .min_by_key(|candidate| (distance(*candidate), candidate.rem_euclid(2)))
        .unwrap()
}

/// Reads a result back into rows.
pub fn rows(result: &RecordBatch) -> Vec<Row> {
    let decimal = |name: &str, row: usize| {
        let column = result.column_by_name(name).unwrap();
        let column = column.as_primitive::<Decimal128Type>();
        column.is_valid(row).then(|| column.value(row))
    };
    (0..result.num_rows())
        .map(|row| Row {
            sensor: u128::from_be_bytes(result.column(0).as_fixed_size_binary().value(row).try_into().unwrap()),
            channel: result.column(1).as_primitive::<UInt16Type>().value(row),
            readings: result.column(2).as_primitive::<Int64Type>().value(row),
            weight: decimal("weight", row),
            sum_value: decimal("sum_value", row),
            avg_value: decimal("avg_value", row),
            weighted_value: decimal("weighted_value", row),
            min_value: decimal("min_value", row),
            max_value: decimal("max_value", row),
            first_value: decimal("first_value", row),
            last_value: decimal("last_value", row),
        })
        .collect()
}
