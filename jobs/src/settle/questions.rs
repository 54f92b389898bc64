//! Questions: which one an event is about, opening one, and putting a changed one back.

use pipeline::dead_letter::Reject;
use schemas::game_event::GameEventKind;
use schemas::ids::QuestionId;
use schemas::question::{QuestionRow, QuestionSpec, Source};
use schemas::time::Timestamp;

use crate::rows::{self, Rows};

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
        | Kind::EmergencyAnswer { question_uuid, .. }
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

/// The question that an event is about.
///
/// # Errors
/// An event about a question that is not there is invalid.
pub fn find(kind: &GameEventKind, rows: &Rows) -> Result<QuestionRow, Reject> {
    let id = subject(kind).ok_or_else(|| Reject::invalid("type: this event is about no question"))?;
    rows::question(rows, id).cloned().ok_or_else(|| {
        Reject::invalid(format!("question_uuid: there is no question {id}; open it first, then redrive this record"))
    })
}

/// What to note of an answer that vision sees after the question's is final. The job cannot know of that, so
/// nobody is to blame.
pub fn too_late(kind: &GameEventKind, question: &QuestionRow) -> Option<String> {
    match kind {
        GameEventKind::OutcomeObserved { outcome_index, source: Source::Vision, .. }
            if question.settling_from.is_some() =>
        {
            let (id, state) = (question.spec.question_uuid, question.state);
            Some(format!("question {id}: vision saw outcome {outcome_index} when it was {state} for good"))
        }
        _ => None,
    }
}

/// Puts a changed question back.
pub fn store(question: QuestionRow, rows: &mut Rows) {
    let id = question.spec.question_uuid;
    if let Some(row) = rows::change_question(rows, id, || question.clone()) {
        *row = question;
    }
}
