//! The vision job: recorded rounds answer their questions, whatever crashes and whoever sends bad frames.

use std::collections::BTreeSet;
use std::path::Path;

use jobs::node::{Node, NodeOptions};
use jobs::sources::generate::Line;
use jobs::vision::{VisionOptions, VisionRow};
use models::rounds::ROUNDS;
use pipeline::Error;
use pipeline::adapters::embedded::Durability;
use pipeline::dead_letter::DeadLetter;
use pipeline::fault::{CrashPoint, Faults};
use pipeline::metrics::Metric;
use pipeline::tables::system;
use schemas::bet_row::BetStatus;
use schemas::codec::Event;
use schemas::frame::{Frame, FrameBytes, FrameEncoding};
use schemas::game_event::{GameEvent, GameEventKind};
use schemas::ids::StreamId;
use schemas::question::{QuestionRow, QuestionState, Source};
use schemas::time::Timestamp;
use tests::drive::{self, Feed};
use tests::invariants::{bets, each_change_is_mailed_once, each_change_is_told_once, events, money_is_conserved, rows};

/// When the first round begins, and the time between two frames.
const BEGIN: i64 = 1_790_000_000_000;
const BETWEEN: i64 = 400;
/// Rounds one after another, with a pause in between.
const ROUND: i64 = 60_000;
/// What the classifier knows.
const STATES: [&str; 4] = ["playing", "cleared", "breached", "dead"];

fn options(dir: &Path) -> NodeOptions {
    NodeOptions { data_dir: Some(dir.into()), durability: Durability::Os, ..NodeOptions::default() }
}

/// Every frame is looked at, however long it takes.
fn vision() -> VisionOptions {
    VisionOptions { latency: None, ..VisionOptions::default() }
}

fn line(stream: &'static str, key: &str, at: i64, bytes: Vec<u8>) -> Line {
    Line { stream, at: Timestamp::from_millis(at).unwrap(), partition_key: key.to_owned(), bytes }
}

fn stream_id(round: usize) -> StreamId {
    StreamId::from_bytes([round as u8 + 1; 16])
}

fn frame(stream: StreamId, sequence: u64, at: i64, bytes: Vec<u8>) -> Frame {
    let captured_at = Timestamp::from_millis(at).unwrap();
    let bytes = Some(FrameBytes(bytes));
    Frame { stream_uuid: stream, sequence, captured_at, encoding: FrameEncoding::Jpeg, bytes, reference: None }
}

fn shown(frame: &Frame) -> Line {
    line("frames", &frame.stream_uuid.to_string(), frame.captured_at.millis(), frame.to_cbor())
}

/// A question on how a round ends, with outcomes in the order of [`STATES`].
fn question(round: usize, at: i64, rule: &str) -> Line {
    let (stream, id) = (stream_id(round), format!("0a000000-0000-4000-8000-{round:012x}"));
    let json = format!(
        r#"{{"event_uuid":"0e000000-0000-4000-8000-{round:012x}","type":"question_opened","at":{at},"question":{{"question_uuid":"{id}","game":"archers","question":"How does it end?","outcomes":["not","cleared","breached","dead"],"chain_id":137,"betting_end_time":{},"stream_uuid":"{stream}","quorum":1,"rule":{rule}}}}}"#,
        at + 10 * BETWEEN
    );
    line("game-events", &id, at, json.into_bytes())
}

