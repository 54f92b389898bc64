//! Why an act does not fit a question, in a sentence for whoever did it: where the question stands, what
//! is in the way, and what can be done instead.

use schemas::game_event::GameEventKind;
use schemas::question::{QuestionRow, QuestionState};
use schemas::time::Timestamp;

use super::{MAX_OBSERVATIONS, MAX_PAUSES};
use crate::settle::standing::{answer, quorum, to_second};

/// The sentence.
pub fn why(question: &QuestionRow, kind: &GameEventKind) -> String {
    let because = match question.settling_from {
        Some(since) => for_good(question, since),
        None => for_now(question, kind),
    };
    format!("question {} is {}: {because}", question.spec.question_uuid, question.state)
}

fn for_good(question: &QuestionRow, since: Timestamp) -> String {
    let since = to_second(since);
    match question.state {
        QuestionState::Voided => format!("stakes have gone back since {since}, and nothing stops that"),
        _ => format!(
            "its answer, {}, has been final since {since}, and nothing takes it back",
            answer(&question.spec, &question.payouts)
        ),
    }
}

fn for_now(question: &QuestionRow, kind: &GameEventKind) -> String {
    use GameEventKind as Kind;
    use QuestionState as State;
    let takes_bets = matches!(question.state, State::Open | State::Paused);
    let ends = to_second(question.spec.betting_end_time);
    let ended = to_second(question.closed_at.unwrap_or(question.spec.betting_end_time));
    match kind {
        Kind::QuestionPaused { .. } => match question.state {
            State::Paused => "it takes no bets already; `oddsmill question resume` takes them again".to_owned(),
            State::Open => format!("it was paused {MAX_PAUSES} times, and no more are kept; end it or leave it open"),
            State::Flagged => format!("betting ended at {ended}, so there is nothing to pause"),
            _ => format!(
                "betting ended at {ended}, so there is nothing to pause; `oddsmill question flag` stops its answer"
            ),
        },
        Kind::QuestionResumed { .. } => match question.state {
            State::Open => "it takes bets already; `oddsmill question pause` stops them".to_owned(),
            _ => format!("betting ended at {ended} for good, so it takes no bets again; open another question"),
        },
        Kind::OutcomeObserved { .. } => format!(
            "it keeps {MAX_OBSERVATIONS} words of sources and as many of operators, and has them; `oddsmill question emergency` decides without"
        ),
        Kind::QuestionFlagged { .. } => {
            let meanwhile = match question.state {
                State::Paused => "meanwhile it is paused",
                _ => "`oddsmill question pause` stops bets meanwhile",
            };
            format!("there is no answer to stop yet, since betting ends at {ends}; {meanwhile}")
        }
        Kind::QuestionApproved { .. } if takes_bets => format!(
            "there is no answer to approve yet, since betting ends at {ends}; `oddsmill question propose` says what it is, and counts from then on"
        ),
        Kind::QuestionApproved { .. } => format!(
            "no answer is proposed yet ({}); `oddsmill question propose` adds an operator's word",
            quorum(question)
        ),
        Kind::QuestionAmended { .. } => {
            format!("betting ended at {ended}, so its end cannot be moved any more; its texts can be amended")
        }
        Kind::AnswerReported { .. } => {
            format!("betting ends at {ends}, and a chain's answer is taken after that; send it again then")
        }
        kind => format!("{} does not fit; `oddsmill question --help` says what does", kind.name()),
    }
}
