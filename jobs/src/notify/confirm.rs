//! Confirmation links: whoever opens one reads the mails of this address, and says so once.
//!
//! A link's life: made for an account whose address is not confirmed → opened in time ([`check`] says
//! yes, the caller emits [`Confirmed::event`]) → spent. No row remembers links: one is spent because
//! the account is confirmed, dead because its address is another, and old when its time is over. A
//! second click on it is told which.
//!
//! Times are given, as everywhere; a day or two is a good life for a link (SNS gives its own two days).

use schemas::ids::Address;
use schemas::time::Timestamp;
use schemas::user::{UserRow, UserSpec};

use super::token::{open, seal, tag};

/// What the secret signs here, so that a hash made elsewhere with it is no token.
const PURPOSE: &[u8] = b"oddsmill.confirm.1\0";
/// The same for the mark of an email address.
const EMAIL: &[u8] = b"oddsmill.confirm.email.1\0";

const ADDRESS_BYTES: usize = 20;
const EXPIRES_BYTES: usize = 8;
/// Tells an account's addresses apart, of which it has a few; what forging is up against is the tag.
const MARK_BYTES: usize = 8;
const PAYLOAD_BYTES: usize = ADDRESS_BYTES + EXPIRES_BYTES + MARK_BYTES;

/// What an opened link proves: the owner of this account reads the mails of this address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmed {
    /// The account.
    pub address: Address,
    /// The email address that was proved.
    pub email: String,
}

/// Why a link proves nothing. The texts are for whoever clicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not one that we wrote, or not whole.
    #[error("this is no confirmation link of ours; copy the whole link from the mail")]
    Unknown,
    /// Ours, but for an account that there is not.
    #[error("there is no account {0}; sign up again")]
    NoAccount(Address),
    /// Too late.
    #[error("this link was good until {0}; ask for a new one")]
    Expired(Timestamp),
    /// The account has another email address by now, or none.
    #[error("the account's email address changed after this link was sent; use the link sent to the new address")]
    Changed,
    /// Used before, or confirmed in another way.
    #[error("this email address is confirmed already; there is nothing left to do")]
    AlreadyConfirmed,
}

/// The link that confirms `email` for an account, until `expires`: `BASE/confirm/TOKEN`.
pub fn link(base: &str, secret: &[u8], user: Address, email: &str, expires: Timestamp) -> String {
    let mut payload = [0; PAYLOAD_BYTES];
    payload[..ADDRESS_BYTES].copy_from_slice(user.as_bytes());
    payload[ADDRESS_BYTES..][..EXPIRES_BYTES].copy_from_slice(&expires.millis().to_be_bytes());
    payload[ADDRESS_BYTES + EXPIRES_BYTES..].copy_from_slice(&mark(secret, user, email));
    format!("{}/confirm/{}", base.trim_end_matches('/'), seal(secret, PURPOSE, &payload))
}

/// The account that a token of ours is for: whose row [`check`] wants to see. It proves nothing yet.
pub fn account(token: &str, secret: &[u8]) -> Option<Address> {
    read(token, secret).map(|read| read.address)
}

/// What a token proves at `now`, given the row of its [`account`] as it is now.
///
/// # Errors
/// Why it proves nothing.
pub fn check(token: &str, secret: &[u8], now: Timestamp, user: Option<&UserRow>) -> Result<Confirmed, Refused> {
    let Some(Read { address, expires, mark: marked }) = read(token, secret) else { return Err(Refused::Unknown) };
    let Some(user) = user.filter(|user| user.address == address) else { return Err(Refused::NoAccount(address)) };
    let email = user.email.clone().ok_or(Refused::Changed)?;
    if mark(secret, address, &email) != marked {
        return Err(Refused::Changed);
    }
    // Said before the time, since asking for a new link would be in vain.
    if user.email_confirmed {
        return Err(Refused::AlreadyConfirmed);
    }
    if now > expires {
        return Err(Refused::Expired(expires));
    }
    Ok(Confirmed { address, email })
}

impl Confirmed {
    /// What an `account_upserted` event says of it. It names the address that was proved: were it left
    /// out, an address that somebody set meanwhile would pass as confirmed.
    pub fn event(self) -> UserSpec {
        UserSpec {
            address: self.address,
            username: None,
            email: Some(self.email),
            email_confirmed: Some(true),
            kyc: None,
            mail: None,
        }
    }
}

struct Read {
    address: Address,
    expires: Timestamp,
    mark: [u8; MARK_BYTES],
}

