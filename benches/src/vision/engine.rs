//! The engines that run a network on images in memory, each on one thread.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Instant;

use models::{Device, Kind, Model, shipped};
use tract_onnx::prelude::*;

use crate::median;
use crate::windows::venv::Venv;

/// What `peers/vision.py` needs where PyTorch is not meant.
const ONNXRUNTIME: Venv = Venv::new("onnxruntime", include_str!("../../peers/requirements-onnxruntime.txt"));

type Tract = std::sync::Arc<TypedRunnableModel>;

/// One engine with a network loaded.
pub enum Engine {
    Ours(Box<Model>, Vec<Vec<f32>>, Vec<Vec<f32>>),
    Tract(Tract, Vec<Tensor>, Vec<Vec<f32>>),
    Python { child: Child, out: BufReader<ChildStdout>, output: PathBuf, count: usize },
}

/// Images that all engines are given, and a folder for what they need in files.
pub struct Task<'a> {
    pub kind: Kind,
    pub size: usize,
    /// `[size, size, 3]` each.
    pub images: &'a [Vec<f32>],
    pub folder: &'a Path,
}

impl Task<'_> {
    /// `[3, size, size]` each, as the others have it.
    fn planes(&self) -> Vec<Vec<f32>> {
        let plane =
            |image: &Vec<f32>| (0..3).flat_map(|colour| image.iter().skip(colour).step_by(3).copied()).collect();
        self.images.iter().map(plane).collect()
    }

    fn models(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../models")
    }

    pub fn ours(&self, device: Device) -> (String, Engine) {
        let model = Box::new(shipped::model(self.kind, device).unwrap());
        (env!("CARGO_PKG_VERSION").into(), Engine::Ours(model, self.images.to_vec(), Vec::new()))
    }

    pub fn onnxruntime(&self) -> (String, Engine) {
        ONNXRUNTIME.prepare(Path::new("target"));
        self.python(&ONNXRUNTIME.python(Path::new("target")), "onnxruntime")
    }

    /// PyTorch, where the system's python3 has it: its wheels are too large to fetch for this.
    pub fn pytorch(&self) -> Option<(String, Engine)> {
        let python = ["/usr/bin/python3", "python3"].into_iter().find(|python| {
            let asked = Command::new(python).args(["-c", "import torch"]).stderr(Stdio::null()).status();
            asked.is_ok_and(|status| status.success())
        })?;
        Some(self.python(Path::new(python), "pytorch"))
    }

    fn python(&self, python: &Path, engine: &str) -> (String, Engine) {
        let [input, output] = ["in", "out"].map(|name| self.folder.join(format!("{engine}-{}-{name}.f32", self.kind)));
        let bytes: Vec<u8> = self.planes().iter().flatten().flat_map(|value| value.to_le_bytes()).collect();
        fs::write(&input, bytes).unwrap();
        let (count, size) = (self.images.len(), self.size);
        let mut child = Command::new(python)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/vision.py"))
            .args([engine, &self.kind.to_string()])
            .args([&self.models(), &input])
            .args([count.to_string(), size.to_string()])
            .arg(&output)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let version = line(&mut out);
        (version, Engine::Python { child, out, output, count })
    }

    /// tract, on the graph that onnxruntime's judge fills with the weights.
    pub fn tract(&self) -> (String, Engine) {
        ONNXRUNTIME.prepare(Path::new("target"));
        let filled = self.folder.join(format!("{}.onnx", self.kind));
        let weights = self.models().join("weights");
        let fill = "import sys; sys.path.insert(0, sys.argv[1]); import judge; open(sys.argv[4], 'wb').write(judge.fill(sys.argv[2], sys.argv[3]))";
        let status = Command::new(ONNXRUNTIME.python(Path::new("target")))
            .args(["-c", fill])
            .arg(self.models().join("training"))
            .args(["onnx", "safetensors"].map(|ending| weights.join(format!("{}.{ending}", self.kind))))
            .arg(&filled)
            .status();
        assert!(status.unwrap().success());
        let shape = [1, 3, self.size, self.size];
        let model = tract_onnx::onnx().model_for_path(&filled).unwrap();
        let model = model.with_input_fact(0, f32::fact(shape).into()).unwrap();
        let model = model.into_optimized().unwrap().into_runnable().unwrap();
        let images = self.planes().iter().map(|plane| Tensor::from_shape(&shape, plane).unwrap()).collect();
        ("0.23".into(), Engine::Tract(model, images, Vec::new()))
    }
}

fn line(out: &mut impl BufRead) -> String {
    let mut line = String::new();
    assert!(out.read_line(&mut line).unwrap() > 0, "the engine ended; what it said is above");
    line.trim().to_owned()
}

impl Engine {
    /// Every image once, one at a time: the median of milliseconds.
    pub fn round(&mut self) -> f64 {
        match self {
            Engine::Ours(model, images, outputs) => {
                outputs.clear();
                timed(images, |image| outputs.extend(model.raw(std::slice::from_ref(image)).unwrap()))
            }
            Engine::Tract(model, images, outputs) => {
                outputs.clear();
                timed(images, |image| {
                    let output = model.run(tvec!(image.clone().into())).unwrap();
                    outputs.push(output[0].to_plain_array_view::<f32>().unwrap().iter().copied().collect());
                })
            }
            Engine::Python { child, out, .. } => {
                child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
                line(out).parse().unwrap()
            }
        }
    }

    /// What the last round gave, as graphs lay it out: `[channels, places]`.
    pub fn outputs(self, kind: Kind) -> Vec<Vec<f32>> {
        match self {
            Engine::Ours(model, _, outputs) if kind == Kind::Detector => {
                let channels = 64 + model.info().classes.len();
                let turned = |raw: Vec<f32>| {
                    (0..channels).flat_map(|channel| raw.iter().skip(channel).step_by(channels).copied()).collect()
                };
                outputs.into_iter().map(turned).collect()
            }
            Engine::Ours(_, _, outputs) | Engine::Tract(_, _, outputs) => outputs,
            Engine::Python { mut child, output, count, .. } => {
                drop(child.stdin.take());
                assert!(child.wait().unwrap().success());
                let bytes = fs::read(output).unwrap();
                let values: Vec<f32> =
                    bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
                values.chunks_exact(values.len() / count).map(<[f32]>::to_vec).collect()
            }
        }
    }
}

fn timed<T>(images: &[T], mut run: impl FnMut(&T)) -> f64 {
    let mut times: Vec<f64> = Vec::with_capacity(images.len());
    for image in images {
        let began = Instant::now();
        run(image);
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    median(&mut times)
}
