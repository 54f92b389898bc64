//! A shard's reads, one ahead of what is applied.

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::adapters::aws::shard_reader::{Read, ShardReader};
use crate::clock::{Arrival, Clock};
use crate::error::{Error, Result};

/// A shard's reads, one ahead.
pub(super) struct Reads {
    reads: mpsc::Receiver<Result<(Read, Arrival)>>,
    task: JoinHandle<()>,
}

impl Reads {
    /// Begins to read.
    pub fn start(mut reader: ShardReader, clock: Clock) -> Reads {
        let (sender, reads) = mpsc::channel(1);
        let task = tokio::spawn(async move {
            loop {
                let asked = clock.now();
                let read = reader.next().await;
                let over = read.as_ref().map_or(true, |read| read.end.is_some());
                if sender.send(read.map(|read| (read, asked))).await.is_err() || over {
                    return;
                }
            }
        });
        Reads { reads, task }
    }

    /// The next read, and when it was asked for.
    pub async fn next(&mut self) -> Result<(Read, Arrival)> {
        match self.reads.recv().await {
            Some(read) => read,
            None => Err(Error::Fatal("a shard's reader ended".into())),
        }
    }
}

impl Drop for Reads {
    fn drop(&mut self) {
        self.task.abort();
    }
}
