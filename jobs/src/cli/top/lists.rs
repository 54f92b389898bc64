//! The panels that are lists: settlements, mails, streams, dead letters.

use super::canvas::Canvas;
use super::look::Look;
use super::model::{Mail, Settled, Shard, Snapshot};
use super::text::{address, amount, clock, span};
use super::view::{Panel, View};
use crate::cli::output::grouped;

/// Columns of a time of day and the blank after it.
const CLOCK: usize = 9;
/// From this width on, a settlement shows its money.
const WITH_MONEY: usize = 60;
/// From this width on, a stream shows how long it is behind.
const WITH_LAG: usize = 44;

/// The lines of a list that are seen, with the rows they go to.
fn seen<'a, T>(lines: &'a [T], panel: Panel, view: &View, height: usize) -> impl Iterator<Item = (usize, &'a T)> {
    let scrolled = if view.panel == panel { view.scroll } else { 0 };
    let skipped = scrolled.min(lines.len().saturating_sub(height.saturating_sub(1)));
    (1..height).zip(lines.iter().skip(skipped))
}

/// The last settlements.
pub fn settled(canvas: &mut Canvas<'_>, snapshot: &Snapshot, view: &View) {
    canvas.rule("Settled", "won/lost/void", view.panel == Panel::Settled);
    if snapshot.settled.is_empty() {
        return canvas.nothing("no settlement yet");
    }
    for (row, of) in seen(&snapshot.settled, Panel::Settled, view, canvas.height()) {
        settlement(canvas, row, of);
    }
}

fn settlement(canvas: &mut Canvas<'_>, row: usize, of: &Settled) {
    let (look, width) = (canvas.look, canvas.width());
    canvas.put(row, 1, CLOCK, &clock(of.at), look.faint());
    let mut end = width.saturating_sub(1);
    if width >= WITH_MONEY {
        let money = format!("{} of {}", amount(of.returned), amount(of.staked));
        end = canvas.put_left_of(row, end, &money, look.faint()).saturating_sub(2);
    }
    let counts = format!("{}/{}/{}", grouped(of.won), grouped(of.lost), grouped(of.void));
    end = canvas.put_left_of(row, end, &counts, look.strong()).saturating_sub(1);
    let room = end.saturating_sub(1 + CLOCK);
    // The answer matters more than the question, which gets what is left.
    let column = canvas.put(row, 1 + CLOCK, room, &of.answer, look.accent());
    if end > column + 6 {
        let question = format!("{} {}", look.glyph("·", "-"), of.question);
        canvas.put(row, column + 1, end - column - 1, &question, Default::default());
    }
}

/// The last mails.
pub fn mail(canvas: &mut Canvas<'_>, snapshot: &Snapshot, view: &View) {
    canvas.rule("Mail", "", view.panel == Panel::Mail);
    if snapshot.mails.is_empty() {
        return canvas.nothing("no mail yet");
    }
    for (row, of) in seen(&snapshot.mails, Panel::Mail, view, canvas.height()) {
        one_mail(canvas, row, of);
    }
}

fn one_mail(canvas: &mut Canvas<'_>, row: usize, of: &Mail) {
    let (look, width) = (canvas.look, canvas.width());
    canvas.put(row, 1, CLOCK, &clock(of.at), look.faint());
    let state = match of.state.as_str() {
        "sent" => look.up(),
        "failed" => look.alert(),
        _ => look.faint(),
    };
    let end = canvas.put_left_of(row, width.saturating_sub(1), &of.state, state).saturating_sub(1);
    // What happened to the bet, in as few letters as there are: the panel says that it is a mail.
    let event = of.event.strip_prefix("bet_").unwrap_or(&of.event);
    let column = canvas.put(row, 1 + CLOCK, 9, event, Default::default()).max(1 + CLOCK + 9);
    canvas.put(row, column, end.saturating_sub(column), &reader(&of.to, look), look.faint());
}

/// A stream, or one of its shards, as a line.
struct Line {
    name: String,
    records: u64,
    behind: Option<u64>,
    lag_ms: Option<i64>,
}

