//! The models: the same numbers as onnxruntime gives on real frames, and what is bad is refused.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use models::{Device, Frame, Kind, Limits, Model, Output, load};
use tests::{fixture, servers};

/// The largest difference of a raw head.
const TOLERANCE: f32 = 1e-4;

fn models_dir() -> PathBuf {
    fixture::project_dir().join("models")
}

/// Some frames of every recorded round.
fn frames() -> Vec<Frame> {
    let mut paths = Vec::new();
    for round in fs::read_dir(models_dir().join("rounds")).unwrap().map(|entry| entry.unwrap().path()) {
        if round.is_dir() {
            let files = fs::read_dir(round).unwrap().map(|entry| entry.unwrap().path());
            let mut files: Vec<PathBuf> =
                files.filter(|path| path.extension().is_some_and(|ending| ending == "jpg")).collect();
            files.sort();
            paths.extend(files.into_iter().step_by(10));
        }
    }
    assert!(paths.len() >= 6, "frames of several rounds");
    paths.sort();
    paths.iter().map(|path| Frame::decode(&fs::read(path).unwrap(), &Limits::default()).unwrap()).collect()
}

/// What onnxruntime gives for images: one row of numbers each, as it lays them out; and of a detector the boxes:
/// image, class, confidence, and four sides in the network's pixels.
fn judged(kind: Kind, images: &[Vec<f32>], size: usize) -> (Vec<Vec<f32>>, Vec<Vec<f64>>) {
    let dir = tempfile::tempdir().unwrap();
    let [input, output, boxes] = ["input.f32", "output.f32", "boxes.txt"].map(|name| dir.path().join(name));
    // Ours has a pixel's colours side by side, the graph a plane a colour.
    let planes = images.iter().flat_map(|image| (0..3).flat_map(move |colour| image.iter().skip(colour).step_by(3)));
    fs::write(&input, planes.flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
    let (weights, training) = (models_dir().join("weights"), models_dir().join("training"));
    let mut judge = Command::new(servers::onnxruntime());
    judge
        .arg(training.join("judge.py"))
        .args([weights.join(format!("{kind}.onnx")), weights.join(format!("{kind}.safetensors"))])
        .args([&input, &output])
        .args(["--shape", &format!("{},3,{size},{size}", images.len())]);
    if kind == Kind::Detector {
        judge.arg("--boxes").arg(&boxes);
    }
    let judge = judge.output().unwrap();
    assert!(judge.status.success(), "{}", String::from_utf8_lossy(&judge.stderr));
    let bytes = fs::read(&output).unwrap();
    let values: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let raw = values.chunks_exact(values.len() / images.len()).map(<[f32]>::to_vec).collect();
    let boxes = fs::read_to_string(&boxes).unwrap_or_default();
    (raw, boxes.lines().map(|line| line.split(' ').map(|number| number.parse().unwrap()).collect()).collect())
}

fn model(kind: Kind, device: Device) -> Model {
    load(&models_dir().join(format!("weights/{kind}.safetensors")), device).unwrap()
}

#[test]
fn raw_heads_are_those_of_onnxruntime() {
    let frames = frames();
    for kind in [Kind::Classifier, Kind::Detector] {
        let ours = model(kind, Device::Cpu);
        let images: Vec<Vec<f32>> = frames.iter().map(|frame| ours.fit(frame).unwrap().0).collect();
        let (expected, boxes) = judged(kind, &images, ours.info().size);
        if kind == Kind::Detector {
            boxes_are_those(&ours, &frames, &boxes);
        }
        // burn's plain graph is slow: two frames of it say enough.
        for (device, count) in [(Device::Cpu, images.len()), (Device::Flex, 2)] {
            let found = model(kind, device).raw(&images[..count]).unwrap();
            for (frame, (found, expected)) in found.iter().zip(&expected).enumerate() {
                let rows = if kind == Kind::Classifier { 1 } else { 64 + ours.info().classes.len() };
                let places = expected.len() / rows;
                assert_eq!(found.len(), expected.len());
                for (at, value) in found.iter().enumerate() {
                    let judged =
                        if kind == Kind::Classifier { expected[at] } else { expected[at % rows * places + at / rows] };
                    let apart = (value - judged).abs();
                    assert!(
                        apart < TOLERANCE * judged.abs().max(1.0),
                        "{kind} {device:?} frame {frame} at {at}: {value} where onnxruntime has {judged}"
                    );
                }
            }
        }
    }
}

/// Detections of frames, beside what the judge makes of the same images, brought to the frames' pixels.
fn boxes_are_those(ours: &Model, frames: &[Frame], judged: &[Vec<f64>]) {
    assert!(judged.len() > frames.len(), "{} boxes in {} frames", judged.len(), frames.len());
    for (number, frame) in frames.iter().enumerate() {
        let Output::Detections(found) = ours.infer(std::slice::from_ref(frame)).unwrap().remove(0) else {
            panic!("a detector")
        };
        let (_, placed) = ours.fit(frame).unwrap();
        let judged: Vec<_> = judged.iter().filter(|one| one[0] == number as f64).collect();
        assert_eq!(found.len(), judged.len(), "frame {number}");
        for (found, judged) in found.iter().zip(judged) {
            let pixel = |at: f64, edge: f32, limit: usize| {
                ((at - f64::from(edge)) / f64::from(placed.scale)).clamp(0.0, limit as f64)
            };
            let sides = [
                pixel(judged[3], placed.left, frame.width),
                pixel(judged[4], placed.top, frame.height),
                pixel(judged[5], placed.left, frame.width),
                pixel(judged[6], placed.top, frame.height),
            ];
            let ours = [found.left, found.top, found.right, found.bottom];
            let apart = ours.iter().zip(sides).map(|(ours, theirs)| (f64::from(*ours) - theirs).abs());
            assert!(apart.fold(0.0, f64::max) < 0.01, "frame {number}: {found:?} where the judge has {judged:?}");
            assert!(found.class as f64 == judged[1] && (f64::from(found.confidence) - judged[2]).abs() < 1e-4);
        }
    }
}

/// What is told of frames is what is in them: by the recording's own account.
#[test]
fn recorded_rounds_are_seen_as_they_were() {
    let (classifier, mut by_state) = (model(Kind::Classifier, Device::Cpu), BTreeMap::<String, (u32, u32)>::new());
    for round in fs::read_dir(models_dir().join("rounds")).unwrap().map(|entry| entry.unwrap().path()) {
        if !round.is_dir() {
            continue;
        }
        let truth: serde_json::Value = serde_json::from_slice(&fs::read(round.join("truth.json")).unwrap()).unwrap();
        for (number, frame) in truth["frames"].as_array().unwrap().iter().enumerate() {
            let bytes = fs::read(round.join(format!("{number:03}.jpg"))).unwrap();
            let picture = Frame::decode(&bytes, &Limits::default()).unwrap();
            let Output::Classes(seen) = classifier.infer(&[picture]).unwrap().remove(0) else { panic!("a classifier") };
            let state = frame["state"].as_str().unwrap();
            let (right, all) = by_state.entry(state.to_owned()).or_default();
            *right += u32::from(classifier.info().classes[seen.0[0].class] == state);
            *all += 1;
        }
    }
    let (right, all) = by_state.values().fold((0, 0), |(right, all), one| (right + one.0, all + one.1));
    assert!(right * 10 >= all * 9, "right and all, by state: {by_state:?}");
}

#[test]
fn bad_weights_are_refused_by_the_layer() {
    let dir = tempfile::tempdir().unwrap();
    let good = fs::read(models_dir().join("weights/classifier.safetensors")).unwrap();
    let header = 8 + u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    let text = |from: &str, to: &str| {
        // The same length, so that the header stays as long as it says.
        assert_eq!(from.len(), to.len());
        let head = String::from_utf8(good[..header].iter().map(|byte| *byte & 0x7F).collect()).unwrap();
        assert!(head.contains(from), "{from}");
        let mut bytes = good.clone();
        let at = head.find(from).unwrap();
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        bytes
    };
    let mut not_finite = good.clone();
    // The last number: 16 bits that are no number.
    let end = not_finite.len();
    not_finite[end - 2..].copy_from_slice(&[0xFF, 0x7F]);
    for (name, bytes, expected) in [
        ("empty.safetensors", Vec::new(), "not safetensors"),
        ("cut.safetensors", good[..good.len() / 2].to_vec(), "not safetensors"),
        ("text.safetensors", b"hello, world, this is no model".to_vec(), "not safetensors"),
        ("nan.safetensors", not_finite, "weights are finite"),
        ("missing.safetensors", text("model.3.bn.bias", "model.3.bn.bios"), "model.3.bn.bias is missing"),
        ("neither.safetensors", text("model.9.linear.weight", "model.9.binary.weight"), "neither a classifier"),
        ("twice.safetensors", text("playing,cleared", "cleared,cleared"), "another one's name"),
        ("file.pt", b"no checkpoint".to_vec(), "not a PyTorch file"),
        ("file.bin", good.clone(), ".safetensors or .pt"),
    ] {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        let error = load(&path, Device::Cpu).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains(name), "{name}: {error}");
    }
    assert!(load(Path::new("/nowhere/x.pt"), Device::Cpu).unwrap_err().to_string().contains("/nowhere/x.pt"));
}

