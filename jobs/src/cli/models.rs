//! `oddsmill models`: what the vision models are, whether they compute what they should, and what they see.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use models::{Classes, Detection, Device, Frame, Info, Kind, Limits, Model, Output, shipped};
use serde_json::json;
use tokio::time::Instant;

use super::Context;
use super::exit::Failure;
use super::frames::pictures::expand;
use super::output::{grouped, wants_json_lines};

/// The largest difference between what two devices compute, relative to the largest number.
const TOLERANCE: f32 = 1e-4;
/// Pictures of a user's own may be larger than frames of a stream.
const LIMITS: Limits = Limits { bytes: 64 << 20, side: 16_384, pixels: 100_000_000 };

const EXAMPLES: &str = "\
Examples:
  oddsmill models info                            the models that are built in
  oddsmill models info runs/best.safetensors      one of your own
  oddsmill models check runs/best.pt              does it load and compute?
  oddsmill models infer frames/*.jpg              what they see
  oddsmill models infer frame.jpg --draw out.jpg  and where, drawn
";

/// Look at the vision models, check their weights, and try them on pictures
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Models {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Say what weights are: kind, classes, size, parameters, licence
    Info {
        /// Files of weights, .safetensors or .pt [default: those built in]
        #[arg(value_name = "WEIGHTS")]
        weights: Vec<PathBuf>,
    },
    /// Load weights, and compare what the device computes with burn's plain graph
    Check {
        /// Files of weights, .safetensors or .pt [default: those built in]
        #[arg(value_name = "WEIGHTS")]
        weights: Vec<PathBuf>,
        /// What computes: cpu, flex, cuda, cuda:NUMBER or wgpu
        #[arg(long, default_value = "cpu", value_parser = device)]
        device: Device,
    },
    /// Say what the models see in pictures
    Infer(Infer),
}

#[derive(Debug, Args)]
struct Infer {
    /// JPEG or PNG files, or folders of them
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<PathBuf>,
    /// Files of weights, .safetensors or .pt; may be repeated [default: those built in]
    #[arg(long, value_name = "WEIGHTS")]
    weights: Vec<PathBuf>,
    /// What computes: cpu, flex, cuda, cuda:NUMBER or wgpu
    #[arg(long, default_value = "cpu", value_parser = device)]
    device: Device,
    /// Write the picture with its boxes to this JPEG file, or into this folder where there are several
    #[arg(long, value_name = "OUT")]
    draw: Option<PathBuf>,
}

fn device(text: &str) -> Result<Device, String> {
    text.parse().map_err(|cause: models::Error| cause.to_string())
}

/// Loads models, with what they are called.
fn load(weights: &[PathBuf], device: Device) -> Result<Vec<(String, Model)>, Failure> {
    if weights.is_empty() {
        let built_in = |kind: Kind| Ok((shipped::weights(kind).0.to_owned(), shipped::model(kind, device)?));
        return [Kind::Classifier, Kind::Detector]
            .into_iter()
            .map(built_in)
            .collect::<models::Result<_>>()
            .map_err(failed);
    }
    let own = |path: &PathBuf| Ok((path.display().to_string(), models::load(path, device)?));
    weights.iter().map(own).collect::<models::Result<_>>().map_err(failed)
}

fn failed(cause: models::Error) -> Failure {
    Failure::Failed(cause.to_string())
}

impl Models {
    /// Runs the verb.
    pub fn run(self, context: &Context) -> Result<(), Failure> {
        let as_json = wants_json_lines("models", context.output)?;
        match self.verb {
            Verb::Info { weights } => info(&load(&weights, Device::Cpu)?, as_json),
            Verb::Check { weights, device } => check(&weights, device, as_json),
            Verb::Infer(infer) => infer.run(as_json),
        }
    }
}

fn info(models: &[(String, Model)], as_json: bool) -> Result<(), Failure> {
    for (name, model) in models {
        let Info { kind, classes, size, parameters, temperature, hash, notes } = model.info();
        if as_json {
            let notes: serde_json::Map<_, _> = notes.iter().map(|(name, text)| (name.clone(), json!(text))).collect();
            let line = json!({"weights": name, "kind": kind.to_string(), "classes": classes, "size": size, "parameters": parameters, "temperature": temperature, "sha256": hash, "notes": notes});
            println!("{line}");
            continue;
        }
        println!("{name}\n  {kind} of {} at {size} × {size}", classes.join(", "));
        println!("  {} parameters; temperature {temperature}", grouped(*parameters as u64));
        notes.iter().for_each(|(name, text)| println!("  {name}: {text}"));
        println!("  sha256 {hash}");
    }
    Ok(())
}

/// A picture that has something at every place and is no other.
fn pattern(size: usize) -> Vec<f32> {
    (0..size * size * 3).map(|at| ((at * 7_919 + at / size * 31) % 256) as f32 / 255.0).collect()
}

fn check(weights: &[PathBuf], device: Device, as_json: bool) -> Result<(), Failure> {
    let mut worst = Ok(());
    for ((name, model), (_, reference)) in load(weights, device)?.iter().zip(&load(weights, Device::Flex)?) {
        let images = [pattern(model.info().size)];
        let begun = Instant::now();
        let found = model.raw(&images).map_err(failed)?.concat();
        let millis = begun.elapsed().as_secs_f64() * 1e3;
        let expected = reference.raw(&images).map_err(failed)?.concat();
        let largest = expected.iter().fold(1.0f32, |most, value| most.max(value.abs()));
        let apart =
            found.iter().zip(&expected).fold(0.0f32, |most, (one, other)| most.max((one - other).abs())) / largest;
        let good = found.len() == expected.len() && apart <= TOLERANCE;
        if as_json {
            println!("{}", json!({"weights": name, "good": good, "difference": apart, "milliseconds": millis}));
        } else {
            let verdict = if good { "computes as burn's graph does" } else { "DIFFERS from burn's graph" };
            println!("{name}: {verdict} (by {apart:.1e} of the largest number); {millis:.1} ms for one picture");
        }
        if !good {
            worst = Err(Failure::Failed(format!("{name} differs by {apart:.1e} where {TOLERANCE:.0e} is allowed")));
        }
    }
    worst
}

impl Infer {
    fn run(&self, as_json: bool) -> Result<(), Failure> {
        let mut images = Vec::new();
        for path in &self.images {
            images.extend(if path.is_dir() { expand(path)? } else { vec![path.clone()] });
        }
        let drawings = self.drawings(&images)?;
        let models = load(&self.weights, self.device)?;
        let mut bad = Vec::new();
        for (path, drawing) in images.iter().zip(drawings) {
            match infer(path, &models, drawing.as_deref(), as_json) {
                Ok(()) => {}
                Err(why) => bad.push(format!("{}: {why}", path.display())),
            }
        }
        match (bad.len(), images.len()) {
            (0, _) => Ok(()),
            (some, all) if some == all => Err(Failure::Failed(bad.join("\nerror: "))),
            _ => Err(Failure::Rejected(bad.join("\n"))),
        }
    }

    /// Where each picture is drawn to, if it is.
    fn drawings(&self, images: &[PathBuf]) -> Result<Vec<Option<PathBuf>>, Failure> {
        let Some(out) = &self.draw else { return Ok(vec![None; images.len()]) };
        let wrong = |what: &str| Err(Failure::Usage(format!("--draw {}: {what}", out.display())));
        let mut drawings: Vec<PathBuf> = Vec::new();
        for path in images {
            let drawing = if out.is_dir() {
                out.join(path.with_extension("jpg").file_name().unwrap_or_default())
            } else {
                out.clone()
            };
            let ending = drawing.extension().map(|ending| ending.to_ascii_lowercase());
            if !ending.is_some_and(|ending| ending == "jpg" || ending == "jpeg") {
                return wrong("drawings are JPEG files; name one, or a folder that is there");
            }
            if drawings.contains(&drawing) {
                return wrong(
                    "several pictures would become one file; give a folder, and pictures with names of their own",
                );
            }
            if drawing.exists() && drawing.canonicalize().ok() == path.canonicalize().ok() {
                return wrong("that is the picture itself; give another place");
            }
            drawings.push(drawing);
        }
        Ok(drawings.into_iter().map(Some).collect())
    }
}

fn infer(path: &Path, models: &[(String, Model)], drawing: Option<&Path>, as_json: bool) -> Result<(), String> {
    let bytes = std::fs::read(path).map_err(|cause| cause.to_string())?;
    let mut frame = Frame::decode(&bytes, &LIMITS).map_err(|cause| cause.to_string())?;
    let frames = std::slice::from_ref(&frame);
    let mut seen = Vec::new();
    for (_, model) in models {
        let outputs = model.infer(frames).map_err(|cause| cause.to_string())?;
        seen.extend(outputs.into_iter().map(|output| (model.info(), output)));
    }
    if as_json {
        let all: Vec<_> = seen.iter().map(|(info, output)| as_value(info, output)).collect();
        println!(
            "{}",
            json!({"image": path.display().to_string(), "width": frame.width, "height": frame.height, "seen": all})
        );
    } else {
        println!("{} ({} × {})", path.display(), frame.width, frame.height);
        seen.iter().for_each(|(info, output)| print(info, output));
    }
    if let Some(drawing) = drawing {
        for (info, output) in &seen {
            if let Output::Detections(found) = output {
                frame.draw(found, &info.classes);
            }
        }
        let bytes = frame.encode().map_err(|cause| cause.to_string())?;
        std::fs::write(drawing, bytes).map_err(|cause| format!("{}: {cause}", drawing.display()))?;
    }
    Ok(())
}

fn print(info: &Info, output: &Output) {
    match output {
        Output::Classes(Classes(classes)) => {
            let of = |class: &models::Class| format!("{} {:.1}%", info.classes[class.class], class.probability * 100.0);
            println!("  {}", classes.iter().map(of).collect::<Vec<_>>().join(", "));
        }
        Output::Detections(found) if found.is_empty() => println!("  nothing detected"),
        Output::Detections(found) => {
            for Detection { class, confidence, left, top, right, bottom } in found {
                let name = &info.classes[*class];
                println!(
                    "  {name:<12} {:>5.1}%  from ({left:.0}, {top:.0}) to ({right:.0}, {bottom:.0})",
                    confidence * 100.0
                );
            }
        }
    }
}

fn as_value(info: &Info, output: &Output) -> serde_json::Value {
    match output {
        Output::Classes(Classes(classes)) => {
            let all: serde_json::Map<_, _> =
                classes.iter().map(|class| (info.classes[class.class].clone(), json!(class.probability))).collect();
            json!({"classes": all})
        }
        Output::Detections(found) => {
            let one = |one: &Detection| json!({"class": info.classes[one.class], "confidence": one.confidence, "left": one.left, "top": one.top, "right": one.right, "bottom": one.bottom});
            json!({"detections": found.iter().map(one).collect::<Vec<_>>()})
        }
    }
}
