//! A batch of letters: the due entries it answers, what is known of their readers, and what is to
//! be recorded of them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use pipeline::mailer::{Mail, Sent};
use pipeline::metrics::Metric;
use pipeline::tables::Commit;
use pipeline::{Arrival, Error, Result};
use schemas::ids::{Address, NotificationId, QuestionId};
use schemas::outbox::OutboxRow;
use schemas::question::QuestionRow;
use schemas::row::Row;
use schemas::user::UserRow;
use tokio::time::Instant;

use super::burst::{Bursts, Counts, Room};
use super::choose::{HourRow, SuppressionRow, Way};
use super::due::{self, Due, Entry};
use super::sender::Sender;
use super::subscribe::{self, Ask, AskedRow};

/// Notifications of one digest letter; what is left comes in the next one.
pub(super) const DIGEST_ITEMS: usize = 100;

/// Letters that are ready to go, and what is recorded once they are gone.
pub(super) struct Batch {
    /// One for each of `outgoing`.
    pub mails: Vec<Mail>,
    /// Who is asked to subscribe before they go.
    pub asks: BTreeMap<Address, Ask>,
    outgoing: Vec<Outgoing>,
    facts: Facts,
    commit: Commit,
    now: Arrival,
    keys: BTreeSet<Vec<u8>>,
    digests: bool,
    /// Whether nothing can be done about any of its entries now: their persons get too much at once.
    pub waits: bool,
}

/// A letter on its way: the rows it tells of, and the entry it answers.
pub(super) struct Outgoing {
    pub rows: Vec<OutboxRow>,
    /// Empty where a topic is told of somebody without an address.
    pub email: String,
    pub entry: Entry,
    pub digest: bool,
}

/// What a batch needs to know.
pub(super) struct Facts {
    pub rows: BTreeMap<NotificationId, OutboxRow>,
    pub users: BTreeMap<Address, UserRow>,
    pub hours: BTreeMap<Address, HourRow>,
    pub questions: BTreeMap<QuestionId, QuestionRow>,
    pub suppressed: BTreeMap<String, SuppressionRow>,
    pub digests: BTreeMap<Vec<u8>, Vec<NotificationId>>,
    pub room: Room,
    pub asked: BTreeMap<Address, AskedRow>,
}

impl Facts {
    /// Whether mails to this person bounced.
    pub fn bounced(&self, user: Option<&UserRow>) -> bool {
        user.and_then(|user| user.email.as_ref()).is_some_and(|email| self.suppressed.contains_key(email))
    }
}

impl Batch {
    /// How many entries it answers.
    pub fn entries(&self) -> usize {
        self.keys.len()
    }

    /// How many letters it has for each person, where that is limited.
    pub fn counts(&self) -> &Counts {
        self.facts.room.taken()
    }
}

impl Sender {
    /// Writes what is due and not on its way already, at most so many entries.
    pub(super) async fn write(
        &self,
        limit: usize,
        on_its_way: Option<&Batch>,
        bursts: &Bursts,
    ) -> Result<Option<Batch>> {
        let now = self.clock.now();
        let entries = self.due(now, limit, on_its_way).await?;
        let waited = entries.first().map_or(0, |entry| now.0.saturating_sub(entry.at.millis()));
        self.metrics.set(Metric::MailOutboxAge, u64::try_from(waited).unwrap_or(0));
        if entries.is_empty() {
            return Ok(None);
        }
        let mut facts = self.load(&entries, bursts.room(Instant::now(), on_its_way.map(Batch::counts))).await?;
        if let Some(batch) = on_its_way {
            // What it counts is not in the table yet.
            let addresses: BTreeSet<_> = facts.rows.values().map(|row| row.notification.address).collect();
            let counted = |address: Address| Some((address, *batch.facts.hours.get(&address)?));
            facts.hours.extend(addresses.into_iter().filter_map(counted));
        }
        let (keys, digests) = (entries.iter().map(|entry| entry.key.clone()).collect(), is_digest(&entries[0]));
        let mut commit = Commit::default();
        let outgoing = self.plan(entries, now, &mut facts, &mut commit);
        let mails = outgoing.iter().map(|outgoing| self.letter(outgoing, &facts)).collect();
        let asks = match self.way() {
            Way::Topic => subscribe::asks(&outgoing, &facts.asked, on_its_way.map(|batch| &batch.asks)),
            Way::Letter => BTreeMap::new(),
        };
        let waits = outgoing.is_empty() && commit.is_empty();
        Ok(Some(Batch { mails, asks, outgoing, facts, commit, now, keys, digests, waits }))
    }

