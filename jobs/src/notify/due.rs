//! What is to be sent, by when: the index by which the sender finds its work.
//!
//! Table `outbox_due`: (due, tail) → a notification, or a person's digest. Table `outbox_digests`:
//! (person, when it is due, notification) → nothing: what goes into a digest.

use pipeline::record::Position;
use pipeline::{Arrival, Error, Result};
use schemas::ids::{Address, NotificationId};
use schemas::time::Timestamp;

/// The table of what is due.
pub const TABLE: &str = "outbox_due";
/// The table of what goes into digests.
pub const DIGESTS: &str = "outbox_digests";

/// Something to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// One notification.
    Mail(NotificationId),
    /// What one person's notifications up to then come to.
    Digest(Address),
}

/// An entry of the index: its key, when, what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its key, to remove it.
    pub key: Vec<u8>,
    /// When it is due.
    pub at: Timestamp,
    /// What.
    pub due: Due,
}

impl Due {
    /// The entry's key and value. Mails of one moment keep the order of their stream.
    pub fn entry(self, at: Timestamp, position: Position) -> (Vec<u8>, Vec<u8>) {
        let mut key = at.millis().to_be_bytes().to_vec();
        match self {
            Due::Mail(id) => {
                key.extend_from_slice(&position.to_be_bytes());
                (key, [&[0], &id.as_bytes()[..]].concat())
            }
            // One digest of a person at a time.
            Due::Digest(address) => {
                key.extend_from_slice(address.as_bytes());
                (key, [&[1], &address.as_bytes()[..]].concat())
            }
        }
    }

    /// Reads an entry.
    pub fn read(key: Vec<u8>, value: &[u8]) -> Result<Entry> {
        let bad = || Error::corrupt("an entry of the outbox");
        let at = key.first_chunk().map(|at| i64::from_be_bytes(*at)).ok_or_else(bad)?;
        let (kind, id) = value.split_first().ok_or_else(bad)?;
        let due = match kind {
            0 => Due::Mail(NotificationId::from_bytes(id.try_into().map_err(|_| bad())?)),
            1 => Due::Digest(Address::from_bytes(id.try_into().map_err(|_| bad())?)),
            _ => return Err(bad()),
        };
        Ok(Entry { at: Timestamp::from_millis_clamped(at), key, due })
    }
}

/// The first key after everything due by `now`.
pub fn after(now: Arrival) -> Vec<u8> {
    now.0.saturating_add(1).to_be_bytes().to_vec()
}

/// Where a digest's notifications stand.
pub fn digest_prefix(address: Address, until: Timestamp) -> Vec<u8> {
    [&address.as_bytes()[..], &until.millis().to_be_bytes()].concat()
}

/// The first key after all of them: the next millisecond's.
pub fn digest_end(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    for byte in end.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            break;
        }
    }
    end
}

/// Where one of them stands.
pub fn digest_key(address: Address, until: Timestamp, id: NotificationId) -> Vec<u8> {
    [&digest_prefix(address, until)[..], id.as_bytes()].concat()
}

/// The notification that such a key names.
pub fn digest_item(key: &[u8]) -> Option<NotificationId> {
    key.last_chunk().map(|id| NotificationId::from_bytes(*id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_read_back_and_sort_by_time() {
        let at = |ms| Timestamp::from_millis(ms).unwrap();
        let (id, address) = (NotificationId::from_bytes([5; 16]), Address::from_bytes([6; 20]));
        for due in [Due::Mail(id), Due::Digest(address)] {
            let (key, value) = due.entry(at(77), "12".parse().unwrap());
            assert!(key < after(Arrival(77)) && key > after(Arrival(76)));
            assert_eq!(Due::read(key.clone(), &value).unwrap(), Entry { key, at: at(77), due });
        }
        assert_eq!(digest_item(&digest_key(address, at(9), id)), Some(id));
        assert!(Due::read(vec![1], &[0]).is_err() && Due::read(vec![0; 8], &[7, 7]).is_err());
    }
}
