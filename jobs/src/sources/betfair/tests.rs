//! The replay's rules on small documents: each trap of the format is a row of
//! messages and the events that must come of it.

use std::collections::BTreeSet;
use std::io::Write;

use proptest::prelude::*;
use schemas::game_event::GameEventKind;
use schemas::money::Money;

use super::{Replay, Stats, incidents};
use crate::sources::{Input, SourceError, Sourced, SourcedEvent, merge};

/// A message at second `second` with the given changes.
fn message(second: i64, changes: &[String]) -> String {
    let pt = 1_657_500_000_000 + second * 1_000;
    format!("{{\"op\":\"mcm\",\"clk\":\"A\",\"pt\":{pt},\"mc\":[{}]}}\n", changes.join(","))
}

/// A definition of market `id`; `runners` are (id, status, sortPriority).
fn definition(id: &str, status: &str, runners: &[(u64, &str, u32)]) -> String {
    let runners: Vec<_> = runners
        .iter()
        .map(|(id, status, priority)| {
            format!("{{\"id\":{id},\"status\":\"{status}\",\"sortPriority\":{priority},\"name\":\"N{id}\"}}")
        })
        .collect();
    format!(
        "{{\"id\":\"{id}\",\"marketDefinition\":{{\"status\":\"{status}\",\"eventId\":\"9\",\"eventTypeId\":\"4\",\
         \"marketTime\":\"2022-07-11T11:00:00.000Z\",\"bettingType\":\"ODDS\",\"numberOfWinners\":1,\
         \"runners\":[{}]}}}}",
        runners.join(",")
    )
}

/// Volume on one runner; `trd` is the ladder's JSON.
fn volume(id: &str, runner: u64, trd: &str) -> String {
    format!("{{\"id\":\"{id}\",\"rc\":[{{\"id\":{runner},\"trd\":{trd},\"atb\":[[1.01,5]]}}]}}")
}

/// The same with `img`.
fn image(id: &str, runner: u64, trd: &str) -> String {
    volume(id, runner, trd).replacen('{', "{\"img\":true,", 1)
}

fn open(id: &str) -> String {
    definition(id, "OPEN", &[(7, "ACTIVE", 1), (3, "ACTIVE", 2)])
}

fn replay(bytes: impl Into<Vec<u8>>) -> (Result<Vec<Sourced>, SourceError>, Stats) {
    let input = Input::from_reader("m", std::io::Cursor::new(bytes.into()));
    let mut replay = Replay::new(input.unwrap());
    let events = replay.by_ref().collect();
    (events, replay.stats().clone())
}

/// An event in few words; introductions in none.
fn words(sourced: &Sourced) -> Option<String> {
    let event = match &sourced.event {
        SourcedEvent::Bet(bet) => {
            return Some(format!("bet {} {}@{}", bet.outcome_index, bet.buy_amount, bet.odds));
        }
        SourcedEvent::Game(event) => event,
    };
    Some(match &event.kind {
        GameEventKind::AccountUpserted { .. }
        | GameEventKind::StreamerUpserted { .. }
        | GameEventKind::StreamStarted { .. } => return None,
        GameEventKind::QuestionOpened { question } => {
            format!("opened {}", question.outcome_ids.join(" "))
        }
        GameEventKind::BettingClosed { .. } => "closed".to_owned(),
        GameEventKind::OutcomeObserved { outcome_index, .. } => format!("won {outcome_index}"),
        GameEventKind::OutcomeVoided { outcome_index, .. } => format!("out {outcome_index}"),
        GameEventKind::QuestionVoided { .. } => "void".to_owned(),
        other => other.name().to_owned(),
    })
}

fn check(name: &str, messages: &[String], expected: &[&str]) -> Stats {
    let (events, stats) = replay(messages.concat());
    let events = events.unwrap();
    let told: Vec<_> = events.iter().filter_map(words).collect();
    assert_eq!(told, expected, "{name}");
    assert!(events.is_sorted_by_key(|event| event.at), "{name}: times decrease");
    assert_unique(&events);
    stats
}

fn id_of(event: &Sourced) -> String {
    match &event.event {
        SourcedEvent::Bet(bet) => bet.bet_uuid.to_string(),
        SourcedEvent::Game(event) => event.event_uuid.to_string(),
    }
}

fn assert_unique(events: &[Sourced]) {
    let ids: BTreeSet<_> = events.iter().map(id_of).collect();
    assert_eq!(ids.len(), events.len(), "two events share an id");
}

