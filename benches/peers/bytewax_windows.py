"""Bytewax: a keyed dataflow with an event-time clock and tumbling windows.

As its documentation recommends: the window operator with a fold that needs no order, lines mapped by
the batch, and one process a core, since threads of one would wait for each other.
"""

import json
import socket
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from importlib.metadata import version
from pathlib import Path

import bytewax.operators as op
import bytewax.operators.windowing as win
from bytewax.connectors.files import DirSink, FileSource
from bytewax.dataflow import Dataflow
from common import LATENESS_MS, WINDOW_MS, arguments, report

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
# Lines read at once; ten times the default is a little faster.
BATCH = 10_000


def read(lines):
    """Lines to (market, (placed at, micro-odds))."""
    keyed = []
    for line in lines:
        bet = json.loads(line)
        market = f"{bet['question_uuid']},{bet['outcome_index']}"
        keyed.append((market, (bet["placed_at"], round(float(bet["odds"]) * 1e6))))
    return keyed


def placed_at(bet):
    return datetime.fromtimestamp(bet[0] / 1000, timezone.utc)


def add(sums, bet):
    """(count, sum, min, max) and one bet more."""
    bets, total, low, high = sums
    odds = bet[1]
    return (bets + 1, total + odds, odds if odds < low else low, odds if odds > high else high)


def merge(a, b):
    return (a[0] + b[0], a[1] + b[1], min(a[2], b[2]), max(a[3], b[3]))


def write(rows):
    """Windows to (market, line); Python's `round` is half to even."""
    lines = []
    for market, (window, (bets, total, low, high)) in rows:
        line = f"{market},{window * WINDOW_MS},{bets},{total},{low},{high},{round(total / bets)}"
        lines.append((market, line))
    return lines


def dataflow(inputs, output, cores):
    flow = Dataflow("odds")
    lines = [op.input(f"file-{at}", flow, FileSource(path, BATCH)) for at, path in enumerate(inputs)]
    lines = lines[0] if len(lines) == 1 else op.merge("merge", *lines)
    keyed = op.flat_map_batch("read", lines, read)
    windows = win.fold_window(
        "windows",
        keyed,
        win.EventClock(
            placed_at,
            wait_for_system_duration=timedelta(milliseconds=LATENESS_MS),
            # The bets are of a day in the past: bets close windows, not the clock on the wall.
            to_system_utc=lambda _: None,
        ),
        win.TumblingWindower(length=timedelta(milliseconds=WINDOW_MS), align_to=EPOCH),
        builder=lambda: (0, 0, sys.maxsize, 0),
        folder=add,
        merger=merge,
        ordered=False,
    )
    rows = op.flat_map_batch("write", windows.down, write)
    op.output("rows", rows, DirSink(Path(output), cores))
    return flow


def free_ports(count):
    """So many local ports that nothing listens at."""
    sockets = [socket.create_server(("localhost", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def run(args):
    """Starts one process a core, as `bytewax.run` does for a cluster, and waits for all."""
    inputs = [str(Path(path).resolve()) for path in args.inputs]
    flow = f"bytewax_windows:dataflow({inputs!r}, {str(Path(args.output).resolve())!r}, {args.cores})"
    command = [sys.executable, "-m", "bytewax.run", flow]
    if args.cores > 1:
        command += ["-a", ";".join(f"localhost:{port}" for port in free_ports(args.cores))]
    workers = []
    for number in range(args.cores):
        cluster = ["-i", str(number)] if args.cores > 1 else []
        workers.append(subprocess.Popen(command + cluster, cwd=Path(__file__).parent))
    if any([worker.wait() for worker in workers]):
        raise SystemExit("a worker failed")


if __name__ == "__main__":
    arguments_given = arguments(__doc__)
    run(arguments_given)
    report(
        version("bytewax"),
        f"fold_window, tumbling, unordered, event clock 10 min behind, {arguments_given.cores} processes, to CSV",
    )
