//! Money moving in or out of an account on chain: deposits and withdrawals.

use minicbor::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{Address, TxHash};
use crate::money::Money;
use crate::row::Row;
use crate::text::named;

/// One transaction of an account, as the users table lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema, Encode, Decode)]
pub struct Transaction {
    /// The transaction on chain.
    #[n(0)]
    pub transaction_hash: TxHash,
    /// When it was mined, in Unix seconds.
    #[n(1)]
    pub date: u64,
    /// How much was moved.
    #[n(2)]
    pub amount: Money,
}

named! {
    /// Which way a transaction moves money.
    TransactionKind {
        /// Into the account.
        0 Deposit = "deposit",
        /// Out of the account.
        1 Withdrawal = "withdrawal",
    }
}

/// A row of the table of transactions, from which `users.deposits` and
/// `users.withdrawals` are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
pub struct TransactionRow {
    /// Whose account.
    #[n(0)]
    pub address: Address,
    /// Which way.
    #[n(1)]
    pub kind: TransactionKind,
    /// What was moved.
    #[n(2)]
    pub transaction: Transaction,
}

impl Row for TransactionRow {
    const TABLE: &'static str = "transactions";
}
