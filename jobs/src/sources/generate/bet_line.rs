//! A bet as the JSON bytes that a producer sends, written by hand.
//!
//! Formatting is most of a generator's time; a serialiser would halve its
//! speed. A test holds these bytes against the codec of `schemas`. A line is
//! 240 to 260 bytes.

/// What differs from bet to bet, in the units of the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Draft {
    pub id: u128,
    pub question: u32,
    pub outcome: u8,
    pub bettor: u32,
    /// Hundredths of the collateral's unit.
    pub stake_cents: u64,
    /// Hundredths: 2.35 is 235.
    pub odds_cents: u64,
    /// Milliseconds since the epoch.
    pub placed_at: u64,
}

/// The chain of the product's questions: Polygon.
pub(super) const CHAIN_ID: u64 = 137;

/// Appends the bet's line. `question` is the 36 characters of the question's
/// id, `bettor` the 42 of the bettor's address.
pub(super) fn write_bet(draft: &Draft, question: &[u8], bettor: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"bet_uuid\":\"");
    write_uuid(draft.id, out);
    out.extend_from_slice(b"\",\"question_uuid\":\"");
    out.extend_from_slice(question);
    out.extend_from_slice(b"\",\"outcome_index\":");
    write_number(u64::from(draft.outcome), out);
    out.extend_from_slice(b",\"bettor\":\"");
    out.extend_from_slice(bettor);
    out.extend_from_slice(b"\",\"buy_amount\":\"");
    write_cents(draft.stake_cents, out);
    out.extend_from_slice(b"\",\"odds\":\"");
    write_cents(draft.odds_cents, out);
    out.extend_from_slice(b"\",\"chain_id\":");
    write_number(CHAIN_ID, out);
    out.extend_from_slice(b",\"placed_at\":");
    write_number(draft.placed_at, out);
    out.push(b'}');
}

/// Makes 128 hashed bits a UUID of version 8 (RFC 9562: the bits are the
/// application's own) and of the usual variant.
pub(super) fn uuid_bits(high: u64, low: u64) -> u128 {
    let bits = (u128::from(high) << 64) | u128::from(low);
    let version = (bits & !(0xF << 76)) | (0x8 << 76);
    (version & !(0x3 << 62)) | (0x2 << 62)
}

/// The hyphenated form, lower case.
pub(super) fn write_uuid(id: u128, out: &mut Vec<u8>) {
    let mut text = [b'-'; 36];
    let mut at = 0;
    for (index, byte) in id.to_be_bytes().into_iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            at += 1;
        }
        text[at] = HEX[usize::from(byte >> 4)];
        text[at + 1] = HEX[usize::from(byte & 0xF)];
        at += 2;
    }
    out.extend_from_slice(&text);
}

pub(super) const HEX: &[u8; 16] = b"0123456789abcdef";

/// A plain decimal integer.
pub(super) fn write_number(mut value: u64, out: &mut Vec<u8>) {
    // u64::MAX has twenty digits.
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        // A digit is below ten.
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Hundredths as the shortest decimal: 1250 → 12.5, 1200 → 12.
pub(super) fn write_cents(cents: u64, out: &mut Vec<u8>) {
    write_number(cents / 100, out);
    // Both digits are below ten.
    let (tenths, hundredths) = ((cents / 10 % 10) as u8, (cents % 10) as u8);
    if tenths != 0 || hundredths != 0 {
        out.extend_from_slice(&[b'.', b'0' + tenths]);
    }
    if hundredths != 0 {
        out.push(b'0' + hundredths);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_shortest() {
        for (cents, expected) in [(1_250, "12.5"), (1_200, "12"), (1_205, "12.05"), (7, "0.07"), (0, "0")] {
            let mut out = Vec::new();
            write_cents(cents, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }

    #[test]
    fn uuids_say_version_and_variant() {
        let mut out = Vec::new();
        write_uuid(uuid_bits(u64::MAX, u64::MAX), &mut out);
        assert_eq!(String::from_utf8_lossy(&out), "ffffffff-ffff-8fff-bfff-ffffffffffff");
    }
}
