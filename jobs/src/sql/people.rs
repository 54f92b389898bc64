//! The tables of keyed rows: `users`, `questions`, `streamers`, `streams`.
//!
//! Rows are read a page at a time. What a row shows but does not hold (lists of bets, of
//! transactions, totals by outcome) is read only where it is asked for.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::RecordBatch;
use pipeline::{Error, Result};
use schemas::columns;
use schemas::columns::users::UserLists;
use schemas::question::QuestionRow;
use schemas::row::Row;
use schemas::stream::StreamRow;
use schemas::streamer::StreamerRow;
use schemas::transaction::{TransactionKind, TransactionRow};
use schemas::user::UserRow;

use super::ask::Ask;
use super::catalog::Batches;
use super::lists::{self, Run};
use super::render::unbuilt;
use super::session::BATCH_ROWS;
use super::view::{Pages, View};
use crate::bets::totals::TotalsRow;

/// Rows of a page whose lists of bets are asked for: more rows, so that each block is read for
/// more of them. 16,384 rows of about 400 bytes are 6 MB.
const PAGE_WITH_BETS: usize = 2 * BATCH_ROWS;

/// Reads `users`.
pub fn users(view: Arc<View>, ask: Arc<Ask>) -> Batches {
    let pages = pages::<UserRow>(&view, &ask, "address");
    Box::new(pages.flat_map(move |page| {
        let (view, ask) = (view.clone(), ask.clone());
        with_bets(page, view.clone(), &ask, "bettor", |row: &UserRow| row.address.as_bytes().to_vec())
            .map(move |run| user_columns(&view, &ask, run?))
    }))
}

/// Reads `questions`.
pub fn questions(view: Arc<View>, ask: Arc<Ask>) -> Batches {
    let pages = pages::<QuestionRow>(&view, &ask, "question_uuid");
    Box::new(pages.flat_map(move |page| {
        let (view, ask) = (view.clone(), ask.clone());
        with_bets(page, view.clone(), &ask, "question_uuid", |row: &QuestionRow| {
            row.spec.question_uuid.as_bytes().to_vec()
        })
        .map(move |run| question_columns(&view, &ask, run?))
    }))
}

/// Reads `streamers`.
pub fn streamers(view: Arc<View>, ask: Arc<Ask>) -> Batches {
    let pages = pages::<StreamerRow>(&view, &ask, "address");
    Box::new(pages.map(move |page| ask.project(&columns::streamers::to_sql(&page?).map_err(unbuilt)?)))
}

/// Reads `streams`.
pub fn streams(view: Arc<View>, ask: Arc<Ask>) -> Batches {
    let pages = pages::<StreamRow>(&view, &ask, "stream_uuid");
    Box::new(pages.map(move |page| ask.project(&columns::streams::to_sql(&page?).map_err(unbuilt)?)))
}

/// The rows of a table, or those with the keys asked for.
pub fn pages<R: Row + Send + 'static>(
    view: &Arc<View>,
    ask: &Ask,
    key: &str,
) -> Box<dyn Iterator<Item = Result<Vec<R>>> + Send> {
    let decode = |bytes: &[u8]| R::from_bytes(bytes).map_err(Error::corrupt);
    if let Some(keys) = ask.keys_of(key) {
        let found = get(view, R::TABLE, keys).and_then(|rows| rows.iter().map(|bytes| decode(bytes)).collect());
        return Box::new(std::iter::once(found));
    }
    let most = if ask.wants("bets") { PAGE_WITH_BETS } else { BATCH_ROWS };
    let pages = Pages::all(view.clone(), R::TABLE, ask.page(most));
    Box::new(pages.map(move |page| page?.iter().map(|(_, bytes)| decode(bytes)).collect()))
}

fn get(view: &View, table: &str, keys: &BTreeSet<Vec<u8>>) -> Result<Vec<Vec<u8>>> {
    let rows = keys.iter().map(|key| view.tables.get(table, key)).collect::<Result<Vec<_>>>()?;
    Ok(rows.into_iter().flatten().collect())
}

/// Rows with the lists of their bets, which are empty where nobody asks for them.
type Listed<R> = (Vec<R>, Run);

fn with_bets<R: Clone + Send + 'static>(
    page: Result<Vec<R>>,
    view: Arc<View>,
    ask: &Ask,
    index: &'static str,
    key: fn(&R) -> Vec<u8>,
) -> Box<dyn Iterator<Item = Result<Listed<R>>> + Send> {
    let rows = match page {
        Ok(rows) => rows,
        Err(error) => return Box::new(std::iter::once(Err(error))),
    };
    if !ask.wants("bets") {
        let none = Run { rows: 0..rows.len(), bets: Vec::new() };
        return Box::new(std::iter::once(Ok((rows, none))));
    }
    let keys = rows.iter().map(key).collect();
    Box::new(lists::runs(view, index, keys).map(move |run| {
        let run = run?;
        Ok((rows[run.rows.clone()].to_vec(), run))
    }))
}

fn user_columns(view: &View, ask: &Ask, (rows, run): Listed<UserRow>) -> Result<RecordBatch> {
    let money = ask.wants("deposits") || ask.wants("withdrawals");
    let mut bets = run.bets.into_iter();
    let lists = rows.iter().map(|row| {
        let mut lists = UserLists { bets: bets.next().unwrap_or_default(), ..UserLists::default() };
        if money {
            add_transactions(view, row, &mut lists)?;
        }
        Ok(lists)
    });
    let lists = lists.collect::<Result<Vec<_>>>()?;
    ask.project(&columns::users::to_sql(&rows, &lists).map_err(unbuilt)?)
}

fn add_transactions(view: &View, user: &UserRow, lists: &mut UserLists) -> Result<()> {
    for (_, bytes) in view.tables.scan(TransactionRow::TABLE, user.address.as_bytes())? {
        let row = TransactionRow::from_bytes(&bytes).map_err(Error::corrupt)?;
        match row.kind {
            TransactionKind::Deposit => lists.deposits.push(row.transaction),
            TransactionKind::Withdrawal => lists.withdrawals.push(row.transaction),
        }
    }
    // Stored by hash; people read them by date.
    for list in [&mut lists.deposits, &mut lists.withdrawals] {
        list.sort_by_key(|transaction| (transaction.date, *transaction.transaction_hash.as_bytes()));
    }
    Ok(())
}

fn question_columns(view: &View, ask: &Ask, (mut rows, run): Listed<QuestionRow>) -> Result<RecordBatch> {
    if ask.wants("stake_by_outcome") || ask.wants("bets_by_outcome") {
        for row in &mut rows {
            if let Some(bytes) = view.tables.get(TotalsRow::TABLE, row.spec.question_uuid.as_bytes())? {
                let totals = TotalsRow::from_bytes(&bytes).map_err(Error::corrupt)?;
                row.stake_by_outcome = totals.stake;
                row.bets_by_outcome = totals.bets;
            }
        }
    }
    ask.project(&columns::questions::to_sql(&rows, &run.bets).map_err(unbuilt)?)
}
