//! Who runs the vision models how fast, on the same frames with the same weights, one thread each; and how many
//! frames a second the whole job takes.
//!
//! ```text
//! raw      images in memory ─► network ─► raw numbers        ours, burn's plain graph, tract, onnxruntime, PyTorch
//! frames   JPEG ─► decoded ─► fitted ─► network ─► output    ours, a thread a core
//! streams  frames in a log ─► the vision job ─► states       ours, broadcasts in real time
//! ```

mod engine;
mod job;
mod table;

use models::Kind;
use models::rounds::ROUNDS;

/// What can be measured.
const USAGE: &str =
    "usage: vision [raw|frames|streams] [--runs 5] [--frames 16] [--streams 20] [--fps 5] [--seconds 20]
parts, by default all of them:
  raw      milliseconds an image: ours, burn's plain graph, tract, onnxruntime, PyTorch (where python3 has it)
  frames   frames a second through decoding and a network, a thread a core
  streams  broadcasts in real time through a pipeline: what is passed over, and how long a frame waits";

/// Named numbers.
pub struct Numbers(Vec<String>);

impl Numbers {
    fn of(&self, name: &str, default: usize) -> usize {
        let at = self.0.iter().position(|option| *option == format!("--{name}"));
        at.map_or(default, |at| self.0[at + 1].parse().unwrap())
    }
}

pub fn run(options: &[String]) {
    let numbers = Numbers(options.to_vec());
    let parts: Vec<&str> = options.iter().map(String::as_str).take_while(|option| !option.starts_with("--")).collect();
    let wants = |part: &str| parts.is_empty() || parts.contains(&part);
    if options.iter().any(|option| option == "--help")
        || parts.iter().any(|part| !["raw", "frames", "streams"].contains(part))
    {
        return eprintln!("{USAGE}");
    }
    if wants("raw") {
        for kind in [Kind::Detector, Kind::Classifier] {
            table::raw(kind, numbers.of("runs", 5), numbers.of("frames", 16));
        }
    }
    if wants("frames") {
        for kind in [Kind::Detector, Kind::Classifier] {
            job::frames(kind, numbers.of("runs", 5));
        }
    }
    if wants("streams") {
        job::streams(numbers.of("streams", 20), numbers.of("fps", 5), numbers.of("seconds", 20));
    }
}

/// Frames of every round, in turn.
fn pictures() -> impl Iterator<Item = &'static [u8]> {
    let longest = ROUNDS.iter().map(|round| round.frames.len()).max().unwrap_or(0);
    (0..longest).flat_map(|at| ROUNDS.iter().filter_map(move |round| round.frames.get(at).copied()))
}
