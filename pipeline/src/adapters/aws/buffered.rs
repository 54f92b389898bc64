//! A producer with a queue in front: records are taken one by one and appended in full requests.
//!
//! ```text
//! send ─► room for its bytes? ─► queue ─(20 ms, or a request's fill)─► Producer ─► acknowledged
//! ```
//!
//! Memory is bounded by bytes: where there is no room, `send` waits, and so does whoever produces. What
//! was never acknowledged comes back at the end, whole.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::producer::Producer;
use crate::error::{Error, Result};
use crate::record::Append;

/// How long a record waits for others to share its request.
const LINGER: Duration = Duration::from_millis(20);
/// Records handed to the producer together, at most: some requests of five hundred.
const BATCH: usize = 2_000;
/// Bytes that a record counts besides its own.
const OVERHEAD: usize = 100;

/// What became of everything that was sent.
#[derive(Debug, Default)]
pub struct Report {
    /// Records that are in the stream.
    pub acknowledged: u64,
    /// Records that were never acknowledged, in the order sent. They may be in all the same.
    pub unacknowledged: Vec<Append>,
    /// Why.
    pub trouble: Option<String>,
}

/// A producer of one stream with a queue. Close it, or what is in the queue is lost.
#[derive(Debug)]
pub struct BufferedProducer {
    queue: mpsc::UnboundedSender<(Append, OwnedSemaphorePermit)>,
    room: Arc<Semaphore>,
    bytes: usize,
    task: JoinHandle<Report>,
}

impl BufferedProducer {
    /// Appends to a stream, with so many bytes waiting at most.
    pub fn new(producer: Producer, stream: &str, bytes: usize) -> BufferedProducer {
        let (queue, waiting) = mpsc::unbounded_channel();
        let bytes = bytes.clamp(1, Semaphore::MAX_PERMITS >> 4);
        let task = tokio::spawn(append_all(producer, stream.to_owned(), waiting));
        BufferedProducer { queue, room: Arc::new(Semaphore::new(bytes)), bytes, task }
    }

    /// Takes a record, as soon as there is room for it.
    ///
    /// # Errors
    /// `Reject` for a record over the limits, and after the stream has refused records altogether.
    pub async fn send(&self, record: Append) -> Result<()> {
        record.check()?;
        let size = (record.data.len() + record.partition_key.len() + OVERHEAD).min(self.bytes);
        let ended = || Error::Reject("the stream takes no more records; close the producer to learn why".into());
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        let room = self.room.clone().acquire_many_owned(size).await.map_err(|_| ended())?;
        self.queue.send((record, room)).map_err(|_| ended())
    }

    /// Appends what waits, and says what became of everything.
    pub async fn close(self) -> Report {
        let BufferedProducer { queue, task, .. } = self;
        drop(queue);
        task.await.unwrap_or_else(|cause| Report { trouble: Some(cause.to_string()), ..Report::default() })
    }
}

async fn append_all(
    producer: Producer,
    stream: String,
    mut waiting: mpsc::UnboundedReceiver<(Append, OwnedSemaphorePermit)>,
) -> Report {
    let mut report = Report::default();
    while let Some(first) = waiting.recv().await {
        let (mut records, mut room) = (vec![first.0], vec![first.1]);
        let until = Instant::now() + LINGER;
        while records.len() < BATCH {
            let Ok(Some((record, bytes))) = timeout_at(until, waiting.recv()).await else { break };
            records.push(record);
            room.push(bytes);
        }
        match producer.append(&stream, &records).await {
            Ok(appended) => {
                report.acknowledged += (records.len() - appended.missing()) as u64;
                report.trouble = appended.trouble.or(report.trouble);
                let missing = records.into_iter().zip(appended.places).filter(|(_, place)| place.is_none());
                report.unacknowledged.extend(missing.map(|(record, _)| record));
            }
            Err(error) => {
                report.unacknowledged.extend(records);
                report.trouble = Some(error.to_string());
                if !matches!(error, Error::Retry(_)) {
                    // It will not take the next one either.
                    waiting.close();
                }
            }
        }
    }
    report
}