    /// What is recorded of a batch that was sent.
    pub(super) fn record(&self, batch: Batch, sent: Vec<Sent>, asked: Vec<(Address, AskedRow)>) -> Commit {
        let Batch { outgoing, facts, mut commit, now, .. } = batch;
        for (outgoing, sent) in outgoing.into_iter().zip(sent) {
            self.record_one(outgoing, sent, now, &facts, &mut commit);
        }
        for (address, row) in asked {
            commit.put(AskedRow::TABLE, address.as_bytes().to_vec(), row.to_bytes());
        }
        for (address, hour) in &facts.hours {
            commit.put(HourRow::TABLE, address.as_bytes().to_vec(), hour.to_bytes());
        }
        commit
    }

    /// The first entries that are due and of one kind. A mail may join a digest that is due already,
    /// so a digest is read after the mails before it are recorded.
    async fn due(&self, now: Arrival, limit: usize, on_its_way: Option<&Batch>) -> Result<Vec<Entry>> {
        let range = (Bound::Unbounded, Bound::Excluded(due::after(now)));
        let more = on_its_way.map_or(0, Batch::entries);
        let mut entries = Vec::new();
        let mut digests = on_its_way.map(|batch| batch.digests);
        for (key, value) in self.tables.range(due::TABLE, range, limit + more).await? {
            if on_its_way.is_some_and(|batch| batch.keys.contains(&key)) {
                continue;
            }
            let entry = Due::read(key, &value)?;
            if entries.len() == limit || *digests.get_or_insert(is_digest(&entry)) != is_digest(&entry) {
                break;
            }
            entries.push(entry);
        }
        Ok(entries)
    }

    /// Reads whatever the entries are about.
    async fn load(&self, entries: &[Entry], room: Room) -> Result<Facts> {
        let mut ids = Vec::new();
        let mut digests = BTreeMap::new();
        for entry in entries {
            match entry.due {
                Due::Mail(id) => ids.push(id),
                Due::Digest(address) => {
                    let prefix = due::digest_prefix(address, entry.at);
                    let end = due::digest_end(&prefix);
                    let range = (Bound::Included(prefix), Bound::Excluded(end));
                    let items = self.tables.range(due::DIGESTS, range, DIGEST_ITEMS + 1).await?;
                    let items: Vec<_> = items.iter().filter_map(|(key, _)| due::digest_item(key)).collect();
                    ids.extend(items.iter().take(DIGEST_ITEMS));
                    digests.insert(entry.key.clone(), items);
                }
            }
        }
        let rows: BTreeMap<_, OutboxRow> = self.rows(ids, |id| id.as_bytes().to_vec()).await?;
        let addresses: Vec<Address> = rows.values().map(|row| row.notification.address).collect();
        let users: BTreeMap<_, UserRow> = self.rows(addresses.clone(), |address| address.as_bytes().to_vec()).await?;
        let topic = if self.way() == Way::Topic { addresses.clone() } else { Vec::new() };
        let asked = self.rows(topic, |address: &Address| address.as_bytes().to_vec()).await?;
        let hours = self.rows(addresses, |address| address.as_bytes().to_vec()).await?;
        let questions = rows.values().map(|row| row.notification.question_uuid).collect();
        let questions = self.rows(questions, |id: &QuestionId| id.as_bytes().to_vec()).await?;
        let emails = users.values().filter_map(|user| user.email.clone()).collect();
        let suppressed = self.rows(emails, |email: &String| email.clone().into_bytes()).await?;
        Ok(Facts { rows, users, hours, questions, suppressed, digests, room, asked })
    }

    /// The rows of a table that there are, by key.
    async fn rows<K: Ord, R: Row>(&self, mut keys: Vec<K>, bytes: impl Fn(&K) -> Vec<u8>) -> Result<BTreeMap<K, R>> {
        keys.sort();
        keys.dedup();
        let places: Vec<Vec<u8>> = keys.iter().map(bytes).collect();
        let stored = self.tables.get(R::TABLE, &places).await?;
        let mut rows = BTreeMap::new();
        for (key, value) in keys.into_iter().zip(stored) {
            if let Some(value) = value {
                rows.insert(key, R::from_bytes(&value).map_err(Error::corrupt)?);
            }
        }
        Ok(rows)
    }
}

fn is_digest(entry: &Entry) -> bool {
    matches!(entry.due, Due::Digest(_))
}
