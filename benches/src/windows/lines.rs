//! Lines of a file, without a copy or an allocation a line.

use std::fs::File;
use std::io::Read;
use std::path::Path;

const BUFFER: usize = 1 << 20;

/// Calls `each` with every line, in order and without its end.
pub fn for_each(path: &Path, mut each: impl FnMut(&[u8])) {
    let mut file = File::open(path).unwrap();
    let mut buffer = vec![0; BUFFER];
    let mut filled = 0;
    loop {
        if filled == buffer.len() {
            buffer.resize(2 * filled, 0);
        }
        let read = file.read(&mut buffer[filled..]).unwrap();
        filled += read;
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', &buffer[..filled]) {
            each(&buffer[start..end]);
            start = end + 1;
        }
        if read == 0 {
            if start < filled {
                each(&buffer[start..filled]);
            }
            return;
        }
        buffer.copy_within(start..filled, 0);
        filled -= start;
    }
}
