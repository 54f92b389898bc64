//! `oddsmill frames`: pictures and videos into the stream `frames`, as a broadcast would put them there.

pub(super) mod pictures;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pipeline::record::Append;
use pipeline::{Arrival, Clock};
use schemas::codec::Event;
use schemas::frame::{Frame, FrameBytes};
use schemas::ids::StreamId;
use schemas::time::Timestamp;
use tokio::time::{Instant, sleep_until};

use self::pictures::{Picture, pictures};
use super::Context;
use super::batch::Batches;
use super::exit::Failure;
use super::output::counted;
use super::streams::Streams;
use crate::control::Missing;

/// Bytes of a picture that a record can hold beside what else is in it.
const INLINE_BYTES: usize = (1 << 20) - 1_024;
/// Bad pictures reported one by one; the rest are counted.
const REPORTED: u64 = 20;

const EXAMPLES: &str = "\
Examples:
  oddsmill frames push round/ --stream 5bd6e5a8-6f0a-4f0c-9a53-0d3c1e9f7c21
  oddsmill frames push 'round/*.jpg' --stream UUID --fps 5
  oddsmill frames push match.mp4 --stream UUID --fps 5   (needs ffmpeg)

Pictures are JPEG or PNG files; of a folder all of them, in the order of their
names. Each gets the time at which it is appended. What `run` sees in them is
told: `oddsmill tap game-events --filter type=state_changed`.
A picture over 1 MiB is put into the folder vision.objects, if it is set, and
the record refers to it there.
";

/// Put pictures and videos into the stream frames
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Frames {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Append pictures, or those of a video, as frames of a broadcast
    #[command(after_help = EXAMPLES)]
    Push(Push),
}

#[derive(Debug, Args)]
struct Push {
    /// Folders, pictures, patterns such as 'round/*.jpg', and videos
    #[arg(value_name = "DIR|FILE|GLOB", required = true)]
    from: Vec<PathBuf>,
    /// The broadcast that they are of
    #[arg(long, value_name = "UUID", value_parser = stream)]
    stream: StreamId,
    /// Frames a second, at this pace [default: as fast as can be; of videos every 200 ms]
    #[arg(long, value_name = "N", value_parser = fps)]
    fps: Option<f64>,
}

fn stream(text: &str) -> Result<StreamId, String> {
    text.parse().map_err(|cause: schemas::ids::IdError| cause.to_string())
}

fn fps(text: &str) -> Result<f64, String> {
    let fps = text.parse::<f64>().ok().filter(|fps| *fps > 0.0 && *fps <= 1_000.0);
    fps.ok_or_else(|| "choose a number over 0, 1000 at most".to_owned())
}

impl Frames {
    /// Runs the verb.
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        match self.verb {
            Verb::Push(push) => push.run(context).await,
        }
    }
}

impl Push {
    async fn run(self, context: &Context) -> Result<(), Failure> {
        let (pictures, many) = pictures(&self.from, self.fps)?;
        let streams = Streams::open(context, Missing::Create).await?;
        streams.check(Frame::STREAM).await?;
        let (mut batches, bar) = (Batches::new(&streams), bar(context, many));
        let (mut last, mut bad) = (0u64, 0);
        let began = Instant::now();
        for (number, picture) in pictures.enumerate() {
            bar.inc(1);
            if let Some(fps) = self.fps {
                sleep_until(began + Duration::from_secs_f64(number as f64 / fps)).await;
            }
            // A broadcast's numbers grow, also from one push to the next: a thousand a millisecond.
            let now = Clock::System.now();
            last = u64::try_from(now.0).unwrap_or_default().saturating_mul(1_000).max(last + 1);
            let record = picture.and_then(|picture| self.record(context, picture, now, last));
            match record {
                Ok(record) => batches.add(Frame::STREAM, record).await?,
                Err(why) => {
                    bad += 1;
                    if bad <= REPORTED {
                        bar.suspend(|| context.complain(why));
                    }
                }
            }
            if self.fps.is_some() {
                batches.flush().await?;
            }
        }
        batches.flush().await?;
        bar.finish_and_clear();
        context.remark(format!("{} appended to {}", counted(batches.appended, "frame"), Frame::STREAM));
        match bad {
            0 => Ok(()),
            bad => Err(Failure::Rejected(format!("{} left out", counted(bad, "picture")))),
        }
    }

    fn record(&self, context: &Context, picture: Picture, now: Arrival, sequence: u64) -> Result<Append, String> {
        let Picture { name, encoding, bytes } = picture;
        let (bytes, reference) = if bytes.len() <= INLINE_BYTES {
            (Some(FrameBytes(bytes)), None)
        } else {
            let Some(folder) = &context.config.vision.objects else {
                let size = bytes.len();
                return Err(format!(
                    "{name}: {size} bytes, and a record holds {INLINE_BYTES} of them; set vision.objects to a folder for such pictures"
                ));
            };
            let reference = format!("{}/{sequence}.{encoding}", self.stream);
            let path = folder.join(&reference);
            let written = std::fs::create_dir_all(folder.join(self.stream.to_string()))
                .and_then(|()| std::fs::write(&path, &bytes));
            written.map_err(|cause| format!("{name}: {} cannot be written: {cause}", path.display()))?;
            (None, Some(reference))
        };
        let captured_at = Timestamp::from_millis_clamped(now.0);
        let frame = Frame { stream_uuid: self.stream, sequence, captured_at, encoding, bytes, reference };
        Ok(Append::new(self.stream.to_string(), frame.to_cbor()))
    }
}

/// Pictures done, of so many or of a video's.
fn bar(context: &Context, many: Option<u64>) -> ProgressBar {
    let shown = !context.quiet && std::io::stderr().is_terminal();
    let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let template = if many.is_some() { "[{bar:30}] {pos} of {len} frames" } else { "{spinner} {pos} frames" };
    let bar = ProgressBar::with_draw_target(many, target);
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
