//! Lines of a file, without a copy or an allocation a line.

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Bytes read at once: what is read is decoded while it is in the second-level cache.
const BUFFER: usize = 1 << 18;

/// Calls `each` with every line, in order and without its end.
pub fn for_each(path: &Path, mut each: impl FnMut(&[u8])) {
    for_each_block(path, |block| of(block).for_each(&mut each));
}

/// The lines of a block, without their ends.
pub fn of(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = block;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or_default();
        Some(line)
    })
}

/// Calls `each` with the file's bytes, block by block and each of whole lines.
pub fn for_each_block(path: &Path, mut each: impl FnMut(&[u8])) {
    let mut file = File::open(path).unwrap();
    let mut buffer = vec![0; BUFFER];
    let mut filled = 0;
    loop {
        if filled == buffer.len() {
            buffer.resize(2 * filled, 0);
        }
        let read = file.read(&mut buffer[filled..]).unwrap();
        filled += read;
        let whole = if read == 0 { filled } else { memchr::memrchr(b'\n', &buffer[..filled]).map_or(0, |end| end + 1) };
        if whole > 0 {
            each(&buffer[..whole]);
        }
        if read == 0 {
            return;
        }
        buffer.copy_within(whole..filled, 0);
        filled -= whole;
    }
}
