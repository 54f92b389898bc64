//! Writing letters, and recording what became of them.

use pipeline::Arrival;
use pipeline::mailer::{Mail, Notice, Sent};
use pipeline::metrics::Metric;
use pipeline::record::Position;
use pipeline::tables::Commit;
use schemas::codec::Event as _;
use schemas::ids::derive;
use schemas::outbox::{OutboxRow, OutboxState};
use schemas::row::Row;
use schemas::time::Timestamp;

use super::batch::{DIGEST_ITEMS, Facts, Outgoing};
use super::choose::{SuppressionRow, Way, wait_ms};
use super::due::{self, Due, Entry};
use super::letter::{self, Item, Letter, Recipient};
use super::plan::put;
use super::sender::Sender;
use crate::bets::event_time;

impl Sender {
    /// The letter as it goes out.
    pub(super) fn letter(&self, outgoing: &Outgoing, facts: &Facts) -> Mail {
        let sender = &self.options.sender;
        let first = &outgoing.rows[0].notification;
        let user = facts.users.get(&first.address);
        let zone = user.and_then(|user| user.mail.time_zone.as_deref());
        let name = user.and_then(|user| user.username.as_deref());
        let question = |row: &OutboxRow| facts.questions.get(&row.notification.question_uuid).map(|row| &row.spec);
        let items: Vec<Item<'_>> =
            outgoing.rows.iter().map(|row| Item { notification: &row.notification, question: question(row) }).collect();
        let (id, at) = match outgoing.rows[0].digest.filter(|_| outgoing.digest) {
            None => (first.notification_id.to_string(), first.at),
            Some(until) => {
                let parts: [&[u8]; 2] = [first.address.as_bytes(), first.notification_id.as_bytes()];
                (derive("digest", &parts).to_string(), until)
            }
        };
        let letter = |to: &Recipient| match outgoing.digest {
            true => letter::digest(&items, &id, to, sender),
            false => letter::letter(items[0], to, sender),
        };
        let (mut message, mut notice) = (Vec::new(), None);
        match (self.way(), Recipient::new(first.address, name, &outgoing.email, zone)) {
            (Way::Letter, Ok(to)) => message = letter(&to).to_bytes(&to, sender),
            // No header can hold such an address, so no server takes it either.
            (Way::Letter, Err(_)) => {}
            (Way::Topic, to) => {
                // The text names no address, so any that is one stands in for none.
                let to = to.or_else(|_| Recipient::new(first.address, name, sender.email(), zone));
                notice = to.ok().map(|to| told(letter(&to), &items, outgoing.digest));
            }
        }
        let (from, to) = (sender.email().to_owned(), outgoing.email.clone());
        Mail { id, from, to, at: Arrival(at.millis()), message, notice }
    }

    /// What became of a letter.
    pub(super) fn record_one(&self, outgoing: Outgoing, sent: Sent, now: Arrival, facts: &Facts, commit: &mut Commit) {
        let Outgoing { rows, email, entry, digest } = outgoing;
        let attempts = rows[0].attempts + 1;
        if let Sent::Bounced(why) = &sent {
            let row = SuppressionRow { reason: why.clone(), at: event_time(now) };
            commit.put(SuppressionRow::TABLE, email.clone().into_bytes(), row.to_bytes());
        }
        let (state, error, again) = outcome(sent, attempts, now);
        self.metrics.add(
            match (state, again) {
                (OutboxState::Sent, _) => Metric::MailSent,
                (_, Some(_)) => Metric::MailRetried,
                _ => Metric::MailFailed,
            },
            1,
        );
        let address = rows[0].notification.address;
        if let Some(at) = again {
            self.put_off(&rows, &entry, digest, event_time(at), commit);
        }
        if digest {
            let told = facts.digests.get(&entry.key).map_or(0, Vec::len);
            let ids: Vec<_> = rows.iter().map(|row| row.notification.notification_id).collect();
            self.forget_digest(address, &entry, &ids, told > DIGEST_ITEMS, commit);
        } else {
            commit.remove(due::TABLE, entry.key);
        }
        let sent_at = (state == OutboxState::Sent).then(|| event_time(now));
        for row in rows {
            let (email, last_error) = (Some(email.clone()).filter(|email| !email.is_empty()), error.clone());
            put(OutboxRow { state, attempts, sent_at, email, last_error, ..row }, commit);
        }
    }

    /// Another attempt later. A digest waits as a whole.
    pub(super) fn put_off(&self, rows: &[OutboxRow], entry: &Entry, digest: bool, at: Timestamp, commit: &mut Commit) {
        let told = &rows[0].notification;
        let position = entry.key.get(8..).and_then(|tail| tail.try_into().ok()).map(Position::from_be_bytes);
        let due = if digest { Due::Digest(told.address) } else { Due::Mail(told.notification_id) };
        let (key, value) = due.entry(at, position.unwrap_or(Position::START));
        commit.put(due::TABLE, key, value);
        for row in rows.iter().filter(|_| digest) {
            let item = due::digest_key(told.address, at, row.notification.notification_id);
            commit.put(due::DIGESTS, item, Vec::new());
        }
    }
}

/// A letter as a topic is told of it: its text for people, and for programs the notification as it stands in
/// the stream, or a list of them. Subscribers may filter by what happened (`digest` where there are many)
/// and, where it is one, by question.
fn told(letter: Letter, items: &[Item<'_>], digest: bool) -> Notice {
    let json = |item: &Item<'_>| String::from_utf8_lossy(&item.notification.to_json()).into_owned();
    let first = items[0].notification;
    let all: Vec<String> = items.iter().map(json).collect();
    let (data, attributes) = match digest {
        true => (format!("[{}]", all.join(",")), vec![("event", "digest".to_owned())]),
        false => {
            let question = first.question_uuid.to_string();
            (all.concat(), vec![("event", first.event.to_string()), ("question_uuid", question)])
        }
    };
    Notice { person: first.address.to_string(), subject: letter.subject, text: letter.text, data, attributes }
}

/// The state after an attempt, why it was in vain, and when the next one is.
fn outcome(sent: Sent, attempts: u32, now: Arrival) -> (OutboxState, Option<String>, Option<Arrival>) {
    match sent {
        Sent::Delivered => (OutboxState::Sent, None, None),
        Sent::Later(why) => match wait_ms(attempts) {
            Some(ms) => (OutboxState::Pending, Some(why), Some(now.plus_ms(ms))),
            None => (OutboxState::Failed, Some(why), None),
        },
        Sent::Bounced(why) | Sent::Refused(why) => (OutboxState::Failed, Some(why), None),
    }
}
