//! Feeding a node: lines appended at their own times, the manual clock moved behind them.

use jobs::node::{Node, NodeOptions, Running};
use jobs::notify::letter::Sender;
use jobs::notify::{MailOptions, MailServer};
use jobs::sources::generate::{Bets, Defects, Line, MatchDay, Params};
use jobs::vision::VisionOptions;
use pipeline::fault::{CrashPoint, Faults};
use pipeline::record::{Append, MAX_RECORD_BYTES};
use pipeline::tables::{Commit, system};
use pipeline::{Arrival, Clock, Error, Result};
use schemas::time::Timestamp;

/// How lines are fed.
#[derive(Debug, Clone)]
pub struct Feed {
    /// What to feed, in order of arrival.
    pub lines: Vec<Line>,
    /// Lines of an append; all lines of one millisecond stay together.
    pub chunk: usize,
}

/// An hour of bets with every defect among them, the same for the same seed.
pub fn lines(seed: u64, count: u64) -> Vec<Line> {
    let defects = Defects { duplicate: 20_000, conflict: 10_000, late: 20_000, bad: 20_000, ..Defects::default() };
    let params = Params { count, seed, questions: 40, bettors: 200, defects, ..Params::default() };
    let mut lines: Vec<Line> = Bets::new(params).expect("the parameters are within bounds").collect();
    let first = lines.first().map_or(0, |line| line.at.millis());
    // The log itself refuses what is over its limit, so such lines never arrive.
    lines.retain(|line| line.bytes.len() <= MAX_RECORD_BYTES);
    let questions = opened(&lines);
    lines.extend(edges(first));
    lines.extend(endings(&questions, first));
    lines.sort_by_key(|line| line.at);
    lines
}

/// A generated day of matches, the same for the same seed.
pub fn match_day(seed: u64, count: u64) -> Vec<Line> {
    let defects = Defects { duplicate: 10_000, conflict: 5_000, late: 10_000, bad: 5_000, ..Defects::default() };
    let params = Params { count, seed, questions: 120, bettors: 300, defects, ..Params::default() };
    let mut lines: Vec<Line> = MatchDay::new(params).expect("the parameters are within bounds").collect();
    lines.retain(|line| line.bytes.len() <= MAX_RECORD_BYTES);
    lines
}

/// The questions that are opened, in order.
fn opened(lines: &[Line]) -> Vec<String> {
    let openings = lines.iter().filter(|line| line.stream == "game-events");
    let events = openings.filter_map(|line| serde_json::from_slice::<serde_json::Value>(&line.bytes).ok());
    events.filter_map(|event| Some(event["question"]["question_uuid"].as_str()?.to_owned())).collect()
}

