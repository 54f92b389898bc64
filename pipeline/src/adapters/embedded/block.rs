//! Many records in one stored value.
//!
//! A block is `header ‖ lz4(body)`. The body is written before the log's lock is taken; the
//! header, which the lock's holder fills, has what only it knows: the first position and the
//! stamp. Header, all little-endian varints: version, records, first position, stamp (ms), high
//! (the shard's running maximum of arrivals, this block included), body length unpacked. Body,
//! for each record: `arrival + 1` or 0 for the stamp, key length, key, data length, data.

use bytes::{BufMut, Bytes};

use crate::clock::Arrival;
use crate::error::{Error, Result};
use crate::record::{Append, Position, Record};

const VERSION: u64 = 1;
/// Records of a block, at most: bounds what one read must unpack.
pub const MAX_RECORDS: usize = 4096;
/// Body bytes after which a block is full. One more record of 1 MiB may follow the last one, so
/// a body stays under 2 MiB.
pub const MAX_BODY_BYTES: usize = 1 << 20;

/// A body under construction.
#[derive(Default)]
pub struct BodyWriter {
    body: Vec<u8>,
    count: usize,
    /// The latest arrival that an envelope carried.
    latest: Option<Arrival>,
    /// Whether a record leaves its arrival to the log.
    unstamped: bool,
}

/// A packed body, which waits for its header.
pub struct Body {
    packed: Vec<u8>,
    unpacked_len: usize,
    /// How many records it has.
    pub count: usize,
    latest: Option<Arrival>,
    unstamped: bool,
}

impl BodyWriter {
    /// Adds a record.
    pub fn push(&mut self, record: &Append) {
        put_varint(&mut self.body, record.arrived_at.map_or(0, |at| unsigned(at.0) + 1));
        put_varint(&mut self.body, record.partition_key.len() as u64);
        self.body.put_slice(record.partition_key.as_bytes());
        put_varint(&mut self.body, record.data.len() as u64);
        self.body.put_slice(&record.data);
        self.count += 1;
        self.latest = self.latest.max(record.arrived_at);
        self.unstamped |= record.arrived_at.is_none();
    }

    /// How many records it has.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether the block should be closed before another record.
    pub fn is_full(&self) -> bool {
        self.count >= MAX_RECORDS || self.body.len() >= MAX_BODY_BYTES
    }

    /// Packs the body, or nothing if no record was added.
    pub fn finish(self) -> Option<Body> {
        (self.count > 0).then(|| Body {
            packed: lz4_flex::block::compress(&self.body),
            unpacked_len: self.body.len(),
            count: self.count,
            latest: self.latest,
            unstamped: self.unstamped,
        })
    }
}

impl Body {
    /// The latest arrival in the block if it is stamped with `stamp`.
    pub fn high(&self, stamp: Arrival) -> Arrival {
        let envelope = self.latest.unwrap_or(Arrival::MIN);
        if self.unstamped { envelope.max(stamp) } else { envelope }
    }

    /// The stored value.
    pub fn seal(self, first: u64, stamp: Arrival, high: Arrival) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.packed.len() + 40);
        for number in [VERSION, self.count as u64, first, unsigned(stamp.0), unsigned(high.0), self.unpacked_len as u64]
        {
            put_varint(&mut out, number);
        }
        out.extend_from_slice(&self.packed);
        out
    }
}

/// What a block's header says.
#[derive(Debug, Clone, Copy)]
pub struct Header {
    /// Records in it.
    pub count: u64,
    /// The first record's position.
    pub first: u64,
    stamp: Arrival,
    /// The shard's running maximum of arrivals, this block included.
    pub high: Arrival,
    unpacked_len: usize,
}

/// Reads the header and says where the body starts.
pub fn header(value: &[u8]) -> Result<(Header, usize)> {
    let mut rest = value;
    let mut numbers = [0; 6];
    for number in &mut numbers {
        *number = varint(&mut rest)?;
    }
    let [version, count, first, stamp, high, unpacked] = numbers;
    let unpacked_len = usize::try_from(unpacked).unwrap_or(usize::MAX);
    if version != VERSION || unpacked_len > 4 * MAX_BODY_BYTES {
        return Err(Error::corrupt(format!("log block version {version}, {unpacked} bytes")));
    }
    let header = Header { count, first, stamp: arrival(stamp), high: arrival(high), unpacked_len };
    Ok((header, value.len() - rest.len()))
}

/// Unpacks the records after position `after` onto `out`; returns their bytes.
pub fn read_after(value: &[u8], after: u64, out: &mut Vec<Record>) -> Result<usize> {
    let (header, start) = header(value)?;
    let body = lz4_flex::block::decompress(&value[start..], header.unpacked_len)
        .map_err(|e| Error::corrupt(format!("log block at {}: {e}", header.first)))?;
    let body = Bytes::from(body);
    let mut rest: &[u8] = &body;
    let mut bytes = 0;
    for position in header.first..header.first + header.count {
        let own = varint(&mut rest)?;
        let partition_key = slice(&body, &mut rest)?;
        let data = slice(&body, &mut rest)?;
        if position > after {
            bytes += data.len();
            let arrived_at = if own == 0 { header.stamp } else { arrival(own - 1) };
            out.push(Record { position: Position::new(u128::from(position)), arrived_at, partition_key, data });
        }
    }
    Ok(bytes)
}

fn slice(body: &Bytes, rest: &mut &[u8]) -> Result<Bytes> {
    let len = usize::try_from(varint(rest)?).unwrap_or(usize::MAX);
    let (taken, after) = rest.split_at_checked(len).ok_or_else(|| Error::corrupt("a log block ends early"))?;
    *rest = after;
    Ok(body.slice_ref(taken))
}

fn arrival(number: u64) -> Arrival {
    Arrival(i64::try_from(number).unwrap_or(i64::MAX))
}

fn unsigned(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or(0)
}

/// Writes a number in seven-bit groups, least significant first.
pub fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Reads what [`put_varint`] wrote and moves past it.
pub fn varint(rest: &mut &[u8]) -> Result<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first().ok_or_else(|| Error::corrupt("a number ends early"))?;
        *rest = after;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(Error::corrupt("a number has more than 64 bits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_with_positions_and_arrivals() {
        let mut writer = BodyWriter::default();
        writer.push(&Append::new("a", &b"one"[..]));
        writer.push(&Append::new("b", &b""[..]).arrived(Arrival(0)));
        writer.push(&Append::new("c", &b"three"[..]).arrived(Arrival(900)));
        let body = writer.finish().unwrap();
        assert_eq!(body.high(Arrival(500)), Arrival(900));
        let value = body.seal(41, Arrival(500), Arrival(900));
        let mut records = Vec::new();
        assert_eq!(read_after(&value, 41, &mut records).unwrap(), 5);
        let seen: Vec<_> =
            records.iter().map(|r| (r.position.as_u64().unwrap(), r.arrived_at.0, &r.data[..])).collect();
        assert_eq!(seen, [(42, 0, &b""[..]), (43, 900, &b"three"[..])]);
        for cut in 0..value.len() {
            assert!(read_after(&value[..cut], 0, &mut Vec::new()).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn numbers_round_trip() {
        for number in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            put_varint(&mut out, number);
            assert_eq!(varint(&mut &out[..]).unwrap(), number);
        }
    }
}
