//! What a producer is told about each kind of bad record.

use super::samples;
use crate::bet::Bet;
use crate::codec::{Event, MAX_RECORD_BYTES};
use crate::game_event::GameEvent;
use crate::row::Row;
use crate::user::UserRow;

/// The good bet with `field` holding other JSON.
fn bet_with(field: &str, json: &str) -> String {
    let good: serde_json::Value = serde_json::from_slice(&samples::bet().to_json()).unwrap();
    let fields: Vec<String> = good
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| {
            let value = if name == field { json.to_owned() } else { value.to_string() };
            format!("\"{name}\":{value}")
        })
        .collect();
    format!("{{{}}}", fields.join(","))
}

fn check<E: Event + std::fmt::Debug>(input: &[u8], message: &str) {
    let shown = String::from_utf8_lossy(&input[..input.len().min(400)]).into_owned();
    match E::decode(input) {
        Ok(event) => panic!("{shown} was taken as {event:?}"),
        Err(error) => assert_eq!(error.to_string(), message, "for {shown}"),
    }
}

#[test]
fn a_bad_value_is_explained_with_its_field() {
    let table = [
        ("buy_amount", r#""-5""#, r#"buy_amount: "-5" is negative; a stake must be greater than zero"#),
        ("buy_amount", "-5", r#"buy_amount: "-5" is negative; a stake must be greater than zero"#),
        ("buy_amount", r#""0.000""#, r#"buy_amount: "0" is no stake; a stake must be greater than zero"#),
        (
            "buy_amount",
            "1000000000.000001",
            r#"buy_amount: "1000000000.000001" is too large; a stake is at most 1000000000"#,
        ),
        (
            "buy_amount",
            "1e12",
            r#"buy_amount: "1e12" is out of range; it must be between -999999999999.999999 and 999999999999.999999"#,
        ),
        ("buy_amount", "1e9999", r#"buy_amount: "1e9999" is out of range; it must be less than 10^32 in magnitude"#),
        (
            "buy_amount",
            r#""1.0000001""#,
            r#"buy_amount: "1.0000001" has more than 6 decimals; amounts are exact to 0.000001"#,
        ),
        (
            "buy_amount",
            "1.0000001",
            r#"buy_amount: "1.0000001" has more than 6 decimals; amounts are exact to 0.000001"#,
        ),
        ("buy_amount", r#""NaN""#, r#"buy_amount: "NaN" is not a finite number; write a decimal such as "12.5""#),
        ("buy_amount", "NaN", r#"buy_amount: "NaN" is not a finite number; write a decimal such as "12.5""#),
        (
            "buy_amount",
            "-Infinity",
            r#"buy_amount: "-Infinity" is not a finite number; write a decimal such as "12.5""#,
        ),
        (
            "buy_amount",
            r#""0x10""#,
            r#"buy_amount: "0x10" is not a decimal number; write digits such as "12.5" or "1e3""#,
        ),
        ("buy_amount", r#""""#, r#"buy_amount: an empty text is not a number; write a decimal such as "12.5""#),
        ("buy_amount", "null", r#"buy_amount: null is not an amount; send a decimal text such as "12.5" or a number"#),
        ("buy_amount", "[1]", r#"buy_amount: [1] is not an amount; send a decimal text such as "12.5" or a number"#),
        ("odds", r#""1""#, r#"odds: "1" is out of range; it must be decimal odds above 1 and at most 1000000"#),
        ("odds", "0.5", r#"odds: "0.5" is out of range; it must be decimal odds above 1 and at most 1000000"#),
        (
            "bet_uuid",
            r#""no""#,
            r#"bet_uuid: "no" is not a UUID; write 36 characters such as "6f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f9""#,
        ),
        ("bettor", r#""0x12""#, r#"bettor: "0x12" is not a chain address; write 0x and 40 hexadecimal digits"#),
        ("bettor", "12", "bettor: invalid type: integer `12`, expected a chain address as text"),
        ("outcome_index", "70000", "outcome_index: invalid value: integer `70000`, expected u16"),
        ("outcome_index", "-1", "outcome_index: invalid value: integer `-1`, expected u16"),
        ("outcome_index", r#""1""#, "outcome_index: invalid type: string \"1\", expected u16"),
        ("placed_at", "-1", "placed_at: -1 is out of range; send milliseconds since 1970, before the year 10000"),
        (
            "placed_at",
            "253402300800000",
            "placed_at: 253402300800000 is out of range; send milliseconds since 1970, before the year 10000",
        ),
        (
            "placed_at",
            "1.5",
            "placed_at: invalid type: floating point `1.5`, expected milliseconds since 1970 as an integer",
        ),
    ];
    for (field, json, message) in table {
        check::<Bet>(bet_with(field, json).as_bytes(), message);
    }
}

#[test]
fn a_bad_record_is_explained() {
    let good = String::from_utf8(samples::bet().to_json()).unwrap();
    let twice = good.replacen('{', "{\"odds\":\"3\",", 1);
    let missing = good.replacen("\"odds\":\"2.34\",", "", 1);
    let escaped = good.replacen("\"odds\"", "\"o\\u0064ds\"", 1);
    let garbage = vec![0xa1; MAX_RECORD_BYTES];
    let nested = [b"{\"memo\":".to_vec(), vec![b'['; MAX_RECORD_BYTES - 16]].concat();
    let table: Vec<(Vec<u8>, &str)> = vec![
        (vec![], "the record is empty; send a JSON object or a CBOR map"),
        (b" \n\t".to_vec(), "the record is empty; send a JSON object or a CBOR map"),
        (b"[1]".to_vec(), "byte 0x5b begins neither a JSON object nor a CBOR map"),
        (b"hello".to_vec(), "byte 0x68 begins neither a JSON object nor a CBOR map"),
        (b"{}".to_vec(), "bet_uuid: missing; this field is required"),
        (vec![0xa0], "bet_uuid: missing; this field is required"),
        (twice.into(), "odds: given twice; send it once"),
        (missing.into(), "odds: missing; this field is required"),
        (good[..60].into(), "the record is not valid JSON: EOF while parsing a string at line 1 column 60"),
        (format!("{good}x").into(), "the record is not valid JSON: trailing characters at line 1 column 254"),
        (vec![b'{'; MAX_RECORD_BYTES + 1], "the record has 1048577 bytes; at most 1048576 are accepted"),
        (nested, "the record is not valid JSON: EOF while parsing a list at line 1 column 1048568 in field memo"),
        (garbage, "the record is not valid CBOR: containers are nested more than 64 deep"),
        (vec![0xa1, 0x61, b'a'], "the record is not valid CBOR: end of input bytes"),
        (vec![0xa0, 0x00], "the record is not valid CBOR: 1 bytes follow the map"),
    ];
    for (input, message) in table {
        check::<Bet>(&input, message);
    }
    assert_eq!(Bet::decode(escaped.as_bytes()).unwrap(), samples::bet(), "escaped keys are the same keys");
}

#[test]
fn amounts_may_be_written_in_many_ways() {
    let table = [
        (r#""12.5""#, "12.5"),
        ("12.5", "12.5"),
        ("12.50000000", "12.5"),
        ("1.25e1", "12.5"),
        ("125E-1", "12.5"),
        ("12", "12"),
        ("0.000001", "0.000001"),
        (r#""1e3""#, "1000"),
        (r#""007""#, "7"),
        // A float of 64 bits holds neither of these.
        ("999999999.999999", "999999999.999999"),
        ("0.1", "0.1"),
    ];
    for (json, amount) in table {
        let bet = Bet::from_json(bet_with("buy_amount", json).as_bytes()).unwrap();
        assert_eq!(bet.buy_amount.to_string(), amount, "from {json}");
    }
}

#[test]
fn cbor_takes_text_and_integers_but_no_floats() {
    type CborResult = Result<(), minicbor::encode::Error<std::convert::Infallible>>;
    /// The good bet in CBOR with another value, written by `write`, as its amount.
    fn check_amount(
        write: impl FnOnce(&mut minicbor::Encoder<&mut Vec<u8>>) -> CborResult,
        expected: Result<&str, &str>,
    ) {
        let good = samples::bet().to_cbor();
        let mut old = Vec::new();
        minicbor::Encoder::new(&mut old).str("buy_amount").unwrap().str("12.5").unwrap();
        let mut new = Vec::new();
        write(minicbor::Encoder::new(&mut new).str("buy_amount").unwrap()).unwrap();
        let start = good.windows(old.len()).position(|window| window == old).unwrap();
        let input = [&good[..start], &new, &good[start + old.len()..]].concat();
        let amount = Bet::decode(&input).map(|bet| bet.buy_amount.to_string()).map_err(|error| error.to_string());
        assert_eq!(amount, expected.map(str::to_owned).map_err(str::to_owned));
    }
    const FLOAT: &str =
        "buy_amount: 12.5 is a binary float, which is not exact; send the amount as text such as \"12.5\"";
    check_amount(|e| e.str("7.25")?.ok(), Ok("7.25"));
    check_amount(|e| e.u64(7)?.ok(), Ok("7"));
    check_amount(|e| e.f64(12.5)?.ok(), Err(FLOAT));
    check_amount(|e| e.f32(12.5)?.ok(), Err(FLOAT));
    check_amount(|e| e.f16(12.5)?.ok(), Err(FLOAT));
    check_amount(|e| e.i64(-7)?.ok(), Err("buy_amount: \"-7\" is negative; a stake must be greater than zero"));
}

#[test]
fn bad_game_events_are_explained() {
    let event = |body: &str| {
        format!("{{\"event_uuid\":\"11111111-2222-4333-8444-555555555555\",\"at\":1,{body}}}").into_bytes()
    };
    let names = crate::game_event::GameEventKind::NAMES.join(", ");
    let question = "\"question_uuid\":\"0b7a4c52-9f1d-4e36-a1c8-5d2e7f8091ab\"";
    let table = [
        (event("\"memo\":1"), "type: missing; this field is required".to_owned()),
        (event("\"type\":\"party\""), format!("type: \"party\" is not one of {names}")),
        (event("\"type\":\"betting_closed\""), "question_uuid: missing; this field is required".into()),
        (
            event("\"type\":\"question_opened\",\"question\":{\"game\":\"x\"}"),
            "question.question_uuid: missing; this field is required".into(),
        ),
        (
            event(&format!(
                "\"type\":\"answer_reported\",{question},\"payouts\":[0,0],\"finalised\":true,\"transaction_hash\":\"0x{}\"",
                "ab".repeat(32)
            )),
            "payouts: all zero pay nobody; void the question instead".into(),
        ),
        (
            event(&format!(
                "\"type\":\"outcome_observed\",{question},\"outcome_index\":0,\"source\":\"crystal ball\",\"confidence\":1"
            )),
            "source: unknown variant `crystal ball`, expected one of `vision`, `feed`, `streamer`, `operator`".into(),
        ),
        (
            event(&format!(
                "\"type\":\"outcome_observed\",{question},\"outcome_index\":0,\"source\":\"feed\",\"confidence\":1.5"
            )),
            "confidence: \"1.5\" is out of range; it must be between 0 and 1".into(),
        ),
    ];
    for (input, message) in table {
        check::<GameEvent>(&input, &message);
    }
}

#[test]
fn damaged_rows_are_errors() {
    let bytes = samples::user_row().to_bytes();
    for end in 0..bytes.len() {
        assert!(UserRow::from_bytes(&bytes[..end]).is_err(), "cut at {end}");
    }
    let error = UserRow::from_bytes(&bytes[..9]).unwrap_err().to_string();
    assert!(error.starts_with("stored users row cannot be read: "), "{error}");
}
