//! The ordinary bet in JSON, in one pass over its bytes and without allocation.
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
    let mut cursor = Cursor { bytes, at: 0 };
    let mut fields = Fields::default();
    let mut usual = USUAL_KEYS.iter();
    cursor.token(b'{')?;
    loop {
        cursor.skip_blanks();
        // Producers send the fields in one order: the key is compared, not searched for.
        let key = match usual.next() {
            Some((key, quoted)) if cursor.take(quoted) => key,
            _ => {
                let key = cursor.text()?;
                cursor.token(b':')?;
                key
            }
        };
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

/// The fields in the order of the schema, which is also the order we write.
const USUAL_KEYS: [(&[u8], &[u8]); 8] = [
    (b"bet_uuid", b"\"bet_uuid\":"),
    (b"question_uuid", b"\"question_uuid\":"),
    (b"outcome_index", b"\"outcome_index\":"),
    (b"bettor", b"\"bettor\":"),
    (b"buy_amount", b"\"buy_amount\":"),
    (b"odds", b"\"odds\":"),
    (b"chain_id", b"\"chain_id\":"),
    (b"placed_at", b"\"placed_at\":"),
];

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
        let (value, length) = digits(&self.bytes[self.at..], 0);
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
        let (micros, length) = plain_prefix(&self.bytes[self.at..])?;
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
