//! The ordinary bet in JSON, in one pass over its bytes and without allocation.
//!
//! Producers send the fields in one order and without blanks: first that layout is compared, and its
//! values are read eight characters at a time ([`usual`]). Any other order is read key by key ([`any`]).
//!
//! The reader answers only for what it is sure of. Anything else (an escape in a text, a
//! nested unknown field, a value out of range, a missing or repeated field) is `None`,
//! and the general reader decides and explains. So the two cannot disagree on what a
//! good bet is, which a property test holds them to.

use super::Bet;
use crate::codec::MAX_RECORD_BYTES;
use crate::decimal::{digits, plain_prefix};
use crate::hex;
use crate::ids::{Address, BetId, QuestionId};
use crate::money::Money;
use crate::odds::Odds;
use crate::time::Timestamp;

/// Reads a bet, or leaves it to the general reader.
pub(super) fn read(bytes: &[u8]) -> Option<Bet> {
    if bytes.len() > MAX_RECORD_BYTES {
        return None;
    }
    usual(bytes).or_else(|| any(bytes))
}

/// Reads a bet whose fields stand in the order of the schema, which is also the order we write.
#[inline]
fn usual(bytes: &[u8]) -> Option<Bet> {
    let mut cursor = Cursor { bytes, at: 0 };
    cursor.expect(b"{\"bet_uuid\":\"")?;
    let bet_uuid = BetId::from_bytes(hex::parse_uuid(cursor.characters::<36>()?)?);
    cursor.expect(b"\",\"question_uuid\":\"")?;
    let question_uuid = QuestionId::from_bytes(hex::parse_uuid(cursor.characters::<36>()?)?);
    cursor.expect(b"\",\"outcome_index\":")?;
    let outcome_index = u16::try_from(cursor.integer()?).ok()?;
    cursor.expect(b",\"bettor\":\"")?;
    let bettor = Address::from_bytes(hex::parse_prefixed(cursor.characters::<42>()?)?);
    cursor.expect(b"\",\"buy_amount\":")?;
    let buy_amount = Money::from_micros(i64::try_from(cursor.amount()?).ok()?)?;
    cursor.expect(b",\"odds\":")?;
    let odds = Odds::from_micros(cursor.amount()?)?;
    cursor.expect(b",\"chain_id\":")?;
    let chain_id = cursor.integer()?;
    cursor.expect(b",\"placed_at\":")?;
    let placed_at = Timestamp::from_millis(i64::try_from(cursor.integer()?).ok()?)?;
    cursor.expect(b"}")?;
    (cursor.at == bytes.len()).then_some(Bet {
        bet_uuid,
        question_uuid,
        outcome_index,
        bettor,
        buy_amount,
        odds,
        chain_id,
        placed_at,
    })
}

/// Reads a bet whose fields stand in any order.
#[inline(never)]
fn any(bytes: &[u8]) -> Option<Bet> {
    let mut cursor = Cursor { bytes, at: 0 };
    let mut fields = Fields::default();
    cursor.token(b'{')?;
    loop {
        cursor.skip_blanks();
        let key = cursor.text()?;
        cursor.token(b':')?;
        fields.take(key, &mut cursor)?;
        match cursor.next_token()? {
            b',' => {}
            b'}' => break,
            _ => return None,
        }
    }
    cursor.skip_blanks();
    if cursor.at != bytes.len() {
        return None;
    }
    fields.finish()
}

#[derive(Default)]
struct Fields {
    bet_uuid: Option<BetId>,
    question_uuid: Option<QuestionId>,
    outcome_index: Option<u16>,
    bettor: Option<Address>,
    buy_amount: Option<Money>,
    odds: Option<Odds>,
    chain_id: Option<u64>,
    placed_at: Option<Timestamp>,
}

