//! Arbitrary values for property tests.

use proptest::prelude::*;

use crate::bet::{Bet, MAX_STAKE};
use crate::bet_row::{BetRow, BetStatus, RejectReason};
use crate::ids::{Address, BetId, QuestionId};
use crate::log_position::LogPosition;
use crate::money::Money;
use crate::odds::Odds;
use crate::time::Timestamp;

pub fn money() -> impl Strategy<Value = Money> {
    (-Money::MAX.micros()..=Money::MAX.micros()).prop_map(|micros| Money::from_micros(micros).unwrap())
}

pub fn stake() -> impl Strategy<Value = Money> {
    (1..=MAX_STAKE.micros()).prop_map(|micros| Money::from_micros(micros).unwrap())
}

pub fn odds() -> impl Strategy<Value = Odds> {
    (1_000_001..=1_000_000_000_000u64).prop_map(|micros| Odds::from_micros(micros).unwrap())
}

pub fn time() -> impl Strategy<Value = Timestamp> {
    (0..=Timestamp::MAX.millis()).prop_map(|millis| Timestamp::from_millis(millis).unwrap())
}

pub fn bet() -> impl Strategy<Value = Bet> {
    (any::<[u8; 16]>(), any::<[u8; 16]>(), any::<u16>(), any::<[u8; 20]>(), stake(), odds(), any::<u64>(), time())
        .prop_map(|(bet, question, outcome_index, bettor, buy_amount, odds, chain_id, placed_at)| Bet {
            bet_uuid: BetId::from_bytes(bet),
            question_uuid: QuestionId::from_bytes(question),
            outcome_index,
            bettor: Address::from_bytes(bettor),
            buy_amount,
            odds,
            chain_id,
            placed_at,
        })
}

pub fn bet_row() -> impl Strategy<Value = BetRow> {
    let status = prop::sample::select(BetStatus::ALL);
    let reason = prop::option::of(prop::sample::select(RejectReason::ALL));
    let position = any::<[u8; 28]>().prop_map(LogPosition::from_bytes);
    let result = prop::option::of(prop::sample::select(BetStatus::ALL));
    let place = (any::<u32>(), position);
    (bet(), status, any::<u32>(), reason, prop::option::of(money()), (time(), time()), place, result).prop_map(
        |(bet, status, status_version, reject_reason, payout, (arrived_at, decided_at), (shard, position), result)| {
            BetRow {
                bet,
                status,
                status_version,
                reject_reason,
                payout,
                arrived_at,
                shard,
                position,
                result,
                decided_at,
            }
        },
    )
}
