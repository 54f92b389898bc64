//! A model: loaded from a file for a device, then asked about frames.

use std::path::Path;
use std::str::FromStr;

use crate::blocks::Loader;
use crate::boxes;
use crate::classifier::Classifier;
use crate::cpu::Cpu;
use crate::detector::{Detector, Raw};
use crate::error::{Error, Result};
use crate::fit::{self, Placed};
use crate::frame::Frame;
use crate::graph::Graph;
use crate::nms;
use crate::ops::Ops;
use crate::weights::Weights;

/// Boxes with less confidence are not told.
const CONFIDENCE: f32 = 0.25;

/// What computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Device {
    /// One core, by our own kernels: the fastest without a graphics card.
    #[default]
    Cpu,
    /// burn's plain graph on the CPU: the reference of all others.
    Flex,
    /// burn on an NVIDIA card, by its number.
    Cuda(usize),
    /// burn on whatever graphics card there is, through WebGPU.
    Wgpu,
}

impl Device {
    /// Whether the device was built in; a graphics card may be missing all the same.
    ///
    /// # Errors
    /// `Device`, with how to build it in.
    pub fn built_in(self) -> Result<Device> {
        let name = match self {
            Device::Cuda(_) if !cfg!(feature = "cuda") => "cuda",
            Device::Wgpu if !cfg!(feature = "wgpu") => "wgpu",
            _ => return Ok(self),
        };
        Err(Error::Device(format!("device {name} is not built in; build with --features {name}")))
    }
}

impl FromStr for Device {
    type Err = Error;

    fn from_str(text: &str) -> Result<Device> {
        let (name, number) = text.split_once(':').unwrap_or((text, "0"));
        match (name, number.parse()) {
            ("cpu", _) if name == text => Ok(Device::Cpu),
            ("flex", _) if name == text => Ok(Device::Flex),
            ("wgpu", _) if name == text => Ok(Device::Wgpu),
            ("cuda", Ok(number)) => Ok(Device::Cuda(number)),
            _ => Err(Error::Device(format!("device {text:?}: devices are cpu, flex, cuda, cuda:NUMBER and wgpu"))),
        }
    }
}

/// Which of the two models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Tells what a picture as a whole shows.
    Classifier,
    /// Tells what is where in it.
    Detector,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Kind::Classifier => "classifier",
            Kind::Detector => "detector",
        })
    }
}

/// What a file of weights is.
#[derive(Debug, Clone, PartialEq)]
pub struct Info {
    /// Which model.
    pub kind: Kind,
    /// The names of its classes, by number.
    pub classes: Vec<String>,
    /// Pixels of the square that it sees.
    pub size: usize,
    /// Learned values.
    pub parameters: usize,
    /// What logits are divided by before they become probabilities.
    pub temperature: f32,
    /// SHA-256 of the file, in hexadecimal.
    pub hash: String,
    /// Whatever else the file says of itself, by name.
    pub notes: Vec<(String, String)>,
}

/// Something in a frame. Sides are in its pixels, from the left and the top.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// The number of its class.
    pub class: usize,
    /// From 0 to 1.
    pub confidence: f32,
    /// See [`Detection`].
    pub left: f32,
    /// See [`Detection`].
    pub top: f32,
    /// See [`Detection`].
    pub right: f32,
    /// See [`Detection`].
    pub bottom: f32,
}

impl Detection {
    /// In square pixels; 0 where its sides are the wrong way round.
    pub fn area(&self) -> f32 {
        (self.right - self.left).max(0.0) * (self.bottom - self.top).max(0.0)
    }
}

/// A class, and how probable it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Class {
    /// Its number.
    pub class: usize,
    /// From 0 to 1; those of a frame add up to 1.
    pub probability: f32,
}

/// Every class of a frame, the most probable first.
#[derive(Debug, Clone, PartialEq)]
pub struct Classes(pub Vec<Class>);

/// What a model says of a frame.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// A classifier's.
    Classes(Classes),
    /// A detector's, the most confident first.
    Detections(Vec<Detection>),
}

/// A network on a device.
enum Network<O: Ops> {
    Classifier(O, Classifier<O>),
    Detector(O, Detector<O>),
}

enum Placement {
    Cpu(Box<Network<Cpu>>),
    Burn(Box<Network<Graph>>),
}

/// A model that is ready.
pub struct Model {
    info: Info,
    network: Placement,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Model").field(&self.info).finish()
    }
}

/// Loads a model; which of the two it is the names of its layers tell.
///
/// # Errors
/// `Weights` for a file that cannot be read, or with a layer that is missing, of another shape, or not finite; it
/// names the layer. `Device` for a device that was not built in.
pub fn load(path: &Path, device: Device) -> Result<Model> {
    place(path, &Weights::read(path)?, device)
}