/// How the questions end: half of them while bets on others come in. Most with an answer, some void,
/// some flagged because sources disagree, a runner taken out here and there, an emergency, and some
/// stay open.
fn endings(questions: &[String], first: i64) -> Vec<Line> {
    let mut lines = Vec::new();
    for (number, question) in (0i64..).zip(questions) {
        let closed = first + if number % 2 == 0 { 20 * 60_000 } else { 61 * 60_000 } + number * 700;
        let mut events = vec![(0, r#""type":"betting_closed""#.to_owned())];
        let seen = |source: &str, outcome: i64| {
            format!(r#""type":"outcome_observed","source":"{source}","outcome_index":{outcome},"confidence":"1""#)
        };
        let emergency = |operator: &str| {
            format!(r#""type":"emergency_answer","operator":"{operator}","payouts":[],"reason":"no feed""#)
        };
        match number % 8 {
            0..=2 => events.extend([(900, seen("feed", number % 2)), (1_800, seen("streamer", number % 2))]),
            3 => events.push((900, r#""type":"question_voided","reason":"abandoned""#.to_owned())),
            4 => {
                events.extend([(900, seen("feed", 0)), (1_000, seen("streamer", 1)), (60_000, seen("operator", 1))]);
                events.push((70_000, r#""type":"question_approved","operator":"ann""#.to_owned()));
            }
            5 => {
                events.push((-600_000, r#""type":"outcome_voided","outcome_index":0,"reason":"out""#.to_owned()));
                events.extend([(900, seen("feed", 1)), (900, seen("vision", 1))]);
            }
            6 => events.extend([(5_000, emergency("ann")), (6_000, emergency("bob"))]),
            _ => events.clear(),
        }
        for (order, (after, body)) in (0i64..).zip(events) {
            let at = closed + after;
            let id = format!("00000000-0000-4000-8000-{:012x}", (number << 8) | order);
            let json = format!(r#"{{"event_uuid":"{id}","at":{at},"question_uuid":"{question}",{body}}}"#);
            lines.push(line("game-events", question, at, json));
        }
    }
    lines
}

/// Records on the edges that random ones miss: a question and a bet in one millisecond, a bet in
/// the last millisecond before its window closes, one in the first after, one just before the
/// window is final.
fn edges(first: i64) -> Vec<Line> {
    let minutes = |n: i64| n * 60_000;
    let opened = first + minutes(6);
    let end = (first + minutes(15)) / minutes(5) * minutes(5);
    let question = "00000000-0000-4000-8000-00000000000e";
    let opening = format!(
        r#"{{"event_uuid":"00000000-0000-4000-8000-0000000000e0","type":"question_opened","at":{opened},"question":{{"question_uuid":"{question}","game":"edges","question":"Which?","outcomes":["a","b"],"chain_id":137,"betting_end_time":{}}}}}"#,
        first + minutes(300)
    );
    let mut lines = vec![line("game-events", question, opened, opening)];
    for (number, placed, arrived) in [
        (1, opened, opened),
        (2, end - 1, end - 1),
        (3, end - 2, end + 30_000 - 1),
        (4, end - 3, end + 30_000),
        (5, end - 4, end + minutes(10) - 5),
    ] {
        let bet = format!(
            r#"{{"bet_uuid":"00000000-0000-4000-8000-0000000000f{number}","question_uuid":"{question}","outcome_index":{},"bettor":"0x00000000000000000000000000000000000000ed","buy_amount":"{number}.25","odds":"2.{number}","chain_id":137,"placed_at":{placed}}}"#,
            number % 2
        );
        lines.push(line("bets", question, arrived, bet));
    }
    lines
}

fn line(stream: &'static str, key: &str, at: i64, json: String) -> Line {
    let at = Timestamp::from_millis(at).expect("a time of this century");
    Line { stream, at, partition_key: key.to_owned(), bytes: json.into_bytes() }
}

/// Mails one by one into the node's own inbox.
fn mail() -> MailOptions {
    let sender = Sender::new("Oddsmill <bets@example.com>", "Oddsmill", "USDC").expect("an address");
    MailOptions { server: MailServer::Inbox, sender, digest_after: u32::MAX, rate: 0 }
}

/// Feeds the rest of the lines and drains: continues where an earlier call was cut off.
pub async fn feed(options: &NodeOptions, feed: &Feed, faults: Faults) -> Result<Node> {
    feed_seen(options, feed, faults, None).await
}

/// The same, with somebody to look at frames.
pub async fn feed_seen(
    options: &NodeOptions,
    feed: &Feed,
    faults: Faults,
    vision: Option<&VisionOptions>,
) -> Result<Node> {
    let node = open(options, feed, faults).await?;
    let mut running = node.start_all(false, Some(&mail()), vision)?;
    append(&node, &mut running, feed, feed.lines.len()).await?;
    // Past every window's lateness, every challenge and the emergency's delay.
    node.clock.advance_to(at(feed.lines.last()).plus_ms(2 * 3_600_000));
    running.stop.when_drained();
    (&mut running.task).await.expect("the loop does not panic")?;
    Ok(node)
}

/// Feeds up to a line and stops, in the middle of whatever is being done.
pub async fn feed_until(options: &NodeOptions, feed: &Feed, faults: Faults, line: usize) -> Result<Node> {
    let node = open(options, feed, faults).await?;
    let mut running = node.start_all(false, Some(&mail()), None)?;
    append(&node, &mut running, feed, line).await?;
    running.stop.now();
    (&mut running.task).await.expect("the loop does not panic")?;
    Ok(node)
}

/// Opens a node whose clock stands where it stood when it was last open.
pub async fn open(options: &NodeOptions, feed: &Feed, faults: Faults) -> Result<Node> {
    let node = Node::open_with(options.clone(), Clock::manual(at(feed.lines.first())), faults)?;
    node.clock.advance_to(node.high_water().await?);
    Ok(node)
}

/// Appends the lines up to one that are not there yet, a chunk at a time.
async fn append(node: &Node, running: &mut Running, feed: &Feed, until: usize) -> Result<()> {
    let done = node.tables.get(system::SOURCES, b"test")?;
    let mut next = done.map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().expect("eight bytes"))) as usize;
    while next < until && !running.task.is_finished() {
        let mut end = (next + feed.chunk).min(until);
        while end < feed.lines.len() && feed.lines[end].at == feed.lines[end - 1].at {
            end += 1;
        }
        let mut commit = Commit::default();
        commit.put(system::SOURCES, b"test".to_vec(), (end as u64).to_be_bytes().to_vec());
        for line in &feed.lines[next..end] {
            let record = Append::new(line.partition_key.clone(), line.bytes.clone()).arrived(at(Some(line)));
            commit.emits.entry(line.stream).or_default().push(record);
        }
        let reached = || node.ports().faults.reach(CrashPoint::AfterSourceAppend);
        if let Err(error) = node.tables.commit(commit).and_then(|()| reached()) {
            running.stop.now();
            // Whatever else fails after a crash fails because of it.
            return match (&mut running.task).await.expect("the jobs do not panic") {
                Err(crash @ Error::Crashed(_)) => Err(crash),
                _ => Err(error),
            };
        }
        next = end;
        node.clock.advance_to(feed.lines.get(next).map_or(Arrival::MIN, |line| at(Some(line))));
        tokio::task::yield_now().await;
    }
    Ok(())
}

fn at(line: Option<&Line>) -> Arrival {
    Arrival(line.map_or(0, |line| line.at.millis()))
}
