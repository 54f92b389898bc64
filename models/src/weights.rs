//! Weights as they are stored: by the names that PyTorch gives them, in safetensors or `.pt` files.
//!
//! Values of 16 bits become 32-bit ones. BatchNorm is folded into the convolution before it:
//! with scale γ, shift β, mean μ, variance σ² and ε = 0.001, `w' = w·γ/√(σ²+ε)` and `b' = β − μ·γ/√(σ²+ε)`
//! (Ioffe and Szegedy 2015, with the running statistics).

use std::collections::BTreeMap;
use std::path::Path;

use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// Of every BatchNorm.
const EPSILON: f32 = 1e-3;
/// A file of weights is read whole; the larger of the two models has 12 MB in 32 bits.
const MAX_BYTES: u64 = 256 << 20;

/// A parameter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Param {
    /// The outermost extent first.
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

/// A file's parameters.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Weights {
    pub params: BTreeMap<String, Param>,
    /// What the file says of itself.
    pub metadata: BTreeMap<String, String>,
    /// SHA-256 of the file, in hexadecimal.
    pub hash: String,
}

/// A convolution with whatever followed it folded in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Folded {
    /// `[out, in, side, side]`.
    pub weight: Vec<f32>,
    /// `[out]`.
    pub bias: Vec<f32>,
    pub inputs: usize,
    pub outputs: usize,
    /// Of the square kernel; padding is half of it.
    pub side: usize,
    pub stride: usize,
    /// Whether SiLU follows.
    pub activated: bool,
}

impl Weights {
    /// Reads a file, by its ending `.safetensors` or `.pt`.
    pub fn read(path: &Path) -> Result<Weights> {
        let length = std::fs::metadata(path).map_err(|cause| Error::weights(path, cause))?.len();
        if length > MAX_BYTES {
            return Err(Error::weights(path, format!("{length} bytes; weights have at most {MAX_BYTES}")));
        }
        let bytes = std::fs::read(path).map_err(|cause| Error::weights(path, cause))?;
        Weights::parse(path, &bytes)
    }

    /// Reads a file's bytes; `path` is its name.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Weights> {
        let weights = match path.extension().and_then(|ending| ending.to_str()) {
            Some("safetensors") => safetensors(bytes),
            Some("pt" | "pth") => pytorch(bytes),
            _ => Err("weights are files that end in .safetensors or .pt".to_owned()),
        };
        let mut weights = weights.map_err(|what| Error::weights(path, what))?;
        weights.hash = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        for (name, param) in &weights.params {
            if let Some(at) = param.values.iter().position(|value| !value.is_finite()) {
                return Err(Error::weights(
                    path,
                    format!("{name} has {} at {at}; weights are finite", param.values[at]),
                ));
            }
        }
        Ok(weights)
    }

    /// How many values there are, running statistics left out.
    pub fn parameters(&self) -> usize {
        let counts = |name: &str| !name.ends_with("running_mean") && !name.ends_with("running_var");
        self.params.iter().filter(|(name, _)| counts(name)).map(|(_, param)| param.values.len()).sum()
    }

    /// A parameter of a shape.
    pub fn get(&self, name: &str, shape: &[usize]) -> Result<&[f32], String> {
        let param = self.params.get(name).ok_or_else(|| format!("{name} is missing"))?;
        if param.shape == shape {
            return Ok(&param.values);
        }
        Err(format!("{name} has the shape {:?} where the model has {shape:?}", param.shape))
    }

    /// The first extent of a parameter.
    pub fn rows(&self, name: &str) -> Result<usize, String> {
        let param = self.params.get(name).ok_or_else(|| format!("{name} is missing"))?;
        param.shape.first().copied().ok_or_else(|| format!("{name} is a single number"))
    }

    /// Convolution, BatchNorm, SiLU.
    pub fn folded(&self, name: &str, shape: [usize; 4], stride: usize) -> Result<Folded, String> {
        let [outputs, inputs, side, _] = shape;
        let weight = self.get(&format!("{name}.conv.weight"), &shape)?;
        let of = |part: &str| self.get(&format!("{name}.bn.{part}"), &[outputs]);
        let (gamma, beta, mean, variance) = (of("weight")?, of("bias")?, of("running_mean")?, of("running_var")?);
        if let Some(at) = variance.iter().position(|variance| *variance < 0.0) {
            return Err(format!("{name}.bn.running_var is {} at {at}; a variance is not negative", variance[at]));
        }
        let scale: Vec<f32> = gamma.iter().zip(variance).map(|(gamma, var)| gamma / (var + EPSILON).sqrt()).collect();
        let filter = inputs * side * side;
        let weight = weight.iter().enumerate().map(|(at, weight)| weight * scale[at / filter]).collect();
        let bias = (0..outputs).map(|at| beta[at] - mean[at] * scale[at]).collect();
        Ok(Folded { weight, bias, inputs, outputs, side, stride, activated: true })
    }

    /// A convolution of 1 × 1 with a bias, and nothing after it. A linear layer is one as well.
    pub fn plain(&self, name: &str, inputs: usize, outputs: usize, linear: bool) -> Result<Folded, String> {
        let shape = if linear { vec![outputs, inputs] } else { vec![outputs, inputs, 1, 1] };
        let weight = self.get(&format!("{name}.weight"), &shape)?.to_vec();
        let bias = self.get(&format!("{name}.bias"), &[outputs])?.to_vec();
        Ok(Folded { weight, bias, inputs, outputs, side: 1, stride: 1, activated: false })
    }
}

