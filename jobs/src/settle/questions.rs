//! The question's transitions: a pure function from a row and an event to the row after it.

use std::collections::BTreeSet;

use pipeline::dead_letter::Reject;
use schemas::game_event::GameEventKind;
use schemas::ids::QuestionId;
use schemas::question::{Observation, Pause, QuestionRow, QuestionSpec, QuestionState};
use schemas::time::Timestamp;

use crate::rows::{self, Rows};

/// Observations and pauses kept of one question, at most: a row must stay small (64 × 2 KB of
/// evidence is under the 400 KB of a DynamoDB item).
const MAX_OBSERVATIONS: usize = 64;
const MAX_PAUSES: usize = 1024;

/// The question that an event is about, if it is about one that must exist.
pub fn subject(kind: &GameEventKind) -> Option<QuestionId> {
    use GameEventKind as Kind;
    match kind {
        Kind::BettingClosed { question_uuid }
        | Kind::OutcomeObserved { question_uuid, .. }
        | Kind::OutcomeVoided { question_uuid, .. }
        | Kind::QuestionVoided { question_uuid, .. }
        | Kind::QuestionFlagged { question_uuid, .. }
        | Kind::QuestionPaused { question_uuid, .. }
        | Kind::QuestionResumed { question_uuid, .. }
        | Kind::QuestionApproved { question_uuid, .. }
        | Kind::QuestionAmended { question_uuid, .. }
        | Kind::PositionSold { question_uuid, .. }
        | Kind::AnswerReported { question_uuid, .. } => Some(*question_uuid),
        _ => None,
    }
}

/// Opens a question and lists it with its broadcast.
pub fn open(spec: &QuestionSpec, now: Timestamp, rows: &mut Rows) -> Result<(), Reject> {
    let id = spec.question_uuid;
    if rows::question(rows, id).is_some() {
        return Err(Reject::invalid(format!(
            "question.question_uuid: question {id} is open already; amend it instead, or give the new one its own id"
        )));
    }
    rows::change_question(rows, id, || QuestionRow::open(spec.clone(), now));
    let stream = spec.stream_uuid.and_then(|stream| rows::stream(rows, stream).cloned());
    if let Some(stream) = stream
        && let Some(row) = rows::change_stream(rows, stream.spec.stream_uuid, || stream)
    {
        row.questions.push(id);
    }
    Ok(())
}

/// The question after an event.
///
/// # Errors
/// An event about a question that is not there, or that its state does not allow, is invalid.
pub fn change(kind: &GameEventKind, arrived_at: Timestamp, rows: &Rows) -> Result<QuestionRow, Reject> {
    let id = subject(kind).ok_or_else(|| Reject::invalid("type: this event is about no question"))?;
    let before = rows::question(rows, id).ok_or_else(|| {
        Reject::invalid(format!("question_uuid: there is no question {id}; open it first, then redrive this record"))
    })?;
    transition(before, kind, arrived_at)
}

/// Puts a changed question back.
pub fn store(question: QuestionRow, rows: &mut Rows) {
    let id = question.spec.question_uuid;
    if let Some(row) = rows::change_question(rows, id, || question.clone()) {
        *row = question;
    }
}

/// The end of betting came.
pub fn end_betting(id: QuestionId, now: Timestamp, rows: &mut Rows) {
    let Some(question) = rows::question(rows, id) else { return };
    // An amendment may have moved the end since the timer was set.
    if takes_bets(question) && question.spec.betting_end_time <= now {
        let mut question = question.clone();
        let end = question.spec.betting_end_time;
        close(&mut question, end);
        question.version += 1;
        store(question, rows);
    }
}

