//! The life of a question: one pure function from a row and a trigger to the row after it.
//!
//! ```text
//! open ⇄ paused → closed → proposed → approved → reported → finalised
//!                   ⇅         ⇅
//!                   └─ flagged ┘          voided: from anywhere before the answer is final
//! ```
//!
//! Who moves it: betting ends by event or by its time; a quorum of sources proposes; the challenge
//! window approves by timer unless a person flags; a flagged question waits for an operator. Bets
//! are settled from the moment an answer is approved or the question voided, and nothing takes that
//! back. Two operators and a delay can decide past quorum and flag.

mod refusal;
mod steps;

use pipeline::dead_letter::Reject;
use schemas::game_event::{GameEvent, GameEventKind};
use schemas::question::{Emergency, Observation, Pause, QuestionRow, QuestionState, Source};
use schemas::time::Timestamp;

use super::SettleRules;
use super::evidence::{Verdict, weigh};
use super::standing::{answer, emergency};
use super::timers::Alarm;

/// Observations and pauses kept of one question, at most: a row must stay small (64 × 2 KB of
/// evidence is under the 400 KB of a DynamoDB item).
const MAX_OBSERVATIONS: usize = 64;
const MAX_PAUSES: usize = 1024;

/// What moves a question.
#[derive(Debug, Clone, Copy)]
pub enum Trigger<'a> {
    /// A game event about it.
    Event(&'a GameEvent),
    /// One of its timers.
    Alarm(Alarm),
}

/// When a trigger came.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// By its own envelope: what bets are compared with.
    pub arrived: Timestamp,
    /// The frontier, which never goes back: what delays are counted from.
    pub now: Timestamp,
}

/// What a move asks for besides the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// To be woken.
    Wake(Alarm, Timestamp),
    /// That its bets be settled, from now.
    Settle,
}

/// A question after a trigger, and what that asks for.
pub type Moved = (QuestionRow, Vec<Effect>);

/// A question while it is moved.
struct Move<'a> {
    question: QuestionRow,
    moment: Moment,
    rules: &'a SettleRules,
    effects: Vec<Effect>,
}

/// The question after a trigger; nothing where it stays as it is.
///
/// # Errors
/// An event that its state does not allow is invalid.
pub fn transition(
    before: &QuestionRow,
    trigger: Trigger<'_>,
    moment: Moment,
    rules: &SettleRules,
) -> Result<Option<Moved>, Reject> {
    let mut this = Move { question: before.clone(), moment, rules, effects: Vec::new() };
    match trigger {
        Trigger::Event(event) => this.event(event)?,
        Trigger::Alarm(alarm) => this.alarm(alarm),
    }
    if this.question == *before && this.effects.is_empty() {
        return Ok(None);
    }
    this.question.version += 1;
    steps::keep(before, &mut this.question, trigger, moment.arrived);
    Ok(Some((this.question, this.effects)))
}

