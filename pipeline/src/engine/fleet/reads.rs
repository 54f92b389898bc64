//! A shard's reads, one ahead of what is applied.

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::adapters::aws::shard_reader::{Read, ShardReader};
use crate::clock::{Arrival, Clock};
use crate::error::{Error, Result};

/// A shard's reads, one ahead.
pub(super) struct Reads {
    reads: mpsc::Receiver<Result<(Read, Option<Arrival>)>>,
    task: JoinHandle<()>,
}

impl Reads {
    /// Begins to read.
    pub fn start(mut reader: ShardReader, clock: Clock) -> Reads {
        let (sender, reads) = mpsc::channel(1);
        let task = tokio::spawn(async move {
            let mut warned = false;
            loop {
                let now = clock.now();
                let read = reader.next().await;
                let over = read.as_ref().map_or(true, |read| read.end.is_some());
                let read = read.map(|read| {
                    let off_by = read.asked.off_by(now);
                    if off_by != 0 && !warned {
                        warned = true;
                        let way = if off_by > 0 { "ahead of" } else { "behind" };
                        tracing::warn!(
                            "this machine's clock is {} ms {way} the account's, whose time counts until NTP has set it",
                            off_by.abs()
                        );
                    }
                    let asked = read.asked.at(now);
                    (read, asked)
                });
                if sender.send(read).await.is_err() || over {
                    return;
                }
            }
        });
        Reads { reads, task }
    }

    /// The next read, and when it was asked for, if anybody knows.
    pub async fn next(&mut self) -> Result<(Read, Option<Arrival>)> {
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