impl Fields {
    #[inline]
    fn take(&mut self, key: &[u8], cursor: &mut Cursor<'_>) -> Option<()> {
        match key {
            b"bet_uuid" => {
                let id = BetId::from_bytes(hex::parse_uuid(cursor.text_of(36)?)?);
                set(&mut self.bet_uuid, id)
            }
            b"question_uuid" => {
                let id = QuestionId::from_bytes(hex::parse_uuid(cursor.text_of(36)?)?);
                set(&mut self.question_uuid, id)
            }
            b"outcome_index" => set(&mut self.outcome_index, u16::try_from(cursor.integer()?).ok()?),
            b"bettor" => {
                let address = Address::from_bytes(hex::parse_prefixed(cursor.text_of(42)?)?);
                set(&mut self.bettor, address)
            }
            b"buy_amount" => {
                let micros = i64::try_from(cursor.amount()?).ok()?;
                set(&mut self.buy_amount, Money::from_micros(micros)?)
            }
            b"odds" => set(&mut self.odds, Odds::from_micros(cursor.amount()?)?),
            b"chain_id" => set(&mut self.chain_id, cursor.integer()?),
            b"placed_at" => {
                let millis = i64::try_from(cursor.integer()?).ok()?;
                set(&mut self.placed_at, Timestamp::from_millis(millis)?)
            }
            _ => cursor.skip_simple_value(),
        }
    }

    fn finish(self) -> Option<Bet> {
        Some(Bet {
            bet_uuid: self.bet_uuid?,
            question_uuid: self.question_uuid?,
            outcome_index: self.outcome_index?,
            bettor: self.bettor?,
            buy_amount: self.buy_amount?,
            odds: self.odds?,
            chain_id: self.chain_id?,
            placed_at: self.placed_at?,
        })
    }
}

/// `None` when the field was there already.
#[inline]
fn set<T>(field: &mut Option<T>, value: T) -> Option<()> {
    field.replace(value).is_none().then_some(())
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    #[inline]
    fn next_token(&mut self) -> Option<u8> {
        self.skip_blanks();
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    #[inline]
    fn token(&mut self, wanted: u8) -> Option<()> {
        (self.next_token()? == wanted).then_some(())
    }

    /// Steps over `expected` if it comes next, without blanks before or in it.
    #[inline]
    fn take(&mut self, expected: &[u8]) -> bool {
        let found = self.bytes[self.at..].starts_with(expected);
        self.at += if found { expected.len() } else { 0 };
        found
    }

    /// Steps over `expected`, which must come next.
    #[inline]
    fn expect<const N: usize>(&mut self, expected: &[u8; N]) -> Option<()> {
        let found = self.bytes[self.at..].first_chunk::<N>()?;
        self.at += N;
        (found == expected).then_some(())
    }

    /// So many characters of a text. The caller checks them, as with [`text_of`](Self::text_of).
    #[inline]
    fn characters<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let found = self.bytes[self.at..].first_chunk::<N>()?;
        self.at += N;
        Some(found)
    }

    /// A text of exactly `length` bytes, quotation marks taken off. The caller checks the
    /// characters; none that JSON would read otherwise is a hexadecimal digit.
    #[inline]
    fn text_of(&mut self, length: usize) -> Option<&'a [u8]> {
        self.token(b'"')?;
        let rest = &self.bytes[self.at..];
        if *rest.get(length)? != b'"' {
            return None;
        }
        self.at += length + 1;
        Some(&rest[..length])
    }

    /// A text of plain ASCII without escapes, quotation marks taken off.
    #[inline]
    fn text(&mut self) -> Option<&'a [u8]> {
        self.token(b'"')?;
        let rest = &self.bytes[self.at..];
        let end = plain_length(rest);
        if *rest.get(end)? != b'"' {
            return None;
        }
        self.at += end + 1;
        Some(&rest[..end])
    }

    /// An unsigned integer of at most 19 digits, written as JSON wants it. What follows
    /// is checked by whoever takes the next token: an exponent or a point is none.
    #[inline]
    fn integer(&mut self) -> Option<u64> {
        self.skip_blanks();
        self.no_leading_zero()?;
        let rest = &self.bytes[self.at..];
        let (value, length) = match leading_digits(rest) {
            Some((value, length)) if length < 8 => (value, length),
            Some((value, _)) => {
                let (value, length) = digits(&rest[8..], value);
                (value, 8 + length)
            }
            None => digits(rest, 0),
        };
        self.at += length;
        // Nineteen nines are below 2^64.
        (1..=19).contains(&length).then_some(value)
    }

    /// A plain amount in millionths, from a text or from a number.
    #[inline]
    fn amount(&mut self) -> Option<u64> {
        self.skip_blanks();
        let quoted = self.take(b"\"");
        if !quoted {
            self.no_leading_zero()?;
        }
        let rest = &self.bytes[self.at..];
        let (micros, length) = short_amount(rest).or_else(|| plain_prefix(rest))?;
        self.at += length;
        (!quoted || self.take(b"\"")).then_some(micros)
    }

    /// JSON has no numbers such as `007`.
    #[inline]
    fn no_leading_zero(&self) -> Option<()> {
        (!matches!(self.bytes[self.at..], [b'0', b'0'..=b'9', ..])).then_some(())
    }

    /// Steps over an unknown field's value if it is a plain text, an integer or a word.
    #[inline(never)]
    fn skip_simple_value(&mut self) -> Option<()> {
        self.skip_blanks();
        match self.peek()? {
            b'"' => self.text().map(drop),
            b'0'..=b'9' => self.integer().map(drop),
            _ => {
                let rest = &self.bytes[self.at..];
                let word: &[u8] = [&b"true"[..], b"false", b"null"].into_iter().find(|word| rest.starts_with(word))?;
                self.at += word.len();
                Some(())
            }
        }
    }
}

