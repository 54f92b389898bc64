//! Looking at frames that wait together: decoded under limits, classified, and detected where something changes.
//!
//! The classifier looks at every frame there is time for; the detector, which takes several times as long, at the
//! first ones of which the classifier says something else than before (those that a new state rests on), and where
//! it is not sure. Each thread takes the next frame
//! in order ([`super::order`]); on a graphics card one thread looks at many at once. What is seen of a frame
//! depends on nothing else, so a frame that is read again is seen alike; only what is passed over, and what the
//! detector is asked, depend on what waits together.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use models::{Device, Kind, Limits, Model, Output, shipped};
use pipeline::metrics::{Metric, Metrics};
use pipeline::{Error, Result};
use schemas::frame::{Frame, FrameEncoding};
use schemas::ids::StreamId;
use schemas::probability::Probability;
use tokio::time::Instant;

use super::VisionOptions;
use super::order::newest_first;

/// Frames that a graphics card looks at at once.
const TOGETHER: usize = 32;
/// Bytes of a frame that is referred to, at most: the picture itself has bounds of its own.
const REFERRED_BYTES: usize = 16 << 20;
/// Broadcasts whose last class is remembered for the detector's sake.
const STREAMS: usize = 4_096;

/// What a picture comes to, or why it comes to nothing.
type Told<T> = std::result::Result<T, String>;

/// The models, and how they look.
pub struct Sight {
    classifier: Model,
    detector: Model,
    options: VisionOptions,
    metrics: Metrics,
    /// The class of each broadcast's last frame, and of how many in a row. Forgotten at a restart: the detector
    /// looks once more then.
    last: Mutex<HashMap<StreamId, (u16, usize)>>,
}

/// What was seen in a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The most probable class.
    pub class: u16,
    /// How probable it is.
    pub probability: Probability,
    /// What the detector found, where it was asked: how many, by class.
    pub found: Option<BTreeMap<String, u32>>,
}

/// What became of a frame.
#[derive(Debug)]
pub enum Look {
    /// It was looked at.
    Seen(Seen),
    /// There was no time for it.
    Passed,
    /// It is no picture, or beyond the limits; says why.
    Bad(String),
}

impl Sight {
    /// Loads the models.
    ///
    /// # Errors
    /// `Fatal` for weights or a device that cannot be used; it says why.
    pub fn load(options: VisionOptions, metrics: Metrics) -> Result<Sight> {
        let model = |kind: Kind| {
            let loaded = match &options.weights {
                None => shipped::model(kind, options.device),
                Some(folder) => models::load(&weights(folder, kind), options.device),
            };
            let model = loaded.map_err(|cause| Error::Fatal(cause.to_string()))?;
            let found = model.info().kind;
            if found == kind {
                Ok(model)
            } else {
                Err(Error::Fatal(format!("the weights of the {kind} are a {found}'s")))
            }
        };
        Ok(Sight {
            classifier: model(Kind::Classifier)?,
            detector: model(Kind::Detector)?,
            options,
            metrics,
            last: Mutex::default(),
        })
    }

    /// The states that the classifier knows.
    pub fn states(&self) -> &[String] {
        &self.classifier.info().classes
    }

    /// The hash of the classifier's weights.
    pub fn hash(&self) -> &str {
        &self.classifier.info().hash
    }

    /// Looks at frames, and says of each, in their order, what became of it.
    ///
    /// # Errors
    /// `Fatal` where the device fails.
    pub fn look(&self, frames: &[&Frame]) -> Result<Vec<Look>> {
        if frames.is_empty() {
            return Ok(Vec::new());
        }
        let began = Instant::now();
        let until = self.options.latency.map(|latency| began + latency);
        let order = newest_first(&frames.iter().map(|frame| (frame.stream_uuid, frame.sequence)).collect::<Vec<_>>());
        let mut looks: Vec<Look> = frames.iter().map(|_| Look::Passed).collect();
        for (place, outcome) in self.spread(&order, until, |places| self.ask(&self.classifier, frames, places))? {
            looks[place] = match outcome {
                Ok(output) => Look::Seen(classified(&output)),
                Err(why) => Look::Bad(why),
            };
        }
        let changed = self.changed(frames, &order, &looks);
        for (place, outcome) in self.spread(&changed, until, |places| self.ask(&self.detector, frames, places))? {
            if let (Look::Seen(seen), Ok(Output::Detections(found))) = (&mut looks[place], outcome) {
                let mut counts = BTreeMap::new();
                let names = found.iter().filter_map(|one| self.detector.info().classes.get(one.class));
                names.for_each(|name| *counts.entry(name.clone()).or_default() += 1);
                seen.found = Some(counts);
            }
        }
        self.count(&looks, began);
        Ok(looks)
    }

    fn count(&self, looks: &[Look], began: Instant) {
        let of = |is: fn(&Look) -> bool| looks.iter().filter(|look| is(look)).count() as u64;
        self.metrics.add(Metric::VisionSeen, of(|look| matches!(look, Look::Seen(_))));
        self.metrics.add(Metric::VisionSkipped, of(|look| matches!(look, Look::Passed)));
        self.metrics.add(Metric::VisionDetected, of(|look| matches!(look, Look::Seen(Seen { found: Some(_), .. }))));
        self.metrics.add(Metric::VisionMicros, u64::try_from(began.elapsed().as_micros()).unwrap_or(0));
    }

