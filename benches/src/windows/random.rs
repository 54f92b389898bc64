//! SplitMix64 (Steele, Lea and Flood 2014): the same file for the same seed, on any machine.

/// A stream of random numbers that follows from its seed.
pub struct Random(pub u64);

impl Random {
    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// The next 128 bits.
    pub fn wide(&mut self) -> u128 {
        u128::from(self.next()) << 64 | u128::from(self.next())
    }

    /// An even draw from `from..=to`.
    pub fn between(&mut self, from: u64, to: u64) -> u64 {
        let span = u128::from(to - from) + 1;
        from + ((u128::from(self.next()) * span) >> 64) as u64
    }
}
