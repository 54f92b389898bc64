//! Stories out of records that were read in any order.

use pipeline::Arrival;
use pipeline::record::Position;
use schemas::question::{QuestionSpec, QuestionState, Step};
use serde_json::json;

use super::*;

const BET: &str = "0b000000-0000-4000-8000-000000000001";
const QUESTION: &str = "0a000000-0000-4000-8000-000000000002";

/// The story of a bet as the table has it.
fn story(reject_reason: Option<&str>) -> Story {
    let mut story = Story::new(BetId::parse(BET).unwrap());
    story.decision(&json!({
        "question_uuid": QUESTION, "outcome_index": 0, "bettor": "0xaa", "buy_amount": "1", "odds": "2",
        "placed_at": "1970-01-01T00:00:02Z", "arrived_at": "1970-01-01T00:00:02Z", "status": "accepted",
        "status_version": 1, "reject_reason": reject_reason, "result": null, "payout": null,
        "shard": "shardId-000000000000", "position": "3",
    }));
    story
}

fn add(story: &mut Story, stream: &'static str, position: u128, arrived_at: i64, event: Value) {
    let mut data = event;
    data["question_uuid"] = QUESTION.into();
    data["bet_uuid"] = BET.into();
    let data = serde_json::to_vec(&data).unwrap().into();
    let (position, arrived_at) = (Position::new(position), Arrival(arrived_at));
    let record = Record { position, arrived_at, partition_key: Default::default(), data };
    story.record(stream, ShardId(0), &record);
}

fn odds() -> Value {
    let bounds = json!({ "outcome_index": 0, "window_start": 0, "window_end": 300_000 });
    let mut event = bounds;
    for (name, value) in
        [("revision", json!(1)), ("bets", json!(4)), ("avg_odds", json!("2")), ("last_odds", json!("2"))]
    {
        event[name] = value;
    }
    event
}

#[test]
fn odds_are_told_of_bets_that_are_in_them() {
    for (reject_reason, expected) in [(None, 2), (Some("betting_closed"), 1)] {
        let mut story = story(reject_reason);
        add(&mut story, "odds", 1, 330_000, odds());
        assert_eq!(story.tell().len(), expected, "{reject_reason:?}");
    }
}

#[test]
fn what_leads_to_another_comes_first() {
    let mut story = story(None);
    let told = |event: &str, version: u64| json!({ "event": event, "status_version": version });
    // All at one moment, and backwards.
    add(&mut story, "settlements", 1, 9_000, json!({ "bets_won": 1, "bets_lost": 0, "bets_void": 0 }));
    for (position, event, version) in [(10, "bet_paid", 3), (9, "bet_won", 2)] {
        let at = "1970-01-01T00:00:09Z";
        story.tell_at(at, Order::Mailed, version, "table outbox".into(), format!("mail about {event}"));
        add(&mut story, "notifications", position, 9_000, told(event, version));
    }
    add(&mut story, "game-events", 7, 9_000, json!({ "type": "question_approved" }));
    story.tell_at("1970-01-01T00:00:09.000Z", Order::Act, 0, "table audit".into(), "ann: question_approved".into());
    story.steps(&row(&[(9_000, QuestionState::Approved, Cause::Operator)]));
    add(&mut story, "odds", 2, 9_000, odds());
    let expected = [
        "decided",
        "odds of its window",
        "question_approved",
        "ann: question_approved",
        "approved by an operator",
        "told: bet_won",
        "told: bet_paid",
        "mail about bet_won",
        "mail about bet_paid",
        "question settled",
    ];
    let told: Vec<String> = story.tell().into_iter().map(|line| line.what).collect();
    assert!(told.len() == expected.len() && told.iter().zip(expected).all(|(a, b)| a.starts_with(b)), "{told:#?}");
}

#[test]
fn what_a_timer_did_comes_before_the_records_of_its_moment() {
    let mut story = story(None);
    add(&mut story, "game-events", 7, 2_000, json!({ "type": "question_flagged" }));
    add(&mut story, "bets", 3, 2_000, json!({ "buy_amount": "1", "odds": "2", "outcome_index": 0 }));
    story.steps(&row(&[(2_000, QuestionState::Closed, Cause::Time), (2_000, QuestionState::Flagged, Cause::Operator)]));
    let places: Vec<String> = story.tell().into_iter().map(|line| line.place).collect();
    let expected = [
        "table questions",
        "game-events/0/7",
        "table questions",
        "bets/0/3",
        "table bets, from shardId-000000000000/3",
    ];
    assert_eq!(places, expected);
}

fn row(steps: &[(i64, QuestionState, Cause)]) -> QuestionRow {
    let spec: QuestionSpec = serde_json::from_value(json!({
        "question_uuid": QUESTION, "game": "g", "question": "q", "outcomes": ["a", "b"], "chain_id": 137,
        "betting_end_time": 9_000,
    }))
    .unwrap();
    let time = |millis: i64| Timestamp::from_millis(millis).unwrap();
    let mut row = QuestionRow::open(spec, time(1_000));
    row.closed_at = Some(time(steps[0].0));
    row.steps = steps.iter().map(|(at, state, by)| Step { at: time(*at), state: *state, by: *by }).collect();
    row
}