    /// The frames that the detector is asked about, newest first.
    fn changed(&self, frames: &[&Frame], order: &[usize], looks: &[Look]) -> Vec<usize> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() > STREAMS {
            last.clear();
        }
        let mut changed = Vec::new();
        // From the oldest on.
        for place in order.iter().rev() {
            let Look::Seen(Seen { class, probability, .. }) = &looks[*place] else { continue };
            let last = last.entry(frames[*place].stream_uuid).or_insert((*class, 0));
            *last = (*class, if last.0 == *class { last.1.saturating_add(1) } else { 1 });
            if last.1 <= self.options.frames || *probability < self.options.confidence {
                changed.push(*place);
            }
        }
        changed.reverse();
        changed
    }

    /// Asks a model about some of the frames. The few that both models are asked about are decoded twice: kept
    /// meanwhile, those of a full batch would take hundreds of megabytes.
    fn ask(&self, model: &Model, frames: &[&Frame], places: &[usize]) -> Result<Vec<Told<Output>>> {
        let (mut pictures, mut outcomes) = (Vec::with_capacity(places.len()), Vec::with_capacity(places.len()));
        for place in places {
            outcomes.push(self.picture(frames[*place]).map(|picture| pictures.push(picture)));
        }
        let mut outputs = model.infer(&pictures).map_err(|cause| Error::Fatal(cause.to_string()))?.into_iter();
        let missing = || "the model said nothing of it".to_owned();
        Ok(outcomes.into_iter().map(|outcome| outcome.and_then(|()| outputs.next().ok_or_else(missing))).collect())
    }

    /// A frame's picture, decoded.
    fn picture(&self, frame: &Frame) -> Told<models::Frame> {
        let referred;
        let (bytes, limits) = match (&frame.bytes, &frame.reference) {
            (Some(bytes), _) => (&bytes.0, Limits::default()),
            (None, reference) => {
                referred = self.fetch(reference.as_deref().unwrap_or_default())?;
                (&referred, Limits { bytes: REFERRED_BYTES, ..Limits::default() })
            }
        };
        if let Some(says) = FrameEncoding::of(bytes).filter(|says| *says != frame.encoding) {
            return Err(format!("encoding: {} is said, but the bytes are {says}", frame.encoding));
        }
        models::Frame::decode(bytes, &limits).map_err(|cause| cause.to_string())
    }

    /// Reads a picture that a frame refers to.
    fn fetch(&self, reference: &str) -> Told<Vec<u8>> {
        let Some(folder) = &self.options.objects else {
            return Err("reference: no folder is set for pictures that frames refer to; set vision.objects".into());
        };
        let inside = Path::new(reference).components().all(|part| matches!(part, Component::Normal(_)));
        if reference.is_empty() || !inside {
            return Err(format!("reference: {reference:?} leads out of vision.objects; give a path within it"));
        }
        let unreadable = |cause: std::io::Error| format!("reference: {reference:?} cannot be read: {cause}");
        let file = File::open(folder.join(reference)).map_err(unreadable)?;
        let mut bytes = Vec::new();
        file.take(REFERRED_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        Ok(bytes)
    }

    /// Does `work` in its order on several threads, and what is done by `until`; something in any case.
    fn spread<R: Send>(
        &self,
        work: &[usize],
        until: Option<Instant>,
        of: impl Fn(&[usize]) -> Result<Vec<R>> + Sync,
    ) -> Result<Vec<(usize, R)>> {
        let (together, threads) = match self.options.device {
            Device::Cpu | Device::Flex => (1, self.options.threads.max(1)),
            Device::Cuda(_) | Device::Wgpu => (TOGETHER, 1),
        };
        let next = AtomicUsize::new(0);
        let take = || {
            let mut done = Vec::new();
            while done.is_empty() || until.is_none_or(|until| Instant::now() < until) {
                let from = together * next.fetch_add(1, Ordering::Relaxed);
                let Some(rest) = work.get(from..).filter(|rest| !rest.is_empty()) else { break };
                let places = &rest[..rest.len().min(together)];
                done.extend(places.iter().copied().zip(of(places)?));
            }
            Ok::<_, Error>(done)
        };
        std::thread::scope(|scope| {
            let others = threads.min(work.len().div_ceil(together)).saturating_sub(1);
            let others: Vec<_> = (0..others).map(|_| scope.spawn(take)).collect();
            let mut done = take()?;
            for other in others {
                let other = other.join().map_err(|_| Error::Fatal("a thread that looks at frames panicked".into()))?;
                done.extend(other?);
            }
            Ok(done)
        })
    }
}

/// A model's file in a folder: safetensors, or else `.pt`.
fn weights(folder: &Path, kind: Kind) -> std::path::PathBuf {
    let path = folder.join(format!("{kind}.safetensors"));
    if path.exists() {
        path
    } else {
        Some(folder.join(format!("{kind}.pt"))).filter(|path| path.exists()).unwrap_or(path)
    }
}

fn classified(output: &Output) -> Seen {
    let first = match output {
        Output::Classes(classes) => classes.0.first().copied(),
        Output::Detections(_) => None,
    };
    let (class, probability) = first.map_or((0, 0.0), |first| (first.class, first.probability));
    let micros = (probability.clamp(0.0, 1.0) * 1e6).round() as u32;
    Seen {
        class: u16::try_from(class).unwrap_or(u16::MAX),
        probability: Probability::from_micros(micros).unwrap_or(Probability::ONE),
        found: None,
    }
}
