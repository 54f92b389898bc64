//! What a definition says of the runners: who is out, who has won, and whether
//! betting is over.

use std::collections::VecDeque;

use schemas::game_event::GameEventKind;
use schemas::probability::Probability;
use schemas::question::Source;

use super::ladder::{Ladder, RunnerKey};
use super::market::{Cast, Market, Phase};
use super::message::Definition;
use super::time::Moment;
use crate::sources::Sourced;
use crate::sources::error::FieldError;

/// A runner's status as far as settling goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    /// ACTIVE, or HIDDEN from the display.
    Running,
    Winner,
    /// LOSER, or PLACED: not the winner.
    Lost,
    /// REMOVED or REMOVED_VACANT: bets on it are void.
    Removed,
    /// Came back after it was REMOVED. Told void already, and void it stays.
    Reinstated,
}

impl Status {
    fn parse(text: &str) -> Result<Self, FieldError> {
        match text {
            "ACTIVE" | "HIDDEN" => Ok(Self::Running),
            "WINNER" => Ok(Self::Winner),
            "LOSER" | "PLACED" => Ok(Self::Lost),
            "REMOVED" | "REMOVED_VACANT" => Ok(Self::Removed),
            other => Err(FieldError::new("runners.status", format!("{other:?} is no runner status of the exchange"))),
        }
    }
}

impl Market {
    /// Takes the definition's word on market and runners.
    pub(super) fn settle(
        &mut self,
        definition: &Definition,
        moment: Moment,
        cast: &mut Cast,
        out: &mut VecDeque<Sourced>,
    ) -> Result<(), FieldError> {
        let closed = definition.status == "CLOSED";
        if closed && self.phase == Phase::Open {
            self.phase = Phase::Closed;
            self.ladder = Ladder::default();
            let kind = GameEventKind::BettingClosed { question_uuid: self.question };
            out.push_back(self.event("betting_closed", "", moment, kind));
        }
        let removed = self.take_statuses(definition, cast)?;
        for (runner, index) in removed {
            let kind = GameEventKind::OutcomeVoided {
                question_uuid: self.question,
                outcome_index: index,
                reason: format!("runner {runner} was removed from betfair market {}", self.id),
            };
            out.push_back(self.event("outcome_voided", &runner.to_string(), moment, kind));
        }
        if closed {
            self.tell_winners(moment, out);
        }
        Ok(())
    }

    /// Stores each runner's status; returns who is newly out.
    fn take_statuses(&mut self, definition: &Definition, cast: &mut Cast) -> Result<Vec<(RunnerKey, u16)>, FieldError> {
        let mut removed = Vec::new();
        for runner in &definition.runners {
            let status = Status::parse(&runner.status)?;
            let key = RunnerKey::new(runner.id, runner.hc)?;
            // A runner that joined later has no outcome, and no bets.
            let Some(outcome) = self.outcomes.get_mut(&key) else { continue };
            match (outcome.status, status) {
                (Status::Reinstated, _) | (Status::Removed, Status::Removed) => {}
                (Status::Removed, _) => {
                    outcome.status = Status::Reinstated;
                    cast.stats.reinstated += 1;
                }
                (_, Status::Removed) => {
                    outcome.status = status;
                    removed.push((key, outcome.index));
                }
                _ => outcome.status = status,
            }
        }
        Ok(removed)
    }

    /// Tells each win once; voids the question if it is over without one.
    fn tell_winners(&mut self, moment: Moment, out: &mut VecDeque<Sourced>) {
        let mut winners = Vec::new();
        for (key, outcome) in &mut self.outcomes {
            if outcome.status == Status::Winner && !outcome.observed {
                outcome.observed = true;
                winners.push((outcome.index, key.to_string()));
            }
        }
        winners.sort();
        for (outcome_index, runner) in winners {
            let kind = GameEventKind::OutcomeObserved {
                question_uuid: self.question,
                outcome_index,
                source: Source::Feed,
                confidence: Probability::ONE,
                evidence: Some(format!("betfair marketDefinition of {}: runner {runner} WINNER", self.id)),
            };
            out.push_back(self.event("outcome_observed", &runner, moment, kind));
        }
        let undecided = |status| matches!(status, Status::Winner | Status::Running);
        if !self.voided && !self.outcomes.values().any(|outcome| undecided(outcome.status)) {
            self.voided = true;
            let reason = format!("betfair market {} was closed without a winner", self.id);
            let kind = GameEventKind::QuestionVoided { question_uuid: self.question, reason };
            out.push_back(self.event("question_voided", "", moment, kind));
        }
    }
}
