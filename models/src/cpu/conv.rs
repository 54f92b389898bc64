//! A direct convolution with bias and SiLU in one pass.
//!
//! Outputs are computed in tiles of a few places by [`LANES`] channels, whose sums stay in registers from
//! the first to the last weight ([`super::tile`]). The weights of such a group of channels lie in the order
//! in which the window is walked. The input gets a border of zeros, so that windows need no edges.

use super::Map;
use super::tile::{LANES, Tiles};
use crate::weights::Folded;

/// A convolution, its weights laid out for tiles.
#[derive(Debug)]
pub(crate) struct Conv {
    /// By groups of [`LANES`] outputs: rows of the kernel, then `side · inputs` places of a row, then the lanes.
    weights: Vec<[f32; LANES]>,
    bias: Vec<[f32; LANES]>,
    inputs: usize,
    outputs: usize,
    side: usize,
    stride: usize,
    activated: bool,
}

impl Conv {
    pub fn new(folded: &Folded) -> Conv {
        let Folded { inputs, outputs, side, stride, activated, .. } = *folded;
        let groups = outputs.div_ceil(LANES);
        let mut weights = Vec::with_capacity(groups * side * side * inputs);
        for group in 0..groups {
            for place in 0..side * side {
                for input in 0..inputs {
                    weights.push(std::array::from_fn(|lane| {
                        let output = group * LANES + lane;
                        let at = (output * inputs + input) * side * side + place;
                        if output < outputs { folded.weight[at] } else { 0.0 }
                    }));
                }
            }
        }
        let bias = |group: usize| {
            std::array::from_fn(|lane| folded.bias.get(group * LANES + lane).copied().unwrap_or_default())
        };
        Conv { weights, bias: (0..groups).map(bias).collect(), inputs, outputs, side, stride, activated }
    }

    pub fn run(&self, map: &Map) -> Map {
        let padding = self.side / 2;
        let bordered;
        let input = if padding == 0 {
            map
        } else {
            bordered = border(map, padding);
            &bordered
        };
        let size = |whole: usize| (whole + 2 * padding - self.side) / self.stride + 1;
        let mut out = Map::filled(size(map.height), size(map.width), self.outputs, 0.0);
        let tiles = Tiles {
            input: &input.values,
            row: input.width * self.inputs,
            step: self.stride * self.inputs,
            run: self.side * self.inputs,
            side: self.side,
            stride: self.stride,
            width: out.width,
            outputs: self.outputs,
            weights: &self.weights,
            bias: &self.bias,
            activated: self.activated,
            out: &mut out.values,
        };
        pulp::Arch::new().dispatch(tiles);
        out
    }
}

fn border(map: &Map, padding: usize) -> Map {
    let Map { height, width, channels, .. } = *map;
    let mut out = Map::filled(height + 2 * padding, width + 2 * padding, channels, 0.0);
    let (row, from) = (out.width * channels, padding * channels);
    for (out, y) in out.values.chunks_exact_mut(row).skip(padding).zip(0..height) {
        out[from..from + width * channels].copy_from_slice(map.row(y));
    }
    out
}
