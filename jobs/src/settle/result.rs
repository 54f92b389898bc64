//! What an answer makes of a bet: won, lost or void, and what it pays.

use schemas::bet::Bet;
use schemas::bet_row::{BetRow, BetStatus};
use schemas::money::Money;
use schemas::question::QuestionRow;
use schemas::user::Profile;

/// A bet's result: `Won`, `Lost` or `Void`, and what goes back to the bettor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BetResult {
    /// `Won`, `Lost` or `Void`.
    pub status: BetStatus,
    /// Payout or refund; nothing for a lost bet.
    pub payout: Money,
}

/// The result of a bet on a question whose answer is final.
///
/// A void question and a void outcome give the stake back. Otherwise outcome `i` pays the share
/// `min(1, n[i] · winners / Σn)` of what its odds promise, where `n` are the payout numerators: 1 for
/// a winner and for each place, a half for each of two in a dead heat, and with places what is left
/// of the tied one. Rounded down to the micro-unit. A bet that arrived after the close is void: where
/// bets and questions are read by different workers, one may be accepted in that moment.
pub fn of(row: &BetRow, question: &QuestionRow) -> BetResult {
    let bet = &row.bet;
    let late = question.closed_at.is_some_and(|closed| row.arrived_at > closed);
    let void = late || question.payouts.is_empty() || question.voided_outcomes.contains(&bet.outcome_index);
    if void {
        return BetResult { status: BetStatus::Void, payout: bet.buy_amount };
    }
    match question.payouts.get(usize::from(bet.outcome_index)) {
        None | Some(0) => BetResult { status: BetStatus::Lost, payout: Money::ZERO },
        Some(numerator) => {
            let all: u128 = question.payouts.iter().map(|n| u128::from(*n)).sum();
            let share = u128::from(*numerator) * u128::from(question.spec.winners.0);
            BetResult { status: BetStatus::Won, payout: share_of(promised(bet), share, all) }
        }
    }
}

/// What the bet pays if it wins alone. Acceptance keeps it within what money can hold.
pub fn promised(bet: &Bet) -> Money {
    bet.odds.payout(bet.buy_amount).unwrap_or(Money::MAX)
}

fn share_of(amount: Money, share: u128, all: u128) -> Money {
    if share >= all {
        return amount;
    }
    // The share is below the sum, of at most 1024 numerators below 2^64: scaled down to 32 bits the
    // product with an amount below 2^60 would not lose its last digit, and unscaled it fits as long
    // as the sum is below 2^68. Larger vectors are divided first.
    let excess = all.ilog2().saturating_sub(66);
    let (share, all) = (share >> excess, (all >> excess).max(1));
    let micros = u128::from(amount.micros().unsigned_abs()) * share / all;
    i64::try_from(micros).ok().and_then(Money::from_micros).unwrap_or(amount)
}

/// The bet's row after its result; `paid` says that the ledger is credited at once.
pub fn settle(row: &BetRow, result: BetResult, paid: bool) -> [Option<BetRow>; 2] {
    let settled = BetRow {
        status: result.status,
        status_version: row.status_version + 1,
        payout: Some(result.payout),
        result: Some(result.status),
        ..*row
    };
    let credited = paid && result.status != BetStatus::Lost;
    let next = BetRow { status: BetStatus::Paid, status_version: settled.status_version + 1, ..settled };
    [Some(settled), credited.then_some(next)]
}

/// A profile after one of its open bets got its result.
pub fn credit(before: &Profile, bet: &Bet, result: BetResult) -> Profile {
    let mut profile = *before;
    let (won, lost, voided) = match result.status {
        BetStatus::Won => (1, 0, 0),
        BetStatus::Void => (0, 0, 1),
        _ => (0, 1, 0),
    };
    profile.won += won;
    profile.lost += lost;
    profile.voided += voided;
    profile.open_stake = minus(profile.open_stake, bet.buy_amount);
    profile.possible = minus(profile.possible, promised(bet));
    profile.returned = plus(profile.returned, result.payout);
    profile.profit = minus(plus(profile.profit, result.payout), bet.buy_amount);
    profile
}

