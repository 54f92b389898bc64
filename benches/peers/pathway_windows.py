"""Pathway: tumbling windows by event time over a static input.

As its documentation recommends: a schema for the reader, `windowby`, expressions of its engine rather
than Python functions, one worker thread a core. A static input is one batch, so no window is early
and a temporal behaviour would change no row; with one, the same rows take twice the time and memory.
"""

import os

from common import WINDOW_MS, arguments, report

args = arguments(__doc__)
os.environ["PATHWAY_THREADS"] = str(args.cores)
os.environ["PATHWAY_SKIP_START_LOG"] = "1"

import pathway as pw  # noqa: E402: reads the variables when it loads


class Bet(pw.Schema):
    question_uuid: str
    outcome_index: int
    odds: str
    placed_at: int


def half_even(total, count):
    """`total / count`, rounded half to even, in integers."""
    whole, twice = total // count, 2 * (total % count)
    up = (twice > count) | ((twice == count) & (whole % 2 == 1))
    return pw.if_else(up, whole + 1, whole)


bets = pw.io.jsonlines.read(args.inputs[0], schema=Bet, mode="static")
bets = bets.select(
    pw.this.question_uuid,
    pw.this.outcome_index,
    pw.this.placed_at,
    micros=pw.cast(int, pw.this.odds.str.parse_float() * 1e6 + 0.5),
    market=pw.make_tuple(pw.this.question_uuid, pw.this.outcome_index),
)
windows = bets.windowby(
    pw.this.placed_at,
    window=pw.temporal.tumbling(duration=WINDOW_MS),
    instance=pw.this.market,
).reduce(
    question_uuid=pw.this._pw_instance[0],
    outcome_index=pw.this._pw_instance[1],
    window_start=pw.this._pw_window_start,
    bets=pw.reducers.count(),
    sum_odds=pw.reducers.sum(pw.this.micros),
    min_odds=pw.reducers.min(pw.this.micros),
    max_odds=pw.reducers.max(pw.this.micros),
)
rows = windows.select(*pw.this, avg_odds=half_even(pw.this.sum_odds, pw.this.bets))
pw.io.csv.write(rows, f"{args.output}/rows.csv")
pw.run(monitoring_level=pw.MonitoringLevel.NONE)
report(pw.__version__, f"windowby, tumbling, {args.cores} worker threads, static input, to CSV")