fn read(token: &str, secret: &[u8]) -> Option<Read> {
    let payload: [u8; PAYLOAD_BYTES] = open(secret, PURPOSE, token)?;
    let (address, rest) = payload.split_first_chunk()?;
    let (expires, mark) = rest.split_first_chunk()?;
    Some(Read {
        address: Address::from_bytes(*address),
        expires: Timestamp::from_millis_clamped(i64::from_be_bytes(*expires)),
        mark: mark.try_into().ok()?,
    })
}

/// Names an account's email address without telling it.
fn mark(secret: &[u8], user: Address, email: &str) -> [u8; MARK_BYTES] {
    tag(secret, EMAIL, &[user.as_bytes(), email.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::letter::unsubscribe;

    const SECRET: &[u8] = &[7; 32];
    const DAY_MS: i64 = 86_400_000;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms).unwrap()
    }

    fn user(email: Option<&str>, confirmed: bool) -> UserRow {
        let mut user = UserRow::new(Address::from_bytes([1; 20]));
        (user.email, user.email_confirmed) = (email.map(str::to_owned), confirmed);
        user
    }

    fn token_of(link: &str) -> &str {
        link.strip_prefix("https://bets.example.com/confirm/").unwrap()
    }

    #[test]
    fn a_link_confirms_once_in_time_and_for_its_address() {
        let link =
            link("https://bets.example.com/", SECRET, Address::from_bytes([1; 20]), "ada@example.com", at(DAY_MS));
        let token = token_of(&link);
        assert_eq!(account(token, SECRET), Some(Address::from_bytes([1; 20])));
        let other = UserRow { address: Address::from_bytes([2; 20]), ..user(Some("ada@example.com"), false) };
        for (name, now, row, expected) in [
            ("in time", 0, Some(user(Some("ada@example.com"), false)), None),
            ("at the last moment", DAY_MS, Some(user(Some("ada@example.com"), false)), None),
            ("late", DAY_MS + 1, Some(user(Some("ada@example.com"), false)), Some(Refused::Expired(at(DAY_MS)))),
            ("again", 0, Some(user(Some("ada@example.com"), true)), Some(Refused::AlreadyConfirmed)),
            ("again and late", 9 * DAY_MS, Some(user(Some("ada@example.com"), true)), Some(Refused::AlreadyConfirmed)),
            ("changed", 0, Some(user(Some("eve@example.com"), false)), Some(Refused::Changed)),
            ("changed and confirmed", 0, Some(user(Some("eve@example.com"), true)), Some(Refused::Changed)),
            ("given up", 0, Some(user(None, false)), Some(Refused::Changed)),
            ("no row", 0, None, Some(Refused::NoAccount(Address::from_bytes([1; 20])))),
            ("another's row", 0, Some(other), Some(Refused::NoAccount(Address::from_bytes([1; 20])))),
        ] {
            let confirmed = check(token, SECRET, at(now), row.as_ref());
            assert_eq!(confirmed.as_ref().err(), expected.as_ref(), "{name}");
            if let Ok(confirmed) = confirmed {
                let event = confirmed.event();
                assert_eq!((event.email.as_deref(), event.email_confirmed), (Some("ada@example.com"), Some(true)));
            }
        }
    }

    #[test]
    fn what_we_did_not_sign_for_this_is_unknown() {
        let (ada, row) = (Address::from_bytes([1; 20]), user(Some("ada@example.com"), false));
        let link = link("https://bets.example.com", SECRET, ada, "ada@example.com", at(DAY_MS));
        let token = token_of(&link);
        assert_eq!(token.len(), 70);
        let later = token.replacen(&token[27..37], "__________", 1);
        let foreign = unsubscribe::token(SECRET, ada);
        for wrong in ["", "x", &token[1..], &format!("{token}A"), &later, &foreign] {
            assert_eq!(check(wrong, SECRET, at(0), Some(&row)), Err(Refused::Unknown), "{wrong}");
            assert_eq!(account(wrong, SECRET), None, "{wrong}");
        }
        assert_eq!(check(token, &[8; 32], at(0), Some(&row)), Err(Refused::Unknown));
        assert_eq!(unsubscribe::verify(SECRET, token), None);
    }

    /// The links in mails already sent must go on working.
    #[test]
    fn a_link_stays_what_it_was() {
        let link =
            link("https://bets.example.com", SECRET, Address::from_bytes([1; 20]), "ada@example.com", at(DAY_MS));
        assert_eq!(token_of(&link), "AQEBAQEBAQEBAQEBAQEBAQEBAQEAAAAABSZcAANvN4y_Jl6GWXFma4wbNw_sm3MAoEO-dQ");
    }
}
