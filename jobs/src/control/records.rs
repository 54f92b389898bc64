//! Records in bulk, as data frames carry them: appends one way, reads the other.
//!
//! Numbers are big-endian. An append is key (length 2), flags, explicit hash key (16 where flag 1),
//! arrival (8 where flag 2), data (length 4). A record is position (24), arrival (8), key, data.

use bytes::Bytes;
use pipeline::record::{Append, Position, Record};
use pipeline::{Arrival, Error, Result};

const HAS_HASH_KEY: u8 = 1;
const HAS_ARRIVAL: u8 = 2;

/// Encodes appends.
pub fn encode_appends(records: &[Append]) -> Vec<u8> {
    let mut out = Vec::with_capacity(records.iter().map(|r| r.data.len() + r.partition_key.len() + 32).sum());
    for record in records {
        put_key(&mut out, record.partition_key.as_bytes());
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        out.push(
            flag(record.explicit_hash_key.is_some(), HAS_HASH_KEY) | flag(record.arrived_at.is_some(), HAS_ARRIVAL),
        );
        if let Some(hash_key) = record.explicit_hash_key {
            out.extend_from_slice(&hash_key.to_be_bytes());
        }
        if let Some(at) = record.arrived_at {
            out.extend_from_slice(&at.0.to_be_bytes());
        }
        put_data(&mut out, &record.data);
    }
    out
}

/// Decodes appends.
pub fn decode_appends(bytes: Vec<u8>) -> Result<Vec<Append>> {
    let mut rest = Bytes::from(bytes);
    let mut records = Vec::new();
    while !rest.is_empty() {
        let key = take_key(&mut rest)?;
        let partition_key = String::from_utf8(key.to_vec()).map_err(|_| damaged())?;
        let [flags] = take::<1>(&mut rest)?;
        let explicit_hash_key =
            if flags & HAS_HASH_KEY == 0 { None } else { Some(u128::from_be_bytes(take(&mut rest)?)) };
        let arrived_at =
            if flags & HAS_ARRIVAL == 0 { None } else { Some(Arrival(i64::from_be_bytes(take(&mut rest)?))) };
        records.push(Append { partition_key, explicit_hash_key, arrived_at, data: take_data(&mut rest)? });
    }
    Ok(records)
}

/// Encodes records.
pub fn encode_records(records: &[Record]) -> Vec<u8> {
    let mut out = Vec::with_capacity(records.iter().map(|r| r.data.len() + r.partition_key.len() + 40).sum());
    for record in records {
        out.extend_from_slice(&record.position.to_be_bytes());
        out.extend_from_slice(&record.arrived_at.0.to_be_bytes());
        put_key(&mut out, &record.partition_key);
        put_data(&mut out, &record.data);
    }
    out
}

/// Decodes records.
pub fn decode_records(bytes: Vec<u8>) -> Result<Vec<Record>> {
    let mut rest = Bytes::from(bytes);
    let mut records = Vec::new();
    while !rest.is_empty() {
        let position = Position::from_be_bytes(take(&mut rest)?);
        let arrived_at = Arrival(i64::from_be_bytes(take(&mut rest)?));
        records.push(Record { position, arrived_at, partition_key: take_key(&mut rest)?, data: take_data(&mut rest)? });
    }
    Ok(records)
}

fn put_key(out: &mut Vec<u8>, key: &[u8]) {
    // A longer key is refused by the log's own limit of 256 bytes, also when it is cut here.
    let length = u16::try_from(key.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&key[..usize::from(length)]);
}

fn put_data(out: &mut Vec<u8>, data: &[u8]) {
    // Frames are far below 4 GiB, so the length always fits.
    out.extend_from_slice(&u32::try_from(data.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(data);
}

fn take_key(rest: &mut Bytes) -> Result<Bytes> {
    let length = u16::from_be_bytes(take(rest)?);
    split(rest, usize::from(length))
}

fn take_data(rest: &mut Bytes) -> Result<Bytes> {
    let length = u32::from_be_bytes(take(rest)?);
    split(rest, length as usize)
}

fn take<const N: usize>(rest: &mut Bytes) -> Result<[u8; N]> {
    split(rest, N)?.as_ref().try_into().map_err(|_| damaged())
}

fn split(rest: &mut Bytes, length: usize) -> Result<Bytes> {
    if length > rest.len() { Err(damaged()) } else { Ok(rest.split_to(length)) }
}

fn damaged() -> Error {
    Error::Reject("records on the control socket are damaged; use the same program on both sides".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appends_come_back() {
        let plain = Append::new("k", "data");
        let full = Append { explicit_hash_key: Some(u128::MAX), ..Append::new("", vec![0, 255]).arrived(Arrival(7)) };
        let bytes = encode_appends(&[plain.clone(), full.clone()]);
        let back = decode_appends(bytes.clone()).unwrap();
        assert_eq!(format!("{back:?}"), format!("{:?}", [plain, full]));
        let cut_at_records = (0..bytes.len()).filter(|cut| decode_appends(bytes[..*cut].to_vec()).is_ok()).count();
        assert_eq!(cut_at_records, 2, "only an empty frame and a whole first record read");
    }

    #[test]
    fn records_come_back() {
        let record = |n: u128| Record {
            position: Position::new(n),
            arrived_at: Arrival(1_657_550_847_332),
            partition_key: Bytes::from_static(b"key"),
            data: Bytes::from(vec![7; 300]),
        };
        let records = vec![record(1), record(u128::MAX)];
        assert_eq!(format!("{:?}", decode_records(encode_records(&records)).unwrap()), format!("{records:?}"));
    }
}
