//! Where a record stands in its shard, as rows keep it.

use std::fmt;

/// A position: a number of 192 bits (Kinesis counts with 186), and the place in an aggregate, counted
/// from 0. People see `NUMBER`, or `NUMBER.PLACE` where the place is not 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LogPosition([u8; LogPosition::BYTES]);

impl LogPosition {
    /// Bytes of a position.
    pub const BYTES: usize = 28;

    /// A position from its big-endian bytes: 24 of the number, 4 of the place.
    pub const fn from_bytes(bytes: [u8; LogPosition::BYTES]) -> LogPosition {
        LogPosition(bytes)
    }

    /// The bytes, whose order is the positions' order.
    pub const fn as_bytes(&self) -> &[u8; LogPosition::BYTES] {
        &self.0
    }
}

impl fmt::Display for LogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Divided by 10^18 until nothing is left: at most four parts of 18 digits.
        const PART: u128 = 1_000_000_000_000_000_000;
        let (limbs, sub) = self.0.as_chunks::<4>().0.split_at(6);
        let mut limbs: [u32; 6] = std::array::from_fn(|at| u32::from_be_bytes(limbs[at]));
        let mut parts = [0u64; 4];
        for part in &mut parts {
            let mut rest = 0u128;
            for limb in &mut limbs {
                let wide = (rest << 32) | u128::from(*limb);
                *limb = (wide / PART) as u32;
                rest = wide % PART;
            }
            *part = rest as u64;
        }
        let first = parts.iter().rposition(|part| *part != 0).unwrap_or(0);
        write!(f, "{}", parts[first])?;
        parts[..first].iter().rev().try_for_each(|part| write!(f, "{part:018}"))?;
        match u32::from_be_bytes(sub[0]) {
            0 => Ok(()),
            sub => write!(f, ".{sub}"),
        }
    }
}

impl<C> minicbor::Encode<C> for LogPosition {
    fn encode<W: minicbor::encode::Write>(
        &self,
        encoder: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        encoder.bytes(&self.0)?.ok()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for LogPosition {
    fn decode(decoder: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let bytes = decoder.bytes()?;
        let whole = bytes.try_into().map_err(|_| minicbor::decode::Error::message("a position has 28 bytes"))?;
        Ok(LogPosition(whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_see_the_number_and_the_place() {
        let of = |number: [u8; 24], sub: u32| {
            let mut bytes = [0; LogPosition::BYTES];
            bytes[..24].copy_from_slice(&number);
            bytes[24..].copy_from_slice(&sub.to_be_bytes());
            LogPosition::from_bytes(bytes).to_string()
        };
        let mut small = [0; 24];
        assert_eq!(of(small, 0), "0");
        small[23] = 7;
        assert_eq!(of(small, 3), "7.3");
        small[15] = 1;
        assert_eq!(of(small, 0), "18446744073709551623");
        assert_eq!(of([255; 24], 1), "6277101735386680763835789423207666416102355444464034512895.1");
    }
}
