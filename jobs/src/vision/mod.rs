//! The vision job: from the frames of broadcasts to states that are seen, and to answers of questions.
//!
//! The way of a frame, in reading order: [`order`] says which of those that wait together are looked at
//! first; [`sight`] decodes them under limits and runs the models, the classifier on each and the detector
//! where something changes; [`row`] is what is remembered of a broadcast and, a pure function, what a frame
//! adds to it: a state once it was seen in enough of the latest frames, an answer once a question's rule is
//! met. [`job`] ties them together as a job like any other: what is remembered, what is told and how far the
//! stream is read are one commit.

mod job;
mod order;
mod row;
mod sight;

use std::path::PathBuf;
use std::time::Duration;

use models::Device;
use pipeline::engine::LoopOptions;
use schemas::probability::Probability;

pub use job::{Vision, check_rule};
pub use row::{REMEMBERED, VisionRow};

/// The loop's name: its checkpoints are kept under it.
pub const LOOP: &str = "vision";

/// How frames are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisionOptions {
    /// A folder with the weights of both models; nothing for those that ship.
    pub weights: Option<PathBuf>,
    /// What computes.
    pub device: Device,
    /// Frames looked at at once, each on a thread of its own.
    pub threads: usize,
    /// How long it may take to look at frames that wait together; those left then are passed over.
    pub latency: Option<Duration>,
    /// How sure the classifier must be for a frame to count.
    pub confidence: Probability,
    /// A state stands once it was seen in so many …
    pub frames: usize,
    /// … of so many of the latest frames, at most [`REMEMBERED`].
    pub of: usize,
    /// The folder that references of frames lead into; without it there are none.
    pub objects: Option<PathBuf>,
}

impl Default for VisionOptions {
    fn default() -> VisionOptions {
        VisionOptions {
            weights: None,
            device: Device::default(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            latency: Some(Duration::from_millis(500)),
            confidence: Probability::from_micros(600_000).unwrap_or(Probability::ONE),
            frames: 3,
            of: 5,
            objects: None,
        }
    }
}

/// A batch is what is looked at together: half a second of 20 broadcasts at 5 frames a second are 50 frames of
/// 100 KB, and where more wait the oldest are passed over.
const BATCH_RECORDS: usize = 512;
const BATCH_BYTES: usize = 16 << 20;

/// How its loop runs.
pub fn loop_options() -> LoopOptions {
    LoopOptions { batch_records: BATCH_RECORDS, batch_bytes: BATCH_BYTES, ..LoopOptions::new(LOOP) }
}
