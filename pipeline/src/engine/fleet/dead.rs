//! Dead letters of a shard: a row each, and an object where that is too small.

use object_store::ObjectStoreExt;

use super::patience::insist;
use super::worker::Worker;
use crate::dead_letter::DeadLetter;
use crate::error::{Error, Result};
use crate::job::Job;
use crate::metrics::Metric;
use crate::tables::system;

/// Bytes of a dead letter that its row holds; larger ones are objects.
const MAX_DEAD_BYTES: usize = 256 << 10;

impl<J: Job> Worker<J> {
    /// Stores dead letters, and tells of them.
    pub(super) async fn write_dead(&mut self, letters: Vec<DeadLetter>) -> Result<()> {
        self.write_dead_rows(&letters).await?;
        let emits = letters.iter().filter_map(|letter| self.fleet.job.announce(letter)).collect();
        self.fleet.metrics.add(Metric::EngineDeadLetters, letters.len() as u64);
        self.fleet.emit(emits).await
    }

    /// Stores dead letters.
    pub(super) async fn write_dead_rows(&self, letters: &[DeadLetter]) -> Result<()> {
        let mut rows = Vec::with_capacity(letters.len());
        for letter in letters {
            let mut letter = letter.clone();
            if letter.bytes.len() > MAX_DEAD_BYTES {
                let path = self.fleet.folder.clone().join("dead-letters").join(letter.id().replace('/', "-"));
                let whole = std::mem::take(&mut letter.bytes);
                letter.bytes = whole[..MAX_DEAD_BYTES].to_vec();
                letter.reject.detail = format!("{}; the whole record is the object {path}", letter.reject.detail);
                let put = async || self.fleet.states.put(&path, whole.clone().into()).await.map_err(unavailable);
                insist!(&self.held, put())?;
            }
            rows.push((letter.key(), letter.encode()));
        }
        insist!(&self.held, self.fleet.tables.put_rows(system::DEAD_LETTERS, &rows))
    }
}

fn unavailable(cause: object_store::Error) -> Error {
    Error::Retry(format!("object storage: {cause}"))
}
