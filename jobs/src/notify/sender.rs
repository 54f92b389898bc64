//! The sender: what is due in the outbox goes to the mailer, and what became of it into the outbox.
//!
//! A mail's life: pending → sent, skipped (nobody wants it), or failed; in between it may wait for a
//! digest, or for the next attempt. A batch is sent and then recorded, in that order: a crash between
//! the two sends it again, with the same Message-ID and into the same file of a local inbox.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use pipeline::adapters::embedded::EmbeddedTables;
use pipeline::engine::Stop;
use pipeline::fault::{CrashPoint, Faults};
use pipeline::mailer::{Mail, Mailer};
use pipeline::metrics::Metrics;
use pipeline::tables::Commit;
use pipeline::{Clock, Error, Result};
use schemas::ids::{Address, NotificationId, QuestionId};
use schemas::outbox::OutboxRow;
use schemas::question::QuestionRow;
use schemas::row::Row;
use schemas::user::UserRow;

use super::MailOptions;
use super::choose::{HourRow, SuppressionRow};
use super::due::{self, Due, Entry};
use super::rate::Rate;

/// Entries of a batch: a thousand mails of 6 KB are 6 MB.
const BATCH: usize = 1_000;
/// Notifications of one digest letter; what is left comes in the next one.
pub(super) const DIGEST_ITEMS: usize = 100;
/// How long an idle sender sleeps. An empty look at the index costs a few microseconds.
const IDLE: Duration = Duration::from_millis(100);
/// How long it waits when the mailer is out of reach, at first and at most.
const TROUBLE: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];
/// Attempts in a row that a drain makes before it says that the mailer is out of reach.
const DRAIN_ATTEMPTS: u32 = 3;

/// The sender of one node.
pub struct Sender {
    /// Where the outbox is.
    pub tables: EmbeddedTables,
    /// What time it is.
    pub clock: Clock,
    /// Where it counts.
    pub metrics: Metrics,
    /// What a test breaks.
    pub faults: Faults,
    /// Where mails go.
    pub mailer: Arc<Mailer>,
    /// How they are written.
    pub options: MailOptions,
}

/// A letter on its way: the rows it tells of, and the entry it answers.
pub(super) struct Outgoing {
    pub rows: Vec<OutboxRow>,
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
}

