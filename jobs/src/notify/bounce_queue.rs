//! The task that reads the queue of bounces and complaints.
//!
//! A message's life: received → read ([`bounce::read`](super::bounce::read)) → its addresses stored as
//! suppressions → deleted. In that order, so that a crash reads it again, and storing the same again
//! changes nothing. One that cannot be read is logged and left in the queue, which hands it to its
//! dead-letter queue after the receives that its redrive policy allows.

use std::time::Duration;

use pipeline::Result;
use pipeline::adapters::aws::Aws;
use pipeline::adapters::aws::bounces::{Bounces, NAME};
use pipeline::engine::Stop;
use pipeline::tables::{Commit, Tables};
use schemas::row::Row;

use super::bounce;
use super::choose::SuppressionRow;

/// How long it waits when the queue is out of reach.
const TROUBLE: Duration = Duration::from_secs(30);

/// Reads the queue of this prefix, in the account of the tables or else the environment's, until told to stop. Mails
/// go out all the same where it cannot be read: then it is asked for again, and its messages wait in it.
pub async fn watch(prefix: String, tables: Tables, stop: Stop) {
    while !stop.is_now() {
        let found = async {
            match tables.account() {
                Some(aws) => Bounces::find(aws, &prefix).await,
                None => Bounces::find(&Aws::from_env().await?, &prefix).await,
            }
        };
        let outcome = match found.await {
            Ok(Some(queue)) => run(&queue, &tables, &stop).await,
            Ok(None) => {
                tracing::warn!(
                    "there is no queue {prefix}{NAME}: mails to addresses that bounced go on, which SES answers by \
                     stopping all; create it, and a topic in front of it that SES reports bounces and complaints to"
                );
                return;
            }
            Err(error) => Err(error),
        };
        if let Err(error) = outcome {
            tracing::warn!("bounces are not read: {error}");
            tokio::time::sleep(TROUBLE).await;
        }
    }
}

/// Reads this queue until told to stop.
///
/// # Errors
/// The first thing that goes wrong; what was read and not stored is in the queue still.
pub async fn run(queue: &Bounces, tables: &Tables, stop: &Stop) -> Result<()> {
    let mut stopped = stop.watch();
    while !stop.is_now() {
        tokio::select! {
            biased;
            _ = stopped.changed() => {}
            stepped = step(queue, tables) => stepped?,
        }
    }
    Ok(())
}

/// One receive: what it brought is stored, then deleted.
pub async fn step(queue: &Bounces, tables: &Tables) -> Result<()> {
    let (mut commit, mut done) = (Commit::default(), Vec::new());
    for message in queue.receive().await? {
        match bounce::read(&message.body) {
            Ok(suppressions) => {
                for suppression in suppressions {
                    commit.put(SuppressionRow::TABLE, suppression.email.into_bytes(), suppression.row.to_bytes());
                }
                done.push(message);
            }
            Err(why) => tracing::warn!("message {} of {queue} is left to its dead-letter queue: {why}", message.id),
        }
    }
    if !commit.is_empty() {
        tables.commit(commit).await?;
    }
    queue.done(&done).await
}
