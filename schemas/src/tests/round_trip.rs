//! What is written is what is read, for arbitrary values; and arbitrary bytes are
//! refused, never a panic.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::{samples, strategies};
use crate::bet::Bet;
use crate::bet_row::BetRow;
use crate::codec::{Encoded, Event};
use crate::columns::bet_block;
use crate::frame::Frame;
use crate::game_event::GameEvent;
use crate::ids::{BetId, derive};
use crate::money::Money;
use crate::question::QuestionRow;
use crate::row::Row;
use crate::time::Timestamp;

/// The fast reader and the general one must agree on every input.
fn check_readers_agree(input: &[u8]) {
    let general = Encoded::json(input).and_then(Bet::read).and_then(|bet| bet.check().map(|()| bet));
    assert_eq!(Bet::from_json(input), general, "for {}", String::from_utf8_lossy(input));
}

/// The same cases in every run; `SCHEMAS_CASES=50000` looks further.
fn config() -> ProptestConfig {
    let asked = std::env::var("SCHEMAS_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig {
        cases: asked.unwrap_or(512),
        rng_seed: RngSeed::Fixed(20_220_711),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn amounts_come_back(micros in -Money::MAX.micros()..=Money::MAX.micros(), zeros in 0usize..9) {
        let money = Money::from_micros(micros).unwrap();
        let text = money.to_string();
        prop_assert_eq!(text.parse(), Ok(money));
        let point = if text.contains('.') { "" } else { "." };
        let padded = format!("{text}{point}0{}", "0".repeat(zeros));
        prop_assert_eq!(padded.parse(), Ok(money));
        let shifted = format!("{micros}e-6");
        prop_assert_eq!(shifted.parse(), Ok(money));
    }

    #[test]
    fn any_text_is_an_amount_or_an_error(
        near in prop::collection::vec(prop::sample::select(&b"-+0123456789.eE"[..]), 0..24),
        far in any::<Vec<char>>(),
    ) {
        for text in [String::from_utf8(near).unwrap(), far.into_iter().collect()] {
            let _ = text.parse::<Money>();
        }
    }

    #[test]
    fn times_come_back(time in strategies::time()) {
        prop_assert_eq!(Timestamp::parse_rfc3339(&time.to_rfc3339()), Ok(time));
    }

    #[test]
    fn bets_come_back(bet in strategies::bet()) {
        let json = bet.to_json();
        prop_assert_eq!(Bet::decode(&json), Ok(bet));
        prop_assert_eq!(serde_json::to_vec(&bet).unwrap(), &json[..]);
        prop_assert_eq!(Bet::decode(&bet.to_cbor()), Ok(bet));
        check_readers_agree(&json);
    }

    #[test]
    fn rows_and_blocks_come_back(rows in prop::collection::vec(strategies::bet_row(), 0..20)) {
        for row in &rows {
            prop_assert_eq!(&BetRow::from_bytes(&row.to_bytes()).unwrap(), row);
        }
        let block = bet_block::build(&rows).unwrap();
        let read: Vec<BetRow> = (0..rows.len()).map(|row| bet_block::row(&block, row).unwrap()).collect();
        prop_assert_eq!(&read, &rows);
        prop_assert!(bet_block::row(&block, rows.len()).is_err());
        prop_assert_eq!(crate::columns::bets::to_sql(&block).unwrap().num_rows(), rows.len());
    }

    #[test]
    fn mutated_bets_never_panic(
        bet in strategies::bet(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), mutation()), 1..5),
    ) {
        let mut json = bet.to_json();
        for (index, change) in &changes {
            change.apply(&mut json, index);
        }
        check_readers_agree(&json);
        let mut cbor = bet.to_cbor();
        for (index, change) in &changes {
            change.apply(&mut cbor, index);
        }
        let _ = Bet::decode(&cbor);
    }

    #[test]
    fn mutated_game_events_never_panic(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), mutation()), 1..5),
    ) {
        let event = which.get(&samples::game_events()).clone();
        for mut bytes in [event.to_json(), event.to_cbor()] {
            for (index, change) in &changes {
                change.apply(&mut bytes, index);
            }
            if let Ok(read) = GameEvent::decode(&bytes) {
                prop_assert_eq!(GameEvent::decode(&read.to_cbor()), Ok(read.clone()));
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), first in any::<bool>()) {
        let mut bytes = bytes;
        if let (true, Some(byte)) = (first, bytes.first_mut()) {
            *byte = 0xbf;
        }
        let _ = Bet::decode(&bytes);
        let _ = GameEvent::decode(&bytes);
        let _ = Frame::decode(&bytes);
        let _ = QuestionRow::from_bytes(&bytes);
        let _ = BetRow::from_bytes(&bytes);
    }

    #[test]
    fn derived_ids_keep_parts_apart(a in prop::collection::vec(any::<u8>(), 0..6), cut in 0usize..6) {
        let cut = cut.min(a.len());
        let whole = derive("test", &[&a, b""]);
        let split = derive("test", &[&a[..cut], &a[cut..]]);
        prop_assert_eq!(whole == split, cut == a.len());
        prop_assert_ne!(whole, derive("other", &[&a, b""]));
        let id = BetId::new(whole);
        prop_assert_eq!(id.to_string().to_uppercase().parse(), Ok(id));
    }
}

/// A small change of a record's bytes.
#[derive(Debug, Clone)]
enum Mutation {
    Replace(u8),
    Insert(&'static str),
    Remove(usize),
    Truncate,
}

fn mutation() -> impl Strategy<Value = Mutation> {
    const PIECES: &[&str] = &[
        "0",
        "-",
        ".",
        "e5",
        "\"",
        "\\u0031",
        " ",
        "\n",
        "null",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"odds\":2,",
        "é",
        "NaN",
        "\"memo\":\"x\",",
        "\"memo\":[1,{}],",
        "\u{1}",
    ];
    prop_oneof![
        any::<u8>().prop_map(Mutation::Replace),
        prop::sample::select(PIECES).prop_map(Mutation::Insert),
        (1usize..8).prop_map(Mutation::Remove),
        Just(Mutation::Truncate),
    ]
}

impl Mutation {
    fn apply(&self, bytes: &mut Vec<u8>, index: &prop::sample::Index) {
        if bytes.is_empty() {
            return;
        }
        let at = index.index(bytes.len());
        match self {
            Mutation::Replace(byte) => bytes[at] = *byte,
            Mutation::Insert(piece) => drop(bytes.splice(at..at, piece.bytes())),
            Mutation::Remove(count) => drop(bytes.drain(at..(at + count).min(bytes.len()))),
            Mutation::Truncate => bytes.truncate(at),
        }
    }
}