impl Move<'_> {
    fn event(&mut self, event: &GameEvent) -> Result<(), Reject> {
        use GameEventKind as Kind;
        use QuestionState as State;
        let (kind, state) = (&event.kind, self.question.state);
        match kind {
            Kind::BettingClosed { .. } => {
                // Its timer or a void may have closed it before; the first close stands.
                if self.takes_bets() {
                    self.close(self.moment.arrived);
                }
            }
            Kind::QuestionPaused { .. } => {
                self.allow(state == State::Open && self.question.pauses.len() < MAX_PAUSES, kind)?;
                self.question.pauses.push(Pause { from: self.moment.arrived, to: None });
                self.question.state = State::Paused;
            }
            Kind::QuestionResumed { .. } => {
                self.allow(state == State::Paused, kind)?;
                self.end_pause(self.moment.arrived);
                self.question.state = State::Open;
            }
            Kind::OutcomeObserved { outcome_index, source, .. } => {
                self.outcome(*outcome_index)?;
                // However much the others say, there is room for an operator's word.
                let most = if *source == Source::Operator { 2 * MAX_OBSERVATIONS } else { MAX_OBSERVATIONS };
                self.allow(!self.is_final() && self.question.observations.len() < most, kind)?;
                self.observe(event);
                if state == State::Flagged && *source == Source::Operator {
                    self.propose_alone(*outcome_index);
                }
            }
            Kind::OutcomeVoided { outcome_index, .. } => {
                self.outcome(*outcome_index)?;
                self.allow(!self.is_final(), kind)?;
                if !self.question.voided_outcomes.contains(outcome_index) {
                    self.question.voided_outcomes.push(*outcome_index);
                }
            }
            Kind::QuestionVoided { reason, .. } => {
                self.allow(!self.is_final(), kind)?;
                self.void(reason.clone());
            }
            Kind::QuestionFlagged { reason, .. } => {
                self.allow(!self.is_final() && !self.takes_bets() || self.question.emergency.is_some(), kind)?;
                self.question.emergency = None;
                if !self.takes_bets() {
                    self.flag(reason.clone().unwrap_or_default());
                }
            }
            Kind::QuestionApproved { .. } => {
                self.allow(matches!(state, State::Proposed | State::Flagged), kind)?;
                self.approve()?;
            }
            Kind::QuestionAmended { betting_end_time, question, outcomes, .. } => {
                self.amend(*betting_end_time, question.as_ref(), outcomes.as_ref(), kind)?;
            }
            Kind::EmergencyAnswer { payouts, reason, .. } => {
                self.allow(!self.is_final(), kind)?;
                self.ask_emergency(payouts, reason, event.operator.as_deref())?;
            }
            Kind::AnswerReported { payouts, finalised, .. } => {
                self.reported(payouts, *finalised, kind)?;
            }
            _ => return Err(Reject::invalid(format!("type: {} changes no question", kind.name()))),
        }
        Ok(())
    }

    fn alarm(&mut self, alarm: Alarm) {
        let due = |at: Option<Timestamp>| at.is_some_and(|at| at <= self.moment.now);
        match alarm {
            // An amendment may have moved the end since the timer was set.
            Alarm::EndOfBetting if self.takes_bets() && self.question.spec.betting_end_time <= self.moment.now => {
                self.close(self.question.spec.betting_end_time);
            }
            Alarm::EndOfChallenge
                if self.question.state == QuestionState::Proposed && due(self.question.challenge_until) =>
            {
                self.settle(QuestionState::Approved);
            }
            Alarm::EndOfDelay if !self.is_final() && due(self.question.emergency.as_ref().and_then(|e| e.due)) => {
                self.take_emergency();
            }
            _ => {}
        }
    }

    /// Bets are taken, or only paused.
    fn takes_bets(&self) -> bool {
        matches!(self.question.state, QuestionState::Open | QuestionState::Paused)
    }

    /// Settling has begun: the answer stands.
    fn is_final(&self) -> bool {
        self.question.settling_from.is_some()
    }

    fn allow(&self, allowed: bool, kind: &GameEventKind) -> Result<(), Reject> {
        if allowed {
            return Ok(());
        }
        Err(Reject::invalid(refusal::why(&self.question, kind)))
    }

    fn outcome(&self, outcome: u16) -> Result<(), Reject> {
        let outcomes = self.question.spec.outcomes.len();
        if usize::from(outcome) < outcomes {
            return Ok(());
        }
        Err(Reject::invalid(format!(
            "outcome_index: {outcome} is not an outcome of question {}; it has outcomes 0 to {}",
            self.question.spec.question_uuid,
            outcomes.saturating_sub(1)
        )))
    }

    fn close(&mut self, at: Timestamp) {
        self.end_pause(at);
        self.question.closed_at.get_or_insert(at);
        self.question.state = QuestionState::Closed;
        self.weigh();
    }

    fn end_pause(&mut self, at: Timestamp) {
        if let Some(pause) = self.question.pauses.last_mut().filter(|pause| pause.to.is_none()) {
            pause.to = Some(at);
        }
    }

    fn observe(&mut self, event: &GameEvent) {
        if let GameEventKind::OutcomeObserved { outcome_index, source, confidence, evidence, .. } = &event.kind {
            self.question.observations.push(Observation {
                outcome_index: *outcome_index,
                source: *source,
                at: event.at,
                confidence: *confidence,
                evidence: evidence.clone(),
            });
            self.weigh();
        }
    }

    /// Proposes what a quorum says, never before the close; a contradiction is flagged.
    fn weigh(&mut self) {
        if !matches!(self.question.state, QuestionState::Closed | QuestionState::Proposed) {
            return;
        }
        match weigh(&self.question.spec, &self.question.observations) {
            Verdict::Agreed(payouts) if payouts != self.question.payouts => self.propose(payouts),
            Verdict::Agreed(_) => {}
            Verdict::Open => {
                // A source took back its word before the challenge was over.
                self.question.payouts.clear();
                self.question.challenge_until = None;
                self.question.state = QuestionState::Closed;
            }
            Verdict::Disagreed(why) => {
                self.question.payouts.clear();
                self.flag(why);
            }
        }
    }

    fn propose(&mut self, payouts: Vec<u64>) {
        let until = self.moment.now.saturating_add(self.rules.challenge_ms);
        self.question.payouts = payouts;
        self.question.state = QuestionState::Proposed;
        self.question.challenge_until = Some(until);
        self.effects.push(Effect::Wake(Alarm::EndOfChallenge, until));
    }

    /// A flagged question: the operator's word decides, and can be challenged like any other.
    fn propose_alone(&mut self, outcome: u16) {
        let outcomes = self.question.spec.outcomes.len();
        self.question.flag_reason = None;
        self.propose((0..outcomes).map(|index| u64::from(index == usize::from(outcome))).collect());
    }

    fn flag(&mut self, reason: String) {
        self.question.state = QuestionState::Flagged;
        self.question.flag_reason = Some(reason);
        self.question.challenge_until = None;
    }

    /// The proposed answer stands, unless its sources have come to another one since; a flag without an
    /// answer is lifted, and what a quorum said meanwhile is proposed.
    fn approve(&mut self) -> Result<(), Reject> {
        let verdict = weigh(&self.question.spec, &self.question.observations);
        if self.question.payouts.is_empty() {
            self.question.flag_reason = None;
            self.question.state = QuestionState::Closed;
            if let Verdict::Agreed(payouts) = verdict {
                self.propose(payouts);
            }
            return Ok(());
        }
        match verdict {
            Verdict::Agreed(payouts) if payouts != self.question.payouts => {
                let spec = &self.question.spec;
                Err(Reject::invalid(format!(
                    "question {} is {}: {} was proposed, but a quorum of its sources says {} by now; `oddsmill question propose` says which it is",
                    spec.question_uuid,
                    self.question.state,
                    answer(spec, &self.question.payouts),
                    answer(spec, &payouts)
                )))
            }
            _ => {
                self.settle(QuestionState::Approved);
                Ok(())
            }
        }
    }

    fn void(&mut self, reason: String) {
        self.end_pause(self.moment.arrived);
        self.question.closed_at.get_or_insert(self.moment.arrived);
        self.question.payouts.clear();
        self.question.void_reason = Some(reason);
        self.settle(QuestionState::Voided);
    }

    /// The answer is final: bets are settled from here on.
    fn settle(&mut self, state: QuestionState) {
        self.question.state = state;
        self.question.flag_reason = None;
        self.question.challenge_until = None;
        self.question.emergency = None;
        if self.question.settling_from.is_none() {
            self.question.settling_from = Some(self.moment.now);
            self.effects.push(Effect::Settle);
        }
    }

    fn amend(
        &mut self,
        end: Option<Timestamp>,
        text: Option<&String>,
        outcomes: Option<&Vec<String>>,
        kind: &GameEventKind,
    ) -> Result<(), Reject> {
        self.allow(end.is_none() || self.takes_bets(), kind)?;
        if let Some(outcomes) = outcomes {
            let (new, old) = (outcomes.len(), self.question.spec.outcomes.len());
            if new != old {
                return Err(Reject::invalid(format!(
                    "outcomes: {new} texts for {old} outcomes; a question keeps its outcomes"
                )));
            }
            self.question.spec.outcomes.clone_from(outcomes);
        }
        if let Some(end) = end {
            self.question.spec.betting_end_time = end;
            self.effects.push(Effect::Wake(Alarm::EndOfBetting, end));
        }
        if let Some(text) = text {
            self.question.spec.question.clone_from(text);
        }
        Ok(())
    }

    fn ask_emergency(&mut self, payouts: &[u64], reason: &str, operator: Option<&str>) -> Result<(), Reject> {
        let operator = operator.ok_or_else(|| {
            Reject::invalid("operator: missing; an emergency answer takes two operators, each by name")
        })?;
        self.payouts_fit(payouts)?;
        let earlier = self.question.emergency.as_ref().filter(|asked| asked.payouts == payouts);
        if let Some(asked) = earlier.filter(|asked| asked.operators.iter().any(|name| name == operator)) {
            return Err(Reject::invalid(format!(
                "question {} is {}: {operator} has asked already; {}",
                self.question.spec.question_uuid,
                self.question.state,
                emergency(&self.question.spec, asked)
            )));
        }
        let new = || Emergency { payouts: payouts.to_vec(), operators: Vec::new(), reason: reason.into(), due: None };
        let mut asked = earlier.cloned().unwrap_or_else(new);
        asked.operators.push(operator.to_owned());
        if asked.operators.len() == 2 {
            let due = self.moment.now.saturating_add(self.rules.emergency_delay_ms);
            asked.due = Some(due);
            self.effects.push(Effect::Wake(Alarm::EndOfDelay, due));
        }
        self.question.emergency = Some(asked);
        Ok(())
    }

    fn take_emergency(&mut self) {
        let Some(asked) = self.question.emergency.take() else { return };
        if asked.payouts.is_empty() {
            return self.void(format!("emergency, by {}: {}", asked.operators.join(" and "), asked.reason));
        }
        self.end_pause(self.moment.arrived);
        self.question.closed_at.get_or_insert(self.moment.arrived);
        self.question.payouts = asked.payouts;
        self.settle(QuestionState::Approved);
    }

    /// The chain's answer is the answer; where ours is final already, it must be the same.
    fn reported(&mut self, payouts: &[u64], finalised: bool, kind: &GameEventKind) -> Result<(), Reject> {
        use QuestionState as State;
        self.payouts_fit(payouts)?;
        let state = self.question.state;
        self.allow(!self.takes_bets() && !matches!(state, State::Voided | State::Finalised), kind)?;
        if self.is_final() && payouts != self.question.payouts {
            return Err(Reject::invalid(format!(
                "payouts: the chain has {payouts:?}, but question {} is being settled with {:?}",
                self.question.spec.question_uuid, self.question.payouts
            )));
        }
        self.question.payouts = payouts.to_vec();
        self.question.answer_reported = true;
        self.settle(if finalised { State::Finalised } else { State::Reported });
        Ok(())
    }

    fn payouts_fit(&self, payouts: &[u64]) -> Result<(), Reject> {
        let outcomes = self.question.spec.outcomes.len();
        if payouts.is_empty() || payouts.len() == outcomes {
            return Ok(());
        }
        Err(Reject::invalid(format!(
            "payouts: {} numerators for {outcomes} outcomes of question {}; give one each",
            payouts.len(),
            self.question.spec.question_uuid
        )))
    }
}

#[cfg(test)]
mod tests;
