//! The `users` table as SQL shows it.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, UInt64Array};

use super::{ColumnError, build};
use crate::ids::BetId;
use crate::transaction::Transaction;
use crate::user::{Profile, UserRow};

/// The lists of one account, which indexes hold and the row does not.
#[derive(Debug, Clone, Default)]
pub struct UserLists {
    /// Ids of the account's bets, newest first.
    pub bets: Vec<BetId>,
    /// Money that came in.
    pub deposits: Vec<Transaction>,
    /// Money that left.
    pub withdrawals: Vec<Transaction>,
}

/// Rows with their lists, `lists[i]` for `rows[i]`; rows beyond the end of `lists` have
/// empty ones.
pub fn to_sql(rows: &[UserRow], lists: &[UserLists]) -> Result<RecordBatch, ColumnError> {
    let list = |row: usize| lists.get(row);
    let bets: Vec<&[BetId]> = (0..rows.len()).map(|row| list(row).map_or(&[][..], |list| &list.bets)).collect();
    let deposits: Vec<&[Transaction]> =
        (0..rows.len()).map(|row| list(row).map_or(&[][..], |list| &list.deposits)).collect();
    let withdrawals: Vec<&[Transaction]> =
        (0..rows.len()).map(|row| list(row).map_or(&[][..], |list| &list.withdrawals)).collect();
    let profiles = || rows.iter().map(|row| &row.profile);
    let count = |of: fn(&Profile) -> u64| -> ArrayRef { Arc::new(UInt64Array::from_iter_values(profiles().map(of))) };
    let confirmed: BooleanArray = rows.iter().map(|row| Some(row.email_confirmed)).collect();
    let columns: Vec<ArrayRef> = vec![
        build::text(rows.iter().map(|row| row.address)),
        build::optional_text(rows.iter().map(|row| row.username.as_ref())),
        build::text_lists(&bets, rows.len())?,
        build::transaction_lists(&deposits)?,
        build::transaction_lists(&withdrawals)?,
        count(|profile| profile.bets_placed),
        build::money(profiles().map(|profile| profile.open_stake))?,
        build::money(profiles().map(|profile| profile.staked))?,
        build::money(profiles().map(|profile| profile.returned))?,
        build::money(profiles().map(|profile| profile.profit))?,
        count(|profile| profile.won),
        count(|profile| profile.lost),
        count(|profile| profile.voided),
        build::optional_times(profiles().map(|profile| profile.last_bet_at)),
        build::optional_text(rows.iter().map(|row| row.email.as_ref())),
        Arc::new(confirmed),
        build::optional_text(rows.iter().map(|row| row.kyc.as_ref())),
    ];
    Ok(RecordBatch::try_new(super::users(), columns)?)
}
