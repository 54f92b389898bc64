//! A run: the small rows of one commit, sorted, in one stored value.
//!
//! Layout: version, then for each space its name (length, bytes) and its rows by ascending key,
//! each `key length + 1, key, value length + 1, value`; a value length of 0 stands for a removed
//! row, a key length of 0 ends the space. Lengths are varints.

use std::ops::Range;

use bytes::Bytes;

use super::block::{put_varint, varint};
use crate::error::{Error, Result};

const VERSION: u8 = 1;

/// Where a row's bytes are in its run.
#[derive(Debug, Clone, Copy)]
struct Place {
    key: u32,
    key_len: u32,
    value: u32,
    /// [`REMOVED`] where the row was removed.
    value_len: u32,
}

const REMOVED: u32 = u32::MAX;

/// The rows of one space in a run.
#[derive(Debug)]
struct Section {
    space: String,
    rows: Vec<Place>,
}

/// A commit's rows, with their bytes shared with the store.
#[derive(Debug)]
pub struct Run {
    bytes: Bytes,
    sections: Vec<Section>,
}

impl Run {
    /// Reads a stored run.
    pub fn parse(bytes: Bytes) -> Result<Run> {
        let mut rest: &[u8] = &bytes;
        let version = byte(&mut rest)?;
        if version != VERSION {
            return Err(Error::corrupt(format!("a run of version {version}")));
        }
        let mut sections = Vec::new();
        while !rest.is_empty() {
            let len = length(&mut rest)?;
            let name = range(&bytes, &mut rest, len)?;
            let space = String::from_utf8(bytes[name].to_vec()).map_err(|_| Error::corrupt("a run's space"))?;
            let mut rows = Vec::new();
            while let Some(key_len) = length(&mut rest)?.checked_sub(1) {
                let key = range(&bytes, &mut rest, key_len)?;
                let value = match length(&mut rest)?.checked_sub(1) {
                    Some(len) => Some(range(&bytes, &mut rest, len)?),
                    None => None,
                };
                rows.push(place(key, value));
            }
            sections.push(Section { space, rows });
        }
        Ok(Run { bytes, sections })
    }

    /// The stored value.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The spaces that have rows here, each with how many.
    pub fn spaces(&self) -> impl Iterator<Item = (&str, usize)> {
        self.sections.iter().map(|section| (section.space.as_str(), section.rows.len()))
    }

    /// The number of a space's section.
    pub fn section(&self, space: &str) -> Option<usize> {
        self.sections.iter().position(|section| section.space == space)
    }

    /// How many rows a section has.
    pub fn len(&self, section: usize) -> usize {
        self.sections[section].rows.len()
    }

    /// A row's key.
    pub fn key(&self, section: usize, row: usize) -> &[u8] {
        let place = self.sections[section].rows[row];
        &self.bytes[place.key as usize..(place.key + place.key_len) as usize]
    }

    /// A row's key and value, sharing the run's bytes; no value where the row was removed.
    pub fn row(&self, section: usize, row: usize) -> (Bytes, Option<Bytes>) {
        let place = self.sections[section].rows[row];
        (self.bytes.slice(span(place.key, place.key_len)), self.value_at(place))
    }

    /// A row's value; nothing where the row was removed.
    pub fn value(&self, section: usize, row: usize) -> Option<Bytes> {
        self.value_at(self.sections[section].rows[row])
    }

    fn value_at(&self, place: Place) -> Option<Bytes> {
        (place.value_len != REMOVED).then(|| self.bytes.slice(span(place.value, place.value_len)))
    }

    /// The first row of a section whose key is not before `key`.
    pub fn lower_bound(&self, section: usize, key: &[u8]) -> usize {
        let rows = &self.sections[section].rows;
        rows.partition_point(|p| &self.bytes[p.key as usize..(p.key + p.key_len) as usize] < key)
    }
}

/// A run under construction.
pub struct RunWriter {
    bytes: Vec<u8>,
    sections: Vec<Section>,
}

impl RunWriter {
    /// A writer of a run of about this many bytes.
    pub fn with_capacity(bytes: usize) -> RunWriter {
        let mut out = Vec::with_capacity(bytes);
        out.push(VERSION);
        RunWriter { bytes: out, sections: Vec::new() }
    }

    /// Begins a space; each is begun once.
    pub fn begin(&mut self, space: &str, rows: usize) {
        self.end();
        put_varint(&mut self.bytes, space.len() as u64);
        self.bytes.extend_from_slice(space.as_bytes());
        self.sections.push(Section { space: space.to_owned(), rows: Vec::with_capacity(rows) });
    }

