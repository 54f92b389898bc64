//! The tables of what follows a bet: `settlements`, `audit`, `outbox`.

use std::sync::Arc;

use arrow::array::RecordBatch;
use pipeline::{Error, Result};
use schemas::audit::AuditRow;
use schemas::columns::{self, ColumnError};
use schemas::outbox::OutboxRow;
use schemas::row::Row;
use schemas::settlement::SettlementRow;

use super::ask::Ask;
use super::catalog::Batches;
use super::people::pages;
use super::render::unbuilt;
use super::view::View;

/// Reads `settlements`.
pub fn settlements(view: Arc<View>, ask: Arc<Ask>) -> Batches {
    shown(pages::<SettlementRow>(&view, &ask, "question_uuid"), ask, columns::settlements::to_sql)
}

/// Reads `outbox`, in no order that means anything: rows are kept by notification.
pub fn outbox(view: Arc<View>, ask: Arc<Ask>) -> Batches {
    shown(pages::<OutboxRow>(&view, &ask, "notification_id"), ask, columns::outbox::to_sql)
}

/// Reads `audit`, by question and time.
pub fn audit(view: Arc<View>, ask: Arc<Ask>) -> Batches {
    let Some(questions) = ask.keys_of("question_uuid").cloned() else {
        return shown(pages::<AuditRow>(&view, &ask, "event_uuid"), ask, columns::audit::to_sql);
    };
    let of = move |question: Vec<u8>| {
        let rows = view.tables.scan(AuditRow::TABLE, &question)?;
        rows.iter().map(|(_, bytes)| AuditRow::from_bytes(bytes).map_err(Error::corrupt)).collect()
    };
    shown(Box::new(questions.into_iter().map(of)), ask, columns::audit::to_sql)
}

type Rows<R> = Box<dyn Iterator<Item = Result<Vec<R>>> + Send>;

fn shown<R: 'static>(
    rows: Rows<R>,
    ask: Arc<Ask>,
    columns: fn(&[R]) -> std::result::Result<RecordBatch, ColumnError>,
) -> Batches {
    Box::new(rows.map(move |rows| ask.project(&columns(&rows?).map_err(unbuilt)?)))
}