#[test]
fn increases_are_bets() {
    let stats = check(
        "increases",
        &[
            message(0, &[open("1.1")]),
            message(1, &[volume("1.1", 7, "[[1.5,10],[1.6,2.25]]")]),
            message(2, &[volume("1.1", 7, "[[1.50,10.01]]"), volume("1.1", 3, "[[2.5,4]]")]),
        ],
        &["opened 7 3", "bet 0 10@1.5", "bet 0 2.25@1.6", "bet 0 0.01@1.5", "bet 1 4@2.5"],
    );
    assert_eq!((stats.bets, stats.staked, stats.messages), (4, Money::parse("16.26").unwrap(), 3));
}

#[test]
fn an_image_is_a_new_base_and_no_bets() {
    let stats = check(
        "image in mid-file",
        &[
            message(0, &[open("1.1")]),
            message(1, &[volume("1.1", 7, "[[1.5,10]]")]),
            message(2, &[image("1.1", 7, "[[1.5,30]]")]),
            message(3, &[volume("1.1", 7, "[[1.5,31],[1.6,5]]")]),
        ],
        &["opened 7 3", "bet 0 10@1.5", "bet 0 1@1.5", "bet 0 5@1.6"],
    );
    assert_eq!(stats.images, 1);
}

#[test]
fn a_decrease_is_a_correction() {
    let stats = check(
        "decrease",
        &[
            message(0, &[open("1.1")]),
            message(1, &[volume("1.1", 7, "[[1.5,10]]")]),
            message(2, &[volume("1.1", 7, "[[1.5,4]]")]),
            message(3, &[volume("1.1", 7, "[[1.5,6]]")]),
        ],
        &["opened 7 3", "bet 0 10@1.5", "bet 0 2@1.5"],
    );
    assert_eq!(stats.corrections, 1);
}

#[test]
fn betting_ends_at_the_first_close_and_not_at_a_suspension() {
    let suspended = definition("1.1", "SUSPENDED", &[(7, "ACTIVE", 1), (3, "ACTIVE", 2)]);
    let closing = definition("1.1", "CLOSED", &[(7, "LOSER", 1), (3, "WINNER", 2)]);
    let last = closing.replacen('{', "{\"rc\":[{\"id\":3,\"trd\":[[1.2,8]]}],", 1);
    let stats = check(
        "suspended, reopened, closed",
        &[
            message(0, &[open("1.1")]),
            message(1, &[suspended]),
            message(2, &[volume("1.1", 7, "[[1.5,10]]")]),
            message(3, &[open("1.1")]),
            message(4, &[last]),
            message(5, &[volume("1.1", 7, "[[1.5,99]]")]),
            message(6, &[closing]),
        ],
        &["opened 7 3", "bet 0 10@1.5", "bet 1 8@1.2", "closed", "won 1"],
    );
    assert_eq!(stats.after_close, 1);
}

#[test]
fn winners_and_voids() {
    let closing = |runners: &[(u64, &str, u32)]| message(2, &[definition("1.1", "CLOSED", runners)]);
    let cases: [(&str, String, &[&str]); 4] = [
        ("two winners", closing(&[(7, "WINNER", 1), (3, "WINNER", 2)]), &["closed", "won 0", "won 1"]),
        ("nobody won", closing(&[(7, "LOSER", 1), (3, "LOSER", 2)]), &["closed", "void"]),
        ("all removed", closing(&[(7, "REMOVED", 1), (3, "REMOVED", 2)]), &["closed", "out 0", "out 1", "void"]),
        ("not yet settled", closing(&[(7, "ACTIVE", 1), (3, "ACTIVE", 2)]), &["closed"]),
    ];
    for (name, last, expected) in cases {
        check(name, &[message(0, &[open("1.1")]), last], &[&["opened 7 3"], expected].concat());
    }
}

#[test]
fn a_removed_runner_stays_void() {
    let removed = definition("1.1", "OPEN", &[(3, "ACTIVE", 1), (7, "REMOVED", 2)]);
    let stats = check(
        "removed and reinstated",
        &[
            message(0, &[open("1.1")]),
            message(1, &[volume("1.1", 7, "[[1.5,10]]")]),
            message(2, std::slice::from_ref(&removed)),
            message(3, std::slice::from_ref(&removed)),
            message(4, &[open("1.1")]),
            message(5, &[volume("1.1", 3, "[[1.5,10]]")]),
            message(6, &[removed]),
        ],
        &["opened 7 3", "bet 0 10@1.5", "out 0", "bet 1 10@1.5"],
    );
    assert_eq!(stats.reinstated, 1);
}

