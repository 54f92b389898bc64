//! Planning: what of the due entries goes out now, and what is done with without a mail.

use pipeline::Arrival;
use pipeline::metrics::Metric;
use pipeline::record::Position;
use pipeline::tables::Commit;
use schemas::ids::{Address, NotificationId};
use schemas::outbox::{OutboxRow, OutboxState};
use schemas::row::Row;
use schemas::user::UserRow;

use super::batch::{DIGEST_ITEMS, Facts, Outgoing};
use super::burst;
use super::choose::{Choice, Reader, Way, choose, one_more, unreachable};
use super::due::{self, Due, Entry};
use super::letter::Recipient;
use super::sender::Sender;

/// Why somebody who can be reached gets no mail.
const UNSUBSCRIBED: &str = "unsubscribed from this";

/// Why an address that an account event may carry can still get no mail.
const NO_HEADER: &str = "no mail's header can hold this email address";

/// Whether a mail's header can hold the account's address.
fn can_be_written_to(user: &UserRow) -> bool {
    user.email.as_ref().is_some_and(|email| Recipient::new(user.address, None, email, None).is_ok())
}

impl Sender {
    /// Decides about each entry. What is not sent is done with here; the rest comes back.
    pub(super) fn plan(
        &self,
        entries: Vec<Entry>,
        now: Arrival,
        facts: &mut Facts,
        commit: &mut Commit,
    ) -> Vec<Outgoing> {
        let mut outgoing = Vec::new();
        for entry in entries {
            match entry.due {
                Due::Mail(id) => {
                    let Some(row) = facts.rows.get(&id).filter(|row| row.state == OutboxState::Pending).cloned() else {
                        // Recorded before the entry was removed; only its removal is left.
                        commit.remove(due::TABLE, entry.key);
                        continue;
                    };
                    outgoing.extend(self.plan_mail(row, entry, now, facts, commit));
                }
                Due::Digest(address) => outgoing.extend(self.plan_digest(address, entry, facts, commit)),
            }
        }
        outgoing
    }

    /// How mails get to people.
    pub(super) fn way(&self) -> Way {
        if self.mailer.publishes() { Way::Topic } else { Way::Letter }
    }

    fn plan_mail(
        &self,
        row: OutboxRow,
        entry: Entry,
        now: Arrival,
        facts: &mut Facts,
        commit: &mut Commit,
    ) -> Option<Outgoing> {
        let told = &row.notification;
        let address = told.address;
        let hour = facts.hours.get(&address).copied().unwrap_or_default();
        let user = facts.users.get(&address);
        let suppressed = facts.bounced(user);
        let way = self.way();
        let mut choice = choose(told, Reader { way, user, suppressed, hour }, self.options.digest_after);
        if choice == Choice::Send && way == Way::Letter && !user.is_some_and(can_be_written_to) {
            choice = Choice::Skip(NO_HEADER);
        }
        if choice == Choice::Send && !facts.room.take(address) {
            choice = burst::instead(user.and_then(|user| user.mail.digest), now);
        }
        match choice {
            Choice::Skip(why) => {
                self.skip(row, why, commit);
                commit.remove(due::TABLE, entry.key);
                None
            }
            Choice::Digest(until) => {
                let id = told.notification_id;
                commit.put(due::DIGESTS, due::digest_key(address, until, id), Vec::new());
                let (key, value) = Due::Digest(address).entry(until, Position::START);
                commit.put(due::TABLE, key, value);
                commit.remove(due::TABLE, entry.key);
                put(OutboxRow { digest: Some(until), ..row }, commit);
                None
            }
            Choice::Wait(until) => {
                self.put_off(std::slice::from_ref(&row), &entry, false, until, commit);
                commit.remove(due::TABLE, entry.key);
                None
            }
            Choice::Send => {
                // Counted with the first attempt only.
                if row.attempts == 0 {
                    facts.hours.insert(address, one_more(hour, told));
                }
                let email = user.and_then(|user| user.email.clone()).unwrap_or_default();
                Some(Outgoing { rows: vec![row], email, entry, digest: false })
            }
        }
    }

    fn plan_digest(&self, address: Address, entry: Entry, facts: &mut Facts, commit: &mut Commit) -> Option<Outgoing> {
        let items = facts.digests.get(&entry.key).map(Vec::as_slice).unwrap_or_default();
        let rows = items.iter().take(DIGEST_ITEMS).filter_map(|id| facts.rows.get(id)).cloned();
        let rows = rows.filter(|row| row.state == OutboxState::Pending);
        let user = facts.users.get(&address);
        let wants = |row: &OutboxRow| user.is_none_or(|user| user.mail.wants(row.notification.event));
        let (rows, unwanted): (Vec<_>, Vec<_>) = rows.partition(wants);
        for row in unwanted {
            commit.remove(due::DIGESTS, due::digest_key(address, entry.at, row.notification.notification_id));
            self.skip(row, UNSUBSCRIBED, commit);
        }
        let (way, suppressed) = (self.way(), facts.bounced(user));
        let reason = user.map_or(Some("the account is not known"), |user| {
            let unwritable = way == Way::Letter && !can_be_written_to(user);
            unreachable(user, way, suppressed).or(unwritable.then_some(NO_HEADER))
        });
        match (reason, rows.is_empty()) {
            (None, false) => {
                let email = user.and_then(|user| user.email.clone()).unwrap_or_default();
                // Without room the entry stays as it is, due still, and is looked at again.
                facts.room.take(address).then_some(Outgoing { rows, email, entry, digest: true })
            }
            (_, _) => {
                let more = items.len() > DIGEST_ITEMS;
                self.forget_digest(address, &entry, &items[..items.len().min(DIGEST_ITEMS)], more, commit);
                for row in rows {
                    self.skip(row, reason.unwrap_or("the account is not known"), commit);
                }
                None
            }
        }
    }

    fn skip(&self, row: OutboxRow, why: &str, commit: &mut Commit) {
        self.metrics.add(Metric::MailSkipped, 1);
        put(OutboxRow { state: OutboxState::Skipped, last_error: Some(why.to_owned()), ..row }, commit);
    }

    /// Removes what a digest letter told of, and the entry where that was all.
    pub(super) fn forget_digest(
        &self,
        address: Address,
        entry: &Entry,
        items: &[NotificationId],
        more: bool,
        commit: &mut Commit,
    ) {
        for id in items {
            commit.remove(due::DIGESTS, due::digest_key(address, entry.at, *id));
        }
        if !more {
            commit.remove(due::TABLE, entry.key.clone());
        }
    }
}

/// Writes a row of the outbox, unless more is known of its mail: what a sender wrote that has lost its turn may land
/// after its successor sent the mail.
pub(super) fn put(row: OutboxRow, commit: &mut Commit) {
    let key = row.notification.notification_id.as_bytes().to_vec();
    commit.put_over(OutboxRow::TABLE, key, row.to_bytes(), rank(&row));
}

/// How far a mail has come: by attempts, and past all of them once it is done with. The row is first written with 1.
fn rank(row: &OutboxRow) -> u64 {
    match row.state {
        OutboxState::Pending => 2 + u64::from(row.attempts),
        OutboxState::Sent | OutboxState::Skipped | OutboxState::Failed => u64::from(u32::MAX) + 2,
    }
}
