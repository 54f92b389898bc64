//! Exact decimal text with six decimals, shared by every amount of the product.
//!
//! An amount is an integer of millionths. Text is read digit by digit, so what a
//! producer wrote is what is stored: no float comes between. A text that cannot be
//! held exactly is an error, never a rounded value.

mod forms;
mod text;

pub(crate) use forms::{amount_forms, deserialize, json_schema, serialize};
pub use text::DecimalText;

/// Decimals that every amount keeps.
pub const SCALE: u32 = 6;

/// Millionths in one whole unit.
pub const ONE: i128 = 1_000_000;

/// Bytes a decimal text may have; the longest exact value needs 29.
pub const MAX_TEXT_BYTES: usize = 128;

/// Why a text is not an amount. Each message quotes the value, shortened if long.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Nothing was written.
    #[error("an empty text is not a number; write a decimal such as \"12.5\"")]
    Empty,
    /// `NaN` and the infinities are floats' way to say that there is no number.
    #[error("{0} is not a finite number; write a decimal such as \"12.5\"")]
    NotFinite(String),
    /// Anything else that is not a decimal number: words, hexadecimal, two points.
    #[error("{0} is not a decimal number; write digits such as \"12.5\" or \"1e3\"")]
    NotDecimal(String),
    /// A seventh decimal would be lost.
    #[error("{0} has more than 6 decimals; amounts are exact to 0.000001")]
    TooPrecise(String),
    /// The number is outside what its type holds.
    #[error("{value} is out of range; it must be {range}")]
    OutOfRange {
        /// The value as written.
        value: String,
        /// The range in words, such as `between 0 and 1`.
        range: &'static str,
    },
    /// CBOR has a float type, and a float has already lost the decimal text.
    #[error("{0} is a binary float, which is not exact; send the amount as text such as \"12.5\"")]
    Float(String),
    /// Neither a text nor a number.
    #[error("{0} is not an amount; send a decimal text such as \"12.5\" or a number")]
    WrongType(String),
}

/// A type that is an integer of millionths inside bounds of its own.
pub(crate) trait Micros: Sized + Copy {
    /// The bounds in words, for error texts: "it must be …".
    const RANGE: &'static str;

    /// None when outside the bounds.
    fn from_wide(micros: i128) -> Option<Self>;

    /// The value in millionths.
    fn wide(self) -> i128;
}

/// Reads a decimal text (`12.5`, `-3`, `1e3`, `2.5E-1`) as exact millionths.
pub fn parse_micros(text: &str) -> Result<i128, AmountError> {
    if let Some(micros) = parse_plain(text.as_bytes()) {
        return Ok(i128::from(micros));
    }
    parse_any(text)
}

/// The common shape, up to twelve digits, a point and six more: `None` leaves the
/// verdict to [`parse_any`].
#[inline]
fn parse_plain(text: &[u8]) -> Option<u64> {
    let (micros, length) = plain_prefix(text)?;
    (length == text.len()).then_some(micros)
}

/// Millionths of the plain decimal at the start of `text`, and its length in bytes.
#[inline]
pub(crate) fn plain_prefix(text: &[u8]) -> Option<(u64, usize)> {
    let (mut value, whole) = digits(text, 0);
    let mut length = whole;
    let mut decimals = 0;
    if text.get(whole) == Some(&b'.') {
        (value, decimals) = digits(&text[whole + 1..], value);
        length += 1 + decimals;
    }
    let pointless = length == whole;
    // Twelve digits before the point and six after it are 18, below 2^64.
    let plain = (1..=12).contains(&whole) && (pointless || (1..=6).contains(&decimals));
    const SHIFTS: [u64; 7] = [1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];
    plain.then(|| (value * SHIFTS[decimals], length))
}

/// Appends the leading digits of `text` to `value`; with more than 19 the value is void.
#[inline]
pub(crate) fn digits(text: &[u8], mut value: u64) -> (u64, usize) {
    let mut length = 0;
    while let Some(digit) = text.get(length).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10) {
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        length += 1;
    }
    (value, length)
}

fn parse_any(text: &str) -> Result<i128, AmountError> {
    if text.is_empty() {
        return Err(AmountError::Empty);
    }
    let not_decimal = || AmountError::NotDecimal(quote(text));
    if text.len() > MAX_TEXT_BYTES {
        return Err(not_decimal());
    }
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    if ["nan", "inf", "infinity"].iter().any(|word| unsigned.eq_ignore_ascii_case(word)) {
        return Err(AmountError::NotFinite(quote(text)));
    }
    let (number, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], parse_exponent(&unsigned[at + 1..]).ok_or_else(not_decimal)?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = match number.split_once('.') {
        Some((_, "")) => return Err(not_decimal()),
        Some(parts) => parts,
        None => (number, ""),
    };
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
        return Err(not_decimal());
    }
    let magnitude = scale_to_micros(text, whole, fraction, exponent)?;
    Ok(if negative { -magnitude } else { magnitude })
}