#[test]
fn markets_are_apart() {
    let stats = check(
        "two markets in one file, in one message",
        &[
            message(0, &[open("1.1"), open("1.2")]),
            message(1, &[volume("1.2", 7, "[[1.5,10]]"), volume("1.1", 7, "[[1.5,3]]")]),
            message(2, &[image("1.1", 7, "[[1.5,3]]"), volume("1.2", 7, "[[1.5,11]]")]),
            message(3, &[volume("1.9", 7, "[[1.5,11]]"), volume("1.1", 8, "[[1.5,11]]")]),
        ],
        &["opened 7 3", "opened 7 3", "bet 0 10@1.5", "bet 0 3@1.5", "bet 0 1@1.5"],
    );
    assert_eq!((stats.markets, stats.undefined, stats.unknown_runner), (2, 1, 1));
}

#[test]
fn lines_are_no_odds() {
    let line = open("1.1").replace("ODDS", "LINE");
    let stats =
        check("line market", &[message(0, &[line]), message(1, &[volume("1.1", 7, "[[0.5,10]]")])], &["opened 7 3"]);
    assert_eq!(stats.unpriced, 1);
}

#[test]
fn compressed_files_give_the_same() {
    let plain = [message(0, &[open("1.1")]), message(1, &[volume("1.1", 7, "[[1.5,10]]")])].concat();
    let expected = replay(plain.clone()).0.unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(plain.as_bytes()).unwrap();
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
    bzip2.write_all(plain.as_bytes()).unwrap();
    let (gzip, bzip2) = (gzip.finish().unwrap(), bzip2.finish().unwrap());
    assert_eq!(replay(gzip.clone()).0.unwrap(), expected);
    assert_eq!(replay(bzip2).0.unwrap(), expected);
    let cut = replay(&gzip[..gzip.len() - 12]).0.unwrap_err();
    assert!(matches!(cut, SourceError::Read { .. }), "{cut}");
}

#[test]
fn bad_files_say_where_and_what() {
    let start = message(0, &[open("1.1")]);
    let cases: [(&str, &str); 12] = [
        ("{\"op\":\"mcm\",\"pt\":1", "m, line 2: the file ends in the middle of this line"),
        ("{\"op\":\"mcm\",\"pt\":1]}\n", "m, line 2, column 19: expected `,` or `}`"),
        ("{\"pt\":1}\n", "m, line 2, column 8: missing field `op`"),
        ("{\"op\":\"mcm\"}\n", "m, line 2: pt: missing"),
        ("{\"op\":\"mcm\",\"pt\":-1}\n", "m, line 2: pt: -1 is no time"),
        ("{\"op\":\"mcm\",\"pt\":1}\n", "m, line 2: pt: 1 lies 1657499999999 ms before an earlier line"),
        (&message(1, &[volume("1.1", 7, "[[1,10]]")]), "m, line 2: trd: "),
        (&message(1, &[volume("1.1", 7, "[[1.5,-1]]")]), "m, line 2: trd: size -1 is negative"),
        (&message(1, &[volume("1.1", 7, "[[1.5,\"NaN\"]]")]), "m, line 2: trd: "),
        (&message(1, &[volume("1.1", 7, "[[1.5,2000000000]]")]), "m, line 2: trd: an increase of 2000000000 is more"),
        (&message(1, &[open("1.2").replace("ACTIVE", "ASLEEP")]), "m, line 2: runners.status: \"ASLEEP\""),
        (&message(1, &[open("1.2").replace("2022-07-11", "soon")]), "m, line 2: marketTime: "),
    ];
    for (line, expected) in cases {
        let error = replay(format!("{start}{line}")).0.unwrap_err().to_string();
        assert!(error.starts_with(expected), "{line}: {error}");
    }
}

#[test]
fn other_messages_and_blank_lines_carry_nothing() {
    let lines = "\n{\"op\":\"connection\",\"connectionId\":\"1\"}\n{\"op\":\"mcm\",\"pt\":5,\"ct\":\"HEARTBEAT\"}\n \n";
    check("no changes", &[lines.to_owned()], &[]);
}

