//! What both generators promise: the same bytes for a seed, exact counts, the
//! promised shares, lines that the product's own codec takes.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use schemas::bet::Bet;
use schemas::codec::Event;
use schemas::game_event::GameEvent;

use super::{Bets, Defects, Line, MatchDay, Params, ParamsError};
use crate::sources::{BETS, GAME_EVENTS};

fn params() -> Params {
    Params { count: 20_000, questions: 50, bettors: 200, ..Params::default() }
}

/// Times never decrease, every good line decodes, `count` is exact.
fn check(params: &Params, lines: &[Line]) {
    assert!(lines.is_sorted_by_key(|line| line.at), "times decrease");
    assert_eq!(lines.iter().filter(|line| line.stream == BETS).count() as u64, params.count);
    let mut ids = BTreeSet::new();
    for line in lines {
        if line.stream == GAME_EVENTS {
            let event = GameEvent::from_json(&line.bytes).unwrap();
            assert_eq!(event.at, line.at);
            assert!(ids.insert(event.event_uuid), "two events share an id");
        } else if params.defects.bad == 0 {
            let bet = Bet::from_json(&line.bytes).unwrap();
            assert_eq!(bet.question_uuid.to_string(), line.partition_key);
            assert_eq!(bet.to_json(), line.bytes, "not the codec's own bytes");
        }
    }
}

fn both(params: &Params) -> [Vec<Line>; 2] {
    [Bets::new(params.clone()).unwrap().collect(), MatchDay::new(params.clone()).unwrap().collect()]
}

#[test]
fn good_lines() {
    let params = params();
    for lines in both(&params) {
        check(&params, &lines);
        let length = lines.iter().map(|line| if line.stream == BETS { line.bytes.len() } else { 0 }).max();
        assert!(length.is_some_and(|length| (240..=264).contains(&length)), "{length:?}");
    }
    assert_eq!(both(&params), both(&params), "a seed gives one history");
    assert_ne!(both(&params), both(&Params { seed: 2, ..params.clone() }));
}

#[test]
fn shares_of_defects() {
    let defects = Defects { out_of_order: 10_000, duplicate: 50_000, conflict: 40_000, late: 30_000, bad: 20_000 };
    let params = Params { defects, ..params() };
    for lines in both(&params) {
        check(&params, &lines);
        let mut bodies: BTreeMap<_, BTreeSet<Vec<u8>>> = BTreeMap::new();
        let (mut bad, mut late, mut early, mut repeated, mut conflicts) = (0, 0, 0, 0, 0);
        for line in lines.iter().filter(|line| line.stream == BETS) {
            let Ok(bet) = Bet::from_json(&line.bytes) else {
                bad += 1;
                continue;
            };
            let known = bodies.entry(bet.bet_uuid).or_default();
            let first = known.is_empty();
            match (known.insert(line.bytes.clone()), first) {
                (false, _) => repeated += 1,
                (true, false) => conflicts += 1,
                (true, true) => match line.at.since(bet.placed_at) {
                    0 => {}
                    1..=30_000 => early += 1,
                    360_000..540_000 => late += 1,
                    other => panic!("placed {other} ms before arrival"),
                },
            }
        }
        // Of 20,000: within five standard deviations. Oversized lines decode,
        // and conflicts with one bet may repeat each other.
        let near = |count: i32, expected: i32| (count - expected).abs() <= 5 * expected.isqrt() + 5;
        assert!(near(bad, 400), "bad {bad}");
        assert!(near(late, 600), "late {late}");
        assert!(near(early, 200), "out of order {early}");
        assert!(near(repeated + conflicts, 1_800), "repeated {repeated}, conflicts {conflicts}");
        assert!(conflicts > 600, "conflicts {conflicts}");
    }
}

#[test]
fn a_match_day_has_a_quiet_night_and_a_peak() {
    let params = Params { questions: 500, ..params() };
    let day: Vec<_> = MatchDay::new(params.clone()).unwrap().collect();
    let mut hours = [0u32; 24];
    for line in day.iter().filter(|line| line.stream == BETS) {
        hours[usize::try_from(line.at.millis() / 3_600_000 % 24).unwrap()] += 1;
    }
    let busiest = hours.iter().enumerate().max_by_key(|(_, bets)| **bets).map(|(hour, _)| hour);
    assert_eq!(busiest, Some(20), "{hours:?}");
    assert!(hours[6] * 50 < hours[20], "{hours:?}");
    let count = |kind: &str| {
        let tag = format!("\"type\":\"{kind}\"");
        day.iter().filter(|line| String::from_utf8_lossy(&line.bytes).contains(&tag)).count()
    };
    for (kind, expected) in [
        ("question_opened", 500),
        ("betting_closed", 500),
        ("outcome_observed", 1_000),
        ("stream_started", 25),
        ("stream_ended", 25),
        ("account_upserted", 200),
    ] {
        assert_eq!(count(kind), expected, "{kind}");
    }
}

#[test]
fn refused_parameters() {
    let cases = [
        (Params { questions: 0, ..params() }, "questions is 0; choose 1 to 1000000"),
        (Params { bettors: 10_000_001, ..params() }, "bettors is 10000001; choose 1 to 10000000"),
        (
            Params { defects: Defects { bad: 600_000, late: 600_000, ..Defects::default() }, ..params() },
            "the shares of bad lines add up to 1210000 in a million; they cannot be more than all lines",
        ),
        (
            Params { duration_ms: u64::MAX, ..params() },
            "the span ends after the year 9999; choose an earlier start or a shorter duration",
        ),
    ];
    for (params, expected) in cases {
        let error: ParamsError = Bets::new(params).map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_parameters(count in 0u64..300, seed in any::<u64>(), questions in 1u32..60, bettors in 1u32..60, duration_ms in 0u64..10_000) {
        let params = Params { count, seed, questions, bettors, duration_ms, ..Params::default() };
        for lines in both(&params) {
            check(&params, &lines);
        }
    }
}

/// Speed is looked at and not asserted: run with `--ignored --nocapture`, and
/// time the process from outside.
#[test]
#[ignore = "for measuring"]
fn a_million_lines() {
    let params = Params { count: 5_000_000, questions: 10_000, bettors: 200_000, ..Params::default() };
    let bytes: usize = Bets::new(params).unwrap().map(|line| line.bytes.len()).sum();
    println!("{bytes} bytes");
}
