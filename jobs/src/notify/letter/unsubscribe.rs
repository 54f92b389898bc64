//! The token in a mail's unsubscribe link: whose mails to stop, and proof that we wrote it.
//!
//! An account's token follows from its address and the secret alone, so every mail to it has the same
//! link, and it works as long as the secret.

use schemas::ids::Address;

use crate::notify::token;

pub use token::MIN_SECRET_BYTES;

/// What the secret signs here, so that a hash made elsewhere with it is no token.
const PURPOSE: &[u8] = b"oddsmill.unsubscribe.1\0";

/// The token of an account: 48 characters that a URL takes as they are.
pub fn token(secret: &[u8], address: Address) -> String {
    token::seal(secret, PURPOSE, address.as_bytes())
}

/// The account whose token this is; nothing for any other text. Takes as long for every wrong tag.
pub fn verify(secret: &[u8], token: &str) -> Option<Address> {
    token::open(secret, PURPOSE, token).map(Address::from_bytes)
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
