//! The metrics registry: every name in one enum, the unit last.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! metrics {
    ($($variant:ident => $name:literal, $kind:ident, $help:literal;)*) => {
        /// A metric's name. Names are a contract with operators.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(usize)]
        pub enum Metric { $(#[doc = $help] $variant,)* }

        impl Metric {
            /// Every metric, in the order shown.
            pub const ALL: &[Metric] = &[$(Metric::$variant,)*];

            /// Its dotted name, the unit last.
            pub fn name(self) -> &'static str {
                match self { $(Metric::$variant => $name,)* }
            }

            /// What it counts or measures.
            pub fn help(self) -> &'static str {
                match self { $(Metric::$variant => $help,)* }
            }

            /// Whether it only grows.
            pub fn kind(self) -> Kind {
                match self { $(Metric::$variant => Kind::$kind,)* }
            }
        }
    };
}

/// How a metric moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
}

metrics! {
    LogReadRecords => "log.read.records", Counter, "Records read from the log.";
    LogReadBytes => "log.read.bytes", Counter, "Bytes of data read from the log.";
    LogAppendRecords => "log.append.records", Counter, "Records appended by this process' jobs.";
    EngineBatches => "engine.commit.batches", Counter, "Batches committed.";
    EngineDuplicates => "engine.duplicate.records", Counter, "Records whose decision was stored already, with the same body; dropped.";
    EngineDeadLetters => "engine.dead_letter.records", Counter, "Records put into the dead letters.";
    EngineTicks => "engine.timer.ticks", Counter, "Timers delivered.";
    EngineFrontier => "engine.frontier.ms", Gauge, "Everything that arrived before this time is applied (ms since the epoch).";
    EngineLagMs => "engine.lag.ms", Gauge, "How far the frontier is behind the clock.";
    EngineCommitMicros => "engine.commit.micros", Counter, "Time spent in commits.";
    WindowOpen => "window.open.windows", Gauge, "Windows open or not yet final.";
    WindowRecords => "window.applied.records", Counter, "Records folded into windows.";
    WindowLate => "window.late.records", Counter, "Records that arrived after their window closed.";
    WindowDropped => "window.dropped.records", Counter, "Late records whose window was final already.";
    WindowRevisions => "window.revision.rows", Counter, "Result rows written or revised.";
    JobAccepted => "job.accepted.records", Counter, "Records accepted.";
    JobRejected => "job.rejected.records", Counter, "Records rejected with a row of their own.";
    JobSettled => "job.settled.records", Counter, "Stored records that got their final state.";
    VisionSeen => "vision.seen.frames", Counter, "Frames that the models looked at.";
    VisionDetected => "vision.detected.frames", Counter, "Frames that the detector looked at as well.";
    VisionSkipped => "vision.skipped.frames", Counter, "Frames passed over: newer ones of the same broadcast waited, or came before.";
    VisionMicros => "vision.looked.micros", Counter, "Time spent looking at frames, batches one after another.";
    MailSent => "mail.sent.mails", Counter, "Mails that the mailer took.";
    MailSkipped => "mail.skipped.mails", Counter, "Mails that nobody wants: no confirmed address, unsubscribed, or bounced before.";
    MailRetried => "mail.retried.mails", Counter, "Mails that were put off for another attempt.";
    MailFailed => "mail.failed.mails", Counter, "Mails given up: refused, bounced, or tried too often.";
    MailOutboxAge => "mail.outbox_age.ms", Gauge, "How long the mail has waited that is due the longest.";
    JobShortSweeps => "job.short.sweeps", Counter, "Sweeps over stored records that found too few of them, and begin again.";
    JobSettlements => "job.settlements.records", Counter, "Settlements finished: all records of one are settled.";
}

/// The values. Cheap to clone; clones share them.
#[derive(Debug, Clone)]
pub struct Metrics {
    values: Arc<[AtomicU64]>,
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics { values: Metric::ALL.iter().map(|_| AtomicU64::new(0)).collect() }
    }
}

impl Metrics {
    /// Adds to a counter.
    pub fn add(&self, metric: Metric, n: u64) {
        self.values[metric as usize].fetch_add(n, Ordering::Relaxed);
    }

    /// Sets a gauge.
    pub fn set(&self, metric: Metric, value: u64) {
        self.values[metric as usize].store(value, Ordering::Relaxed);
    }

    /// Reads a value.
    pub fn get(&self, metric: Metric) -> u64 {
        self.values[metric as usize].load(Ordering::Relaxed)
    }
}
