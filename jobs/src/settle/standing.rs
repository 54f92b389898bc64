//! Where a question stands, in words: for operators, and for whoever asks how an answer came about.

use schemas::question::{Cause, Emergency, QuestionRow, QuestionSpec, QuestionState, Step};
use schemas::time::Timestamp;

use super::evidence;

/// A moment to the second: a person compares it with a clock.
pub fn to_second(at: Timestamp) -> String {
    let text = at.to_rfc3339();
    text.split_once('.').map_or_else(|| text.clone(), |(seconds, _)| format!("{seconds}Z"))
}

/// The answer that these payout numerators give; where they differ, each with its own.
pub fn answer(spec: &QuestionSpec, payouts: &[u64]) -> String {
    let paid = || payouts.iter().enumerate().filter(|(_, numerator)| **numerator > 0);
    let alike = paid().all(|(_, numerator)| paid().next().is_some_and(|(_, first)| first == numerator));
    let name = |(index, numerator): (usize, &u64)| {
        let name = spec.outcomes.get(index).map_or("?", String::as_str);
        if alike { name.to_owned() } else { format!("{name} ({numerator})") }
    };
    match paid().count() {
        0 => "void".to_owned(),
        _ => paid().map(name).collect::<Vec<_>>().join(" and "),
    }
}

/// How many sources agree, and how many more must.
pub fn quorum(question: &QuestionRow) -> String {
    let (agree, needed) =
        (evidence::agreeing(&question.spec, &question.observations), usize::from(question.spec.quorum));
    match needed.saturating_sub(agree) {
        0 => format!("{agree} of {needed} sources agree"),
        more => format!("{agree} of {needed} sources so far; {more} more must say the same"),
    }
}

/// Which emergency answer was asked for by whom, and what it waits for.
pub fn emergency(spec: &QuestionSpec, asked: &Emergency) -> String {
    let (answer, names) = (answer(spec, &asked.payouts), asked.operators.join(" and "));
    match asked.due {
        None => format!("{answer}, asked by {names} (1 of 2): another operator must ask for the same"),
        Some(due) => {
            format!("{answer}, asked by {names}: takes effect at {} unless somebody flags it", to_second(due))
        }
    }
}

/// What is proposed, and until when somebody can object.
pub fn proposal(question: &QuestionRow) -> Option<String> {
    let until = question.challenge_until.filter(|_| question.state == QuestionState::Proposed)?;
    let answer = answer(&question.spec, &question.payouts);
    Some(format!("{answer}, final at {} unless somebody flags it", to_second(until)))
}

/// What a question waits for, if it waits.
pub fn next(question: &QuestionRow) -> Option<String> {
    if let Some(asked) = &question.emergency {
        return Some(format!("emergency answer: {}", emergency(&question.spec, asked)));
    }
    match question.state {
        QuestionState::Proposed => proposal(question).map(|proposed| format!("proposed: {proposed}")),
        QuestionState::Closed => Some(format!("no answer yet: {}", quorum(question))),
        QuestionState::Flagged => {
            Some("waits for an operator: `oddsmill question propose` decides, `approve` lifts the flag".to_owned())
        }
        QuestionState::Approved | QuestionState::Voided if question.settled_at.is_none() => {
            Some("its bets are being settled".to_owned())
        }
        _ => None,
    }
}

/// A question's steps in words, oldest first.
pub fn steps(question: &QuestionRow) -> impl Iterator<Item = (Step, String)> {
    let last = question.steps.len().saturating_sub(1);
    question.steps.iter().enumerate().map(move |(number, step)| (*step, step_in_words(question, *step, number == last)))
}

/// What a row still tells of an earlier step is less than of the one it stands at.
fn step_in_words(question: &QuestionRow, step: Step, stands: bool) -> String {
    use QuestionState as State;
    let of = |text: Option<&String>| text.filter(|_| stands).map(|text| format!(": {text}")).unwrap_or_default();
    let answer = || format!(": {}", answer(&question.spec, &question.payouts));
    let kept = if question.payouts.is_empty() { String::new() } else { answer() };
    match (step.state, step.by) {
        (State::Closed, by) if question.closed_at == Some(step.at) => match by {
            Cause::Time => "betting ended by its time".to_owned(),
            _ => "betting ended".to_owned(),
        },
        (State::Closed, Cause::Operator) => "flag lifted".to_owned(),
        (State::Closed, _) => "proposed answer taken back by its sources".to_owned(),
        (State::Proposed, Cause::Operator) => format!("answer proposed by an operator{}", last_word(question, stands)),
        (State::Proposed, _) => {
            format!("answer proposed by a quorum of {}{}", question.spec.quorum, last_word(question, stands))
        }
        (State::Flagged, Cause::Operator) => format!("flagged by an operator{}", of(question.flag_reason.as_ref())),
        (State::Flagged, _) if stands => format!("flagged{}", of(question.flag_reason.as_ref())),
        (State::Flagged, _) => "flagged: sources disagreed".to_owned(),
        (State::Approved, Cause::Time) => format!("approved, since nobody flagged it in time{kept}"),
        (State::Approved, Cause::Emergency) => format!("approved: the emergency answer took effect{kept}"),
        (State::Approved, _) => format!("approved by an operator{kept}"),
        (State::Voided, _) => format!("voided{}", of(question.void_reason.as_ref())),
        (state, _) => format!("answer {state} by the chain{kept}"),
    }
}

/// What was proposed last: with its challenge while it lasts.
fn last_word(question: &QuestionRow, stands: bool) -> String {
    match proposal(question).filter(|_| stands) {
        Some(proposed) => format!(": {proposed}"),
        None => String::new(),
    }
}
