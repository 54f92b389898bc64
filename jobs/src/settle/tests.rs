//! Rows that the tests of settling share.

use schemas::bet::Bet;
use schemas::bet_row::{BetRow, BetStatus};
use schemas::log_position::LogPosition;
use schemas::question::{QuestionRow, QuestionSpec};
use schemas::time::Timestamp;

/// What is asked, with this many outcomes and a quorum of 2.
pub fn spec(outcomes: usize) -> QuestionSpec {
    let outcomes: Vec<String> = (0..outcomes).map(|n| format!("\"outcome {n}\"")).collect();
    serde_json::from_str(&format!(
        r#"{{"question_uuid":"018f4e3a-7b1c-4c58-9d1e-0a2b3c4d5e6f","game":"g","question":"q","outcomes":[{}],"chain_id":137,"betting_end_time":9000}}"#,
        outcomes.join(",")
    ))
    .unwrap()
}

/// A question that was opened at 1000.
pub fn question(outcomes: usize) -> QuestionRow {
    QuestionRow::open(spec(outcomes), Timestamp::from_millis(1000).unwrap())
}

/// A bet on it.
pub fn bet(number: u8, outcome: u16, stake: &str, odds: &str) -> Bet {
    serde_json::from_str(&format!(
        r#"{{"bet_uuid":"018f4e3a-7b1c-4c58-9d1e-0a2b3c4d5e{number:02x}","question_uuid":"018f4e3a-7b1c-4c58-9d1e-0a2b3c4d5e6f","outcome_index":{outcome},"bettor":"0x00000000000000000000000000000000000000aa","buy_amount":"{stake}","odds":"{odds}","chain_id":137,"placed_at":2000}}"#
    ))
    .unwrap()
}

/// Its row once it was accepted, which was when it was placed.
pub fn accepted(bet: Bet) -> BetRow {
    BetRow {
        bet,
        status: BetStatus::Accepted,
        status_version: 1,
        reject_reason: None,
        payout: None,
        arrived_at: bet.placed_at,
        shard: 0,
        position: LogPosition::default(),
        result: None,
        decided_at: bet.placed_at,
    }
}
