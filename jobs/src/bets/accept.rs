//! Accept or reject: a pure decision over a bet, its question and its arrival.
//!
//! Every comparison uses times stored in the question's row, never its momentary state, so a
//! replay decides as the live run did.

use pipeline::dead_letter::Reject;
use schemas::bet::Bet;
use schemas::bet_row::RejectReason;
use schemas::question::QuestionRow;
use schemas::time::Timestamp;

/// What becomes of a bet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It counts.
    Accepted,
    /// It gets a row and a status change, and does not count.
    Rejected(RejectReason),
}

/// Decides a bet that arrived at `arrived_at`, at the moment `now`.
///
/// Accepted when `|placed_at − arrived_at| ≤ max_skew_ms`, `arrived_at ≤ betting_end_time`,
/// `arrived_at ≤ closed_at`, `arrived_at` is outside every pause `[from, to)`, and bets are not
/// being settled by `now`.
///
/// # Errors
/// A bet that no such question can have (an outcome or a chain that is not its own) is invalid.
pub fn decide(
    bet: &Bet,
    question: Option<&QuestionRow>,
    arrived_at: Timestamp,
    now: Timestamp,
    max_skew_ms: i64,
) -> Result<Decision, Reject> {
    let skew = bet.placed_at.millis().abs_diff(arrived_at.millis());
    if skew > max_skew_ms.unsigned_abs() {
        return Ok(Decision::Rejected(RejectReason::TooSkewed));
    }
    let Some(question) = question else {
        return Ok(Decision::Rejected(RejectReason::UnknownQuestion));
    };
    fits(bet, question)?;
    // A redriven bet may have arrived in time and still come too late: once bets are being settled,
    // none is added.
    let settling = question.settling_from.is_some_and(|from| from <= now);
    if settling
        || question.closed_at.is_some_and(|closed| arrived_at > closed)
        || arrived_at > question.spec.betting_end_time
    {
        return Ok(Decision::Rejected(RejectReason::BettingClosed));
    }
    let paused = |from: Timestamp, to: Option<Timestamp>| from <= arrived_at && to.is_none_or(|to| arrived_at < to);
    if question.pauses.iter().any(|pause| paused(pause.from, pause.to)) {
        return Ok(Decision::Rejected(RejectReason::BettingPaused));
    }
    Ok(Decision::Accepted)
}

fn fits(bet: &Bet, question: &QuestionRow) -> Result<(), Reject> {
    let outcomes = question.spec.outcomes.len();
    if usize::from(bet.outcome_index) >= outcomes {
        return Err(Reject::invalid(format!(
            "outcome_index: {} is not an outcome of question {}; it has outcomes 0 to {}",
            bet.outcome_index,
            bet.question_uuid,
            outcomes.saturating_sub(1)
        )));
    }
    if bet.chain_id != question.spec.chain_id {
        return Err(Reject::invalid(format!(
            "chain_id: {} is not the chain of question {}, which is {}",
            bet.chain_id, bet.question_uuid, question.spec.chain_id
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use schemas::question::{Pause, QuestionSpec};

    use super::*;
    use Decision::{Accepted, Rejected};
    use RejectReason::{BettingClosed, BettingPaused, TooSkewed, UnknownQuestion};

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms).unwrap()
    }

    fn question() -> QuestionRow {
        let spec: QuestionSpec = serde_json::from_str(
            r#"{"question_uuid":"018f4e3a-7b1c-4c58-9d1e-0a2b3c4d5e6f","game":"g","question":"q","outcomes":["a","b"],"chain_id":137,"betting_end_time":9000}"#,
        )
        .unwrap();
        let mut row = QuestionRow::open(spec, at(1000));
        row.pauses = vec![Pause { from: at(3000), to: Some(at(4000)) }, Pause { from: at(7000), to: None }];
        row
    }

    fn check(arrived: i64, placed: i64, closed: Option<i64>, expected: Decision) {
        let mut question = question();
        question.closed_at = closed.map(at);
        let bet = bet(placed, 0, 137);
        assert_eq!(
            decide(&bet, Some(&question), at(arrived), at(arrived), 500).unwrap(),
            expected,
            "{arrived} {placed} {closed:?}"
        );
    }

    fn bet(placed: i64, outcome: u16, chain: u64) -> Bet {
        serde_json::from_str(&format!(
            r#"{{"bet_uuid":"018f4e3a-7b1c-4c58-9d1e-0a2b3c4d5e70","question_uuid":"018f4e3a-7b1c-4c58-9d1e-0a2b3c4d5e6f","outcome_index":{outcome},"bettor":"0x00000000000000000000000000000000000000aa","buy_amount":"1","odds":"2","chain_id":{chain},"placed_at":{placed}}}"#
        ))
        .unwrap()
    }

    #[test]
    fn times_decide() {
        for (arrived, placed, closed, expected) in [
            (2000, 2000, None, Accepted),
            (2000, 1500, None, Accepted),
            (2000, 2500, None, Accepted),
            (2000, 1499, None, Rejected(TooSkewed)),
            (2000, 2501, None, Rejected(TooSkewed)),
            (2999, 2999, None, Accepted),
            (3000, 3000, None, Rejected(BettingPaused)),
            (3999, 3999, None, Rejected(BettingPaused)),
            (4000, 4000, None, Accepted),
            (7000, 7000, None, Rejected(BettingPaused)),
            (5000, 5000, Some(5000), Accepted),
            (5001, 5001, Some(5000), Rejected(BettingClosed)),
            (9001, 9001, None, Rejected(BettingClosed)),
        ] {
            check(arrived, placed, closed, expected);
        }
        assert_eq!(decide(&bet(10, 0, 137), None, at(10), at(10), 500).unwrap(), Rejected(UnknownQuestion));
    }

    #[test]
    fn what_no_question_has_is_invalid() {
        for (outcome, chain, text) in [(2, 137, "it has outcomes 0 to 1"), (0, 1, "which is 137")] {
            let reject = decide(&bet(2000, outcome, chain), Some(&question()), at(2000), at(2000), 500).unwrap_err();
            assert!(reject.detail.contains(text), "{}", reject.detail);
        }
    }
}
