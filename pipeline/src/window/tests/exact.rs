//! The same rows give the same bytes, however they are ordered, split and merged, and the bytes say
//! what a plain computation says.

use std::collections::BTreeMap;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::TimestampMillisecondType;

use super::{QUERY, Random, Reading, batch, plan, readings, reference};
use crate::window::{WindowPlan, state};

#[test]
fn any_order_split_and_merge_gives_the_reference() {
    // (seed, rows, groups, nulls)
    let cases = [
        (1, 1, 1, false),
        (2, 2, 1, false),
        (3, 500, 1, true),
        (4, 3_000, 40, false),
        (5, 3_000, 40, true),
        (6, 5_000, 4_000, true),
    ];
    for (seed, rows, groups, nulls) in cases {
        check(seed, readings(seed, rows, groups, nulls));
    }
}

/// Runs the rows straight and in five random ways, and compares all with the reference.
fn check(seed: u64, mut rows: Vec<Reading>) {
    let plan = plan(QUERY);
    let expected = reference::windows(&rows);
    let straight = finish_all(&plan, fold(&plan, &[batch(&rows)]));
    let found: BTreeMap<i64, _> = straight.iter().map(|(start, result)| (*start, reference::rows(result))).collect();
    assert_eq!(found, expected, "seed {seed}");

    let mut random = Random(seed);
    for way in 0..5 {
        random.shuffle(&mut rows);
        let mut batches = Vec::new();
        let mut rest = rows.as_slice();
        while !rest.is_empty() {
            let most = (rest.len() as u64).min(700);
            let (head, tail) = rest.split_at(1 + random.below(most) as usize);
            batches.push(batch(head));
            rest = tail;
        }
        let mut states = fold(&plan, &batches);
        for states in states.values_mut() {
            tree_merge(&plan, states, &mut random);
        }
        let ways = finish_all(&plan, states);
        assert_eq!(encoded(&ways), encoded(&straight), "seed {seed}, way {way}");
    }
}

/// The partial states of batches, by window.
fn fold(plan: &WindowPlan, batches: &[RecordBatch]) -> BTreeMap<i64, Vec<RecordBatch>> {
    let mut states: BTreeMap<i64, Vec<RecordBatch>> = BTreeMap::new();
    for batch in batches {
        for (start, state) in plan.partial(batch).unwrap() {
            states.entry(start).or_default().push(state);
        }
    }
    states
}

/// Merges random handfuls of states, through their bytes, until few are left.
fn tree_merge(plan: &WindowPlan, states: &mut Vec<RecordBatch>, random: &mut Random) {
    while states.len() > 3 {
        random.shuffle(states);
        let handful = 2 + random.below(3) as usize;
        let merged = plan.merge(&states.split_off(states.len() - handful)).unwrap();
        let bytes = state::encode(&merged).unwrap();
        states.push(state::decode(&plan.state_schema(), &bytes).unwrap());
    }
}

fn finish_all(plan: &WindowPlan, states: BTreeMap<i64, Vec<RecordBatch>>) -> BTreeMap<i64, RecordBatch> {
    states.into_iter().map(|(start, states)| (start, plan.finish(start, &states).unwrap())).collect()
}

fn encoded(results: &BTreeMap<i64, RecordBatch>) -> Vec<(i64, Vec<u8>)> {
    results.iter().map(|(start, result)| (*start, state::encode(result).unwrap())).collect()
}

#[test]
fn merged_states_are_canonical() {
    let plan = plan(QUERY);
    let mut rows = readings(7, 2_000, 60, true);
    for row in &mut rows {
        row.event_time = 1_700_000_000_000;
    }
    let whole = plan.merge(&[plan.partial(&batch(&rows)).unwrap().remove(0).1]).unwrap();
    Random(7).shuffle(&mut rows);
    let (left, right) = rows.split_at(700);
    let halves: Vec<RecordBatch> = [right, left].map(|half| plan.partial(&batch(half)).unwrap().remove(0).1).into();
    let merged = plan.merge(&halves).unwrap();
    assert_eq!(state::encode(&merged).unwrap(), state::encode(&whole).unwrap());
}

#[test]
fn a_hundred_thousand_groups_are_all_aggregated() {
    let plan = plan(QUERY);
    let mut rows = readings(8, 100_000, u64::MAX, false);
    for (row, reading) in rows.iter_mut().enumerate() {
        reading.sensor = row as u128;
        reading.event_time = 1_700_000_000_000 - 1_700_000_000_000 % super::LENGTH_MS;
    }
    // Every group twice, far apart in the batch: skipped aggregation would give two rows a group.
    rows.extend(rows.clone().into_iter().map(|row| Reading { id: row.id ^ 1, ..row }));
    let states = plan.partial(&batch(&rows)).unwrap();
    assert_eq!(states.len(), 1);
    assert_eq!(states[0].1.num_rows(), 100_000);
    let result = plan.finish(states[0].0, &[states[0].1.clone(), states[0].1.clone()]).unwrap();
    assert_eq!(result.num_rows(), 100_000);
    assert!(reference::rows(&result).iter().all(|row| row.readings == 4));
}

#[test]
fn keys_with_a_time_zone_stay_what_they_are() {
    let plan = plan(
        "SELECT arrow_cast(event_time, 'Timestamp(Millisecond, Some(\"+02:00\"))') AS at, count(*) AS readings \
         FROM readings GROUP BY arrow_cast(event_time, 'Timestamp(Millisecond, Some(\"+02:00\"))')",
    );
    let rows = readings(9, 200, 5, false);
    let states = fold(&plan, &[batch(&rows)]);
    let straight = encoded(&finish_all(&plan, states.clone()));
    let mut merged = states;
    for states in merged.values_mut() {
        for _ in 0..3 {
            *states = vec![plan.merge(states).unwrap()];
        }
    }
    assert_eq!(encoded(&finish_all(&plan, merged.clone())), straight);
    for (start, rows) in finish_all(&plan, merged) {
        let times = rows.column(0).as_primitive::<TimestampMillisecondType>();
        assert!(times.values().iter().all(|at| (start..start + super::LENGTH_MS).contains(at)), "{start} {times:?}");
    }
}