fn rule() -> String {
    let answers: Vec<String> =
        (1..4).map(|outcome| format!(r#"{{"outcome_index":{outcome},"state":"{}"}}"#, STATES[outcome])).collect();
    format!(r#"{{"answers":[{}]}}"#, answers.join(","))
}

fn bet(round: usize, number: usize, at: i64) -> Line {
    let question = format!("0a000000-0000-4000-8000-{round:012x}");
    let json = format!(
        r#"{{"bet_uuid":"0b000000-0000-4000-8000-{:06x}{number:06x}","question_uuid":"{question}","outcome_index":{},"bettor":"0x{:040x}","buy_amount":"10","odds":"2.5","chain_id":137,"placed_at":{at}}}"#,
        round,
        1 + number % 3,
        0xb0 + number
    );
    line("bets", &question, at, json.into_bytes())
}

/// Every round with its question, its bets and its frames.
fn lines() -> Vec<Line> {
    let mut lines = Vec::new();
    for (number, round) in ROUNDS.iter().enumerate() {
        let begin = BEGIN + number as i64 * ROUND;
        lines.push(question(number, begin, &rule()));
        lines.extend((0..6).map(|bettor| bet(number, bettor, begin + 1 + bettor as i64)));
        for (at, bytes) in round.frames.iter().enumerate() {
            let frame = frame(stream_id(number), at as u64, begin + at as i64 * BETWEEN, bytes.to_vec());
            lines.push(shown(&frame));
            // A producer that is not sure appends a frame again.
            lines.extend((at % 7 == 3).then(|| shown(&frame)));
        }
    }
    lines.sort_by_key(|line| line.at);
    lines
}

/// Feeds all of it, and then lets hours pass in which every challenge ends: what vision says is at hand only then,
/// while the main loop may be hours further.
async fn played(dir: &Path, lines: &[Line], vision: &VisionOptions) -> Node {
    let options = options(dir);
    let mut feed = Feed { lines: lines.to_vec(), chunk: 20 };
    let node = drive::feed_seen(&options, &feed, Faults::none(), Some(vision)).await.unwrap();
    let seen = node.metrics.get(Metric::VisionSeen);
    drop(node);
    feed.lines.push(line("frames", "later", BEGIN + 4 * 3_600_000, b"no frame".to_vec()));
    let node = drive::feed_seen(&options, &feed, Faults::none(), Some(vision)).await.unwrap();
    node.metrics.add(Metric::VisionSeen, seen);
    node
}

/// States as they were told: broadcast, state, frames.
fn states(node: &Node) -> Vec<(StreamId, String, Vec<u64>)> {
    let told = events::<GameEvent>(node).into_iter().filter_map(|event| match event.kind {
        GameEventKind::StateChanged { stream_uuid, state, frames, .. } => Some((stream_uuid, state, frames)),
        _ => None,
    });
    let mut told: Vec<_> = told.collect();
    told.sort();
    told
}

/// Every round was answered as it ended, once, and its bets settled.
fn rounds_are_settled(node: &Node) {
    let questions = rows::<QuestionRow>(node);
    assert_eq!(questions.len(), ROUNDS.len());
    for (question, round) in questions.iter().zip(ROUNDS) {
        let outcome = STATES.iter().position(|state| *state == round.ended).unwrap();
        let [seen] = &question.observations[..] else { panic!("{:?}", question.observations) };
        assert_eq!((usize::from(seen.outcome_index), seen.source), (outcome, Source::Vision));
        assert!(seen.confidence.micros() > 600_000 && seen.evidence.as_ref().unwrap().contains(round.ended));
        assert_eq!(question.state, QuestionState::Approved);
        assert_eq!(question.payouts.iter().position(|payout| *payout > 0), Some(outcome));
    }
    let won = bets(node).iter().filter(|bet| bet.result == Some(BetStatus::Won)).count();
    assert_eq!((won, bets(node).len()), (2 * ROUNDS.len(), 6 * ROUNDS.len()));
    let told = states(node);
    let distinct: BTreeSet<_> = told.iter().map(|(stream, state, _)| (*stream, &state[..])).collect();
    let ended =
        ROUNDS.iter().enumerate().flat_map(|(at, round)| [(stream_id(at), "playing"), (stream_id(at), round.ended)]);
    assert_eq!((distinct, told.len()), (ended.collect(), 2 * ROUNDS.len()));
    assert!(told.iter().all(|(_, _, frames)| frames.len() >= 3), "{told:?}");
    money_is_conserved(node);
    each_change_is_told_once(node);
    each_change_is_mailed_once(node);
}

#[tokio::test(flavor = "multi_thread")]
async fn rounds_answer_their_questions() {
    let dir = tempfile::tempdir().unwrap();
    let node = played(dir.path(), &lines(), &vision()).await;
    rounds_are_settled(&node);
    let frames: usize = ROUNDS.iter().map(|round| round.frames.len()).sum();
    // A frame that is there twice is looked at twice where both wait together.
    assert!(node.metrics.get(Metric::VisionSeen) >= frames as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_anywhere_answers_once() {
    let (dir, lines) = (tempfile::tempdir().unwrap(), lines());
    let expected = states(&played(dir.path(), &lines, &vision()).await);
    for point in CrashPoint::ALL {
        let (dir, feed) = (tempfile::tempdir().unwrap(), Feed { lines: lines.clone(), chunk: 15 });
        let mut crashes = 0;
        for nth in [2, 4] {
            let faults = Faults::crash_at(point, nth);
            match drive::feed_seen(&options(dir.path()), &feed, faults, Some(&vision())).await {
                Ok(_) => {}
                Err(Error::Crashed(_)) => crashes += 1,
                Err(other) => panic!("{point:?}: {other}"),
            }
        }
        let node = played(dir.path(), &lines, &vision()).await;
        rounds_are_settled(&node);
        assert_eq!(states(&node), expected, "{point:?}, {crashes} crashes");
    }
}

fn dead_letters(node: &Node) -> Vec<(String, String)> {
    let letters = node.tables.scan(system::DEAD_LETTERS, &[]).unwrap();
    let letters = letters.iter().map(|(_, bytes)| DeadLetter::decode(bytes).unwrap());
    letters.map(|letter| (letter.stream, letter.reject.detail)).collect()
}

/// A grey PNG of 16 bits, and the same with an animation's header.
fn png(animated: bool) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8; 4], data: &[u8]| {
        bytes.extend((data.len() as u32).to_be_bytes());
        let start = bytes.len();
        bytes.extend_from_slice(kind);
        bytes.extend_from_slice(data);
        let crc = crc32(&bytes[start..]);
        bytes.extend(crc.to_be_bytes());
    };
    chunk(b"IHDR", &[0, 0, 0, 2, 0, 0, 0, 1, 16, 0, 0, 0, 0]);
    if animated {
        chunk(b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0]);
        chunk(b"fcTL", &[0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 10, 0, 0]);
    }
    // One row of two places: a stored block of zlib, its filter first.
    let row = [0, 0xFF, 0xFF, 0x80, 0x00];
    let (mut low, mut high) = (1u32, 0u32);
    for byte in row {
        low = (low + u32::from(byte)) % 65_521;
        high = (high + low) % 65_521;
    }
    let mut zlib = vec![0x78, 0x01, 1, 5, 0, 0xFA, 0xFF];
    zlib.extend_from_slice(&row);
    zlib.extend((high << 16 | low).to_be_bytes());
    chunk(b"IDAT", &zlib);
    chunk(b"IEND", &[]);
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_frames_are_set_aside_and_settle_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let good = ROUNDS[2].frames[30].to_vec();
    let start = good.windows(2).position(|pair| pair == [0xFF, 0xC0] || pair == [0xFF, 0xC2]).unwrap();
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        bytes
    };
    let cases: [(&str, FrameEncoding, Vec<u8>); 9] = [
        ("no bytes", FrameEncoding::Jpeg, Vec::new()),
        ("cut short", FrameEncoding::Jpeg, good[..good.len() / 2].to_vec()),
        ("65535", FrameEncoding::Jpeg, with(&|bytes| bytes[start + 5..start + 9].copy_from_slice(&[0xFF; 4]))),
        // Four components: CMYK as Adobe's programs write it.
        ("JPEG", FrameEncoding::Jpeg, with(&|bytes| bytes[start + 9] = 4)),
        ("the bytes are jpeg", FrameEncoding::Png, good.clone()),
        ("the bytes are png", FrameEncoding::Jpeg, png(false)),
        ("animated", FrameEncoding::Png, png(true)),
        ("begins with", FrameEncoding::Jpeg, b"GIF89a, and so on".to_vec()),
        ("PNG", FrameEncoding::Png, with(&|bytes| bytes[..8].copy_from_slice(b"\x89PNG\r\n\x1a\n"))),
    ];
    let mut lines = vec![question(0, BEGIN, &rule())];
    for (sequence, (_, encoding, bytes)) in (0..).zip(&cases) {
        let frame = frame(stream_id(0), sequence, BEGIN + 1 + sequence as i64, bytes.clone());
        lines.push(shown(&Frame { encoding: *encoding, ..frame }));
    }
    let referred = |sequence: u64, reference: &str| {
        let frame = frame(stream_id(0), sequence, BEGIN + 100 + sequence as i64, Vec::new());
        shown(&Frame { bytes: None, reference: Some(reference.into()), ..frame })
    };
    let objects = tempfile::tempdir().unwrap();
    std::fs::write(objects.path().join("good.jpg"), &good).unwrap();
    for (sequence, reference) in (20..).zip(["../etc/passwd", "/etc/passwd", "absent.jpg", "good.jpg"]) {
        lines.push(referred(sequence, reference));
    }
    lines.push(line("frames", "x", BEGIN + 200, b"no frame at all".to_vec()));
    // Two of three that a state needs.
    for sequence in 30..32 {
        lines.push(shown(&frame(stream_id(0), sequence, BEGIN + 200 + sequence as i64, good.clone())));
    }
    // 16 bits a colour are read as 8.
    let deep = frame(stream_id(1), 0, BEGIN + 300, png(false));
    lines.push(shown(&Frame { encoding: FrameEncoding::Png, ..deep }));
    let vision = VisionOptions { objects: Some(objects.path().into()), ..vision() };
    let feed = Feed { lines, chunk: 5 };
    let node = drive::feed_seen(&options(dir.path()), &feed, Faults::none(), Some(&vision)).await.unwrap();
    let letters = dead_letters(&node);
    assert!(letters.iter().all(|(stream, _)| stream == "frames"), "{letters:#?}");
    let expected = cases.iter().map(|(expected, ..)| *expected);
    let expected: Vec<&str> = expected.chain(["leads out of", "leads out of", "cannot be read", "JSON"]).collect();
    assert_eq!(letters.len(), expected.len(), "{letters:#?}");
    for ((_, detail), expected) in letters.iter().zip(expected) {
        assert!(detail.to_lowercase().contains(&expected.to_lowercase()), "{detail:?} has no {expected:?}");
    }
    // Three frames of one kind: that which is referred to, and two others.
    let seen: Vec<usize> = rows::<VisionRow>(&node).iter().map(|row| row.glances.len()).collect();
    assert_eq!(seen, [3, 1]);
    let [question] = &rows::<QuestionRow>(&node)[..] else { panic!("one question") };
    assert_eq!(question.observations.len(), 1, "{:?}", question.observations);
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_of_unknown_states_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let feed =
        Feed { lines: vec![question(0, BEGIN, r#"{"answers":[{"outcome_index":1,"state":"daed"}]}"#)], chunk: 1 };
    let node = drive::feed_seen(&options(dir.path()), &feed, Faults::none(), Some(&vision())).await.unwrap();
    let [(stream, detail)] = &dead_letters(&node)[..] else { panic!("one dead letter") };
    assert_eq!(stream, "game-events");
    assert_eq!(detail, "question.rule: the models see no state \"daed\"; they know playing, cleared, breached, dead");
}

/// Where frames come faster than they can be looked at, the newest are looked at and the others counted.
#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_no_time_for_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let frames = ROUNDS[0].frames.iter().cycle().take(200).enumerate();
    let lines = frames.map(|(at, bytes)| shown(&frame(stream_id(at % 4), at as u64, BEGIN, bytes.to_vec()))).collect();
    let vision = VisionOptions { latency: Some(std::time::Duration::from_nanos(1)), threads: 2, ..vision() };
    let feed = Feed { lines, chunk: 200 };
    let node = drive::feed_seen(&options(dir.path()), &feed, Faults::none(), Some(&vision)).await.unwrap();
    let [seen, skipped] = [Metric::VisionSeen, Metric::VisionSkipped].map(|metric| node.metrics.get(metric));
    assert!(seen >= 1 && skipped > seen && seen + skipped == 200, "{seen} seen, {skipped} passed over");
    // The newest ones of the batches are among them.
    let newest =
        rows::<VisionRow>(&node).iter().flat_map(|row| row.glances.clone()).map(|glance| glance.sequence).max();
    assert!(newest > Some(190), "{newest:?}");
}
