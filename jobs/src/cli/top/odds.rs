//! The panel of markets: each outcome's odds, how they moved, and a chart of their windows.

use schemas::odds::Odds;

use super::canvas::Canvas;
use super::model::{HISTORY_WINDOWS, Market, Outcome, Snapshot};
use super::spark::chart;
use super::text::{amount, movement, odds};
use super::view::{Panel, View};
use crate::cli::output::counted;

/// Outcomes of a market shown while others are shown below it.
const OUTCOMES: usize = 3;
/// Rows of a chart, at most: taller ones would look like a wall.
const TALLEST: usize = 4;
/// Columns of `1,000 ^ +1,000` between the name and the chart.
const FIGURES: usize = 17;
/// Columns of a stake at the end of a line.
const STAKE: usize = 9;
/// From this width on, an outcome shows its stake.
const WITH_STAKE: usize = 72;

/// How the panel is filled.
struct Plan {
    /// Outcomes of a market.
    outcomes: usize,
    /// Rows of an outcome.
    tall: usize,
    /// Rows between two markets.
    gap: usize,
}

impl Plan {
    fn rows(&self, market: &Market) -> usize {
        1 + market.outcomes.len().min(self.outcomes) * self.tall + self.gap
    }

    /// The roomiest plan with which the markets fit, else the tightest.
    fn of(markets: &[Market], room: usize) -> Plan {
        let tall = (1..=TALLEST).rev().flat_map(|tall| [(tall, 1), (tall, 0)]);
        let plans = tall.map(|(tall, gap)| Plan { outcomes: OUTCOMES, tall, gap });
        let tightest = Plan { outcomes: OUTCOMES, tall: 1, gap: 0 };
        let fits = |plan: &Plan| markets.iter().map(|market| plan.rows(market)).sum::<usize>() <= room + plan.gap;
        plans.into_iter().find(fits).unwrap_or(tightest)
    }
}

/// Draws the panel; zoomed, it holds the chosen market alone.
pub fn draw(canvas: &mut Canvas<'_>, snapshot: &Snapshot, view: &View) {
    let remark = format!("{} open, last {HISTORY_WINDOWS} windows", counted(snapshot.markets_open, "market"));
    canvas.rule("Odds", &remark, view.panel == Panel::Odds);
    if snapshot.markets.is_empty() {
        return canvas.nothing("no market yet");
    }
    let (width, room) = (canvas.width(), canvas.height().saturating_sub(1));
    let mut canvas = canvas.part(0, 1, width, room);
    let chosen = view.chosen(snapshot);
    if view.zoomed {
        let of = &snapshot.markets[chosen];
        let tall = room.saturating_sub(1) / of.outcomes.len().max(1);
        let plan = Plan { outcomes: of.outcomes.len(), tall: tall.clamp(1, 2 * TALLEST), gap: 0 };
        market(&mut canvas, of, true, &plan);
        return;
    }
    let plan = Plan::of(&snapshot.markets, room);
    let (mut row, mut last) = (0, 0);
    for (place, of) in snapshot.markets.iter().enumerate().skip(first(&snapshot.markets, chosen, room, &plan)) {
        let rows = plan.rows(of);
        // A market that is cut off after its title says less than a blank.
        if row + 2 > room {
            break;
        }
        market(&mut canvas.part(0, row, width, rows), of, place == chosen && view.panel == Panel::Odds, &plan);
        (row, last) = (row + rows, place);
    }
    let below = snapshot.markets.len() - 1 - last;
    if below > 0 {
        let style = canvas.look.faint();
        canvas.put(row, 2, width, &format!("{below} more below"), style);
    }
}

/// The first market shown, so that the chosen one is seen whole.
fn first(markets: &[Market], chosen: usize, room: usize, plan: &Plan) -> usize {
    let mut rows = 0;
    let seen = markets[..=chosen].iter().rev().take_while(|market| {
        rows += plan.rows(market);
        rows <= room + plan.gap
    });
    (chosen + 1).saturating_sub(seen.count()).min(chosen)
}

