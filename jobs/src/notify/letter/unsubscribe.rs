//! The token in a mail's unsubscribe link: whose mails to stop, and proof that we wrote it.
//!
//! No row remembers tokens: an account's token is its address and a keyed hash of it (HMAC with
//! SHA-256, RFC 2104), so every mail to it has the same link, and it works as long as the secret.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::digest::KeyInit as _;
use hmac::{Hmac, Mac as _};
use schemas::ids::Address;
use sha2::Sha256;

/// Shortest secret: as strong as the tag.
pub const MIN_SECRET_BYTES: usize = 16;

/// What the secret signs here, so that a hash made elsewhere with it is no token.
const PURPOSE: &[u8] = b"oddsmill.unsubscribe.1\0";

const ADDRESS_BYTES: usize = 20;
/// Half of the hash, the least that RFC 2104 recommends: 2^128 guesses.
const TAG_BYTES: usize = 16;

/// The token of an account: 48 characters that a URL takes as they are.
pub fn token(secret: &[u8], address: Address) -> String {
    let mut bytes = [0; ADDRESS_BYTES + TAG_BYTES];
    bytes[..ADDRESS_BYTES].copy_from_slice(address.as_bytes());
    if let Some(mac) = mac(secret, address.as_bytes()) {
        bytes[ADDRESS_BYTES..].copy_from_slice(&mac.finalize().into_bytes()[..TAG_BYTES]);
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The account whose token this is; nothing for any other text. Takes as long for every wrong tag.
pub fn verify(secret: &[u8], token: &str) -> Option<Address> {
    let bytes: [u8; ADDRESS_BYTES + TAG_BYTES] = URL_SAFE_NO_PAD.decode(token).ok()?.try_into().ok()?;
    let (address, tag) = bytes.split_at(ADDRESS_BYTES);
    mac(secret, address)?.verify_truncated_left(tag).ok()?;
    Some(Address::from_bytes(address.try_into().ok()?))
}

/// HMAC takes a secret of any length, so there always is one.
fn mac(secret: &[u8], address: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    mac.update(PURPOSE);
    mac.update(address);
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_token_names_an_account() {
        let address: Address = "0x00112233445566778899aabbccddeeff00112233".parse().unwrap();
        let secret = [7; 32];
        let good = token(&secret, address);
        assert_eq!(good.len(), 48);
        assert_eq!(verify(&secret, &good), Some(address));
        assert_eq!(verify(&[8; 32], &good), None);
        for at in 0..good.len() {
            let mut other: Vec<u8> = good.clone().into();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(verify(&secret, std::str::from_utf8(&other).unwrap()), None, "changed at {at}");
        }
        for wrong in ["", "x", &good[..47], &format!("{good}A"), &format!("{good}="), "ä"] {
            assert_eq!(verify(&secret, wrong), None, "{wrong}");
        }
    }

    /// The links in mails already sent must go on working.
    #[test]
    fn a_token_stays_what_it_was() {
        let address: Address = "0x00112233445566778899aabbccddeeff00112233".parse().unwrap();
        assert_eq!(token(&[7; 32], address), "ABEiM0RVZneImaq7zN3u_wARIjOw4M19xt4wASUPTH12TOPF");
    }
}