/// `whole.fraction × 10^exponent` in millionths. Trailing zeros of the mantissa are
/// moved into the exponent first, so `1.0000000` is exact and `1.0000001` is not.
fn scale_to_micros(text: &str, whole: &str, fraction: &str, exponent: i64) -> Result<i128, AmountError> {
    let out_of_range = || AmountError::OutOfRange { value: quote(text), range: "less than 10^32 in magnitude" };
    let mut mantissa: i128 = 0;
    let mut zeros: u32 = 0;
    for digit in whole.bytes().chain(fraction.bytes()).map(|byte| i128::from(byte - b'0')) {
        if digit == 0 {
            zeros += 1;
            continue;
        }
        let grown = 10i128
            .checked_pow(zeros + 1)
            .and_then(|factor| mantissa.checked_mul(factor))
            .or((mantissa == 0).then_some(0))
            .and_then(|grown| grown.checked_add(digit));
        // More than 38 digits that count: too large, or too fine, by where the point is.
        mantissa = grown.ok_or_else(|| match whole.len() as i64 + exponent > 32 {
            true => out_of_range(),
            false => AmountError::TooPrecise(quote(text)),
        })?;
        zeros = 0;
    }
    if mantissa == 0 {
        return Ok(0);
    }
    let power = exponent - fraction.len() as i64 + i64::from(zeros) + i64::from(SCALE);
    if power < 0 {
        return Err(AmountError::TooPrecise(quote(text)));
    }
    u32::try_from(power)
        .ok()
        .and_then(|power| 10i128.checked_pow(power))
        .and_then(|factor| mantissa.checked_mul(factor))
        .ok_or_else(out_of_range)
}

/// At most five digits: the text's length bounds the mantissa, so a larger exponent
/// could only ever be out of range.
fn parse_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || digits.len() > 5 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.strip_prefix('+').unwrap_or(text).parse().ok()
}

/// Reads `text` into an amount type, checking its bounds.
pub(crate) fn parse<T: Micros>(text: &str) -> Result<T, AmountError> {
    T::from_wide(parse_micros(text)?).ok_or_else(|| AmountError::OutOfRange { value: quote(text), range: T::RANGE })
}

/// The value in quotation marks, cut after 40 characters, for error texts.
pub(crate) fn quote(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_reads_as_millionths_or_says_why_not() {
        fn check(text: &str, expected: Result<i128, AmountError>) {
            assert_eq!(parse_micros(text), expected, "{text}");
        }
        let quoted = |text: &str| format!("{text:?}");
        let range = "less than 10^32 in magnitude";
        let too_large = |text: &str| AmountError::OutOfRange { value: quote(text), range };
        check("0", Ok(0));
        check("-0.0", Ok(0));
        check("0e99999", Ok(0));
        check("12.5", Ok(12_500_000));
        check("-12.5", Ok(-12_500_000));
        check("1e3", Ok(1_000_000_000));
        check("2.5E-1", Ok(250_000));
        check("2.5e+1", Ok(25_000_000));
        check("0.0000010", Ok(1));
        check("1000000e-12", Ok(1));
        check("99999999999999999999999999999999", Ok((10i128.pow(32) - 1) * ONE));
        check("1e32", Ok(10i128.pow(38)));
        check("1e33", Err(too_large("1e33")));
        check("1e-7", Err(AmountError::TooPrecise(quoted("1e-7"))));
        check("0.0000001", Err(AmountError::TooPrecise(quoted("0.0000001"))));
        let fine = format!("0.{}", "123456789".repeat(6));
        check(&fine, Err(AmountError::TooPrecise(quote(&fine))));
        let large = "123456789".repeat(6);
        check(&large, Err(too_large(&large)));
        check("", Err(AmountError::Empty));
        for word in ["NaN", "-nan", "Infinity", "-inf"] {
            check(word, Err(AmountError::NotFinite(quoted(word))));
        }
        for word in ["0x10", "1,5", "1.2.3", ".5", "5.", "1e", "1e+", "e5", "--1", "+1", " 1", "1_000", "٣", "1e123456"]
        {
            check(word, Err(AmountError::NotDecimal(quoted(word))));
        }
        let long = "0".repeat(MAX_TEXT_BYTES + 1);
        check(&long, Err(AmountError::NotDecimal(quote(&long))));
    }
}
