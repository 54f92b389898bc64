//! The innermost loops of a convolution, compiled for what the processor has (by `pulp`).
//!
//! A tile is a few places by [`lanes`] channels, whose sums stay in registers: with 512 bits 12 places by 32
//! channels in 24 of the 32 registers there are, with 256 bits 6 by 16 in 12 of 16; the rest is for a row of weights
//! and one input. A row of places is cut into tiles of about the same size.

use pulp::{Arch, Simd, WithSimd};

/// Output channels of a tile, at most.
pub(super) const MOST_LANES: usize = 32;
/// Output channels of a tile where there are few, or registers are small.
const FEW_LANES: usize = 16;
/// Places of a tile, at most.
const MOST_PLACES: usize = 12;

/// A convolution at work.
pub(super) struct Tiles<'a> {
    /// The input with its border.
    pub input: &'a [f32],
    /// Numbers of an input row.
    pub row: usize,
    /// Numbers from one output's window to the next one's.
    pub step: usize,
    /// Numbers of a window's row.
    pub run: usize,
    /// Rows of a window.
    pub side: usize,
    pub stride: usize,
    /// Places of an output row.
    pub width: usize,
    /// Output channels.
    pub outputs: usize,
    /// Output channels of a tile.
    pub lanes: usize,
    /// See [`super::conv::Conv`].
    pub weights: &'a [f32],
    pub bias: &'a [f32],
    pub activated: bool,
    pub out: &'a mut [f32],
}

/// Output channels of a tile, of so many in all, with these instructions.
pub(super) fn lanes(outputs: usize, arch: Arch) -> usize {
    struct Register;
    impl WithSimd for Register {
        type Output = usize;

        #[inline(always)]
        fn with_simd<S: Simd>(self, _simd: S) -> usize {
            S::F32_LANES
        }
    }
    let wide = arch.dispatch(Register) >= FEW_LANES;
    if wide && outputs > FEW_LANES { MOST_LANES } else { FEW_LANES }
}

impl WithSimd for Tiles<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.lanes / S::F32_LANES {
            1 => self.groups::<S, 1>(simd, MOST_PLACES),
            2 if S::F32_LANES >= FEW_LANES => self.groups::<S, 2>(simd, MOST_PLACES),
            2 => self.groups::<S, 2>(simd, 6),
            4 => self.groups::<S, 4>(simd, 5),
            // Without registers worth the name.
            _ => self.groups::<S, FEW_LANES>(simd, 1),
        }
    }
}

impl Tiles<'_> {
    /// Every tile, of `V` registers of channels and at most `places`.
    #[inline(always)]
    fn groups<S: Simd, const V: usize>(mut self, simd: S, places: usize) {
        let tiles = self.width.div_ceil(places);
        for group in 0..self.outputs.div_ceil(self.lanes) {
            for y in 0..self.out.len() / (self.width * self.outputs) {
                let mut x = 0;
                for tile in 0..tiles {
                    let end = (tile + 1) * self.width / tiles;
                    match end - x {
                        1 => self.tile::<S, V, 1>(simd, group, y, x),
                        2 => self.tile::<S, V, 2>(simd, group, y, x),
                        3 => self.tile::<S, V, 3>(simd, group, y, x),
                        4 => self.tile::<S, V, 4>(simd, group, y, x),
                        5 => self.tile::<S, V, 5>(simd, group, y, x),
                        6 => self.tile::<S, V, 6>(simd, group, y, x),
                        7 => self.tile::<S, V, 7>(simd, group, y, x),
                        8 => self.tile::<S, V, 8>(simd, group, y, x),
                        9 => self.tile::<S, V, 9>(simd, group, y, x),
                        10 => self.tile::<S, V, 10>(simd, group, y, x),
                        11 => self.tile::<S, V, 11>(simd, group, y, x),
                        _ => self.tile::<S, V, MOST_PLACES>(simd, group, y, x),
                    }
                    x = end;
                }
            }
        }
    }

    /// Computes `N` places from `(x, y)` on, of a group of channels.
    #[inline(always)]
    fn tile<S: Simd, const V: usize, const N: usize>(&mut self, simd: S, group: usize, y: usize, x: usize) {
        let Tiles { run, lanes, input, weights, bias, .. } = *self;
        let registers = |numbers| S::as_simd_f32s(numbers).0.as_chunks::<V>().0;
        let (bias, taps) = (registers(&bias[group * lanes..][..lanes]), self.side * run * lanes);
        let weights = &weights[group * taps..][..taps];
        let mut sums = [bias[0]; N];
        for (ky, weights) in weights.chunks_exact(run * lanes).enumerate() {
            let from = (y * self.stride + ky) * self.row + x * self.step;
            let windows: [&[f32]; N] = std::array::from_fn(|place| &input[from + place * self.step..][..run]);
            let weights = &registers(weights)[..run];
            for at in 0..run {
                for place in 0..N {
                    let value = simd.splat_f32s(windows[place][at]);
                    for register in 0..V {
                        sums[place][register] =
                            simd.mul_add_e_f32s(value, weights[at][register], sums[place][register]);
                    }
                }
            }
        }
        let (first, count) = (group * lanes, lanes.min(self.outputs - group * lanes));
        let mut numbers = [0.0; MOST_LANES];
        for (place, sums) in sums.iter().enumerate() {
            S::as_mut_simd_f32s(&mut numbers[..lanes]).0.copy_from_slice(sums);
            if self.activated {
                numbers.iter_mut().for_each(|sum| *sum = silu(*sum));
            }
            let at = (y * self.width + x + place) * self.outputs + first;
            self.out[at..at + count].copy_from_slice(&numbers[..count]);
        }
    }
}

/// `x / (1 + e^-x)`.
#[inline(always)]
fn silu(x: f32) -> f32 {
    x / (1.0 + exp(-x))
}

/// e^x to a relative error of 2e-7, without a branch: `2^n · e^r` with `|r| ≤ ln 2 / 2`, and e^r by its
/// polynomial of degree six (Cephes' `expf`). Beyond ±87 it stays at what it is there.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // Adding it rounds to a whole number, which then stands in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 355.0 / 512.0;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 87.0);
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-LN_2_LOW, n.mul_add(-LN_2_HIGH, x));
    let mut power = 1.987_569_1e-4f32;
    for coefficient in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        power = power.mul_add(r, coefficient);
    }
    let power = (power * r).mul_add(r, r + 1.0);
    power * f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_as_exact_as_32_bits_allow() {
        for step in -87_000..87_000 {
            let x = step as f32 / 1_000.0 + 0.000_3;
            let (found, expected) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((found / expected - 1.0).abs() < 3e-7, "{x}: {found} is not {expected}");
        }
        assert!(exp(f32::MAX).is_finite() && exp(f32::MIN) > 0.0 && exp(f32::NAN).is_nan());
    }
}