    /// Adds a row to the space begun last; keys must ascend.
    pub fn push(&mut self, key: &[u8], value: Option<&[u8]>) {
        put_varint(&mut self.bytes, key.len() as u64 + 1);
        let key_at = self.bytes.len();
        self.bytes.extend_from_slice(key);
        put_varint(&mut self.bytes, value.map_or(0, |value| value.len() as u64 + 1));
        let value_at = self.bytes.len();
        self.bytes.extend_from_slice(value.unwrap_or_default());
        let place = place(key_at..key_at + key.len(), value.map(|value| value_at..value_at + value.len()));
        if let Some(section) = self.sections.last_mut() {
            section.rows.push(place);
        }
    }

    fn end(&mut self) {
        if !self.sections.is_empty() {
            put_varint(&mut self.bytes, 0);
        }
    }

    /// The run, or nothing if no space was begun.
    ///
    /// # Errors
    /// A run of 4 GiB or more (batches are bounded far below), or a space begun twice.
    pub fn finish(mut self) -> Result<Option<Run>> {
        if self.sections.is_empty() {
            return Ok(None);
        }
        self.end();
        if u32::try_from(self.bytes.len()).is_err() {
            return Err(Error::Fatal("a commit of over 4 GiB of rows; lower the batch limits".into()));
        }
        for (number, Section { space, .. }) in self.sections.iter().enumerate() {
            if self.sections[..number].iter().any(|earlier| earlier.space == *space) {
                return Err(Error::Fatal(format!("a commit writes {space} in two parts; give them as one")));
            }
        }
        Ok(Some(Run { bytes: Bytes::from(self.bytes), sections: self.sections }))
    }
}

fn place(key: Range<usize>, value: Option<Range<usize>>) -> Place {
    let (value, value_len) = value.map_or((0, REMOVED), |value| (value.start as u32, value.len() as u32));
    Place { key: key.start as u32, key_len: key.len() as u32, value, value_len }
}

fn span(start: u32, len: u32) -> Range<usize> {
    start as usize..start as usize + len as usize
}

fn byte(rest: &mut &[u8]) -> Result<u8> {
    let (byte, after) = rest.split_first().ok_or_else(|| Error::corrupt("a run without a version"))?;
    *rest = after;
    Ok(*byte)
}

fn length(rest: &mut &[u8]) -> Result<usize> {
    usize::try_from(varint(rest)?).map_err(|_| Error::corrupt("a run's length"))
}

/// Takes `len` bytes and says where in `bytes` they are.
fn range(bytes: &Bytes, rest: &mut &[u8], len: usize) -> Result<Range<usize>> {
    let start = bytes.len() - rest.len();
    let (_, after) = rest.split_at_checked(len).ok_or_else(|| Error::corrupt("a run ends early"))?;
    *rest = after;
    Ok(start..start + len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_comes_back_and_is_searched() {
        let mut writer = RunWriter::with_capacity(64);
        writer.begin("users", 2);
        writer.push(b"a", Some(b"1"));
        writer.push(b"c", None);
        writer.begin("claims.bets", 1);
        writer.push(&[7; 16], Some(b""));
        let written = writer.finish().unwrap().unwrap();
        let read = Run::parse(written.bytes().clone()).unwrap();
        for run in [&written, &read] {
            assert_eq!(run.spaces().collect::<Vec<_>>(), [("users", 2), ("claims.bets", 1)]);
            let users = run.section("users").unwrap();
            assert_eq!(run.row(users, 0), (Bytes::from("a"), Some(Bytes::from("1"))));
            assert_eq!(run.row(users, 1), (Bytes::from("c"), None));
            assert_eq!([&b"a"[..], b"b", b"c", b"d"].map(|key| run.lower_bound(users, key)), [0, 1, 1, 2]);
            assert_eq!(run.value(1, 0), Some(Bytes::new()));
        }
        assert!(RunWriter::with_capacity(64).finish().unwrap().is_none());
    }

    #[test]
    fn a_space_in_two_parts_is_an_error() {
        let mut writer = RunWriter::with_capacity(64);
        for space in ["users", "claims.bets", "users"] {
            writer.begin(space, 1);
            writer.push(b"key", Some(b"value"));
        }
        assert!(writer.finish().unwrap_err().to_string().contains("users"));
    }

    #[test]
    fn torn_bytes_are_errors() {
        let mut writer = RunWriter::with_capacity(64);
        writer.begin("users", 1);
        writer.push(b"key", Some(b"value"));
        let whole = writer.finish().unwrap().unwrap().bytes().clone();
        for cut in [0, 3, 8, 12, whole.len() - 1] {
            assert!(Run::parse(whole.slice(..cut)).is_err(), "{cut}");
        }
    }
}
