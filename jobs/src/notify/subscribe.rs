//! Who is asked to subscribe: where mails are notices on a topic, each person who has an address, once.
//!
//! The topic sends the link that confirms a subscription, and its own link to leave in every mail. So a
//! person is asked when there is something to tell them, and again only at another address: whoever
//! ignored the link or left is not pestered. An address that was given up is unsubscribed first.

use std::collections::BTreeMap;

use futures::stream::{self, StreamExt};
use minicbor::{Decode, Encode};
use pipeline::mailer::Mailer;
use pipeline::{Error, Result};
use schemas::ids::Address;
use schemas::row::Row;

use super::batch::Outgoing;

/// Requests at once: at 50 ms each they stay below the 100 a second that SNS takes.
const LANES: usize = 4;

/// A row of `mail_subscriptions`, keyed by the account: where its person was asked.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct AskedRow {
    /// The email address.
    #[n(0)]
    pub email: String,
}

impl Row for AskedRow {
    const TABLE: &'static str = "mail_subscriptions";
}

/// Somebody to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Where they were asked before, which they gave up.
    pub before: Option<String>,
    /// Where to ask.
    pub email: String,
}

/// Whom to ask before these letters go: whoever has an address and was not asked there. Those in
/// `on_their_way` are being asked already.
pub(super) fn asks(
    outgoing: &[Outgoing],
    asked: &BTreeMap<Address, AskedRow>,
    on_their_way: Option<&BTreeMap<Address, Ask>>,
) -> BTreeMap<Address, Ask> {
    let mut asks = BTreeMap::new();
    for Outgoing { rows, email, .. } in outgoing.iter().filter(|outgoing| !outgoing.email.is_empty()) {
        let address = rows[0].notification.address;
        let before = asked.get(&address).map(|row| row.email.clone());
        let being_asked = on_their_way.and_then(|asks| asks.get(&address)).map(|ask| &ask.email);
        if before.as_ref() != Some(email) && being_asked != Some(email) {
            asks.insert(address, Ask { before, email: email.clone() });
        }
    }
    asks
}

/// Asks them, and says who was.
///
/// # Errors
/// `Retry` when the topics are out of reach. Where they take nobody more, those left are asked again with
/// their next letter, and the log says what to do.
pub(super) async fn ask(mailer: &Mailer, asks: &BTreeMap<Address, Ask>) -> Result<Vec<(Address, AskedRow)>> {
    let one = async |(address, ask): (&Address, &Ask)| {
        if let Some(before) = &ask.before {
            mailer.unsubscribe(before).await?;
        }
        mailer.subscribe(&address.to_string(), &ask.email).await?;
        Ok((*address, AskedRow { email: ask.email.clone() }))
    };
    let mut asked = Vec::new();
    let mut answers = stream::iter(asks.iter().map(one)).buffered(LANES);
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(row) => asked.push(row),
            Err(Error::Reject(why)) => tracing::warn!("somebody gets no mails: {why}"),
            Err(other) => return Err(other),
        }
    }
    Ok(asked)
}

#[cfg(test)]
mod tests {
    use schemas::outbox::OutboxRow;
    use schemas::time::Timestamp;

    use super::*;
    use crate::notify::due::{Due, Entry};

    fn outgoing(person: u8, email: &str) -> Outgoing {
        let address = Address::from_bytes([person; 20]);
        let told = serde_json::from_str(&format!(
            r#"{{"notification_id":"018f4e3a-7b1c-4c58-9d1e-0a2b3c4d5e6f","address":"{address}","event":"bet_won","bet_uuid":"018f4e3a-7b1c-4c58-9d1e-0a2b3c4d5e70","question_uuid":"018f4e3a-7b1c-4c58-9d1e-0a2b3c4d5e71","outcome_index":0,"status_version":2,"status":"won","buy_amount":"1","odds":"2","at":1}}"#
        ));
        let entry = Entry { key: Vec::new(), at: Timestamp::EPOCH, due: Due::Digest(address) };
        Outgoing { rows: vec![OutboxRow::pending(told.unwrap())], email: email.into(), entry, digest: false }
    }

    #[test]
    fn each_person_is_asked_once_an_address() {
        let person = |number: u8| Address::from_bytes([number; 20]);
        let row = |email: &str| AskedRow { email: email.into() };
        let ask = |before: Option<&str>, email: &str| Ask { before: before.map(str::to_owned), email: email.into() };
        let letters =
            [outgoing(1, "new@x"), outgoing(1, "new@x"), outgoing(2, "old@x"), outgoing(3, "b@x"), outgoing(4, "")];
        let asked = BTreeMap::from([(person(2), row("old@x")), (person(3), row("a@x"))]);
        let found = asks(&letters, &asked, None);
        let expected = BTreeMap::from([(person(1), ask(None, "new@x")), (person(3), ask(Some("a@x"), "b@x"))]);
        assert_eq!(found, expected);
        assert_eq!(asks(&letters, &asked, Some(&found)), BTreeMap::new());
        let other = BTreeMap::from([(person(1), ask(None, "other@x"))]);
        assert_eq!(asks(&letters, &asked, Some(&other)).len(), 2);
    }
}