impl Line {
    fn of(name: String, shards: &[&Shard]) -> Line {
        Line {
            name,
            records: shards.iter().map(|shard| shard.records).sum(),
            behind: shards.iter().filter_map(|shard| shard.lag_records).reduce(|a, b| a.saturating_add(b)),
            lag_ms: shards.iter().filter_map(|shard| shard.lag_ms).max(),
        }
    }
}

/// Rows that the panel of streams would like: one a stream.
pub fn streams_rows(snapshot: &Snapshot) -> usize {
    by_stream(snapshot).len()
}

/// Streams, those that are read first, then those with the most records; empty ones last.
fn by_stream(snapshot: &Snapshot) -> Vec<Line> {
    let streams = snapshot.shards.chunk_by(|a, b| a.stream == b.stream);
    let mut lines: Vec<Line> = streams
        .map(|shards| {
            let times = if shards.len() > 1 { format!(" x{}", shards.len()) } else { String::new() };
            Line::of(format!("{}{times}", shards[0].stream), &shards.iter().collect::<Vec<_>>())
        })
        .collect();
    lines.sort_by_key(|line| (line.behind.is_none(), std::cmp::Reverse(line.records)));
    lines
}

/// The log's streams; shard by shard where there is room for all.
pub fn streams(canvas: &mut Canvas<'_>, snapshot: &Snapshot, view: &View) {
    let columns = if canvas.width() >= WITH_LAG { "records   behind      lag" } else { "records   behind" };
    canvas.rule("Streams", columns, view.panel == Panel::Streams);
    let lines = if snapshot.shards.len() < canvas.height() || view.zoomed {
        let one = |shard: &Shard| Line::of(format!("{}/{}", shard.stream, shard.shard), &[shard]);
        snapshot.shards.iter().map(one).collect()
    } else {
        by_stream(snapshot)
    };
    for (row, line) in seen(&lines, Panel::Streams, view, canvas.height()) {
        stream(canvas, row, line);
    }
}

fn stream(canvas: &mut Canvas<'_>, row: usize, line: &Line) {
    let (look, width) = (canvas.look, canvas.width());
    // Under the words of the title, which end two columns before the edge.
    let mut end = width.saturating_sub(2);
    if width >= WITH_LAG {
        let lag = line.lag_ms.map_or_else(|| "-".to_owned(), span);
        canvas.put_left_of(row, end, &lag, look.faint());
        end = end.saturating_sub(9);
    }
    let behind = line.behind.map_or_else(|| "-".to_owned(), grouped);
    let style = if line.behind.unwrap_or(0) > 0 { look.strong() } else { look.faint() };
    canvas.put_left_of(row, end, &behind, style);
    let begin = canvas.put_left_of(row, end.saturating_sub(9), &grouped(line.records), look.strong());
    canvas.put(row, 1, begin.saturating_sub(2), &line.name, Default::default());
}

/// What could not be applied: how many for each reason, then the last ones.
pub fn dead_letters(canvas: &mut Canvas<'_>, snapshot: &Snapshot, view: &View) {
    let (look, width) = (canvas.look, canvas.width());
    let letters = &snapshot.dead_letters;
    let total = letters.total();
    let counts: Vec<String> =
        letters.by_reason.iter().map(|(reason, count)| format!("{} {reason}", grouped(*count))).collect();
    // Reasons where there is room for all of them, else how many letters there are.
    let reasons = counts.join(", ");
    let remark = if reasons.len() + 20 <= width { reasons } else { grouped(total) };
    canvas.rule("Dead letters", if total > 0 { &remark } else { "" }, view.panel == Panel::DeadLetters);
    if total == 0 {
        return canvas.nothing("none");
    }
    for (row, letter) in seen(&letters.latest, Panel::DeadLetters, view, canvas.height()) {
        canvas.put(row, 1, CLOCK, &clock(letter.at), look.faint());
        let column = canvas.put(row, 1 + CLOCK, 30, &letter.reason, look.alert()) + 1;
        let text = format!("{} {}", letter.id, letter.detail);
        canvas.put(row, column, width.saturating_sub(column + 1), &text, Default::default());
    }
}

/// An email as it is, as far as there is room; an account by its ends.
fn reader(to: &str, look: Look) -> String {
    if to.contains('@') { to.to_owned() } else { address(to, look) }
}
