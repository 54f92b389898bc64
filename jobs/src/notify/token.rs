//! Tokens in links: a few bytes, and proof that we wrote them.
//!
//! No row remembers tokens. A token is its payload and the first half of a keyed hash of it (HMAC with
//! SHA-256, RFC 2104), in the alphabet that URLs take as it is. What the secret signs begins with a
//! purpose, so that a token of one kind of link is none of another.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::digest::KeyInit as _;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

/// Shortest secret: as strong as the tag.
pub const MIN_SECRET_BYTES: usize = 16;

/// Half of the hash, the least that RFC 2104 recommends: 2^128 guesses.
const TAG_BYTES: usize = 16;

/// A payload with its tag.
pub fn seal(secret: &[u8], purpose: &[u8], payload: &[u8]) -> String {
    let mut bytes = payload.to_vec();
    bytes.extend_from_slice(&tag::<TAG_BYTES>(secret, purpose, payload));
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The payload of a token that [`seal`] made with this secret, for this purpose; nothing for any
/// other text. Takes as long for every wrong tag.
pub fn open<const BYTES: usize>(secret: &[u8], purpose: &[u8], token: &str) -> Option<[u8; BYTES]> {
    // Whatever else the text is, it is not read further than a token goes.
    if token.len() != (BYTES + TAG_BYTES).saturating_mul(4).div_ceil(3) {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (payload, tag) = bytes.split_at_checked(BYTES)?;
    mac(secret, purpose, payload)?.verify_truncated_left(tag).ok()?;
    payload.try_into().ok()
}

/// The first bytes, at most 32, of the keyed hash of a value.
pub fn tag<const BYTES: usize>(secret: &[u8], purpose: &[u8], value: &[u8]) -> [u8; BYTES] {
    let mut out = [0; BYTES];
    if let Some(mac) = mac(secret, purpose, value) {
        for (out, byte) in out.iter_mut().zip(mac.finalize().into_bytes()) {
            *out = byte;
        }
    }
    out
}

/// HMAC takes a secret of any length, so there always is one.
fn mac(secret: &[u8], purpose: &[u8], value: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    mac.update(purpose);
    mac.update(value);
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_secret_purpose_and_length_open_a_token() {
        let token = seal(&[7; 32], b"a\0", b"four");
        assert_eq!(open(&[7; 32], b"a\0", &token), Some(*b"four"));
        assert_eq!(open::<4>(&[8; 32], b"a\0", &token), None);
        assert_eq!(open::<4>(&[7; 32], b"b\0", &token), None);
        assert_eq!(open::<3>(&[7; 32], b"a\0", &token), None);
        assert_eq!(open::<5>(&[7; 32], b"a\0", &token), None);
        for at in 0..token.len() {
            let mut other: Vec<u8> = token.clone().into();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(open::<4>(&[7; 32], b"a\0", std::str::from_utf8(&other).unwrap()), None, "changed at {at}");
        }
        for wrong in ["", "x", &token[1..], &format!("{token}A"), &format!("{token}="), "ä"] {
            assert_eq!(open::<4>(&[7; 32], b"a\0", wrong), None, "{wrong}");
        }
    }
}
