//! A portal: a statement with its values, and how far its rows have been sent.
//!
//! Life: bound → opened by the first request for rows (it is then that it sees the tables) → sent,
//! perhaps in parts → done. An open one keeps a place among [`super::server::MAX_OPEN`].

use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::sync::OwnedSemaphorePermit;

use super::answer::Answer;
use super::cells::{Cells, EncodeError};
use super::connection::Trouble;
use super::params::Param;
use super::refusal::{DATA, LIMIT, OUT_OF_RANGE, Refusal};
use super::types::Column;
use super::wire::{Wire, format_of};

/// See the module.
pub struct Portal {
    /// Its statement.
    pub text: String,
    /// The statement's parameters.
    pub params: Vec<Param>,
    /// How its columns are written.
    pub formats: Vec<i16>,
    /// Its columns, as far as they are known.
    pub columns: Option<Arc<[Column]>>,
    state: State,
    sent: u64,
}

enum State {
    Bound,
    Open { batches: BoxStream<'static, Result<RecordBatch, Refusal>>, rows: Rows, _place: OwnedSemaphorePermit },
    Done,
}

/// A batch, brought to the form in which it is written.
#[derive(Default)]
struct Rows {
    cells: Vec<Cells>,
    next: usize,
    count: usize,
}

impl Portal {
    /// A portal that has not been opened.
    pub fn new(text: &str, params: Vec<Param>, formats: Vec<i16>, columns: Option<Arc<[Column]>>) -> Portal {
        Portal { text: text.to_owned(), params, formats, columns, state: State::Bound, sent: 0 }
    }

    /// Whether nobody has asked for its rows.
    pub fn is_bound(&self) -> bool {
        matches!(self.state, State::Bound)
    }

    /// Gives it its rows.
    ///
    /// # Errors
    /// Columns other than those that the client has been told.
    pub fn open(&mut self, answer: Answer, place: OwnedSemaphorePermit) -> Result<(), Refusal> {
        let told = self.columns.replace(answer.columns.clone());
        if told.is_some_and(|told| *told != *answer.columns) {
            return Err(Refusal::new("0A000", "the statement's columns have changed; prepare it again"));
        }
        self.state = State::Open { batches: answer.batches, rows: Rows::default(), _place: place };
        Ok(())
    }

    /// Writes up to `most` rows, all that are left where it is 0, each column as `formats` say.
    /// Returns how many, and whether there may be more.
    pub async fn send(
        &mut self,
        wire: &mut Wire,
        formats: &[i16],
        most: u32,
        limit: u64,
    ) -> Result<(u64, bool), Trouble> {
        let mut count = 0;
        let columns = self.columns.clone().unwrap_or_default();
        while most == 0 || count < u64::from(most) {
            let State::Open { batches, rows, .. } = &mut self.state else { return Ok((count, false)) };
            if rows.next < rows.count {
                if self.sent >= limit {
                    self.state = State::Done;
                    return Err(too_many(limit).into());
                }
                wire.row(|out| rows.write(formats, out))?;
                self.sent += 1;
                count += 1;
                wire.flush_if_full().await?;
                continue;
            }
            match batches.next().await {
                Some(batch) => *rows = Rows::new(&batch?, &columns)?,
                None => self.state = State::Done,
            }
        }
        Ok((count, true))
    }
}

impl Rows {
    fn new(batch: &RecordBatch, columns: &[Column]) -> Result<Rows, Refusal> {
        let cells = batch.columns().iter().zip(columns).map(|(values, column)| Cells::new(values, column.kind));
        Ok(Rows { cells: cells.collect::<Result<_, _>>().map_err(unfit)?, next: 0, count: batch.num_rows() })
    }

    fn write(&mut self, formats: &[i16], out: &mut bytes::BytesMut) -> Result<(), Refusal> {
        out.extend_from_slice(&(self.cells.len() as u16).to_be_bytes());
        for (place, cells) in self.cells.iter().enumerate() {
            cells.write(self.next, format_of(formats, place), out).map_err(unfit)?;
        }
        self.next += 1;
        Ok(())
    }
}

fn unfit(error: EncodeError) -> Refusal {
    let code = match error {
        EncodeError::Range { .. } => OUT_OF_RANGE,
        EncodeError::Arrow(_) => DATA,
    };
    Refusal::new(code, error.to_string())
}

fn too_many(limit: u64) -> Refusal {
    let problem = format!(
        "the query has more than {limit} rows, which sql.max_rows allows; add WHERE or LIMIT, aggregate, or raise sql.max_rows"
    );
    Refusal::new(LIMIT, problem)
}
