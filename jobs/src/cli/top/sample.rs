//! A made-up snapshot, for tests: eight markets of a match day with every kind of line in it.

use schemas::money::Total;
use schemas::odds::Odds;
use schemas::time::Timestamp;

use super::model::{DeadLetter, DeadLetters, HISTORY_WINDOWS, Mail, Market, Outcome, Settled, Shard, Snapshot};
use super::rates::{Counters, Rates};

/// 20:01:00 of the match day.
const NOW: i64 = 1_657_569_660_000;

/// The snapshot.
pub fn snapshot() -> Snapshot {
    Snapshot {
        at: time(3_000),
        psql: None,
        pipeline_time: Some(time(0)),
        up_ms: 192_000,
        lag_ms: 3,
        counters: Counters {
            at: time(3_000),
            records: 1_340_211,
            bets: 1_204_331,
            mails: Some(2_011),
            settled: Some(1_203),
            dead_letters: 3,
        },
        rates: Rates { bets: Some(1_204), records: Some(1_340), mails: Some(40), settled: Some(12) },
        markets_known: 312,
        markets_open: 280,
        open_windows: 4,
        shards: shards(),
        markets: markets(),
        settled: settled(),
        mails: mails(),
        dead_letters: dead_letters(),
    }
}

fn time(ms: i64) -> Timestamp {
    Timestamp::from_millis_clamped(NOW + ms)
}

fn total(units: i128) -> Total {
    Total::from_micros(units * 1_000_000).unwrap_or_default()
}

fn shards() -> Vec<Shard> {
    let streams = [
        ("bets", 4, 1_204_331),
        ("game-events", 1, 135_880),
        ("notifications", 1, 2_640_190),
        ("odds", 1, 52_004),
        ("settlements", 1, 32),
    ];
    let shard = |(stream, shards, records): (&str, u32, u64)| {
        let stream = stream.to_owned();
        (0..shards).map(move |shard| {
            let read = matches!(stream.as_str(), "bets" | "game-events");
            let behind = if stream == "bets" { u64::from(shard) } else { 0 };
            Shard {
                stream: stream.clone(),
                shard,
                records: records / u64::from(shards) + u64::from(shard),
                lag_records: read.then_some(behind),
                lag_ms: read.then_some(behind.cast_signed()),
            }
        })
    };
    streams.into_iter().flat_map(shard).collect()
}

/// Odds that wander around their start, the same ones every time.
fn outcome(name: &str, start: u64, seed: u64, stake: i128) -> Outcome {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut at = start;
    let mut history = Vec::new();
    for window in 0..HISTORY_WINDOWS as u64 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Between 96 % and 104 % of the window before, in whole hundredths.
        at = (at * (960 + (state >> 33) % 81) / 1000).max(1_010_000) / 10_000 * 10_000;
        let quiet = seed % 3 == 1 && (9..12).contains(&window);
        history.push(if quiet { None } else { Odds::from_micros(at) });
    }
    let odds = history.last().copied().flatten();
    let odds_before = if seed.is_multiple_of(2) { odds } else { Odds::from_micros(start) };
    Outcome {
        name: name.to_owned(),
        odds,
        odds_before,
        opened_at: Odds::from_micros(start),
        history,
        bets: u64::try_from(stake / 12).unwrap_or(0),
        stake: total(stake),
    }
}

/// A question, its state, and name, first odds and stake of each outcome.
type Made = (&'static str, &'static str, &'static [(&'static str, u64, i128)]);

