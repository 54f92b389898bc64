//! The queue of bounces and complaints: SES tells a topic, the topic tells this queue.
//!
//! At-least-once: a message that is not [`done`](Bounces::done) is received again when its visibility
//! timeout is over, and goes to the queue's dead-letter queue after the receives that its redrive policy
//! allows. Nothing here looks into a message.

use std::sync::Arc;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::DeleteMessageBatchRequestEntry;

use super::Aws;
use super::error::{code, explain};
use crate::error::{Error, Result};

/// Messages of one receive, and of one delete, at most.
const BATCH: i32 = 10;
/// Seconds that a receive waits for the first message. Below the limit of a request's time, and below the
/// 20 that SQS allows.
const WAIT_SECONDS: i32 = 15;

/// The queue's name, after the prefix.
pub const NAME: &str = "mail-bounces";

/// The queue. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Bounces {
    client: Client,
    url: Arc<str>,
}

/// A message in hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// What it says.
    pub body: String,
    /// Its id, the same whenever it is received.
    pub id: String,
    receipt: String,
}

impl Bounces {
    /// The queue `PREFIXmail-bounces`, if there is one.
    ///
    /// # Errors
    /// `Retry` when SQS is out of reach, `Reject` when the queue may not be asked for.
    pub async fn find(aws: &Aws, prefix: &str) -> Result<Option<Bounces>> {
        let (client, name) = (Client::new(&aws.config), format!("{prefix}{NAME}"));
        match client.get_queue_url().queue_name(&name).send().await {
            Ok(found) => Ok(found.queue_url.map(|url| Bounces { client, url: url.into() })),
            Err(error) if code(&error).is_some_and(is_missing) => Ok(None),
            Err(error) => Err(explain(format!("looking for queue {name}"), error)),
        }
    }

    /// Waits for messages; none where nothing came for a while.
    pub async fn receive(&self) -> Result<Vec<Received>> {
        let request = self.client.receive_message().queue_url(&*self.url);
        let received = request.max_number_of_messages(BATCH).wait_time_seconds(WAIT_SECONDS).send().await;
        let received = received.map_err(|error| explain(format!("reading {self}"), error))?;
        let message = |message: aws_sdk_sqs::types::Message| {
            let (body, id) = (message.body.unwrap_or_default(), message.message_id.unwrap_or_default());
            Received { body, id, receipt: message.receipt_handle.unwrap_or_default() }
        };
        Ok(received.messages.unwrap_or_default().into_iter().map(message).collect())
    }

    /// Deletes messages of one [`receive`](Bounces::receive): what they say is kept elsewhere now.
    pub async fn done(&self, messages: &[Received]) -> Result<()> {
        if messages.is_empty() {
            return Ok(());
        }
        let mut request = self.client.delete_message_batch().queue_url(&*self.url);
        for (id, message) in messages.iter().enumerate() {
            let entry = DeleteMessageBatchRequestEntry::builder().id(id.to_string()).receipt_handle(&message.receipt);
            request = request.entries(entry.build().map_err(|cause| Error::fatal("a delete", cause))?);
        }
        let deleted = request.send().await.map_err(|error| explain(format!("deleting from {self}"), error))?;
        // They come again, and reading them again changes nothing.
        for failed in deleted.failed() {
            tracing::warn!(
                "a message of {self} was not deleted: {}: {}",
                failed.code(),
                failed.message().unwrap_or("")
            );
        }
        Ok(())
    }
}

fn is_missing(code: &str) -> bool {
    matches!(code, "QueueDoesNotExist" | "AWS.SimpleQueueService.NonExistentQueue")
}

impl std::fmt::Display for Bounces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "queue {}", self.url.rsplit('/').next().unwrap_or(&self.url))
    }
}
