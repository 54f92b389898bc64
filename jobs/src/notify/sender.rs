//! The sender: what is due in the outbox goes to the mailer, and what became of it into the outbox.
//!
//! A mail's life: pending → sent, skipped (nobody wants it), or failed; in between it may wait for a
//! digest, or for the next attempt. A [`Batch`] is sent and then recorded, in that order: a crash
//! between the two sends it again, with the same Message-ID and into the same file of a local inbox.
//! While one batch is with the mailer, the next is written.

use std::sync::Arc;
use std::time::Duration;

use pipeline::engine::Stop;
use pipeline::fault::{CrashPoint, Faults};
use pipeline::mailer::{Mailer, Sent};
use pipeline::metrics::Metrics;
use pipeline::tables::Tables;
use pipeline::{Clock, Error, Result};
use schemas::ids::Address;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::MailOptions;
use super::batch::Batch;
use super::burst::{Bursts, PER_SECOND};
use super::rate::Rate;
use super::subscribe::{self, AskedRow};

/// Entries of a batch: a thousand mails of 6 KB are 6 MB, and two batches are in hand.
const BATCH: usize = 1_000;
/// How long an idle sender sleeps where an empty look at the index costs a few microseconds, and where it costs a
/// request.
const IDLE: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(500)];
/// How long it waits when the mailer is out of reach, at first and at most.
const TROUBLE: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];
/// Attempts in a row that a drain makes before it says that the mailer is out of reach.
const DRAIN_ATTEMPTS: u32 = 3;

/// The sender of one node.
pub struct Sender {
    /// Where the outbox is.
    pub tables: Tables,
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

impl Sender {
    /// Sends until told to stop. Draining, it ends when nothing is due.
    pub async fn run(self, stop: Stop) -> Result<()> {
        let mut rate = Rate::new(self.options.rate);
        let mut bursts = Bursts::new(self.mailer.publishes().then_some(PER_SECOND));
        let mut trouble = 0u32;
        let mut written = None;
        // Ends with this task.
        let _beside = self.beside(&stop);
        while !stop.is_now() {
            // Asked before looking: what came in between is found by the next look.
            let draining = stop.is_draining();
            let batch = match written.take() {
                Some(batch) => Some(batch),
                None => self.write(rate.take(self.most()).await, None, &bursts).await?,
            };
            let Some(batch) = batch else {
                if draining {
                    return Ok(());
                }
                self.sleep(&stop, self.idle()).await;
                continue;
            };
            if batch.waits {
                self.sleep(&stop, self.idle()).await;
                continue;
            }
            match self.send(batch, &mut rate, &mut bursts).await {
                Ok(next) => (trouble, written) = (0, next),
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

    /// What runs as long as the sender does: where SES sends, the reading of what it could not deliver.
    fn beside(&self, stop: &Stop) -> JoinSet<()> {
        let mut beside = JoinSet::new();
        #[cfg(feature = "aws")]
        if let super::MailServer::Ses { prefix, .. } = &self.options.server {
            beside.spawn(super::bounce_queue::watch(prefix.clone(), self.tables.clone(), stop.clone()));
        }
        #[cfg(not(feature = "aws"))]
        let _ = (&mut beside, stop);
        beside
    }

    /// Entries of a batch, at most.
    fn most(&self) -> usize {
        BATCH.min(self.mailer.batch())
    }

    /// How long it sleeps where there is nothing to do.
    fn idle(&self) -> Duration {
        IDLE[usize::from(!matches!(self.tables, Tables::Embedded(_)))]
    }

    async fn sleep(&self, stop: &Stop, for_so_long: Duration) {
        let mut stopped = stop.watch();
        tokio::select! {
            biased;
            _ = stopped.changed() => {}
            () = tokio::time::sleep(for_so_long) => {}
        }
    }

    /// Sends a batch, writes the next meanwhile, and records the first. Where the mailer is in
    /// trouble both are forgotten: nothing of them is in a table yet.
    async fn send(&self, batch: Batch, rate: &mut Rate, bursts: &mut Bursts) -> Result<Option<Batch>> {
        rate.spend(batch.entries());
        let next = async { self.write(rate.take(self.most()).await, Some(&batch), bursts).await };
        let (sent, next) = tokio::join!(self.hand_over(&batch), next);
        bursts.done(Instant::now(), batch.counts().clone());
        let ((sent, asked), next) = (sent?, next?);
        self.tables.commit(self.record(batch, sent, asked)).await?;
        Ok(next)
    }

    async fn hand_over(&self, batch: &Batch) -> Result<(Vec<Sent>, Vec<(Address, AskedRow)>)> {
        if batch.mails.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let asked = subscribe::ask(&self.mailer, &batch.asks).await.map_err(put_up_with)?;
        let sent = self.mailer.send(&batch.mails).await.map_err(put_up_with)?;
        self.faults.reach(CrashPoint::AfterSend)?;
        Ok((sent, asked))
    }
}

/// Whatever is wrong with the mailer, a full disk or a refused login, mails wait until somebody has
/// mended it; bets do not.
fn put_up_with(error: Error) -> Error {
    match error {
        Error::Fatal(why) => Error::Retry(why),
        other => other,
    }
}
