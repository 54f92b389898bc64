//! The networks as burn's plain graph, on any of its devices: the reference of [`super::cpu`].
//!
//! Maps are `[batch, channels, height, width]`.

use burn_tensor::module::{adaptive_avg_pool2d, conv2d, interpolate, max_pool2d};
use burn_tensor::ops::{ConvOptions, InterpolateMode, InterpolateOptions, MaxPoolOptions};
use burn_tensor::{Device, Tensor, TensorData};

use crate::error::{Error, Result};
use crate::ops::Ops;
use crate::weights::Folded;

/// A device of burn's.
#[derive(Debug, Clone)]
pub(crate) struct Graph(pub Device);

/// A convolution's tensors.
pub(crate) struct Conv {
    weight: Tensor<4>,
    bias: Tensor<1>,
    options: ConvOptions<2>,
    activated: bool,
}

impl Ops for Graph {
    type Map = Tensor<4>;
    type Conv = Conv;

    fn conv(&self, folded: Folded) -> Conv {
        let Folded { weight, bias, inputs, outputs, side, stride, activated } = folded;
        let options = ConvOptions::new([stride; 2], [side / 2; 2], [1; 2], 1);
        let weight = Tensor::from_data(TensorData::new(weight, [outputs, inputs, side, side]), &self.0);
        let bias = Tensor::from_data(TensorData::new(bias, [outputs]), &self.0);
        Conv { weight, bias, options, activated }
    }

    fn images(&self, images: &[Vec<f32>], size: usize) -> Result<Tensor<4>> {
        let shape = [images.len(), size, size, 3];
        let tensor = Tensor::<4>::from_data(TensorData::new(images.concat(), shape), &self.0);
        Ok(tensor.permute([0, 3, 1, 2]))
    }

    fn convolve(&self, map: &Tensor<4>, conv: &Conv) -> Tensor<4> {
        let out = conv2d(map.clone(), conv.weight.clone(), Some(conv.bias.clone()), conv.options.clone());
        if !conv.activated {
            return out;
        }
        // SiLU; written so, burn computes it in fewer passes than by its sigmoid.
        out.clone() / (out.neg().exp() + 1.0)
    }

    fn channels(&self, map: &Tensor<4>, from: usize, count: usize) -> Tensor<4> {
        map.clone().narrow(1, from, count)
    }

    fn concat(&self, maps: &[&Tensor<4>]) -> Tensor<4> {
        Tensor::cat(maps.iter().map(|map| (*map).clone()).collect(), 1)
    }

    fn add(&self, one: &Tensor<4>, other: &Tensor<4>) -> Tensor<4> {
        one.clone() + other.clone()
    }

    fn max_pool(&self, map: &Tensor<4>) -> Tensor<4> {
        let options = MaxPoolOptions {
            kernel_size: [5; 2],
            stride: [1; 2],
            padding: [(2, 2); 2],
            dilation: [1; 2],
            ceil_mode: false,
        };
        max_pool2d(map.clone(), options)
    }

    fn upsample(&self, map: &Tensor<4>) -> Tensor<4> {
        let [_, _, height, width] = map.dims();
        let options = InterpolateOptions::new(InterpolateMode::Nearest).with_output_size([2 * height, 2 * width]);
        interpolate(map.clone(), options)
    }

    fn mean(&self, map: &Tensor<4>) -> Tensor<4> {
        adaptive_avg_pool2d(map.clone(), [1, 1])
    }

    fn read(&self, map: &Tensor<4>) -> Result<Vec<Vec<f32>>> {
        let [_, channels, height, width] = map.dims();
        let data = map.clone().permute([0, 2, 3, 1]).into_data();
        let values: Vec<f32> =
            data.try_to_vec().map_err(|cause| Error::Device(format!("reading a result: {cause:?}")))?;
        Ok(values.chunks(channels * height * width).map(<[f32]>::to_vec).collect())
    }
}
