//! SplitMix64: the one source of chance here (Steele, Lea and Flood, "Fast
//! splittable pseudorandom number generators", OOPSLA 2014; the constants are
//! those of its reference code).
//!
//! Generated data must not change when a dependency does, so the generator is
//! ours. It passes BigCrush, has period 2^64, and its `mix` alone is a good
//! hash, which gives a thing's own numbers without storing them.

/// 2^64 / φ, odd: the generator's step.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// A stream of random numbers that follows from its seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Random {
    state: u64,
}

impl Random {
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(STEP);
        mix(self.state)
    }

    /// An even draw from `0..bound`, by Lemire's multiplication. Its bias is
    /// below bound / 2^64, which no count of lines could show.
    pub fn below(&mut self, bound: u64) -> u64 {
        scale(self.next(), bound)
    }
}

/// Number `index` of the hash stream `key`.
pub(super) fn hash(key: u64, index: u64) -> u64 {
    mix(key.wrapping_add(index.wrapping_add(1).wrapping_mul(STEP)))
}

/// 64 even bits as a number in `0..bound`.
pub(super) fn scale(bits: u64, bound: u64) -> u64 {
    // The upper half of a 128-bit product is below `bound`.
    ((u128::from(bits) * u128::from(bound)) >> 64) as u64
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_reference_code() {
        // The published first outputs for seed 1234567.
        let mut random = Random::new(1_234_567);
        let expected = [
            6_457_827_717_110_365_317,
            3_203_168_211_198_807_973,
            9_817_491_932_198_370_423,
            4_593_380_528_125_082_431,
            16_408_922_859_458_223_821,
        ];
        for value in expected {
            assert_eq!(random.next(), value);
        }
    }

    #[test]
    fn draws_keep_below_their_bound() {
        let mut random = Random::new(1);
        for bound in [1, 2, 10, 1 << 40] {
            assert!((0..1_000).all(|_| random.below(bound) < bound));
        }
    }
}
