//! Inputs changed a little: bits, bytes, numbers that are on an edge, pieces left out, doubled, or of another input.

use crate::random::Random;

/// Changes of an input, at most.
const MOST: u64 = 6;
/// Bytes of an input, at most.
const MOST_BYTES: usize = 64 << 10;
/// What hurts where it comes unexpected.
const PIECES: [&[u8]; 16] = [
    b"\"",
    b"\\u0000",
    b"{",
    b"]",
    b"-",
    b"1e999",
    b"9223372036854775808",
    b"-0.0000001",
    b"null",
    b"\0",
    b"\xFF\xFF\xFF\xFF",
    b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
    b"\xE2\x80\xAE",
    b"'",
    b"--",
    b"/*",
];

/// One of these inputs, changed.
pub fn mutated(inputs: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let one = |random: &mut Random| &inputs[random.below(inputs.len() as u64) as usize];
    let mut bytes = one(random).clone();
    for _ in 0..1 + random.below(MOST) {
        let at = random.below(bytes.len() as u64 + 1) as usize;
        let end = (at + 1 + random.below(16) as usize).min(bytes.len());
        match random.below(8) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            2 if at < bytes.len() => bytes[at] = random.bits() as u8,
            3 => drop(bytes.drain(at..end.max(at))),
            4 => {
                let piece = bytes[at..end.max(at)].to_vec();
                bytes.splice(at..at, piece);
            }
            5 => {
                let other = one(random);
                let from = random.below(other.len() as u64 + 1) as usize;
                let to = (from + 1 + random.below(64) as usize).min(other.len());
                bytes.splice(at..at, other[from..to.max(from)].iter().copied());
            }
            _ => {
                let piece = random.pick(&PIECES);
                let end = if random.percent(50) { at } else { end.max(at) };
                bytes.splice(at..end, piece.iter().copied());
            }
        }
    }
    bytes.truncate(MOST_BYTES);
    bytes
}