impl Sender {
    /// Sends until told to stop. Draining, it ends when nothing is due.
    pub async fn run(self, stop: Stop) -> Result<()> {
        let mut rate = Rate::new(self.options.rate);
        let mut trouble = 0u32;
        while !stop.is_now() {
            let allowed = rate.take(BATCH).await;
            // Asked before looking: what came in between is found by the next look.
            let draining = stop.is_draining();
            match self.step(allowed).await {
                Ok(0) if draining => return Ok(()),
                Ok(0) => self.sleep(&stop, IDLE).await,
                Ok(count) => {
                    trouble = 0;
                    rate.spend(count);
                }
                Err(Error::Retry(why)) => {
                    trouble += 1;
                    if draining && trouble >= DRAIN_ATTEMPTS {
                        return Err(Error::Retry(format!("mails wait: {why}")));
                    }
                    if trouble == 1 {
                        tracing::warn!("mails wait: {why}");
                    }
                    self.sleep(&stop, TROUBLE[0].saturating_mul(1 << trouble.min(6)).min(TROUBLE[1])).await;
                }
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }

    async fn sleep(&self, stop: &Stop, for_so_long: Duration) {
        let mut stopped = stop.watch();
        tokio::select! {
            _ = stopped.changed() => {}
            () = tokio::time::sleep(for_so_long) => {}
        }
    }

    /// Sends what is due, at most so many; returns how many entries that were.
    async fn step(&self, limit: usize) -> Result<usize> {
        let now = self.clock.now();
        let range = (Bound::Unbounded, Bound::Excluded(due::after(now)));
        let entries = self.tables.range(due::TABLE, range, limit)?;
        if entries.is_empty() {
            return Ok(0);
        }
        let entries = entries.into_iter().map(|(key, value)| Due::read(key, &value)).collect::<Result<Vec<_>>>()?;
        let entries = alike(entries);
        let count = entries.len();
        let mut facts = self.load(&entries)?;
        let mut commit = Commit::default();
        let outgoing = self.plan(entries, &mut facts, &mut commit);
        let mails: Vec<Mail> = outgoing.iter().map(|outgoing| self.write(outgoing, &facts)).collect();
        if !mails.is_empty() {
            let sent = self.mailer.send(&mails).await.map_err(put_up_with)?;
            self.faults.reach(CrashPoint::AfterSend)?;
            for (outgoing, sent) in outgoing.into_iter().zip(sent) {
                self.record(outgoing, sent, now, &facts, &mut commit);
            }
        }
        for (address, hour) in &facts.hours {
            commit.put(HourRow::TABLE, address.as_bytes().to_vec(), hour.to_bytes());
        }
        self.tables.commit(commit)?;
        Ok(count)
    }

    /// Reads whatever the entries are about.
    fn load(&self, entries: &[Entry]) -> Result<Facts> {
        let mut ids = Vec::new();
        let mut digests = BTreeMap::new();
        for entry in entries {
            match entry.due {
                Due::Mail(id) => ids.push(id),
                Due::Digest(address) => {
                    let prefix = due::digest_prefix(address, entry.at);
                    let end = due::digest_end(&prefix);
                    let range = (Bound::Included(prefix), Bound::Excluded(end));
                    let items = self.tables.range(due::DIGESTS, range, DIGEST_ITEMS + 1)?;
                    let items: Vec<_> = items.iter().filter_map(|(key, _)| due::digest_item(key)).collect();
                    ids.extend(items.iter().take(DIGEST_ITEMS));
                    digests.insert(entry.key.clone(), items);
                }
            }
        }
        let rows: BTreeMap<_, OutboxRow> = self.rows(ids, |id| id.as_bytes().to_vec())?;
        let addresses: Vec<Address> = rows.values().map(|row| row.notification.address).collect();
        let users: BTreeMap<_, UserRow> = self.rows(addresses.clone(), |address| address.as_bytes().to_vec())?;
        let hours = self.rows(addresses, |address| address.as_bytes().to_vec())?;
        let questions = rows.values().map(|row| row.notification.question_uuid).collect();
        let questions = self.rows(questions, |id: &QuestionId| id.as_bytes().to_vec())?;
        let emails = users.values().filter_map(|user| user.email.clone()).collect();
        let suppressed = self.rows(emails, |email: &String| email.clone().into_bytes())?;
        Ok(Facts { rows, users, hours, questions, suppressed, digests })
    }

    /// The rows of a table that there are, by key.
    fn rows<K: Ord, R: Row>(&self, mut keys: Vec<K>, bytes: impl Fn(&K) -> Vec<u8>) -> Result<BTreeMap<K, R>> {
        keys.sort();
        keys.dedup();
        let stored = self.tables.get_all(R::TABLE, &keys.iter().map(bytes).collect::<Vec<_>>())?;
        let mut rows = BTreeMap::new();
        for (key, value) in keys.into_iter().zip(stored) {
            if let Some(value) = value {
                rows.insert(key, R::from_bytes(&value).map_err(Error::corrupt)?);
            }
        }
        Ok(rows)
    }
}

/// The first entries that are of one kind. A mail may join a digest that is due in the same batch,
/// so digests are read after the mails before them are recorded.
fn alike(mut entries: Vec<Entry>) -> Vec<Entry> {
    let is_digest = |entry: &Entry| matches!(entry.due, Due::Digest(_));
    let first = entries.first().is_some_and(is_digest);
    let end = entries.iter().position(|entry| is_digest(entry) != first).unwrap_or(entries.len());
    entries.truncate(end);
    entries
}

/// Whatever is wrong with the mailer, a full disk or a refused login, mails wait until somebody has
/// mended it; bets do not.
fn put_up_with(error: Error) -> Error {
    match error {
        Error::Fatal(why) => Error::Retry(why),
        other => other,
    }
}
