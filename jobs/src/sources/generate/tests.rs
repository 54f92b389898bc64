//! What both generators promise: the same bytes for a seed, exact counts, the
//! promised shares, lines that the product's own codec takes.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use schemas::bet::Bet;
use schemas::codec::Event;
use schemas::game_event::{GameEvent, GameEventKind as Kind};
use schemas::ids::QuestionId;
use schemas::time::Timestamp;

use super::random::hash;
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
    let voided = count("question_voided");
    assert!((1..30).contains(&voided), "{voided}");
    for (kind, expected) in [
        ("question_opened", 500),
        ("betting_closed", 500 - voided),
        ("outcome_observed", 2 * (500 - voided)),
        ("question_resumed", count("question_paused")),
        ("stream_started", 100),
        ("stream_ended", 100),
        ("account_upserted", 200),
    ] {
        assert_eq!(count(kind), expected, "{kind}");
    }
    assert!(count("question_paused") > 5);
    assert!(count("game_moment") > 5_000);
}

/// Sources that agree, scores that lead to the answer, bets between opening and
/// close: a day as its readers see it.
#[test]
fn a_match_day_holds_together() {
    let params = Params { questions: 500, ..params() };
    let (mut open, mut scores, mut seen) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::<_, Vec<u16>>::new());
    let mut emails = 0;
    for line in MatchDay::new(params).unwrap() {
        if line.stream == BETS {
            let bet = Bet::from_json(&line.bytes).unwrap();
            assert!(open.contains_key(&bet.question_uuid), "a bet at {} on what is not open", line.at);
            assert!(usize::from(bet.outcome_index) < open[&bet.question_uuid]);
            continue;
        }
        match GameEvent::from_json(&line.bytes).unwrap().kind {
            Kind::QuestionOpened { question } => {
                assert!(question.betting_end_time > line.at);
                open.insert(question.question_uuid, question.outcomes.len());
            }
            Kind::BettingClosed { question_uuid } | Kind::QuestionVoided { question_uuid, .. } => {
                assert!(open.remove(&question_uuid).is_some());
            }
            Kind::OutcomeObserved { question_uuid, outcome_index, .. } => {
                seen.entry(question_uuid).or_default().push(outcome_index);
            }
            Kind::GameMoment { game, fields, .. } if game == "soccer" => {
                let question = fields["question_uuid"].as_str().unwrap().parse::<QuestionId>().unwrap();
                let score = fields["score"].as_str().unwrap().split_once('-').unwrap();
                scores.insert(question, (score.0.parse::<u8>().unwrap(), score.1.parse::<u8>().unwrap()));
            }
            Kind::AccountUpserted { user } => emails += usize::from(user.email.is_some()),
            _ => {}
        }
    }
    assert!(open.is_empty(), "questions are left open");
    assert_eq!(emails, 20, "of 200 accounts");
    let disputed = seen.values().filter(|seen| seen[0] != seen[1]).count();
    assert!((4..30).contains(&disputed), "{disputed} of 500");
    for (question, seen) in seen {
        let Some((home, away)) = scores.get(&question) else { continue };
        let winner = match home.cmp(away) {
            std::cmp::Ordering::Greater => 0,
            std::cmp::Ordering::Equal => 1,
            std::cmp::Ordering::Less => 2,
        };
        assert_eq!(seen[0], winner, "{home}-{away}");
    }
}

/// A day that is entered at a minute goes on as the whole day does.
#[test]
fn a_day_can_be_entered_at_any_minute() {
    let params = Params { questions: 200, ..params() };
    let whole: Vec<_> = MatchDay::new(params.clone()).unwrap().collect();
    let events = |lines: &[Line], from: Timestamp| -> Vec<Line> {
        lines.iter().filter(|line| line.stream == GAME_EVENTS && line.at > from).cloned().collect()
    };
    for minute in [0, 61, 777, 1_200, 1_260, 1_301, 1_439, 9_999] {
        let day = MatchDay::starting_at(params.clone(), minute).unwrap();
        let start = params.start.saturating_add(i64::from(minute.min(1_439)) * 60_000);
        let left: u64 = (minute..1_440).map(|minute| day.bets_in(minute)).sum();
        let lines: Vec<_> = day.collect();
        check(&Params { count: left, ..params.clone() }, &lines);
        assert_eq!(lines[0].at, start);
        // Of questions that had closed before, nothing is told.
        let says = |line: &Line, what: &str| String::from_utf8_lossy(&line.bytes).contains(what);
        let opened = lines.iter().filter(|line| says(line, "\"question_opened\""));
        let known: BTreeSet<&str> = opened.map(|line| line.partition_key.as_str()).collect();
        let mut expected = events(&whole, start);
        expected.retain(|line| says(line, "\"stream_") || known.contains(line.partition_key.as_str()));
        assert_eq!(events(&lines, start), expected, "from minute {minute}");
    }
}

/// The bytes are the same on every machine: no library and no float is asked.
/// A change of the generator changes this number, and nothing else may.
#[test]
fn a_day_is_the_same_everywhere() {
    let day = MatchDay::new(params()).unwrap();
    let digest = day.flat_map(|line| line.bytes).fold(0, |digest, byte| hash(digest, byte.into()));
    assert_eq!(digest, 12_613_182_153_230_618_772);
}

#[test]
fn days_go_on_with_other_questions() {
    let params = Params { count: 2_000, ..params() };
    let start = params.start;
    let day = |line: &Line| line.at.since(start) / 86_400_000;
    let days: Vec<_> = MatchDay::new(params).unwrap().days().take_while(|line| day(line) < 3).collect();
    assert!(days.is_sorted_by_key(|line| line.at));
    let (mut events, mut bets, mut questions) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
    for line in &days {
        if line.stream == BETS {
            let bet = Bet::from_json(&line.bytes).unwrap();
            assert!(bets.insert(bet.bet_uuid), "two bets share an id");
            assert_eq!(questions.get(&bet.question_uuid), Some(&day(line)));
            continue;
        }
        let event = GameEvent::from_json(&line.bytes).unwrap();
        assert!(events.insert(event.event_uuid), "two events share an id");
        if let Kind::QuestionOpened { question } = event.kind {
            assert_eq!(questions.insert(question.question_uuid, day(line)), None, "a question of two days");
        }
    }
    assert_eq!((bets.len(), questions.len()), (6_000, 150));
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