fn ball(second: i64, list: &str, status: &str) -> String {
    let pt = 1_657_500_000_000 + second * 1_000;
    format!(
        "{{\"op\":\"ccm\",\"pt\":{pt},\"cc\":[{{\"eventId\":\"9\",\"marketId\":\"1.1\",\
         \"fixtureInfo\":{{\"eventStatus\":\"{status}\"}},\"incidentListWrapper\":{{\"incidentList\":[{list}]}}}}]}}\n"
    )
}

#[test]
fn incidents_are_told_once_and_merge_by_time() {
    let first = "{\"incidentType\":\"STRIKE\",\"value\":\"4\",\"overs\":\"1.1\",\"actualTime\":5}";
    let put_right = first.replace("\"4\"", "\"2\"");
    let second = "{\"participantRef\":\"A\",\"incidentType\":\"OUT\",\"overs\":\"1.2\",\"actualTime\":6}";
    let balls = [
        ball(1, first, "A"),
        ball(2, &format!("{second},{first}"), "A"),
        ball(3, &format!("{},{put_right}", second.replace("\"A\"", "\"B\"")), "MATCH_COMPLETE"),
    ];
    let moments = incidents::Replay::new(Input::from_reader("i", std::io::Cursor::new(balls.concat())).unwrap());
    let market = [message(0, &[open("1.1")]), message(2, &[volume("1.1", 7, "[[1.5,10]]")])].concat();
    let market = Replay::new(Input::from_reader("m", std::io::Cursor::new(market)).unwrap());
    let events: Vec<_> = merge(moments, market).collect::<Result<_, _>>().unwrap();
    assert_unique(&events);
    let told: Vec<_> = events
        .iter()
        .filter_map(|sourced| match &sourced.event {
            SourcedEvent::Game(event) => match &event.kind {
                GameEventKind::GameMoment { kind, fields, .. } => {
                    Some(format!("{kind}{}", if fields.contains_key("corrects") { "!" } else { "" }))
                }
                _ => words(sourced),
            },
            SourcedEvent::Bet(_) => words(sourced),
        })
        .collect();
    assert_eq!(told, ["opened 7 3", "STRIKE", "A", "OUT", "bet 0 10@1.5", "STRIKE!", "MATCH_COMPLETE"]);
}

/// The whole example, where `ODDSMILL_CRICKET` names it: not ours to ship.
#[test]
fn the_published_example() {
    let Some(path) = std::env::var_os("ODDSMILL_CRICKET") else { return };
    let mut replay = Replay::new(super::open(std::path::Path::new(&path)).unwrap());
    let events: Vec<_> = replay.by_ref().collect::<Result<_, _>>().unwrap();
    assert_eq!(replay.stats().bets, 11_323);
    assert_eq!(replay.stats().staked, Money::parse("456536.23").unwrap());
    let windows: BTreeSet<_> = events
        .iter()
        .filter(|event| matches!(event.event, SourcedEvent::Bet(_)))
        .map(|event| event.at.millis() / 300_000)
        .collect();
    assert_eq!(windows.len(), 97);
    let last: Vec<_> = events.iter().rev().take(2).map(|event| (words(event).unwrap(), event.at.millis())).collect();
    assert_eq!(last, [("won 0".to_owned(), 1_657_550_847_332), ("closed".to_owned(), 1_657_550_847_332)]);
    assert_unique(&events);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever sizes a ladder goes through: ids are unique, stakes positive,
    /// and two replays agree.
    #[test]
    fn any_ladder(sizes in prop::collection::vec((0u8..2, 0u32..4, 0u32..500, prop::bool::weighted(0.1)), 1..60)) {
        let mut messages = vec![message(0, &[open("1.1")])];
        for (second, (runner, price, cents, img)) in (1..).zip(sizes) {
            let runner = if runner == 0 { 7 } else { 3 };
            let trd = format!("[[1.{price}5,{}.{:02}]]", cents / 100, cents % 100);
            let change = if img { image("1.1", runner, &trd) } else { volume("1.1", runner, &trd) };
            messages.push(message(second, &[change]));
        }
        let events = replay(messages.concat()).0.unwrap();
        assert_unique(&events);
        for event in &events {
            if let SourcedEvent::Bet(bet) = &event.event {
                prop_assert!(bet.buy_amount > Money::ZERO);
            }
        }
        prop_assert_eq!(replay(messages.concat()).0.unwrap(), events);
    }
}