fn markets() -> Vec<Market> {
    const MARKETS: [Made; 8] = [
        (
            "Who wins England v India, 3rd ODI at Old Trafford?",
            "open",
            &[("England", 2_100_000, 640_120), ("India", 1_850_000, 712_034)],
        ),
        (
            "Lyon v Marseille: result after 90 minutes",
            "open",
            &[("Lyon", 1_950_000, 212_000), ("Draw", 3_500_000, 98_400), ("Marseille", 4_200_000, 61_250)],
        ),
        ("Does Root reach fifty?", "paused", &[("Yes", 2_700_000, 90_310), ("No", 1_480_000, 120_990)]),
        (
            "Next wicket: how?",
            "open",
            &[
                ("Caught", 1_660_000, 60_000),
                ("Bowled", 4_400_000, 22_000),
                ("LBW", 6_000_000, 9_000),
                ("Run out", 21_000_000, 800),
            ],
        ),
        (
            "Will the streamer finish the run under two hours without a single reset?",
            "open",
            &[("Yes", 5_500_000, 14_120), ("No", 1_160_000, 66_400)],
        ),
        (
            "Stage 12 winner",
            "closed",
            &[("Pogacar", 2_200_000, 31_000), ("Vingegaard", 2_900_000, 28_000), ("Pidcock", 34_000_000, 4_200)],
        ),
        ("Total goals over 2.5", "proposed", &[("Over", 1_900_000, 9_870), ("Under", 1_980_000, 9_100)]),
        ("Is there a super over?", "flagged", &[("Yes", 110_000_000, 210), ("No", 1_020_000, 8_800)]),
    ];
    let market = |(number, (question, state, outcomes)): (u64, &Made)| {
        let outcomes: Vec<Outcome> = (0..)
            .zip(*outcomes)
            .map(|(place, (name, start, stake))| outcome(name, *start, 7 * number + place + 1, *stake))
            .collect();
        Market {
            question_uuid: format!("0a0a8fd4-7a55-4c5a-9f0e-2f6f1b7a1c{number:02}"),
            question: (*question).to_owned(),
            state: (*state).to_owned(),
            bets: outcomes.iter().map(|outcome| outcome.bets).sum(),
            stake: outcomes.iter().map(|outcome| outcome.stake).fold(Total::ZERO, |a, b| a.checked_add(b).unwrap_or(a)),
            outcomes,
        }
    };
    (0..).zip(&MARKETS).map(market).collect()
}

fn settled() -> Vec<Settled> {
    let of = |ago: i64, question: &str, answer: &str, counts: [u64; 3], staked, returned| Settled {
        at: time(-ago * 1000),
        question: question.to_owned(),
        answer: answer.to_owned(),
        won: counts[0],
        lost: counts[1],
        void: counts[2],
        staked: total(staked),
        returned: total(returned),
    };
    vec![
        of(12, "Next wicket: how?", "Caught", [812, 1_204, 0], 24_110, 25_530),
        of(95, "Does the over have a boundary?", "Yes", [96, 41, 0], 3_020, 2_980),
        of(240, "Toss", "void", [0, 0, 310], 7_400, 7_400),
        of(1_300, "Who takes the first wicket?", "Bumrah", [31, 402, 2], 9_004, 8_210),
        of(2_460, "First corner", "Marseille", [12, 9, 0], 310, 402),
        of(2_700, "Kick-off team", "Lyon", [77, 80, 0], 1_905, 1_850),
    ]
}

fn mails() -> Vec<Mail> {
    let events = ["bet_won", "bet_lost", "bet_accepted", "bet_paid", "bet_rejected", "bet_void", "bet_won", "bet_lost"];
    let mail = |(number, event): (i64, &&str)| Mail {
        at: time(-number * 700),
        to: format!("0x{:038x}{:02x}", 0xa1b2_u64 << 40, number * 17 + 10),
        event: (*event).to_owned(),
        state: if number < 2 {
            "pending"
        } else if number == 4 {
            "failed"
        } else {
            "sent"
        }
        .to_owned(),
    };
    (0..).zip(&events).map(mail).collect()
}

fn dead_letters() -> DeadLetters {
    let of = |ago: i64, id: &str, reason: &str, detail: &str| DeadLetter {
        at: time(-ago * 1000),
        id: id.to_owned(),
        reason: reason.to_owned(),
        detail: detail.to_owned(),
    };
    DeadLetters {
        by_reason: vec![("invalid".to_owned(), 2), ("conflict".to_owned(), 1)],
        latest: vec![
            of(41, "bets/0/301417", "invalid", "odds: 0.95 is not above 1; send decimal odds"),
            of(960, "bets/2/288120", "conflict", "this bet_uuid belongs to another bet"),
            of(3_000, "bets/1/1204", "invalid", "no JSON object and no CBOR map: \u{1b}[2J"),
        ],
    }
}
