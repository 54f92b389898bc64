//! Stored states: they come back as they were, small ones are small, and damage is an error.

use datafusion::arrow::array::RecordBatch;

use super::{QUERY, batch, plan, readings};
use crate::window::state::{FORMAT, decode, encode};
use crate::window::{StateError, WindowError, WindowPlan};

fn state(plan: &WindowPlan, rows: usize, groups: u64) -> RecordBatch {
    let mut rows = readings(11, rows, groups, true);
    for row in &mut rows {
        row.event_time = 1_700_000_000_000;
    }
    plan.merge(&[plan.partial(&batch(&rows)).unwrap().remove(0).1]).unwrap()
}

#[test]
fn states_come_back_as_they_were() {
    let plan = plan(QUERY);
    for (rows, groups) in [(1, 1), (7, 3), (900, 200), (20_000, 9_000)] {
        let state = state(&plan, rows, groups);
        let bytes = encode(&state).unwrap();
        assert_eq!(decode(&plan.state_schema(), &bytes).unwrap(), state, "{rows} rows");
    }
    let empty = RecordBatch::new_empty(plan.state_schema());
    assert_eq!(decode(&plan.state_schema(), &encode(&empty).unwrap()).unwrap(), empty);
}

#[test]
fn strings_and_sketches_are_stored_too() {
    let sql = "SELECT CAST(channel AS VARCHAR) AS c, max(CAST(value AS VARCHAR)), \
               approx_distinct(value), approx_median(CAST(value AS DOUBLE)) FROM readings GROUP BY 1";
    let plan = plan(sql);
    let state = state(&plan, 500, 9);
    assert_eq!(decode(&plan.state_schema(), &encode(&state).unwrap()).unwrap(), state);
}

#[test]
fn small_states_are_small() {
    let plan = plan(QUERY);
    let one = encode(&state(&plan, 1, 1)).unwrap().len();
    assert!(one < 700, "{one} bytes for one row");
}

#[test]
fn damage_is_an_error() {
    let plan = plan(QUERY);
    let schema = plan.state_schema();
    let bytes = encode(&state(&plan, 50, 20)).unwrap();
    for length in 0..bytes.len() {
        assert!(decode(&schema, &bytes[..length]).is_err(), "cut to {length}");
    }
    for place in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1 << bit;
            assert!(decode(&schema, &damaged).is_err(), "bit {bit} of byte {place}");
        }
    }
    let mut newer = bytes;
    newer[0] = FORMAT + 1;
    let error = decode(&schema, &newer).unwrap_err();
    assert!(matches!(error, WindowError::State(StateError::Format { .. })), "{error}");
}