fn market(canvas: &mut Canvas<'_>, market: &Market, chosen: bool, plan: &Plan) {
    let (look, width) = (canvas.look, canvas.width());
    let state = match market.state.as_str() {
        "flagged" | "paused" => look.alert(),
        "open" => look.up(),
        _ => look.faint(),
    };
    let mut end = width.saturating_sub(1);
    end = canvas.put_left_of(0, end, &amount(market.stake), look.faint()).saturating_sub(2);
    if width >= 60 {
        end = canvas.put_left_of(0, end, &counted(market.bets, "bet"), look.faint()).saturating_sub(2);
    }
    end = canvas.put_left_of(0, end, &market.state, state);
    if chosen {
        canvas.put(0, 0, 1, look.glyph("▸", ">"), look.accent());
    }
    let hidden = market.outcomes.len().saturating_sub(plan.outcomes);
    let question = if hidden > 0 { format!("{} (+{hidden} more)", market.question) } else { market.question.clone() };
    canvas.put(0, 2, end.saturating_sub(4), &question, if chosen { look.strong() } else { Default::default() });
    for (row, outcome) in shown(market, plan.outcomes).into_iter().enumerate() {
        line(&mut canvas.part(0, 1 + row * plan.tall, width, plan.tall), outcome);
    }
}

/// The outcomes with the highest stakes, in the market's order.
fn shown(market: &Market, most: usize) -> Vec<&Outcome> {
    let mut places: Vec<usize> = (0..market.outcomes.len()).collect();
    places.sort_by_key(|place| (std::cmp::Reverse(market.outcomes[*place].stake), *place));
    places.truncate(most);
    places.sort_unstable();
    places.into_iter().map(|place| &market.outcomes[place]).collect()
}

/// One outcome: its name, odds, move, chart and stake. Texts stand on the lowest row, as the
/// chart's floor does.
fn line(canvas: &mut Canvas<'_>, outcome: &Outcome) {
    let (look, width) = (canvas.look, canvas.width());
    let stake = if width >= WITH_STAKE { STAKE } else { 0 };
    // The chart gets a column a window, then the name its share, then the chart the rest.
    let name = width.saturating_sub(2 + FIGURES + HISTORY_WINDOWS + 1 + stake).clamp(10, 26);
    let chart_at = 2 + name + FIGURES;
    let chart_width = width.saturating_sub(chart_at + 1 + stake);
    let text_row = canvas.height().saturating_sub(1);
    let moved = outcome.moved();
    let (mark, direction) = match moved {
        1.. => (look.glyph("▲", "^"), look.up()),
        0 => (" ", look.faint()),
        _ => (look.glyph("▼", "v"), look.down()),
    };
    canvas.put(text_row, 2, name, &outcome.name, Default::default());
    let known = || outcome.history.iter().flatten().copied();
    if let (true, Some(low), Some(high)) = (text_row >= 2, known().min(), known().max()) {
        let range = format!("{} to {}", odds(low), odds(high));
        canvas.put(text_row - 1, 2, name + FIGURES - 1, &range, look.faint());
    }
    if let Some(now) = outcome.odds {
        let style = if outcome.is_fresh() { direction.patch(look.strong()) } else { look.strong() };
        canvas.put_left_of(text_row, 2 + name + 7, &odds(now), style);
        canvas.put(text_row, 2 + name + 8, 1, mark, direction);
        if moved != 0 {
            canvas.put(text_row, 2 + name + 9, 7, &movement(moved, now), direction);
        }
    } else {
        canvas.put_left_of(text_row, 2 + name + 7, "-", look.faint());
    }
    let stretch = (chart_width / HISTORY_WINDOWS).max(1);
    let micros = outcome.history.iter().map(|odds| odds.map(Odds::micros));
    let values: Vec<Option<u64>> = micros.flat_map(|value| std::iter::repeat_n(value, stretch)).collect();
    let chart_width = chart_width.min(HISTORY_WINDOWS * stretch);
    for (row, cells) in chart(&values, chart_width, canvas.height(), look).iter().enumerate() {
        canvas.put(row, chart_at, chart_width, cells, look.accent());
    }
    if stake > 0 {
        canvas.put_left_of(text_row, width - 1, &amount(outcome.stake), look.faint());
    }
}
