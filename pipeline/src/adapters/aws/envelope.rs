//! An arrival time of a record's own: for replay, archive and redrive.
//!
//! Kinesis stamps what it takes, and takes what any producer sends. So a time that is to count
//! instead travels as a tag of a KPL aggregate, with a code that only holders of the secret can make:
//! `oddsmill.arrived_at` = `MILLISECONDS.HMAC`, the first 16 bytes in hexadecimal of HMAC-SHA256 over
//! the time, the partition key and the data.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::kpl::Tag;
use crate::clock::Arrival;

const NAME: &str = "oddsmill.arrived_at";
const MAC_BYTES: usize = 16;

/// The secret that lets a producer set arrival times. Not shown by `Debug`.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// The secret with this text.
    pub fn new(text: &str) -> Secret {
        Secret(text.as_bytes().to_vec())
    }

    /// The tag that says when a record arrived.
    pub fn tag(&self, at: Arrival, partition_key: &[u8], data: &[u8]) -> Tag {
        Tag { key: NAME.into(), value: Some(format!("{}.{}", at.0, self.code(at, partition_key, data))) }
    }

    /// The time that a record's tags tell, if one does and its code is right.
    pub fn arrival(&self, tags: &[Tag], partition_key: &[u8], data: &[u8]) -> Option<Arrival> {
        let value = tags.iter().find(|tag| tag.key == NAME)?.value.as_deref()?;
        let (at, code) = value.split_once('.')?;
        let at = Arrival(at.parse().ok()?);
        let expected = self.code(at, partition_key, data);
        // Compared whole, whatever the first difference is.
        let differences = code.bytes().zip(expected.bytes()).filter(|(one, other)| one != other).count();
        (code.len() == expected.len() && differences == 0).then_some(at)
    }

    fn code(&self, at: Arrival, partition_key: &[u8], data: &[u8]) -> String {
        // HMAC takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        mac.update(&at.0.to_be_bytes());
        mac.update(&(partition_key.len() as u64).to_be_bytes());
        mac.update(partition_key);
        mac.update(data);
        mac.finalize().into_bytes()[..MAC_BYTES].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_counts_with_the_secret_alone() {
        let (secret, other) = (Secret::new("s3cret"), Secret::new("another"));
        let tag = secret.tag(Arrival(1_657_550_847_332), b"key", b"data");
        let tags = [Tag { key: "else".into(), value: None }, tag.clone()];
        assert_eq!(secret.arrival(&tags, b"key", b"data"), Some(Arrival(1_657_550_847_332)));
        for (secret, key, data) in [(&other, "key", "data"), (&secret, "kex", "data"), (&secret, "key", "datb")] {
            assert_eq!(secret.arrival(&tags, key.as_bytes(), data.as_bytes()), None);
        }
        let moved = tag.value.clone().map(|value| value.replacen('1', "2", 1));
        for value in [moved, Some("1657550847332".into()), Some("x.y".into()), Some("1.".into()), None] {
            assert_eq!(secret.arrival(&[Tag { value, ..tag.clone() }], b"key", b"data"), None);
        }
    }
}
