//! The profile fold: what a decided bet does to its bettor's row and to its question's totals.

use pipeline::dead_letter::Reject;
use schemas::bet::Bet;
use schemas::money::Money;
use schemas::user::Profile;

use super::accept::Decision;
use super::totals::TotalsRow;

/// A profile after a decision. `again` says that the bet was rejected provisionally before.
///
/// # Errors
/// A stake that would take the bettor's running amounts over what money can hold is invalid.
pub fn fold(before: &Profile, bet: &Bet, decision: Decision, again: bool) -> Result<Profile, Reject> {
    let mut profile = *before;
    let earlier = u64::from(again);
    match decision {
        Decision::Accepted => {
            profile.bets_placed += 1;
            profile.rejected = profile.rejected.saturating_sub(earlier);
            profile.open_stake = add(profile.open_stake, bet)?;
            profile.staked = add(profile.staked, bet)?;
            profile.possible = promise(&profile, bet)?;
            profile.last_bet_at = profile.last_bet_at.max(Some(bet.placed_at));
        }
        Decision::Rejected(_) => profile.rejected += 1 - earlier,
    }
    Ok(profile)
}

/// What the open bets could pay. Together with what was returned it stays in range, so that settling
/// cannot fail.
fn promise(profile: &Profile, bet: &Bet) -> Result<Money, Reject> {
    let possible = bet.odds.payout(bet.buy_amount).and_then(|payout| profile.possible.checked_add(payout));
    let possible = possible.filter(|possible| profile.returned.checked_add(*possible).is_some());
    possible.ok_or_else(|| {
        Reject::invalid(format!(
            "buy_amount: {} at odds of {} could take the returns of {} over the limit of {}",
            bet.buy_amount,
            bet.odds,
            bet.bettor,
            Money::MAX
        ))
    })
}

fn add(sum: Money, bet: &Bet) -> Result<Money, Reject> {
    sum.checked_add(bet.buy_amount).ok_or_else(|| {
        Reject::invalid(format!(
            "buy_amount: {} would take the stakes of {} from {sum} over the limit of {}",
            bet.buy_amount,
            bet.bettor,
            Money::MAX
        ))
    })
}

/// A question's totals after an accepted bet.
///
/// # Errors
/// A stake that would take an outcome's total over what money can hold is invalid.
pub fn count(totals: &TotalsRow, bet: &Bet) -> Result<Money, Reject> {
    let before = totals.stake.get(usize::from(bet.outcome_index)).copied().unwrap_or(Money::ZERO);
    before.checked_add(bet.buy_amount).ok_or_else(|| {
        Reject::invalid(format!(
            "buy_amount: {} would take outcome {} of question {} from {before} over the limit of {}",
            bet.buy_amount,
            bet.outcome_index,
            bet.question_uuid,
            Money::MAX
        ))
    })
}