/// The transition function: the row after an event that arrived at `arrived_at`.
fn transition(before: &QuestionRow, kind: &GameEventKind, arrived_at: Timestamp) -> Result<QuestionRow, Reject> {
    use GameEventKind as Kind;
    let mut question = before.clone();
    question.version += 1;
    match kind {
        Kind::BettingClosed { .. } => {
            // Its timer may have closed it before; the first close stands.
            let closed = matches!(before.state, QuestionState::Closed | QuestionState::Proposed);
            allow(takes_bets(before) || closed, before, kind)?;
            if takes_bets(before) {
                close(&mut question, arrived_at);
            }
        }
        Kind::QuestionPaused { .. } => {
            allow(before.state == QuestionState::Open && before.pauses.len() < MAX_PAUSES, before, kind)?;
            question.pauses.push(Pause { from: arrived_at, to: None });
            question.state = QuestionState::Paused;
        }
        Kind::QuestionResumed { .. } => {
            allow(before.state == QuestionState::Paused, before, kind)?;
            end_pause(&mut question, arrived_at);
            question.state = QuestionState::Open;
        }
        Kind::OutcomeObserved { outcome_index, source, confidence, evidence, .. } => {
            outcome_of(before, *outcome_index)?;
            allow(!is_over(before) && before.observations.len() < MAX_OBSERVATIONS, before, kind)?;
            let (confidence, evidence) = (*confidence, evidence.clone());
            question.observations.push(Observation {
                outcome_index: *outcome_index,
                source: *source,
                at: arrived_at,
                confidence,
                evidence,
            });
            propose(&mut question);
        }
        Kind::OutcomeVoided { outcome_index, .. } => {
            outcome_of(before, *outcome_index)?;
            allow(!is_over(before), before, kind)?;
            if !question.voided_outcomes.contains(outcome_index) {
                question.voided_outcomes.push(*outcome_index);
            }
        }
        Kind::QuestionVoided { reason, .. } => {
            allow(!is_over(before), before, kind)?;
            close(&mut question, arrived_at);
            question.payouts.clear();
            question.state = QuestionState::Voided;
            question.void_reason = Some(reason.clone());
        }
        Kind::QuestionFlagged { reason, .. } => {
            allow(!is_over(before) && !takes_bets(before), before, kind)?;
            question.state = QuestionState::Flagged;
            question.flag_reason = Some(reason.clone().unwrap_or_default());
        }
        Kind::QuestionApproved { .. } => {
            allow(before.state == QuestionState::Proposed, before, kind)?;
            question.state = QuestionState::Approved;
        }
        Kind::QuestionAmended { betting_end_time, question: text, outcomes, .. } => {
            amend(&mut question, *betting_end_time, text.as_ref(), outcomes.as_ref())?;
        }
        Kind::AnswerReported { payouts, finalised, .. } => {
            allow(
                matches!(before.state, QuestionState::Proposed | QuestionState::Approved | QuestionState::Reported),
                before,
                kind,
            )?;
            question.payouts.clone_from(payouts);
            question.answer_reported = true;
            question.state = if *finalised { QuestionState::Finalised } else { QuestionState::Reported };
        }
        _ => return Err(Reject::invalid(format!("type: {} changes no question", kind.name()))),
    }
    Ok(question)
}

fn takes_bets(question: &QuestionRow) -> bool {
    matches!(question.state, QuestionState::Open | QuestionState::Paused)
}

fn is_over(question: &QuestionRow) -> bool {
    matches!(question.state, QuestionState::Reported | QuestionState::Finalised | QuestionState::Voided)
}

fn allow(allowed: bool, question: &QuestionRow, kind: &GameEventKind) -> Result<(), Reject> {
    if allowed {
        return Ok(());
    }
    Err(Reject::invalid(format!(
        "type: {} is not possible now: question {} is {}",
        kind.name(),
        question.spec.question_uuid,
        question.state
    )))
}

fn outcome_of(question: &QuestionRow, outcome: u16) -> Result<(), Reject> {
    let outcomes = question.spec.outcomes.len();
    if usize::from(outcome) < outcomes {
        return Ok(());
    }
    Err(Reject::invalid(format!(
        "outcome_index: {outcome} is not an outcome of question {}; it has outcomes 0 to {}",
        question.spec.question_uuid,
        outcomes.saturating_sub(1)
    )))
}

fn close(question: &mut QuestionRow, at: Timestamp) {
    end_pause(question, at);
    question.closed_at.get_or_insert(at);
    question.state = QuestionState::Closed;
    propose(question);
}

fn end_pause(question: &mut QuestionRow, at: Timestamp) {
    if let Some(pause) = question.pauses.last_mut().filter(|pause| pause.to.is_none()) {
        pause.to = Some(at);
    }
}

/// Proposes the answer once a quorum of independent sources saw it; never before the close.
fn propose(question: &mut QuestionRow) {
    if !matches!(question.state, QuestionState::Closed | QuestionState::Proposed) {
        return;
    }
    let seen_by = |outcome: u16| {
        let sources = question.observations.iter().filter(|seen| seen.outcome_index == outcome);
        sources.map(|seen| seen.source as u8).collect::<BTreeSet<_>>().len()
    };
    let agreed = |outcome: u16| seen_by(outcome) >= usize::from(question.spec.quorum);
    let outcomes = u16::try_from(question.spec.outcomes.len()).unwrap_or(u16::MAX);
    let payouts: Vec<u64> = (0..outcomes).map(|outcome| u64::from(agreed(outcome))).collect();
    if payouts.contains(&1) {
        question.payouts = payouts;
        question.state = QuestionState::Proposed;
    }
}

fn amend(
    question: &mut QuestionRow,
    end: Option<Timestamp>,
    text: Option<&String>,
    outcomes: Option<&Vec<String>>,
) -> Result<(), Reject> {
    if let Some(outcomes) = outcomes {
        let (new, old) = (outcomes.len(), question.spec.outcomes.len());
        if new != old {
            return Err(Reject::invalid(format!(
                "outcomes: {new} texts for {old} outcomes; a question keeps its outcomes"
            )));
        }
        question.spec.outcomes.clone_from(outcomes);
    }
    question.spec.betting_end_time = end.unwrap_or(question.spec.betting_end_time);
    if let Some(text) = text {
        question.spec.question.clone_from(text);
    }
    Ok(())
}
