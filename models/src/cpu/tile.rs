//! The innermost loops of a convolution, compiled for what the processor has (by `pulp`).
//!
//! A tile's sums are `PLACES · LANES` numbers: with 256-bit registers 12 of the 16 there are, the rest being
//! for a row of weights and one input. Everything is safe code that the compiler turns into fused
//! multiply-adds over whole registers.

use pulp::{Simd, WithSimd};

/// Output channels of a tile.
pub(super) const LANES: usize = 16;
/// Places of a tile, at most.
const PLACES: usize = 6;

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
    /// See [`super::conv::Conv`].
    pub weights: &'a [[f32; LANES]],
    pub bias: &'a [[f32; LANES]],
    pub activated: bool,
    pub out: &'a mut [f32],
}

impl WithSimd for Tiles<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _simd: S) {
        for group in 0..self.bias.len() {
            for y in 0..self.out.len() / (self.width * self.outputs) {
                let mut x = 0;
                while x < self.width {
                    match self.width - x {
                        1 => self.tile::<1>(group, y, x),
                        2 => self.tile::<2>(group, y, x),
                        3 => self.tile::<3>(group, y, x),
                        4 => self.tile::<4>(group, y, x),
                        5 => self.tile::<5>(group, y, x),
                        // Two of four and five rather than one of six and a small one.
                        8 => self.tile::<4>(group, y, x),
                        9 | 10 => self.tile::<5>(group, y, x),
                        _ => self.tile::<PLACES>(group, y, x),
                    }
                    x += match self.width - x {
                        few @ 1..=5 => few,
                        8 => 4,
                        9 | 10 => 5,
                        _ => PLACES,
                    };
                }
            }
        }
    }
}

impl Tiles<'_> {
    /// Computes `N` places from `(x, y)` on, of a group of channels.
    #[inline(always)]
    fn tile<const N: usize>(&mut self, group: usize, y: usize, x: usize) {
        let (run, taps) = (self.run, self.side * self.run);
        let weights = &self.weights[group * taps..][..taps];
        let mut sums = [self.bias[group]; N];
        for (ky, weights) in weights.chunks_exact(run).enumerate() {
            let from = (y * self.stride + ky) * self.row + x * self.step;
            let windows: [&[f32]; N] = std::array::from_fn(|place| &self.input[from + place * self.step..][..run]);
            for (at, weights) in weights.iter().enumerate() {
                for place in 0..N {
                    let input = windows[place][at];
                    for lane in 0..LANES {
                        sums[place][lane] = input.mul_add(weights[lane], sums[place][lane]);
                    }
                }
            }
        }
        if self.activated {
            sums.iter_mut().flatten().for_each(|sum| *sum = silu(*sum));
        }
        let (first, lanes) = (group * LANES, LANES.min(self.outputs - group * LANES));
        for (place, sums) in sums.iter().enumerate() {
            let at = (y * self.width + x + place) * self.outputs + first;
            self.out[at..at + lanes].copy_from_slice(&sums[..lanes]);
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
    const LN_2_HIGH: f32 = 0.693_359_375;
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
