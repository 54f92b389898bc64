//! People who bet: what an account event says, and the row with the running profile.

use minicbor::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::codec::DecodeError;
use crate::decimal::quote;
use crate::ids::Address;
use crate::mail::MailPreferences;
use crate::money::Money;
use crate::row::Row;
use crate::text::{MAX_NAME_BYTES, check_optional};
use crate::time::Timestamp;

/// What an `account_upserted` event says of an account; absent fields stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserSpec {
    /// The account's key.
    pub address: Address,
    /// Name on leaderboards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Where mails go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether the address exists and its owner reads it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_confirmed: Option<bool>,
    /// Status of the identity check, in the checker's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kyc: Option<String>,
    /// Which mails the person wants; what is absent stays as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mail: Option<MailPreferences>,
}

impl UserSpec {
    pub(crate) fn check(&self) -> Result<(), DecodeError> {
        check_optional("user.username", self.username.as_ref(), MAX_NAME_BYTES)?;
        check_optional("user.email", self.email.as_ref(), MAX_NAME_BYTES)?;
        check_optional("user.kyc", self.kyc.as_ref(), MAX_NAME_BYTES)?;
        self.mail.as_ref().map_or(Ok(()), MailPreferences::check)?;
        match &self.email {
            Some(email) if !is_email(email) => {
                let problem = format!("{} is not an address; write name@domain", quote(email));
                Err(DecodeError::field("user.email", problem))
            }
            _ => Ok(()),
        }
    }
}

/// The shape only; confirming is what shows that somebody reads it. Blanks and control
/// characters are kept out because the address ends in a mail's header.
fn is_email(text: &str) -> bool {
    let clean = !text.chars().any(|char| char.is_whitespace() || char.is_control());
    clean
        && matches!(text.split_once('@'), Some((name, domain)) if !name.is_empty() && !domain.is_empty() && !domain.contains('@'))
}

/// A row of `users`. Its bets, deposits and withdrawals are answered from indexes.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct UserRow {
    /// The key.
    #[n(0)]
    pub address: Address,
    /// Name on leaderboards.
    #[n(1)]
    pub username: Option<String>,
    /// Where mails go.
    #[n(2)]
    pub email: Option<String>,
    /// Whether the address exists and its owner reads it.
    #[n(3)]
    pub email_confirmed: bool,
    /// Status of the identity check.
    #[n(4)]
    pub kyc: Option<String>,
    /// What the account's bets add up to.
    #[n(5)]
    pub profile: Profile,
    /// Which mails the person wants.
    #[n(6)]
    #[cbor(default)]
    pub mail: MailPreferences,
}

/// The running sums of an account's bets.
///
/// `bets_placed` and `staked` count accepted bets; each is open, won, lost or voided. A
/// void bet's stake comes back in `returned`, so it adds nothing to `profit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
pub struct Profile {
    /// Accepted bets.
    #[n(0)]
    pub bets_placed: u64,
    /// Rejected bets.
    #[n(1)]
    pub rejected: u64,
    /// Stakes of bets not yet settled.
    #[n(2)]
    pub open_stake: Money,
    /// Stakes of all accepted bets.
    #[n(3)]
    pub staked: Money,
    /// Payouts and refunds.
    #[n(4)]
    pub returned: Money,
    /// Returned less staked, over settled bets.
    #[n(5)]
    pub profit: Money,
    /// Bets won.
    #[n(6)]
    pub won: u64,
    /// Bets lost.
    #[n(7)]
    pub lost: u64,
    /// Bets voided.
    #[n(8)]
    pub voided: u64,
    /// The latest accepted bet's `placed_at`.
    #[n(9)]
    pub last_bet_at: Option<Timestamp>,
    /// What the open bets would pay if all of them won. Bounded at acceptance, so that no
    /// settlement can take the account over what money can hold.
    #[n(10)]
    #[cbor(default)]
    pub possible: Money,
}

impl UserRow {
    /// The row of an account that nothing is known of but its address.
    pub fn new(address: Address) -> UserRow {
        UserRow {
            address,
            username: None,
            email: None,
            email_confirmed: false,
            kyc: None,
            profile: Profile::default(),
            mail: MailPreferences::default(),
        }
    }
}

impl Row for UserRow {
    const TABLE: &'static str = "users";
}
