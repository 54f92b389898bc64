//! Appending many records: batches of bounded size, tried again where the log asks for it.

use std::time::Duration;

use pipeline::Error;
use pipeline::record::Append;

use super::exit::Failure;
use super::streams::Streams;

/// Records of a batch, at most: what one Kinesis call takes.
const MAX_RECORDS: usize = 500;
/// Data bytes of a batch, before one more record is added.
const MAX_BYTES: usize = 1 << 20;
/// A shard that is split or merged comes back within moments.
const ATTEMPTS: u32 = 5;
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(50);

/// Gathers records of one stream at a time and appends them.
pub struct Batches<'a> {
    streams: &'a Streams,
    stream: String,
    records: Vec<Append>,
    bytes: usize,
    /// Records that are in the log.
    pub appended: u64,
}

impl<'a> Batches<'a> {
    /// Nothing gathered yet.
    pub fn new(streams: &'a Streams) -> Batches<'a> {
        Batches { streams, stream: String::new(), records: Vec::new(), bytes: 0, appended: 0 }
    }

    /// Adds a record that [`Append::check`] has passed. Order is kept, also between streams.
    pub async fn add(&mut self, stream: &str, record: Append) -> Result<(), Failure> {
        if self.stream != stream {
            self.flush().await?;
            stream.clone_into(&mut self.stream);
        }
        self.bytes += record.data.len();
        self.records.push(record);
        if self.records.len() >= MAX_RECORDS || self.bytes >= MAX_BYTES { self.flush().await } else { Ok(()) }
    }

    /// Appends what is gathered; returns once it is durable.
    pub async fn flush(&mut self) -> Result<(), Failure> {
        let records = std::mem::take(&mut self.records);
        self.bytes = 0;
        if records.is_empty() {
            return Ok(());
        }
        let count = records.len() as u64;
        for attempt in 1.. {
            match self.streams.append(&self.stream, &records).await {
                Ok(_) => break,
                Err(Error::Retry(_)) if attempt < ATTEMPTS => tokio::time::sleep(BETWEEN_ATTEMPTS * attempt).await,
                Err(error) => return Err(error.into()),
            }
        }
        self.appended += count;
        Ok(())
    }
}
