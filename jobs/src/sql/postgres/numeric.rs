//! Exact decimals in PostgreSQL's binary form: digits to the base of ten thousand.

use bytes::{Buf, BufMut, BytesMut};

/// Decimal digits of one digit of the form.
const GROUP: usize = 4;
const NEGATIVE: u16 = 0x4000;
/// More decimal places than any column has are a broken value.
const MAX_GROUPS: u16 = 100;

/// Writes a decimal that is given as text: digits, perhaps a sign and a point.
pub fn write(text: &str, out: &mut BytesMut) {
    let (sign, digits) = text.strip_prefix('-').map_or((0, text), |rest| (NEGATIVE, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let padding = (GROUP - whole.len() % GROUP) % GROUP;
    let mut padded = "0".repeat(padding) + whole + fraction;
    padded.push_str(&"0".repeat((GROUP - fraction.len() % GROUP) % GROUP));
    let mut groups: Vec<u16> = padded.as_bytes().chunks(GROUP).map(value).collect();
    let mut weight = ((padding + whole.len()) / GROUP) as i16 - 1;
    let zeros = groups.iter().take_while(|group| **group == 0).count();
    groups.drain(..zeros);
    weight -= zeros as i16;
    while groups.last() == Some(&0) {
        groups.pop();
    }
    if groups.is_empty() {
        weight = 0;
    }
    out.put_u16(groups.len() as u16);
    out.put_i16(weight);
    out.put_u16(if groups.is_empty() { 0 } else { sign });
    out.put_u16(fraction.len() as u16);
    groups.into_iter().for_each(|group| out.put_u16(group));
}

fn value(digits: &[u8]) -> u16 {
    digits.iter().fold(0, |value, digit| value * 10 + u16::from(digit.wrapping_sub(b'0')))
}

/// Reads a decimal as text; nothing for what is none, or no finite one.
pub fn read(mut bytes: &[u8]) -> Option<String> {
    let count = bytes.try_get_u16().ok().filter(|count| *count <= MAX_GROUPS)?;
    let weight = bytes.try_get_i16().ok().filter(|weight| weight.unsigned_abs() <= MAX_GROUPS)?;
    let sign = bytes.try_get_u16().ok().filter(|sign| [0, NEGATIVE].contains(sign))?;
    let places = usize::from(bytes.try_get_u16().ok().filter(|places| *places <= MAX_GROUPS * 4)?);
    let groups: Vec<u16> = (0..count).map(|_| bytes.try_get_u16().ok()).collect::<Option<_>>()?;
    let group = |place: i16| usize::try_from(place).ok().and_then(|place| groups.get(place)).copied().unwrap_or(0);
    let whole: String = (0..=weight).map(|place| format!("{:04}", group(place))).collect();
    let fraction_groups = places.div_ceil(GROUP) as i16;
    let mut fraction: String = (1..=fraction_groups).map(|place| format!("{:04}", group(weight + place))).collect();
    fraction.truncate(places);
    let whole = whole.trim_start_matches('0');
    let minus = if sign == NEGATIVE { "-" } else { "" };
    let point = if places > 0 { "." } else { "" };
    Some(format!("{minus}{}{point}{fraction}", if whole.is_empty() { "0" } else { whole }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(groups: &[u16]) -> Vec<u8> {
        groups.iter().flat_map(|group| group.to_be_bytes()).collect()
    }

    #[test]
    fn decimals_are_written_as_postgres_does_and_read_back() {
        // What PostgreSQL 15 sends for these: count, weight, sign, scale, digits.
        for (text, expected) in [
            ("0", &[0, 0, 0, 0][..]),
            ("0.000000", &[0, 0, 0, 6]),
            ("1", &[1, 0, 0, 0, 1]),
            ("10000", &[1, 1, 0, 0, 1]),
            ("-12345.6789", &[3, 1, 0x4000, 4, 1, 2345, 6789]),
            ("0.000001", &[1, 0xfffe, 0, 6, 100]),
            ("0.5", &[1, 0xffff, 0, 1, 5000]),
            (
                "99999999999999999999999999999999.123456",
                &[10, 7, 0, 6, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 9999, 1234, 5600],
            ),
        ] {
            let mut out = BytesMut::new();
            write(text, &mut out);
            assert_eq!(out.to_vec(), bytes(expected), "{text}");
            assert_eq!(read(&out).as_deref(), Some(text));
        }
        for bad in [&[][..], &[1, 0, 0, 0], &[0, 0, 0xc000, 0], &[0xffff, 0, 0, 0]] {
            assert_eq!(read(&bytes(bad)), None);
        }
    }
}