fn safetensors(bytes: &[u8]) -> Result<Weights, String> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|cause| format!("not safetensors: {cause}"))?;
    let tensors = SafeTensors::deserialize(bytes).map_err(|cause| format!("not safetensors: {cause}"))?;
    let mut weights = Weights::default();
    weights.metadata.extend(header.metadata().clone().unwrap_or_default());
    for (name, view) in tensors.iter() {
        let values = match view.dtype() {
            Dtype::F16 => values(view.data(), |bytes| f16::from_le_bytes(bytes).to_f32()),
            Dtype::BF16 => values(view.data(), |bytes| bf16::from_le_bytes(bytes).to_f32()),
            Dtype::F32 => values(view.data(), f32::from_le_bytes),
            Dtype::F64 => values(view.data(), |bytes| f64::from_le_bytes(bytes) as f32),
            // Counters.
            Dtype::I64 => continue,
            other => return Err(format!("{name} is of the type {other:?}; weights are F16, BF16, F32 or F64")),
        };
        weights.params.insert(name.to_owned(), Param { shape: view.shape().to_vec(), values });
    }
    Ok(weights)
}

/// A checkpoint of `torch.save`: of a module's `state_dict()`, or of a dictionary with one in it.
fn pytorch(bytes: &[u8]) -> Result<Weights, String> {
    use pytorch_reader::DType;
    let reader = pytorch_reader::PytorchReader::from_reader(bytes, None)
        .map_err(|cause| format!("not a PyTorch file: {cause}"))?;
    let mut weights = Weights::default();
    for (name, tensor) in reader.into_tensors() {
        let (dtype, shape) = (tensor.dtype(), tensor.shape().to_vec());
        let bytes = tensor.read().map_err(|cause| cause.to_string())?;
        let values = match dtype {
            DType::F16 => values(&bytes, |bytes| f16::from_ne_bytes(bytes).to_f32()),
            DType::BF16 => values(&bytes, |bytes| bf16::from_ne_bytes(bytes).to_f32()),
            DType::F32 => values(&bytes, f32::from_ne_bytes),
            DType::F64 => values(&bytes, |bytes| f64::from_ne_bytes(bytes) as f32),
            _ => continue,
        };
        // A dictionary may have them under a name of its own.
        let name = name.find("model.").map_or(name.as_str(), |at| &name[at..]).to_owned();
        weights.params.insert(name, Param { shape, values });
    }
    Ok(weights)
}

fn values<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks::<N>().0.iter().map(|bytes| value(*bytes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batch_norm_is_folded_as_it_computes() {
        let mut weights = Weights::default();
        let mut put = |name: &str, shape: &[usize], values: &[f32]| {
            weights.params.insert(name.into(), Param { shape: shape.into(), values: values.into() });
        };
        put("c.conv.weight", &[2, 1, 1, 1], &[2.0, -1.0]);
        put("c.bn.weight", &[2], &[3.0, 1.0]);
        put("c.bn.bias", &[2], &[0.5, 0.0]);
        put("c.bn.running_mean", &[2], &[1.0, 4.0]);
        put("c.bn.running_var", &[2], &[4.0 - EPSILON, 1.0 - EPSILON]);
        let folded = weights.folded("c", [2, 1, 1, 1], 1).unwrap();
        // For x = 5: (2·5 − 1)·3/2 + 0.5 = 14, and (−5 − 4)·1 = −9.
        let of = |at: usize| folded.weight[at] * 5.0 + folded.bias[at];
        assert!((of(0) - 14.0).abs() < 1e-5 && (of(1) + 9.0).abs() < 1e-5);
        assert_eq!(
            weights.folded("c", [2, 3, 1, 1], 1).unwrap_err(),
            "c.conv.weight has the shape [2, 1, 1, 1] where the model has [2, 3, 1, 1]"
        );
        assert_eq!(weights.folded("d", [2, 1, 1, 1], 1).unwrap_err(), "d.conv.weight is missing");
        assert_eq!(weights.parameters(), 6);
    }
}
