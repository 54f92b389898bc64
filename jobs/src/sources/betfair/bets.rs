//! Volume as bets: an increase of a ladder becomes one bet of one bettor.

use std::collections::VecDeque;

use schemas::bet::{Bet, MAX_STAKE};
use schemas::game_event::{GameEvent, GameEventKind};
use schemas::mail::{DigestChoice, MailPreferences};
use schemas::money::Money;
use schemas::odds::Odds;
use schemas::user::UserSpec;
use serde_json::value::RawValue;

use super::ladder::{RunnerKey, Step, decimal};
use super::market::{Cast, Market, Phase};
use super::time::Moment;
use super::{identity, opening::CHAIN_ID};
use crate::sources::Sourced;
use crate::sources::error::FieldError;

impl Market {
    /// Takes one `[price, cumulative size]` entry.
    pub(super) fn traded(
        &mut self,
        runner: RunnerKey,
        (price, size): (&RawValue, &RawValue),
        image: bool,
        moment: Moment,
        cast: &mut Cast,
        out: &mut VecDeque<Sourced>,
    ) -> Result<(), FieldError> {
        let at_price = decimal("trd", price)?;
        match self.ladder.step(runner, at_price, decimal("trd", size)?, image)? {
            Step::Same => {}
            Step::Corrected => cast.stats.corrections += 1,
            Step::Matched(stake) => {
                let Some(bet) = self.bet(runner, price, stake, moment, cast)? else {
                    return Ok(());
                };
                introduce(identity::bettor_of(bet.bet_uuid), &self.id, moment, cast, out);
                cast.stats.bets += 1;
                let staked = cast.stats.staked.checked_add(stake);
                cast.stats.staked = staked.ok_or_else(|| FieldError::new("trd", "the file's stakes overflow"))?;
                out.push_back(Sourced::bet(moment.arrival, bet));
            }
        }
        Ok(())
    }

    /// The bet of an increase; `None` where there is nothing to bet on, which
    /// is counted.
    fn bet(
        &mut self,
        runner: RunnerKey,
        price: &RawValue,
        stake: Money,
        moment: Moment,
        cast: &mut Cast,
    ) -> Result<Option<Bet>, FieldError> {
        if self.phase == Phase::Undefined {
            cast.stats.undefined += 1;
            return Ok(None);
        }
        if !self.priced {
            cast.stats.unpriced += 1;
            return Ok(None);
        }
        let Some(outcome) = self.outcomes.get(&runner) else {
            cast.stats.unknown_runner += 1;
            return Ok(None);
        };
        let odds = Odds::parse(price.get().trim_matches('"')).map_err(|error| FieldError::new("trd", error))?;
        if stake > MAX_STAKE {
            return Err(FieldError::new(
                "trd",
                format!("an increase of {stake} is more than a bet may be ({MAX_STAKE})"),
            ));
        }
        let bet_uuid = identity::bet(&self.id, &runner.to_string(), self.bets);
        self.bets += 1;
        Ok(Some(Bet {
            bet_uuid,
            question_uuid: self.question,
            outcome_index: outcome.index,
            bettor: identity::bettor(identity::bettor_of(bet_uuid)),
            buy_amount: stake,
            odds,
            chain_id: CHAIN_ID,
            placed_at: moment.published,
        }))
    }
}

/// Opens a bettor's account just before the first of their bets.
fn introduce(number: u32, market_id: &str, moment: Moment, cast: &mut Cast, out: &mut VecDeque<Sourced>) {
    if !cast.bettors_known.insert(number) {
        return;
    }
    let address = identity::bettor(number);
    let user = UserSpec {
        address,
        username: Some(format!("bettor-{number}")),
        email: Some(format!("bettor-{number}@example.test")),
        email_confirmed: Some(true),
        kyc: None,
        // Nobody's mailbox is spared: a replay writes one mail for each change, however many.
        mail: Some(MailPreferences { digest: Some(DigestChoice::Never), ..MailPreferences::default() }),
    };
    let key = address.to_string();
    let id = identity::event("account_upserted", market_id, &key, moment.published);
    let event = GameEvent::new(id, moment.published, GameEventKind::AccountUpserted { user });
    out.push_back(Sourced::game(moment.arrival, key, event));
}