/// The digits in front, of at most eight characters, as a number; none where fewer characters are left.
#[inline]
fn leading_digits(bytes: &[u8]) -> Option<(u64, usize)> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let word = u64::from_le_bytes(*bytes.first_chunk::<8>()?) ^ (ONES * 0x30);
    // The high bit of what is above nine; a carry reaches only lanes behind one that has it.
    let other = (word.wrapping_add(ONES * 0x76) | word) & (ONES * 0x80);
    let length = (other.trailing_zeros() / 8) as usize;
    // Zeros go before the digits: the first character is the lowest lane.
    let lanes = word.checked_shl(64 - 8 * length as u32).unwrap_or(0);
    let pairs = (lanes.wrapping_mul(10).wrapping_add(lanes >> 8)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs.wrapping_mul(100).wrapping_add(pairs >> 16)) & 0x0000_ffff_0000_ffff;
    Some((fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff, length))
}

/// Millionths of a decimal with fewer than eight digits before its point and fewer than seven behind
/// it, and its length; none where it is another number, or the end is near.
#[inline]
fn short_amount(bytes: &[u8]) -> Option<(u64, usize)> {
    const UNITS: [u64; 7] = [1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];
    let (whole, length) = leading_digits(bytes)?;
    if !(1..8).contains(&length) || bytes[length] != b'.' {
        return None;
    }
    let (decimals, more) = leading_digits(&bytes[length + 1..])?;
    let unit = UNITS.get(more).filter(|_| more > 0)?;
    Some((whole * 1_000_000 + decimals * unit, length + 1 + more))
}

/// Bytes before the first quotation mark, escape, control character or non-ASCII byte,
/// looked for eight at a time.
#[inline]
fn plain_length(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let zero_byte = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    let mut length = 0;
    while let Some(chunk) = bytes[length..].first_chunk::<8>() {
        let word = u64::from_le_bytes(*chunk);
        let quote = zero_byte(word ^ (ONES * 0x22));
        let escape = zero_byte(word ^ (ONES * 0x5c));
        // A byte below 0x20 borrows from its high bit; the lowest mark is always right.
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        let special = quote | escape | control | (word & HIGHS);
        if special != 0 {
            return length + (special.trailing_zeros() / 8) as usize;
        }
        length += 8;
    }
    let is_plain = |byte: &&u8| matches!(**byte, 0x20..=0x7f) && !matches!(**byte, b'"' | b'\\');
    length + bytes[length..].iter().take_while(is_plain).count()
}