/// Sums stay in range because acceptance bounds stakes and possible returns; the limit stands for
/// what cannot happen.
fn plus(sum: Money, amount: Money) -> Money {
    sum.checked_add(amount).unwrap_or(Money::MAX)
}

fn minus(sum: Money, amount: Money) -> Money {
    sum.checked_sub(amount).unwrap_or(Money::ZERO)
}

#[cfg(test)]
mod tests {
    use schemas::question::Winners;

    use super::super::tests::{accepted, bet, question};
    use super::*;

    fn check(payouts: &[u64], winners: u16, voided: &[u16], outcome: u16, status: BetStatus, payout: &str) {
        let mut row = question(4);
        row.payouts = payouts.to_vec();
        row.spec.winners = Winners(winners);
        row.voided_outcomes = voided.to_vec();
        let got = of(&accepted(bet(1, outcome, "10", "3.333333")), &row);
        assert_eq!(got, BetResult { status, payout: payout.parse().unwrap() }, "{payouts:?} {winners} {outcome}");
    }

    #[test]
    fn answers_pay_what_they_promise() {
        use BetStatus::{Lost, Void, Won};
        for (payouts, winners, voided, outcome, status, payout) in [
            (&[1, 0, 0, 0][..], 1, &[][..], 0, Won, "33.33333"),
            (&[1, 0, 0, 0], 1, &[], 1, Lost, "0"),
            // A void question, and a runner that was taken out, even if it was first.
            (&[], 1, &[], 1, Void, "10"),
            (&[1, 0, 0, 0], 1, &[1], 1, Void, "10"),
            (&[1, 0, 0, 0], 1, &[0], 0, Void, "10"),
            // Dead heats of two and of three.
            (&[1, 1, 0, 0], 1, &[], 1, Won, "16.666665"),
            (&[1, 1, 1, 0], 1, &[], 2, Won, "11.11111"),
            // Two places; fewer in place than places pay in full.
            (&[1, 1, 0, 0], 2, &[], 0, Won, "33.33333"),
            (&[1, 0, 0, 0], 2, &[], 0, Won, "33.33333"),
            // Three places, the third shared by two.
            (&[2, 2, 1, 1], 3, &[], 0, Won, "33.33333"),
            (&[2, 2, 1, 1], 3, &[], 3, Won, "16.666665"),
            // Numerators as large as they come.
            (&[u64::MAX, u64::MAX, 0, 0], 1, &[], 0, Won, "16.666665"),
        ] {
            check(payouts, winners, voided, outcome, status, payout);
        }
    }

    #[test]
    fn a_bet_after_the_close_is_void() {
        let (mut row, late) = (question(2), accepted(bet(1, 0, "10", "2")));
        row.payouts = vec![1, 0];
        for (closed, status) in
            [(late.arrived_at.millis() - 1, BetStatus::Void), (late.arrived_at.millis(), BetStatus::Won)]
        {
            row.closed_at = schemas::time::Timestamp::from_millis(closed);
            assert_eq!(of(&late, &row).status, status, "closed at {closed}");
        }
    }

    #[test]
    fn a_profile_ends_where_it_would_have_without_the_void_bet() {
        let (won, void) = (bet(1, 0, "10", "3"), bet(2, 1, "4", "9"));
        let mut profile = Profile::default();
        for bet in [&won, &void] {
            profile.open_stake = plus(profile.open_stake, bet.buy_amount);
            profile.possible = plus(profile.possible, promised(bet));
        }
        let win = BetResult { status: BetStatus::Won, payout: promised(&won) };
        let refund = BetResult { status: BetStatus::Void, payout: void.buy_amount };
        let after = credit(&credit(&profile, &void, refund), &won, win);
        assert_eq!((after.won, after.lost, after.voided), (1, 0, 1));
        let amounts = [after.open_stake, after.possible, after.returned, after.profit].map(|money| money.to_string());
        assert_eq!(amounts, ["0", "0", "34", "20"]);
    }
}
