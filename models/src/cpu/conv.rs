//! A direct convolution with bias and SiLU in one pass.
//!
//! Outputs are computed in tiles of a few places by a group of channels, whose sums stay in registers from
//! the first to the last weight ([`super::tile`]). The weights of such a group of channels lie in the order
//! in which the window is walked. The input gets a border of zeros, so that windows need no edges.

use pulp::Arch;

use super::Map;
use super::tile::{Tiles, lanes};
use crate::weights::Folded;

/// A convolution, its weights laid out for tiles.
#[derive(Debug)]
pub(crate) struct Conv {
    /// The instructions that the layout is for.
    arch: Arch,
    /// By groups of `lanes` outputs: rows of the kernel, then `side · inputs` places of a row, then the lanes.
    weights: Vec<f32>,
    bias: Vec<f32>,
    lanes: usize,
    inputs: usize,
    outputs: usize,
    side: usize,
    stride: usize,
    activated: bool,
}

impl Conv {
    pub fn new(folded: &Folded, arch: Arch) -> Conv {
        let Folded { inputs, outputs, side, stride, activated, .. } = *folded;
        let lanes = lanes(outputs, arch);
        let groups = outputs.div_ceil(lanes);
        let mut weights = Vec::with_capacity(groups * side * side * inputs * lanes);
        for group in 0..groups {
            for place in 0..side * side {
                for input in 0..inputs {
                    weights.extend((group * lanes..(group + 1) * lanes).map(|output| {
                        let at = (output * inputs + input) * side * side + place;
                        if output < outputs { folded.weight[at] } else { 0.0 }
                    }));
                }
            }
        }
        let mut bias = folded.bias.clone();
        bias.resize(groups * lanes, 0.0);
        Conv { arch, weights, bias, lanes, inputs, outputs, side, stride, activated }
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
            lanes: self.lanes,
            weights: &self.weights,
            bias: &self.bias,
            activated: self.activated,
            out: &mut out.values,
        };
        self.arch.dispatch(tiles);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What there is on this machine, from the widest registers to none.
    fn every_arch() -> Vec<Arch> {
        let mut all = vec![Arch::new(), Arch::Scalar];
        #[cfg(target_arch = "x86_64")]
        all.extend(pulp::x86::V3::try_new().map(Arch::V3));
        all
    }

    /// Numbers that look random and are small whole ones, so that sums are exact in any order.
    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|at| ((at * 7_919 + seed * 104_729) % 17) as f32 - 8.0).collect()
    }

    /// The definition.
    fn expected(map: &Map, folded: &Folded, [height, width]: [usize; 2]) -> Vec<f32> {
        let mut out = Vec::new();
        for place in 0..height * width {
            for output in 0..folded.outputs {
                let mut sum = folded.bias[output];
                for at in 0..folded.side * folded.side * folded.inputs {
                    let (input, ky, kx) =
                        (at % folded.inputs, at / folded.inputs / folded.side, at / folded.inputs % folded.side);
                    let y = (place / width * folded.stride + ky).checked_sub(folded.side / 2);
                    let x = (place % width * folded.stride + kx).checked_sub(folded.side / 2);
                    let (Some(y), Some(x)) = (y.filter(|y| *y < map.height), x.filter(|x| *x < map.width)) else {
                        continue;
                    };
                    let weight =
                        folded.weight[((output * folded.inputs + input) * folded.side + ky) * folded.side + kx];
                    sum += weight * map.row(y)[x * map.channels + input];
                }
                out.push(sum);
            }
        }
        out
    }

    #[test]
    fn every_way_gives_the_definition() {
        for (width, height, inputs, outputs, side, stride) in [
            (1, 1, 3, 4, 1, 1),
            (7, 5, 3, 16, 3, 2),
            (12, 3, 2, 17, 3, 1),
            (13, 4, 16, 32, 3, 1),
            (25, 2, 5, 40, 1, 1),
            (40, 6, 4, 64, 3, 2),
            (11, 2, 8, 1, 3, 1),
        ] {
            let map = Map { height, width, channels: inputs, values: numbers(height * width * inputs, 1) };
            let weight = numbers(outputs * inputs * side * side, 2);
            let folded = Folded { weight, bias: numbers(outputs, 3), inputs, outputs, side, stride, activated: false };
            for arch in every_arch() {
                let found = Conv::new(&folded, arch).run(&map);
                let size = [found.height, found.width];
                assert_eq!(size, [height.div_ceil(stride), width.div_ceil(stride)]);
                assert!(
                    found.values == expected(&map, &folded, size),
                    "{arch:?}: {width} × {height}, {outputs} outputs"
                );
            }
        }
    }
}
