//! The whole screen: a header, the panels in an arrangement that suits the terminal, a footer.
//!
//! Arrangements, by width: the odds beside a column of lists (110 and more), the odds above two
//! columns of lists (76 and more), the odds above the one list that is chosen. A terminal of few
//! rows, and a zoom, show the chosen panel alone.

use ratatui_core::text::Span;

use super::canvas::Canvas;
use super::model::Snapshot;
use super::text::{clock, known, span};
use super::view::{Panel, View};
use super::{lists, odds};
use crate::cli::output::grouped;

/// From this width on, lists stand beside the odds.
const WIDE: usize = 110;
/// From this width on, two lists stand side by side.
const MEDIUM: usize = 76;
/// Rows of panels below which only one is shown.
const LOW: usize = 13;
/// A lag from which on it wants attention, in milliseconds.
const LAGGING_MS: u64 = 5_000;

/// Draws a snapshot, or that there is none yet.
pub fn draw(canvas: &mut Canvas<'_>, snapshot: Option<&Snapshot>, view: &View) {
    let (width, height) = (canvas.width(), canvas.height());
    footer(&mut canvas.part(0, height.saturating_sub(1), width, 1), view);
    let Some(snapshot) = snapshot else {
        let style = canvas.look.strong();
        canvas.put(0, 1, width, "oddsmill", style);
        canvas.part(0, 1, width, 2).nothing("waiting for the pipeline");
        return;
    };
    header(&mut canvas.part(0, 0, width, 2), snapshot, view);
    body(&mut canvas.part(0, 2, width, height.saturating_sub(3)), snapshot, view);
}

fn header(canvas: &mut Canvas<'_>, snapshot: &Snapshot, view: &View) {
    let look = canvas.look;
    let mut column = canvas.put(0, 1, 20, "oddsmill", look.accent().patch(look.strong())) + 3;
    let time = snapshot.pipeline_time.map_or_else(|| "nothing read yet".to_owned(), |at| format!("{} UTC", clock(at)));
    column = canvas.put(0, column, 20, &time, look.strong()) + 3;
    column = canvas.put(0, column, 20, &format!("up {}", span(snapshot.up_ms)), look.faint()) + 3;
    let lag = format!("lag {}", span(snapshot.lag_ms.try_into().unwrap_or(i64::MAX)));
    column = canvas.put(0, column, 20, &lag, if snapshot.lag_ms < LAGGING_MS { look.faint() } else { look.alert() });
    let edge = canvas.width().saturating_sub(1);
    match &snapshot.psql {
        _ if view.paused => drop(canvas.put_left_of(0, edge, "paused", look.alert())),
        Some(psql) if column + 3 + psql.len() <= edge => drop(canvas.put_left_of(0, edge, psql, look.faint())),
        _ => {}
    }
    let mut column = 1;
    for (number, unit) in figures(snapshot) {
        // A figure that does not fit is left out, and so are those after it.
        let wide = Span::raw(&number).width() + 1 + unit.len();
        if column + wide > canvas.width() {
            break;
        }
        column = canvas.put(1, column, 20, &number, look.strong());
        column = canvas.put(1, column + 1, 20, unit, look.faint()) + 2;
    }
}

/// What the second line counts, the most telling first.
fn figures(snapshot: &Snapshot) -> [(String, &'static str); 6] {
    let rates = &snapshot.rates;
    [
        (known(rates.bets), "bets/s"),
        (known(rates.records), "records/s"),
        (known(rates.settled), "settled/s"),
        (known(rates.mails), "mails/s"),
        (grouped(snapshot.markets_known), "markets"),
        (grouped(snapshot.open_windows), "windows"),
    ]
}

fn body(canvas: &mut Canvas<'_>, snapshot: &Snapshot, view: &View) {
    let (width, height) = (canvas.width(), canvas.height());
    if view.zoomed || height < LOW {
        return panel(canvas, view.panel, snapshot, view);
    }
    if width >= WIDE {
        let side = (width * 2 / 5).min(56);
        panel(&mut canvas.part(0, 0, width - side - 1, height), Panel::Odds, snapshot, view);
        return beside(&mut canvas.part(width - side, 0, side, height), snapshot, view);
    }
    // Half and a little for the odds; what is left over goes to the lists above.
    let lists = height * 3 / 7;
    panel(&mut canvas.part(0, 0, width, height - lists), Panel::Odds, snapshot, view);
    let mut below = canvas.part(0, height - lists, width, lists);
    if width >= MEDIUM {
        return two_by_two(&mut below, snapshot, view);
    }
    let chosen = if view.panel == Panel::Odds { Panel::Settled } else { view.panel };
    panel(&mut below, chosen, snapshot, view);
}

/// Lists in a column beside the odds: as long as they need, the settlements and mails the rest.
fn beside(canvas: &mut Canvas<'_>, snapshot: &Snapshot, view: &View) {
    let (width, height) = (canvas.width(), canvas.height());
    let streams = (lists::streams_rows(snapshot) + 1).min(height / 4);
    let letters = (snapshot.dead_letters.latest.len() + 2).clamp(2, height / 6);
    let latest = height - streams - letters;
    let mut row = 0;
    for (part, rows) in [
        (Panel::Settled, latest.div_ceil(2)),
        (Panel::Mail, latest / 2),
        (Panel::Streams, streams),
        (Panel::DeadLetters, letters),
    ] {
        panel(&mut canvas.part(0, row, width, rows), part, snapshot, view);
        row += rows;
    }
}

fn two_by_two(canvas: &mut Canvas<'_>, snapshot: &Snapshot, view: &View) {
    let (width, height) = (canvas.width(), canvas.height());
    let (left, upper) = (width / 2, height.div_ceil(2));
    panel(&mut canvas.part(0, 0, left, upper), Panel::Settled, snapshot, view);
    panel(&mut canvas.part(left + 1, 0, width - left - 1, upper), Panel::Mail, snapshot, view);
    panel(&mut canvas.part(0, upper, left, height - upper), Panel::Streams, snapshot, view);
    panel(&mut canvas.part(left + 1, upper, width - left - 1, height - upper), Panel::DeadLetters, snapshot, view);
}

fn panel(canvas: &mut Canvas<'_>, panel: Panel, snapshot: &Snapshot, view: &View) {
    match panel {
        Panel::Odds => odds::draw(canvas, snapshot, view),
        Panel::Settled => lists::settled(canvas, snapshot, view),
        Panel::Mail => lists::mail(canvas, snapshot, view),
        Panel::Streams => lists::streams(canvas, snapshot, view),
        Panel::DeadLetters => lists::dead_letters(canvas, snapshot, view),
    }
}

fn footer(canvas: &mut Canvas<'_>, view: &View) {
    let look = canvas.look;
    let arrows = match (view.panel, look.unicode) {
        (Panel::Odds, true) => ("↑↓", "market"),
        (Panel::Odds, false) => ("up/down", "market"),
        (_, true) => ("↑↓", "scroll"),
        (_, false) => ("up/down", "scroll"),
    };
    let keys = [
        ("q", "quit"),
        ("p", if view.paused { "go on" } else { "pause" }),
        ("tab", "panel"),
        arrows,
        ("enter", if view.zoomed { "all" } else { "zoom" }),
    ];
    let mut column = 1;
    for (key, does) in keys {
        column = canvas.put(0, column, 20, key, look.accent()) + 1;
        column = canvas.put(0, column, 20, does, look.faint()) + 2;
    }
    if let Some(problem) = &view.problem {
        let room = canvas.width().saturating_sub(column + 1);
        canvas.put(0, column, room, problem, look.alert());
    }
}