/// Loads weights from a file's bytes; `name` is the file's.
///
/// # Errors
/// As of [`load`].
pub fn load_bytes(name: &str, bytes: &[u8], device: Device) -> Result<Model> {
    let path = Path::new(name);
    place(path, &Weights::parse(path, bytes)?, device)
}

fn place(path: &Path, weights: &Weights, device: Device) -> Result<Model> {
    let info = info(weights).map_err(|what| Error::weights(path, what))?;
    let network = match device {
        Device::Cpu => network(Cpu::default(), weights, &info).map(Box::new).map(Placement::Cpu),
        other => network(Graph(burn(other)?), weights, &info).map(Box::new).map(Placement::Burn),
    };
    Ok(Model { network: network.map_err(|what| Error::weights(path, what))?, info })
}

fn burn(device: Device) -> Result<burn_tensor::Device> {
    match device {
        #[cfg(feature = "cuda")]
        Device::Cuda(number) => Ok(burn_tensor::Device::cuda(number)),
        #[cfg(feature = "wgpu")]
        Device::Wgpu => Ok(burn_tensor::Device::wgpu(burn_tensor::DeviceKind::DefaultDevice)),
        Device::Cpu | Device::Flex => Ok(burn_tensor::Device::flex()),
        #[cfg(not(all(feature = "cuda", feature = "wgpu")))]
        Device::Cuda(_) | Device::Wgpu => device.built_in().and(Ok(burn_tensor::Device::flex())),
    }
}

fn info(weights: &Weights) -> Result<Info, String> {
    let (classifier, detector) = (Classifier::<Cpu>::LINEAR, Detector::<Cpu>::CLASSES);
    let has = |layer: &str| weights.params.contains_key(&format!("{layer}.weight"));
    let (kind, layer, size) = match (has(classifier), has(detector)) {
        (true, false) => (Kind::Classifier, classifier, 128),
        (false, true) => (Kind::Detector, detector, 320),
        _ => return Err(format!("neither a classifier ({classifier}) nor a detector ({detector})")),
    };
    let count = weights.rows(&format!("{layer}.weight"))?;
    let said = |name: &str| weights.metadata.get(name).map(String::as_str);
    let number = |name: &str, usual: f32| {
        let value = said(name).map_or(Ok(usual), |text| text.parse::<f32>().map_err(|_| text));
        match value {
            Ok(value) if value.is_finite() && value > 0.0 => Ok(value),
            other => Err(format!("its {name} is {other:?}; it is a number above 0")),
        }
    };
    let size = number("size", size as f32)?;
    if size % 32.0 != 0.0 || size > 4_096.0 {
        return Err(format!("its size is {size}; it is a multiple of 32 up to 4096"));
    }
    let classes: Vec<String> = match said("classes") {
        Some(names) => names.split(',').map(|name| name.trim().to_owned()).collect(),
        None => (0..count).map(|class| class.to_string()).collect(),
    };
    let twice = classes.iter().enumerate().find(|(at, name)| name.is_empty() || classes[..*at].contains(name));
    if let Some((_, name)) = twice {
        return Err(format!("a class is called {name:?}, which is nothing, or another one's name"));
    }
    if count == 0 {
        return Err(format!("{layer} has no classes"));
    }
    if classes.len() != count {
        return Err(format!("{} names of classes ({}) for {count} classes", classes.len(), classes.join(", ")));
    }
    let known = ["kind", "classes", "size", "temperature", "format"];
    let notes = weights.metadata.iter().filter(|(name, _)| !known.contains(&name.as_str()));
    Ok(Info {
        kind,
        classes,
        size: size as usize,
        parameters: weights.parameters(),
        temperature: number("temperature", 1.0)?,
        hash: weights.hash.clone(),
        notes: notes.map(|(name, text)| (name.clone(), text.clone())).collect(),
    })
}

fn network<O: Ops>(ops: O, weights: &Weights, info: &Info) -> Result<Network<O>, String> {
    let (loader, classes) = (Loader { weights, ops: &ops }, info.classes.len());
    Ok(match info.kind {
        Kind::Classifier => {
            let classifier = Classifier::load(&loader, classes)?;
            Network::Classifier(ops, classifier)
        }
        Kind::Detector => {
            let detector = Detector::load(&loader, classes)?;
            Network::Detector(ops, detector)
        }
    })
}

/// What a network gives before it means anything.
enum Heads {
    Classes(Vec<Vec<f32>>),
    Boxes(Vec<[Raw; 3]>),
}

