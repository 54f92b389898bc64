//! The innermost loops of a convolution, compiled for what the processor has (by `pulp`).
//!
//! A tile is a few places by [`lanes`] channels, whose sums stay in registers: with 512 bits 12 places by 32
//! channels in 24 of the 32 registers there are, with 256 bits 6 by 16 in 12 of 16; the rest is for a row of weights
//! and one input. A row of places is cut into tiles of about the same size.

use pulp::{Arch, Simd, WithSimd};

use super::map::Buffer;

/// Output channels of a tile, at most.
pub(super) const MOST_LANES: usize = 32;
/// Output channels of a tile where there are few, or registers are small.
const FEW_LANES: usize = 16;

/// Numbers of a window that lie side by side.
pub(super) struct Segment<'a> {
    /// The buffer that they lie in.
    pub values: &'a [f32],
    /// Where the first output's begin.
    pub first: usize,
    /// From one output to the one below.
    pub row: usize,
    /// From one output to the next.
    pub step: usize,
    /// How many.
    pub run: usize,
}

/// A convolution at work.
pub(super) struct Tiles<'a> {
    /// A window, in the order of the weights.
    pub segments: &'a [Segment<'a>],
    /// Output channels of a tile.
    pub lanes: usize,
    /// See [`super::conv::Conv`].
    pub weights: &'a [f32],
    pub bias: &'a [f32],
    pub activated: bool,
    pub out: &'a mut Buffer,
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
        // Registers of [`FEW_LANES`] channels, and as many places as there are registers for.
        match S::F32_LANES {
            16 if self.lanes == MOST_LANES => self.groups::<S, 2, 12>(simd),
            16 => self.groups::<S, 1, 12>(simd),
            8 => self.groups::<S, 2, 6>(simd),
            4 => self.groups::<S, 4, 5>(simd),
            // Without registers worth the name.
            _ => self.groups::<S, FEW_LANES, 1>(simd),
        }
    }
}

impl Tiles<'_> {
    /// Every tile, of `V` registers of channels and at most `P` places.
    #[inline(always)]
    fn groups<S: Simd, const V: usize, const P: usize>(mut self, simd: S) {
        let Buffer { height, width, channels, .. } = *self.out;
        let tiles = width.div_ceil(P);
        for group in 0..channels.div_ceil(self.lanes) {
            for y in 0..height {
                let mut x = 0;
                for tile in 0..tiles {
                    let end = (tile + 1) * width / tiles;
                    // What is more than `P` is not even compiled.
                    match end - x {
                        2 if P >= 2 => self.tile::<S, V, 2>(simd, group, y, x),
                        3 if P >= 3 => self.tile::<S, V, 3>(simd, group, y, x),
                        4 if P >= 4 => self.tile::<S, V, 4>(simd, group, y, x),
                        5 if P >= 5 => self.tile::<S, V, 5>(simd, group, y, x),
                        6 if P >= 6 => self.tile::<S, V, 6>(simd, group, y, x),
                        7 if P >= 7 => self.tile::<S, V, 7>(simd, group, y, x),
                        8 if P >= 8 => self.tile::<S, V, 8>(simd, group, y, x),
                        9 if P >= 9 => self.tile::<S, V, 9>(simd, group, y, x),
                        10 if P >= 10 => self.tile::<S, V, 10>(simd, group, y, x),
                        11 if P >= 11 => self.tile::<S, V, 11>(simd, group, y, x),
                        12 if P >= 12 => self.tile::<S, V, 12>(simd, group, y, x),
                        _ => self.tile::<S, V, 1>(simd, group, y, x),
                    }
                    x = end;
                }
            }
        }
    }

    /// Computes `N` places from `(x, y)` on, of a group of channels.
    #[inline(always)]
    fn tile<S: Simd, const V: usize, const N: usize>(&mut self, simd: S, group: usize, y: usize, x: usize) {
        let Tiles { lanes, weights, bias, segments, .. } = *self;
        let registers = |numbers| S::as_simd_f32s(numbers).0.as_chunks::<V>().0;
        let bias = registers(&bias[group * lanes..][..lanes]);
        let taps: usize = segments.iter().map(|segment| segment.run).sum();
        let mut weights = &registers(weights)[group * taps..][..taps];
        let mut sums = [bias[0]; N];
        for &Segment { values, first, row, step, run } in segments {
            let first = first + y * row + x * step;
            let windows: [&[f32]; N] = std::array::from_fn(|place| &values[first + place * step..][..run]);
            let (these, rest) = weights.split_at(run);
            weights = rest;
            for at in 0..run {
                for place in 0..N {
                    let value = simd.splat_f32s(windows[place][at]);
                    for register in 0..V {
                        sums[place][register] = simd.mul_add_e_f32s(value, these[at][register], sums[place][register]);
                    }
                }
            }
        }
        let outputs = self.out.channels;
        let (first, count) = (group * lanes, lanes.min(outputs - group * lanes));
        let mut at = self.out.at(y, x) + first;
        let mut spare = [0.0; MOST_LANES];
        for sums in sums {
            let place = &mut self.out.values[at..at + count];
            if count == lanes {
                S::as_mut_simd_f32s(place).0.copy_from_slice(&sums);
            } else {
                S::as_mut_simd_f32s(&mut spare[..lanes]).0.copy_from_slice(&sums);
                place.copy_from_slice(&spare[..count]);
            }
            if self.activated {
                place.iter_mut().for_each(|sum| *sum = silu(*sum));
            }
            at += outputs;
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
