//! Writing an amount: the shortest exact text, on the stack.

use std::fmt;

use super::SCALE;

/// The shortest decimal text of an amount: no trailing zeros, no point without decimals.
#[derive(Clone, Copy)]
pub struct DecimalText {
    // The digits stand at the end: a sign, 39 digits and a point are 41 characters.
    buffer: [u8; 41],
    start: usize,
}

impl DecimalText {
    /// The text of so many millionths.
    pub fn of(micros: i128) -> DecimalText {
        let mut text = DecimalText { buffer: [0; 41], start: 41 };
        let magnitude = micros.unsigned_abs();
        // Sixty-four-bit division is many times faster and covers nearly every amount.
        let (whole, fraction) = match u64::try_from(magnitude) {
            Ok(small) => (u128::from(small / 1_000_000), (small % 1_000_000) as u32),
            Err(_) => (magnitude / 1_000_000, (magnitude % 1_000_000) as u32),
        };
        if fraction != 0 {
            text.push_fraction(fraction);
        }
        match u64::try_from(whole) {
            Ok(mut small) => loop {
                text.push((small % 10) as u8 + b'0');
                small /= 10;
                if small == 0 {
                    break;
                }
            },
            Err(_) => whole.to_string().bytes().rev().for_each(|digit| text.push(digit)),
        }
        if micros < 0 {
            text.push(b'-');
        }
        text
    }

    fn push_fraction(&mut self, mut fraction: u32) {
        let mut width = SCALE;
        while fraction.is_multiple_of(10) {
            fraction /= 10;
            width -= 1;
        }
        for _ in 0..width {
            self.push((fraction % 10) as u8 + b'0');
            fraction /= 10;
        }
        self.push(b'.');
    }

    #[inline]
    fn push(&mut self, byte: u8) {
        self.start -= 1;
        self.buffer[self.start] = byte;
    }

    /// The characters.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// The characters as text; they are ASCII by construction.
    #[inline]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl fmt::Display for DecimalText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_text_is_written() {
        let table = [
            (0, "0"),
            (10_000_000, "10"),
            (456_536_230_000, "456536.23"),
            (1, "0.000001"),
            (-1_500_000, "-1.5"),
            (i128::MAX, "170141183460469231731687303715884.105727"),
            (i128::MIN, "-170141183460469231731687303715884.105728"),
        ];
        for (micros, text) in table {
            assert_eq!(DecimalText::of(micros).as_str(), text);
        }
    }
}