/// Pictures that a hostile or broken producer may send: made of a good one.
#[test]
fn bad_frames_are_refused_and_never_crash() {
    let path = models_dir().join("rounds");
    let round = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap();
    let good = fs::read(round.join("000.jpg")).unwrap();
    let limits = Limits::default();
    assert!(Frame::decode(&good, &limits).is_ok());
    for length in (0..good.len() - 2).step_by(97) {
        assert!(Frame::decode(&good[..length], &limits).is_err(), "cut to {length} bytes");
    }
    // Any byte may be another: the outcome may be a picture, but never a crash.
    for at in (0..good.len()).step_by(131) {
        let mut bytes = good.clone();
        bytes[at] ^= 0xA5;
        let _ = Frame::decode(&bytes, &limits);
    }
    // A header that says 65535 × 65535.
    let start = good.windows(2).position(|pair| pair == [0xFF, 0xC0] || pair == [0xFF, 0xC2]).unwrap();
    let mut huge = good.clone();
    huge[start + 5..start + 9].copy_from_slice(&[0xFF; 4]);
    let error = Frame::decode(&huge, &limits).unwrap_err().to_string();
    assert!(error.contains("65535") || error.contains("4096"), "{error}");
    let large = vec![0xFF; limits.bytes + 1];
    assert!(Frame::decode(&large, &limits).unwrap_err().to_string().contains("a frame has at most"));
}
