//! The audit: every act of an operator on a question leaves a row, in the commit of its effects.

use schemas::audit::AuditRow;
use schemas::game_event::{GameEvent, GameEventKind};
use schemas::ids::QuestionId;
use schemas::question::{QuestionRow, Source};
use schemas::row::Row;
use schemas::time::Timestamp;

use pipeline::job::Effects;

/// Who an act is put down to when the event does not say.
const UNNAMED: &str = "unnamed";

/// Keeps a row of the event, if a person sent it.
pub fn keep(event: &GameEvent, before: &QuestionRow, after: &QuestionRow, at: Timestamp, effects: &mut Effects) {
    let Some(operator) = operator(event) else { return };
    let question_uuid: QuestionId = before.spec.question_uuid;
    let row = AuditRow {
        event_uuid: event.event_uuid,
        question_uuid,
        at,
        operator,
        action: event.kind.name().to_owned(),
        detail: detail(&event.kind),
        before: before.state,
        after: after.state,
        version: after.version,
    };
    effects.puts.push((AuditRow::TABLE, AuditRow::key(question_uuid, at, event.event_uuid), row.to_bytes()));
}

/// Acts that only people do are audited also where nobody signed them.
fn operator(event: &GameEvent) -> Option<String> {
    use GameEventKind as Kind;
    let by_hand = matches!(
        event.kind,
        Kind::QuestionFlagged { .. } | Kind::QuestionApproved { .. } | Kind::EmergencyAnswer { .. }
    ) || matches!(event.kind, Kind::OutcomeObserved { source: Source::Operator, .. });
    event.operator.clone().or_else(|| by_hand.then(|| UNNAMED.to_owned()))
}

fn detail(kind: &GameEventKind) -> Option<String> {
    use GameEventKind as Kind;
    match kind {
        Kind::QuestionFlagged { reason, .. }
        | Kind::QuestionPaused { reason, .. }
        | Kind::QuestionResumed { reason, .. }
        | Kind::QuestionApproved { reason, .. } => reason.clone(),
        Kind::QuestionVoided { reason, .. } => Some(reason.clone()),
        Kind::OutcomeVoided { outcome_index, reason, .. } => Some(format!("outcome {outcome_index}: {reason}")),
        Kind::OutcomeObserved { outcome_index, evidence, .. } => Some(match evidence {
            Some(evidence) => format!("outcome {outcome_index}: {evidence}"),
            None => format!("outcome {outcome_index}"),
        }),
        Kind::EmergencyAnswer { payouts, reason, .. } if payouts.is_empty() => Some(format!("void: {reason}")),
        Kind::EmergencyAnswer { payouts, reason, .. } => Some(format!("payouts {payouts:?}: {reason}")),
        Kind::AnswerReported { payouts, .. } => Some(format!("payouts {payouts:?}")),
        _ => None,
    }
}
