//! Memory of queries: shared fairly, and refused in words that name the setting.

use std::fmt;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{FairSpillPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};

/// The setting that says how much there is, as errors begin with.
pub(super) const SETTING: &str = "sql.memory";

/// Memory of all queries that are given it: a sort or an aggregate over its share goes to disk.
pub(super) fn memory(bytes: usize) -> Arc<dyn MemoryPool> {
    Arc::new(Limited { fair: FairSpillPool::new(bytes), bytes })
}

/// DataFusion's pool, whose refusals speak of operators and reservations.
#[derive(Debug)]
struct Limited {
    fair: FairSpillPool,
    bytes: usize,
}

impl fmt::Display for Limited {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{SETTING} is {}MiB", self.bytes >> 20)
    }
}

impl MemoryPool for Limited {
    fn name(&self) -> &str {
        SETTING
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.fair.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.fair.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.fair.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.fair.shrink(reservation, shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        // Operators that can go to disk do so by the kind of this error, not by its text.
        let refused = self.fair.try_grow(reservation, additional);
        refused.map_err(|_| DataFusionError::ResourcesExhausted(self.to_string()))
    }

    fn reserved(&self) -> usize {
        self.fair.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.fair.memory_limit()
    }
}
