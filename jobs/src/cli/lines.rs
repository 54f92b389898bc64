//! Input as numbered lines of bounded length.

use std::io::{BufRead, Read};

/// The longest line kept, in bytes: far above the limit of a record, so that a log refuses it by
/// its own rule. Of a longer one only the length is known.
pub const MAX_LINE_BYTES: usize = 4 << 20;

/// A line without its end.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// Its bytes.
    Whole(Vec<u8>),
    /// It is longer than [`MAX_LINE_BYTES`].
    TooLong,
}

/// The lines of a reader. Blank ones are counted and passed over.
pub struct Lines<R> {
    reader: R,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    /// Begins with line 1.
    pub fn new(reader: R) -> Lines<R> {
        Lines { reader, number: 0 }
    }

    /// The next line that is not blank, with its number.
    pub fn next(&mut self) -> std::io::Result<Option<(u64, Line)>> {
        loop {
            let mut line = Vec::new();
            let read = Read::take(&mut self.reader, MAX_LINE_BYTES as u64 + 1).read_until(b'\n', &mut line)?;
            if read == 0 {
                return Ok(None);
            }
            self.number += 1;
            if read > MAX_LINE_BYTES && line.last() != Some(&b'\n') {
                self.skip_rest()?;
                return Ok(Some((self.number, Line::TooLong)));
            }
            while line.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
                line.pop();
            }
            if !line.trim_ascii().is_empty() {
                return Ok(Some((self.number, Line::Whole(line))));
            }
        }
    }

    fn skip_rest(&mut self) -> std::io::Result<()> {
        loop {
            let (seen, ended) = {
                let buffer = self.reader.fill_buf()?;
                match buffer.iter().position(|byte| *byte == b'\n') {
                    Some(at) => (at + 1, true),
                    None => (buffer.len(), buffer.is_empty()),
                }
            };
            self.reader.consume(seen);
            if ended {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_and_bounded() {
        let long = "x".repeat(MAX_LINE_BYTES + 1);
        let text = format!("a\n\n b \r\n{long}\nc");
        let mut lines = Lines::new(text.as_bytes());
        let whole = |number, text: &str| Some((number, Line::Whole(text.as_bytes().to_vec())));
        assert_eq!(lines.next().unwrap(), whole(1, "a"));
        assert_eq!(lines.next().unwrap(), whole(3, " b "));
        assert_eq!(lines.next().unwrap(), Some((4, Line::TooLong)));
        assert_eq!(lines.next().unwrap(), whole(5, "c"));
        assert_eq!(lines.next().unwrap(), None);
    }
}
