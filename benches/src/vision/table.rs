//! The table of engines: taken in turn, the same answers asserted.

use models::{Device, Frame, Kind, Limits, shipped};

use super::engine::{Engine, Task};
use super::pictures;
use crate::median;

/// The largest difference between two engines, relative to the number where that is over 1.
const TOLERANCE: f32 = 1e-3;

pub fn raw(kind: Kind, runs: usize, frames: usize) {
    let model = shipped::model(kind, Device::Cpu).unwrap();
    let all: Vec<&[u8]> = pictures().step_by(7).collect();
    let frames = all.iter().cycle().take(frames);
    let frames: Vec<Frame> = frames.map(|bytes| Frame::decode(bytes, &Limits::default()).unwrap()).collect();
    let images: Vec<Vec<f32>> = frames.iter().map(|frame| model.fit(frame).unwrap().0).collect();
    let folder = tempfile::tempdir().unwrap();
    let task = Task { kind, size: model.info().size, images: &images, folder: folder.path() };
    let mut engines = vec![
        ("oddsmill", task.ours(Device::Cpu)),
        ("onnxruntime", task.onnxruntime()),
        ("tract", task.tract()),
        ("burn-flex, plain graph", task.ours(Device::Flex)),
    ];
    match task.pytorch() {
        Some(pytorch) => engines.insert(2, ("PyTorch, folded", pytorch)),
        None => println!("PyTorch is left out: python3 cannot import torch (apt install python3-torch)"),
    }
    let mut times: Vec<Vec<f64>> = engines.iter().map(|_| Vec::new()).collect();
    for _ in 0..runs {
        for (times, (_, (_, engine))) in times.iter_mut().zip(&mut engines) {
            times.push(engine.round());
        }
    }
    let medians: Vec<f64> = times.iter_mut().map(|times| median(times)).collect();
    let reference = medians[1];
    println!("\n{kind} at {}: one image, one thread; medians of {runs} rounds of {} images", task.size, images.len());
    println!("{:<26}{:>10}{:>10}{:>16}", "", "version", "ms", "of onnxruntime");
    for ((name, (version, _)), median) in engines.iter().zip(&medians) {
        println!("{name:<26}{version:>10}{median:>10.2}{:>15.2}×", median / reference);
    }
    alike(kind, engines);
    let within = if medians[0] <= 1.5 * reference { "reached" } else { "MISSED" };
    println!("asked: at most 1.5 times onnxruntime's: {within}");
}

fn alike(kind: Kind, engines: Vec<(&str, (String, Engine))>) {
    let mut outputs = engines.into_iter().map(|(name, (_, engine))| (name, engine.outputs(kind)));
    let (_, expected) = outputs.next().unwrap();
    for (name, found) in outputs {
        assert_eq!(found.len(), expected.len(), "{name}");
        for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
            let apart = (found - expected).abs() / expected.abs().max(1.0);
            assert!(apart < TOLERANCE, "{name}: {found} where ours is {expected}");
        }
    }
}
