//! A source file as numbered lines of bounded length, plain or compressed.
//!
//! Compression is told by the first bytes and not by the name: Betfair's own
//! downloads are `.bz2`, recordings are `.gz`, and both are often renamed.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::Path;

use bzip2::read::MultiBzDecoder;
use flate2::read::MultiGzDecoder;
use serde::Deserialize;

use super::error::{FieldError, SourceError};

/// The longest line taken: 16 MiB. The largest images of real markets (a
/// hundred runners with full ladders) are near 1 MiB; the bound keeps a file
/// without newlines from filling the memory.
pub const MAX_LINE_BYTES: usize = 16 << 20;

/// 64 KiB: one read call for about a hundred messages.
const READ_BUFFER_BYTES: usize = 64 << 10;

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const BZIP2_MAGIC: &[u8] = b"BZh";

/// An opened source, with the name that its errors use.
pub struct Input {
    name: String,
    reader: Box<dyn BufRead + Send>,
    line: u64,
    buffer: Vec<u8>,
}

impl Input {
    /// Opens a file: plain, gzip or bzip2 by its first bytes.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(|source| SourceError::Open { file: name.clone(), source })?;
        Self::from_reader(name, file)
    }

    /// Takes any reader; `name` stands for the file in errors.
    pub fn from_reader(name: impl Into<String>, mut reader: impl Read + Send + 'static) -> Result<Self, SourceError> {
        let name = name.into();
        let mut head = Vec::with_capacity(BZIP2_MAGIC.len());
        reader
            .by_ref()
            .take(BZIP2_MAGIC.len() as u64)
            .read_to_end(&mut head)
            .map_err(|source| SourceError::Open { file: name.clone(), source })?;
        let gzip = head.starts_with(GZIP_MAGIC);
        let bzip2 = head.starts_with(BZIP2_MAGIC);
        let whole = Cursor::new(head).chain(reader);
        let reader: Box<dyn BufRead + Send> = if gzip {
            buffered(MultiGzDecoder::new(BufReader::with_capacity(READ_BUFFER_BYTES, whole)))
        } else if bzip2 {
            buffered(MultiBzDecoder::new(BufReader::with_capacity(READ_BUFFER_BYTES, whole)))
        } else {
            buffered(whole)
        };
        Ok(Self { name, reader, line: 0, buffer: Vec::new() })
    }

    /// Reads the next line that is not blank and decodes it; `None` at the
    /// end of the file.
    pub(super) fn next_json<'a, T: Deserialize<'a>>(&'a mut self) -> Result<Option<Document<'a, T>>, SourceError> {
        let Some(whole) = self.fill_line()? else { return Ok(None) };
        match serde_json::from_slice(&self.buffer) {
            Ok(value) => Ok(Some(Document { file: &self.name, line: self.line, value })),
            Err(error) if !whole && error.is_eof() => {
                Err(SourceError::Truncated { file: self.name.clone(), line: self.line })
            }
            Err(error) => Err(SourceError::Malformed {
                file: self.name.clone(),
                line: self.line,
                column: error.column(),
                detail: without_position(&error.to_string()),
            }),
        }
    }

    /// Fills the buffer with the next line that is not blank. Says whether it
    /// ended in a newline; `None` at the end of the file.
    fn fill_line(&mut self) -> Result<Option<bool>, SourceError> {
        loop {
            self.buffer.clear();
            self.line = self.line.saturating_add(1);
            let read = Read::take(&mut self.reader, MAX_LINE_BYTES as u64 + 1).read_until(b'\n', &mut self.buffer);
            read.map_err(|source| SourceError::Read { file: self.name.clone(), line: self.line, source })?;
            if self.buffer.is_empty() {
                return Ok(None);
            }
            let whole = self.buffer.ends_with(b"\n");
            if self.buffer.len() > MAX_LINE_BYTES {
                let (file, line) = (self.name.clone(), self.line);
                return Err(SourceError::TooLong { file, line, limit: MAX_LINE_BYTES });
            }
            if !self.buffer.trim_ascii().is_empty() {
                return Ok(Some(whole));
            }
        }
    }
}

/// One decoded line and where it stands.
pub(super) struct Document<'a, T> {
    file: &'a str,
    line: u64,
    pub value: T,
}

impl<T> Document<'_, T> {
    /// Puts the file and the line to a field's problem.
    pub fn locate(&self, error: FieldError) -> SourceError {
        SourceError::Field { file: self.file.to_owned(), line: self.line, field: error.field, detail: error.detail }
    }
}

fn buffered(reader: impl Read + Send + 'static) -> Box<dyn BufRead + Send> {
    Box::new(BufReader::with_capacity(READ_BUFFER_BYTES, reader))
}

/// serde_json counts lines within the document, which here is always line 1:
/// its suffix would contradict the file's line number.
fn without_position(text: &str) -> String {
    text.split(" at line ").next().unwrap_or(text).to_owned()
}
