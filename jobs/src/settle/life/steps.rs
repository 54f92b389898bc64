//! Keeping a question's steps: what no record says for itself.

use schemas::game_event::GameEventKind as Kind;
use schemas::question::{Cause, QuestionRow, QuestionState as State, Source, Step};
use schemas::time::Timestamp;

use super::{Alarm, Trigger};

/// Steps kept of one question, the latest; a dozen bytes each. More than a few are operators flagging
/// and lifting.
const MAX_STEPS: usize = 64;

/// Adds to `after` the steps that lead there from `before`.
pub fn keep(before: &QuestionRow, after: &mut QuestionRow, trigger: Trigger<'_>, at: Timestamp) {
    if matches!(after.state, State::Open | State::Paused) {
        return;
    }
    let by = cause(before, after, trigger);
    let ended = before.closed_at.is_none() && after.closed_at.is_some();
    let lifted = before.state == State::Flagged && after.state == State::Proposed && by == Cause::Sources;
    let moved = after.state != before.state;
    if ended || lifted || (moved && after.state == State::Closed) {
        let at = after.closed_at.filter(|_| ended).unwrap_or(at);
        let by = if before.state == State::Proposed { by } else { of(trigger) };
        push(after, Step { at, state: State::Closed, by });
    }
    let proposed_anew = after.state == State::Proposed && after.payouts != before.payouts;
    if after.state != State::Closed && (moved || proposed_anew) {
        let state = after.state;
        push(after, Step { at, state, by });
    }
}

fn push(question: &mut QuestionRow, step: Step) {
    if question.steps.len() == MAX_STEPS {
        question.steps.remove(0);
    }
    question.steps.push(step);
}

/// What a quorum or a contradiction did is the sources' doing, whatever event came last.
fn cause(before: &QuestionRow, after: &QuestionRow, trigger: Trigger<'_>) -> Cause {
    let says = |event: &Kind| matches!(event, Kind::OutcomeObserved { source: Source::Operator, .. });
    let flags = |event: &Kind| matches!(event, Kind::QuestionFlagged { .. });
    let event = |is: &dyn Fn(&Kind) -> bool| matches!(trigger, Trigger::Event(event) if is(&event.kind));
    match (before.state, after.state) {
        (State::Flagged, State::Proposed) if event(&says) => Cause::Operator,
        (State::Proposed, State::Closed) | (_, State::Proposed) => Cause::Sources,
        (_, State::Flagged) if !event(&flags) => Cause::Sources,
        _ => of(trigger),
    }
}

/// Who or what a trigger comes from.
fn of(trigger: Trigger<'_>) -> Cause {
    let event = match trigger {
        Trigger::Alarm(Alarm::EndOfDelay) => return Cause::Emergency,
        Trigger::Alarm(_) => return Cause::Time,
        Trigger::Event(event) => event,
    };
    match &event.kind {
        Kind::QuestionFlagged { .. } | Kind::QuestionApproved { .. } => Cause::Operator,
        Kind::AnswerReported { .. } => Cause::Chain,
        _ if event.operator.is_some() => Cause::Operator,
        _ => Cause::Event,
    }
}
