//! Hexadecimal text, read and written eight digits at a time without allocation.
//!
//! Every bet carries 72 digits, so this is the hottest code of the crate. Eight
//! characters are worked on in one 64-bit word, a byte lane each.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Four bytes of eight digits, any case; the flag's high bits mark what is no digit.
#[inline]
fn read_eight(digits: [u8; 8]) -> ([u8; 4], u64) {
    let word = u64::from_le_bytes(digits);
    // With the high bits masked no lane's sum carries into the next lane.
    let lanes = word & !HIGHS;
    let lower = lanes | (ONES * 0x20);
    let above_nine = lanes + ONES * (0x7f - 0x39);
    let below_zero = !(lanes + ONES * (0x80 - 0x30));
    let above_f = lower + ONES * (0x7f - 0x66);
    let below_a = !(lower + ONES * (0x80 - 0x61));
    let bad = (((above_nine | below_zero) & (above_f | below_a)) | word) & HIGHS;
    // Letters have bit 6 set; their low four bits count from 1 for `a`.
    let values = (lanes & (ONES * 0x0f)) + ((lanes >> 6) & ONES) * 9;
    let pairs = ((values << 4) | (values >> 8)) & 0x00ff_00ff_00ff_00ff;
    let halves = (pairs | (pairs >> 8)) & 0x0000_ffff_0000_ffff;
    (((halves | (halves >> 16)) as u32).to_le_bytes(), bad)
}

/// `0x` and exactly `2 × N` hex digits of any case; `N` is a multiple of four.
#[inline]
pub(crate) fn parse_prefixed<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let digits = text.strip_prefix(b"0x")?;
    if digits.len() != 2 * N {
        return None;
    }
    let mut out = [0u8; N];
    let mut bad = 0;
    for (bytes, eight) in out.as_chunks_mut::<4>().0.iter_mut().zip(digits.as_chunks::<8>().0) {
        let (read, flag) = read_eight(*eight);
        *bytes = read;
        bad |= flag;
    }
    (bad == 0).then_some(out)
}

/// The hyphenated form of a UUID, 36 characters of any case.
#[inline]
pub(crate) fn parse_uuid(text: &[u8]) -> Option<[u8; 16]> {
    let t: &[u8; 36] = text.try_into().ok()?;
    let hyphens = (t[8] ^ b'-') | (t[13] ^ b'-') | (t[18] ^ b'-') | (t[23] ^ b'-');
    // The groups have 8, 4, 4, 4 and 12 digits: four words of eight.
    let words = [
        [t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7]],
        [t[9], t[10], t[11], t[12], t[14], t[15], t[16], t[17]],
        [t[19], t[20], t[21], t[22], t[24], t[25], t[26], t[27]],
        [t[28], t[29], t[30], t[31], t[32], t[33], t[34], t[35]],
    ];
    let mut out = [0u8; 16];
    let mut bad = u64::from(hyphens);
    for (bytes, eight) in out.as_chunks_mut::<4>().0.iter_mut().zip(words) {
        let (read, flag) = read_eight(eight);
        *bytes = read;
        bad |= flag;
    }
    (bad == 0).then_some(out)
}

/// The two digits of a byte, in lower case.
#[inline]
fn digits(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 0x0f)]]
}

/// Text of fixed length in ASCII.
#[derive(Clone, Copy)]
pub(crate) struct Text<const N: usize>([u8; N]);

impl<const N: usize> Text<N> {
    /// The characters.
    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The characters as text; they are ASCII by construction.
    #[inline]
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// The hyphenated form in lower case.
#[inline]
pub(crate) fn uuid_text(bytes: &[u8; 16]) -> Text<36> {
    let mut text = [b'-'; 36];
    let mut at = 0;
    for (index, byte) in bytes.iter().enumerate() {
        // Hyphens stand before the bytes 4, 6, 8 and 10.
        at += usize::from(matches!(index, 4 | 6 | 8 | 10));
        text[at..at + 2].copy_from_slice(&digits(*byte));
        at += 2;
    }
    Text(text)
}

/// `0x` and the digits in lower case; `N` is `2 + 2 × bytes`.
#[inline]
pub(crate) fn prefixed_text<const N: usize>(bytes: &[u8]) -> Text<N> {
    let mut text = [b'0'; N];
    text[1] = b'x';
    for (pair, byte) in text[2..].as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *pair = digits(*byte);
    }
    Text(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_a_digit_or_not() {
        for byte in 0..=u8::MAX {
            for place in 0..8 {
                let mut text = *b"0x01234567";
                text[2 + place] = byte;
                let read = parse_prefixed::<4>(&text);
                assert_eq!(read.is_some(), byte.is_ascii_hexdigit(), "0x{byte:02x} at {place}");
                if let Some(read) = read {
                    let written = prefixed_text::<10>(&read);
                    assert_eq!(written.as_bytes(), text.to_ascii_lowercase());
                }
            }
        }
    }

    #[test]
    fn uuids_come_back_and_other_shapes_do_not() {
        let good = "0b7a4c52-9F1d-4e36-a1c8-5d2e7f8091ab";
        let bytes = parse_uuid(good.as_bytes()).unwrap();
        assert_eq!(uuid_text(&bytes).as_str(), good.to_lowercase());
        for place in 0..36 {
            let mut bad = good.as_bytes().to_vec();
            bad[place] = b'g';
            assert_eq!(parse_uuid(&bad), None, "g at {place}");
        }
        assert_eq!(parse_uuid(&good.as_bytes()[1..]), None);
        assert_eq!(parse_prefixed::<4>(b"0X01234567"), None);
        assert_eq!(parse_prefixed::<4>(b"0x0123456"), None);
    }
}
