//! A direct convolution with bias and SiLU in one pass.
//!
//! Outputs are computed in tiles of a few places by a group of channels, whose sums stay in registers from
//! the first to the last weight ([`super::tile`]). The weights of such a group of channels lie in the order
//! in which the window is walked: rows, places of a row, channels.

use pulp::Arch;

use super::map::{BORDER, Buffer, Map, Part, Pool};
use super::tile::{Segment, Tiles, lanes};
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
        Conv { arch, weights, bias, lanes, outputs, side, stride, activated }
    }

    pub fn run(&self, map: &Map, pool: &Pool) -> Buffer {
        let size = |whole: usize| (whole + 2 * (self.side / 2) - self.side) / self.stride + 1;
        let mut out = Buffer::new(pool, [size(map.height), size(map.width), self.outputs]);
        let tiles = Tiles {
            segments: &self.segments(map),
            lanes: self.lanes,
            weights: &self.weights,
            bias: &self.bias,
            activated: self.activated,
            out: &mut out,
        };
        self.arch.dispatch(tiles);
        out
    }

    /// The runs of memory that make up a window, in the order of the weights.
    fn segments<'a>(&self, map: &'a Map) -> Vec<Segment<'a>> {
        let (mut segments, edge) = (Vec::new(), BORDER - self.side / 2);
        for ky in 0..self.side {
            for kx in 0..self.side {
                for part in &map.parts {
                    let Part { buffer, from, channels } = part;
                    let row = (buffer.width + 2 * BORDER) * buffer.channels;
                    let first = (edge + ky) * row + (edge + kx) * buffer.channels + from;
                    segments.push(Segment {
                        values: &buffer.values,
                        first,
                        row: self.stride * row,
                        step: self.stride * buffer.channels,
                        run: *channels,
                    });
                }
            }
        }
        // Where nothing lies between two of them they are one.
        segments.dedup_by(|next, one| {
            let follows = std::ptr::eq(next.values, one.values) && next.first == one.first + one.run;
            if follows {
                one.run += next.run;
            }
            follows
        });
        segments
    }
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
    fn expected(values: &[f32], [rows, columns]: [usize; 2], folded: &Folded, [height, width]: [usize; 2]) -> Vec<f32> {
        let mut out = Vec::new();
        for place in 0..height * width {
            for output in 0..folded.outputs {
                let mut sum = folded.bias[output];
                for at in 0..folded.side * folded.side * folded.inputs {
                    let (input, ky, kx) =
                        (at % folded.inputs, at / folded.inputs / folded.side, at / folded.inputs % folded.side);
                    let y = (place / width * folded.stride + ky).checked_sub(folded.side / 2);
                    let x = (place % width * folded.stride + kx).checked_sub(folded.side / 2);
                    let (Some(y), Some(x)) = (y.filter(|y| *y < rows), x.filter(|x| *x < columns)) else {
                        continue;
                    };
                    let weight =
                        folded.weight[((output * folded.inputs + input) * folded.side + ky) * folded.side + kx];
                    sum += weight * values[(y * columns + x) * folded.inputs + input];
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
            let (pool, values) = (Pool::default(), numbers(height * width * inputs, 1));
            let map = Map::from(Buffer::of(&pool, [height, width, inputs], &values));
            // The same channels, out of two buffers.
            let wide = numbers(height * width * (inputs + 2), 4);
            let wide = Map::from(Buffer::of(&pool, [height, width, inputs + 2], &wide));
            let parts = Map::joined(&[&map.narrowed(inputs / 2, inputs - inputs / 2), &wide.narrowed(1, inputs / 2)]);
            let weight = numbers(outputs * inputs * side * side, 2);
            let folded = Folded { weight, bias: numbers(outputs, 3), inputs, outputs, side, stride, activated: false };
            for arch in every_arch() {
                for map in [&map, &parts] {
                    let found = Map::from(Conv::new(&folded, arch).run(map, &pool));
                    let size = [found.height, found.width];
                    assert_eq!(size, [height.div_ceil(stride), width.div_ceil(stride)]);
                    assert!(
                        found.read(&pool) == expected(&map.read(&pool), [height, width], &folded, size),
                        "{arch:?}: {width} × {height}, {outputs} outputs"
                    );
                }
            }
        }
    }
}
