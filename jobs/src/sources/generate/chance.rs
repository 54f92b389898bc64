//! Probabilities in fixed point: 2^30 is certainty.
//!
//! A generated day must be the same on every machine, and `exp` or `erf` of
//! one libm differ from another's in the last bit. So there is no float here:
//! integer products, Poisson weights by recurrence (normalised by their sum,
//! so that no `exp` is needed), and the normal law from a table.

/// Certainty.
pub(super) const ONE: u64 = 1 << 30;

/// The product of two probabilities, rounded down: below 2^60 before the shift.
pub(super) fn mul(a: u64, b: u64) -> u64 {
    (a * b) >> 30
}

/// What is left to certainty.
pub(super) fn not(a: u64) -> u64 {
    ONE.saturating_sub(a)
}

/// `share` of certainty with, and the rest without: a mean of two values.
pub(super) fn either(share: u64, with: u64, without: u64) -> u64 {
    mul(share, with) + mul(not(share), without)
}

/// A thousandth, times `n`.
pub(super) const fn per_mille(n: u64) -> u64 {
    ONE * n / 1_000
}

/// The normal law at 0, 1/4, 2/4, … 4 standard deviations.
const NORMAL: [u64; 17] = [
    536_870_912,
    642_856_022,
    742_452_164,
    830_402_557,
    903_387_042,
    960_301_243,
    1_002_008_138,
    1_030_728_632,
    1_049_314_056,
    1_060_615_896,
    1_067_074_247,
    1_070_542_328,
    1_072_292_382,
    1_073_122_248,
    1_073_492_040,
    1_073_646_887,
    1_073_707_817,
];

/// The chance that a normal variable is below `z` thousandths of its standard
/// deviation. Between table entries it runs straight: at most 0.002 off.
pub(super) fn normal(z: i64) -> u64 {
    let distance = z.unsigned_abs();
    // Below 2^31 before the clamp only if z is; the table ends at 4.
    let (step, part) = ((distance / 250).min(16), distance % 250);
    let low = NORMAL[step as usize];
    let high = NORMAL[(step as usize + 1).min(16)];
    let above = low + (high - low) * part / 250;
    if z < 0 { not(above) } else { above }
}

/// Most goals (or the like) that [`poisson`] counts: with a mean of 6, more
/// come once in 20,000 times.
pub(super) const POISSON_LEN: usize = 17;

/// The Poisson law of a mean in fixed point, at most 6: the weights
/// mean^k / k!, divided by their sum.
pub(super) fn poisson(mean: u64) -> [u64; POISSON_LEN] {
    let mean = u128::from(mean.min(6 * ONE));
    let mut weights = [0u128; POISSON_LEN];
    // 6^6 / 6! = 65, so no weight is above 2^37.
    let mut weight = u128::from(ONE);
    for (k, slot) in (1u128..).zip(&mut weights) {
        *slot = weight;
        weight = (weight * mean / k) >> 30;
    }
    let sum: u128 = weights.iter().sum();
    // A part of the sum: at most ONE.
    weights.map(|weight| ((weight << 30) / sum) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normal_law() {
        // Known values, in thousandths.
        for (z, expected) in [(0, 500), (1_000, 841), (-1_000, 159), (1_960, 975), (-3_000, 1), (9_000, 1_000)] {
            assert!(normal(z).abs_diff(per_mille(expected)) < per_mille(3), "{z}: {}", normal(z));
        }
    }

    #[test]
    fn the_poisson_law() {
        // e^-1.5 = 0.223130160, and half as much again for one goal.
        let law = poisson(3 * ONE / 2);
        for (k, expected) in [(0, 223_130_160u64), (1, 334_695_240), (2, 251_021_430)] {
            let expected = ONE * expected / 1_000_000_000;
            assert!(law[k].abs_diff(expected) < 16, "{k}: {} and not {expected}", law[k]);
        }
        assert!(ONE - law.iter().sum::<u64>() < 64);
    }
}