impl Heads {
    fn are_finite(&self) -> bool {
        let finite = |values: &Vec<f32>| values.iter().all(|value| value.is_finite());
        match self {
            Heads::Classes(logits) => logits.iter().all(finite),
            Heads::Boxes(raw) => raw.iter().flatten().all(|scale| finite(&scale.boxes) && finite(&scale.classes)),
        }
    }
}

impl<O: Ops> Network<O> {
    fn run(&self, images: &[Vec<f32>], size: usize) -> Result<Heads> {
        match self {
            Network::Classifier(ops, network) => network.run(ops, &ops.images(images, size)?).map(Heads::Classes),
            Network::Detector(ops, network) => network.run(ops, &ops.images(images, size)?).map(Heads::Boxes),
        }
    }
}

impl Model {
    /// What it is.
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// Says of each frame what it sees, in their order.
    ///
    /// # Errors
    /// `Weights` where the network computes what is no number, `Device` where the device fails.
    pub fn infer(&self, frames: &[Frame]) -> Result<Vec<Output>> {
        let mut images = Vec::with_capacity(frames.len());
        let mut places = Vec::with_capacity(frames.len());
        for frame in frames {
            let (image, placed) = self.fit(frame)?;
            images.push(image);
            places.push(placed);
        }
        let size = |frame: &Frame| [frame.width, frame.height];
        Ok(match self.heads(&images)? {
            Heads::Classes(logits) => logits.iter().map(|logits| Output::Classes(self.classes(logits))).collect(),
            Heads::Boxes(raw) => {
                let each = raw.iter().zip(places).zip(frames);
                each.map(|((raw, placed), frame)| Output::Detections(self.boxes(raw, placed, size(frame)))).collect()
            }
        })
    }

    /// A frame as the network wants it: `[size, size, 3]` numbers from 0 to 1, and where the frame lies in it.
    pub fn fit(&self, frame: &Frame) -> Result<(Vec<f32>, Placed)> {
        match self.info.kind {
            Kind::Detector => fit::letterbox(frame, self.info.size),
            Kind::Classifier => Ok((fit::crop(frame, self.info.size)?, Placed { scale: 1.0, left: 0.0, top: 0.0 })),
        }
    }

    /// The raw head of each image, as [`Model::fit`] makes them, for whoever compares networks: a classifier's logits;
    /// a detector's `[places, 64 + classes]` over its three scales, the finest first and each row by row.
    pub fn raw(&self, images: &[Vec<f32>]) -> Result<Vec<Vec<f32>>> {
        let classes = self.info.classes.len();
        let places = |raw: &[Raw; 3]| {
            let mut all = Vec::with_capacity(raw.iter().map(|scale| scale.boxes.len() + scale.classes.len()).sum());
            for Raw { boxes, classes: logits } in raw {
                for (sides, logits) in boxes.chunks_exact(crate::detector::BOX).zip(logits.chunks_exact(classes)) {
                    all.extend_from_slice(sides);
                    all.extend_from_slice(logits);
                }
            }
            all
        };
        Ok(match self.heads(images)? {
            Heads::Classes(logits) => logits,
            Heads::Boxes(raw) => raw.iter().map(places).collect(),
        })
    }

    fn heads(&self, images: &[Vec<f32>]) -> Result<Heads> {
        let heads = match &self.network {
            Placement::Cpu(network) => network.run(images, self.info.size)?,
            Placement::Burn(network) => network.run(images, self.info.size)?,
        };
        if heads.are_finite() {
            return Ok(heads);
        }
        Err(Error::Weights(format!("the {} computes what is no number: its weights are too large", self.info.kind)))
    }

    fn classes(&self, logits: &[f32]) -> Classes {
        let scaled = |logit: &f32| logit / self.info.temperature;
        let most = logits.iter().map(scaled).fold(f32::NEG_INFINITY, f32::max);
        let sum: f32 = logits.iter().map(|logit| (scaled(logit) - most).exp()).sum();
        let probability = |logit: &f32| (scaled(logit) - most).exp() / sum;
        let mut classes: Vec<Class> = logits
            .iter()
            .map(probability)
            .enumerate()
            .map(|(class, probability)| Class { class, probability })
            .collect();
        classes.sort_by(|one, other| other.probability.total_cmp(&one.probability));
        Classes(classes)
    }

    fn boxes(&self, raw: &[Raw; 3], placed: Placed, frame: [usize; 2]) -> Vec<Detection> {
        let found = boxes::decode(raw, self.info.classes.len(), self.info.size, CONFIDENCE);
        boxes::place(nms::suppress(found), placed, frame)
    }
}
