#!/usr/bin/env python3
"""Dollars per million bets on AWS: polling and fan-out, aggregated and not, beside a Lambda per record.

COST.md explains every line. Nothing but Python's standard library is needed.
"""

import argparse
import math
import sys

# List prices of us-east-1 in dollars, and the month they were noted in.
NOTED = "November 2025"
PRICES = {
    "stream hour": (0.04, "an on-demand stream, an hour"),
    "data in": (0.08, "GB written to an on-demand stream, each record rounded up to 1 KB"),
    "data out": (0.04, "GB read from an on-demand stream by polling"),
    "data out, fan-out": (0.05, "GB read from an on-demand stream by enhanced fan-out"),
    "kept longer": (0.10, "GB kept for a month after the first 24 hours, on demand"),
    "shard hour": (0.015, "a provisioned shard, an hour"),
    "put units": (0.014, "million units of 25 KB, each record rounded up to one, provisioned"),
    "shard hour, fan-out": (0.015, "a consumer of a provisioned shard by enhanced fan-out, an hour"),
    "provisioned data out, fan-out": (0.013, "GB read from a provisioned stream by enhanced fan-out"),
    "shard hour, kept longer": (0.02, "a provisioned shard that keeps records over 24 hours, an hour"),
    "write units": (0.625, "million write units of 1 KB, on demand; two for each KB in a transaction"),
    "read units": (0.125, "million read units of 4 KB, on demand; a half of one if eventually consistent"),
    "object requests": (5.00, "million PUT or LIST requests to S3"),
    "core hour": (0.03238, "a core of Fargate (ARM), an hour"),
    "memory hour": (0.00356, "GB of memory of Fargate (ARM), an hour"),
    "address hour": (0.005, "a public IPv4 address, an hour"),
    "invocations": (0.20, "million invocations of Lambda"),
    "gigabyte seconds": (13.3334, "million GB-seconds of Lambda (ARM)"),
    "publications": (0.50, "million messages published to SNS"),
    "letters": (100.00, "million mails sent by SES"),
    "subscribers' letters": (20.00, "million emails to subscribers of a topic of SNS"),
}

MILLION = 1_000_000
GB = 1 << 30
KB = 1024
DAY = 24
MONTH_HOURS = 730

# An aggregate keeps a record's partition key, its length and its tags beside it.
AGGREGATE_OVERHEAD = 45
# A new on-demand stream has four shards; provisioned shards are filled to seven tenths.
ON_DEMAND_SHARDS = 4
SHARD_FILL = 0.7
SHARD_BYTES = 1_000_000
SHARD_RECORDS = 1_000
# Streams that workers read.
READ_STREAMS = 3
# A lease is renewed every 3.3 s. A worker scans the leases twice a second to share them, and as often
# to see how far shards are; a scan of so few is one read unit.
RENEWALS_AN_HOUR = 3600 / 3.3
SCANS_AN_HOUR = 4 * 3600
# A shard's window states: written and their folder listed every ten seconds. Whoever closes windows
# lists twice a second.
STATE_REQUESTS_AN_HOUR = 2 * 360
CLOSER_REQUESTS_AN_HOUR = 2 * 3600
# The least that runs: two workers that decide bets, and two that send letters.
LEAST_WORKERS = 2
MAIL_WORKERS = 2
# An item of the Lambda design without its list of bets, and one entry of the list.
LAMBDA_ITEM_BYTES = 512
LIST_ENTRY_BYTES = 39
# Messages of a PublishBatch request, which is billed as one up to 64 KB.
PUBLISH_BATCH = 10
# The Lambda design's streams: bets, game-events, frames.
LAMBDA_STREAMS = 3

ROWS = [
    "streams, in",
    "streams, out",
    "streams, kept",
    "streams, hours",
    "bets, writes",
    "bets, reads",
    "letters, writes",
    "leases",
    "window states",
    "workers",
    "Lambda",
    "topic",
]


def price(name):
    return PRICES[name][0]


def gigabytes(bytes_each, count=MILLION):
    return bytes_each * count / GB


def whole_kilobytes(size):
    return math.ceil(size / KB)


def a_million(dollars_an_hour, args):
    """What is billed by the hour, all day, for a million of the bets that come in its busy hours."""
    return dollars_an_hour * DAY / (args.rate * args.hours * 3600) * MILLION


def bet_in_stream(args, aggregated):
    """Bytes of a bet as they are billed, as they are, and records a bet."""
    if not aggregated:
        return whole_kilobytes(args.bytes) * KB, args.bytes, 1
    size = args.bytes + AGGREGATE_OVERHEAD
    return whole_kilobytes(size * args.aggregate) * KB / args.aggregate, size, 1 / args.aggregate


def shards_for(args, real, records):
    """Provisioned shards that take the rate, by bytes and by records."""
    most = max(args.rate * real / SHARD_BYTES, args.rate * records / SHARD_RECORDS)
    return max(1, math.ceil(most / SHARD_FILL))


def streams(args, fan_out, aggregated):
    """The four lines of streams."""
    billed, real, records = bet_in_stream(args, aggregated)
    event_billed = whole_kilobytes(args.event_bytes) * KB
    written = gigabytes(billed) + gigabytes(event_billed, MILLION * args.events)
    read = gigabytes(real) * args.consumers + gigabytes(args.event_bytes, MILLION * args.events)
    longer = max(0, args.retention - DAY)
    if args.capacity == "on-demand":
        return {
            "streams, in": written * price("data in"),
            "streams, out": read * price("data out, fan-out" if fan_out else "data out"),
            "streams, kept": written * longer / MONTH_HOURS * price("kept longer"),
            "streams, hours": a_million(args.streams * price("stream hour"), args),
        }
    bets = shards_for(args, real, records)
    events = shards_for(args, args.event_bytes * args.events, args.events)
    shards = bets + events + args.streams - 2
    units = records * math.ceil(real / records / (25 * KB)) + args.events
    consumers = bets * args.consumers + events + 1
    hours = shards * price("shard hour") + (consumers * price("shard hour, fan-out") if fan_out else 0)
    return {
        "streams, in": units * price("put units"),
        "streams, out": read * price("provisioned data out, fan-out") if fan_out else 0,
        "streams, kept": a_million(shards * price("shard hour, kept longer"), args) if longer else 0,
        "streams, hours": a_million(hours, args),
    }


def workers(args):
    """Dollars an hour, and how many workers there are in busy hours."""
    busy = max(LEAST_WORKERS, math.ceil(args.rate / args.worker_rate))
    each = args.cores * price("core hour") + args.memory * price("memory hour") + price("address hour")
    least = LEAST_WORKERS + MAIL_WORKERS
    more = (busy - LEAST_WORKERS) * args.hours / DAY
    return (least + more) * each, busy + MAIL_WORKERS


def ours(args, fan_out, aggregated):
    """A design of workers on streams."""
    lines = streams(args, fan_out, aggregated)
    # Bets of one bettor in a batch share the writes of the bettor's row.
    writes = args.write_units - args.bettor_units * (1 - 1 / args.sharing)
    hourly, count = workers(args)
    shards = READ_STREAMS * ON_DEMAND_SHARDS
    if args.capacity == "provisioned":
        _, real, records = bet_in_stream(args, aggregated)
        shards = shards_for(args, real, records) + shards_for(args, args.event_bytes * args.events, args.events) + 1
    leases = shards * RENEWALS_AN_HOUR * price("write units") + count * SCANS_AN_HOUR * price("read units")
    states = args.windows * (shards * STATE_REQUESTS_AN_HOUR + CLOSER_REQUESTS_AN_HOUR)
    lines.update({
        "bets, writes": writes * price("write units"),
        "bets, reads": args.read_units * price("read units"),
        "letters, writes": args.events * args.letter_units * price("write units"),
        "leases": a_million(leases / MILLION, args),
        "window states": a_million(states * price("object requests") / MILLION, args),
        "workers": a_million(hourly, args),
        "topic": args.events / PUBLISH_BATCH * price("publications") if args.mail == "sns" else 0,
    })
    return lines


def lambda_per_record(args):
    """The product's first design: an invocation a bet, whole items with lists of bets, a message a change."""
    billed, real, _ = bet_in_stream(args, False)
    user = LAMBDA_ITEM_BYTES + args.user_bets * LIST_ENTRY_BYTES
    question = LAMBDA_ITEM_BYTES + args.question_bets * LIST_ENTRY_BYTES
    # A bet is put, and its bettor and its question with one entry more; settling puts the bet and the
    # bettor again. Each item that was there before is read first.
    puts = [args.bytes, user, question, args.bytes, user]
    reads = [user, question, args.bytes, user]
    writes = sum(whole_kilobytes(size) for size in puts)
    read_units = sum(math.ceil(size / (4 * KB)) / 2 for size in reads)
    invocations = 2
    seconds = invocations * args.lambda_ms / 1000 * args.lambda_mb / 1024
    longer = max(0, args.retention - DAY)
    return {
        "streams, in": gigabytes(billed) * price("data in"),
        "streams, out": gigabytes(real) * price("data out"),
        "streams, kept": gigabytes(billed) * longer / MONTH_HOURS * price("kept longer"),
        "streams, hours": a_million(LAMBDA_STREAMS * price("stream hour"), args),
        "bets, writes": writes * price("write units"),
        "bets, reads": read_units * price("read units"),
        "Lambda": invocations * price("invocations") + seconds * price("gigabyte seconds"),
        "topic": args.events * price("publications"),
    }


def designs(args):
    """Columns, by their heads."""
    columns = {}
    for fan_out in [False, True]:
        for aggregated in [False, True]:
            asked = args.reading in ("both", "fan-out" if fan_out else "polling")
            asked = asked and args.packing in ("both", "aggregated" if aggregated else "single")
            if asked:
                head = ("fan-out" if fan_out else "polling") + (", aggr." if aggregated else "")
                columns[head] = ours(args, fan_out, aggregated)
    columns["Lambda"] = lambda_per_record(args)
    return columns


def table(args):
    """The answer."""
    columns = designs(args)
    head = "dollars per million bets"
    out = [head.ljust(26) + "".join(name.rjust(16) for name in columns)]
    for row in ROWS:
        cells = [column.get(row) for column in columns.values()]
        out.append(row.ljust(26) + "".join(("-" if cell is None else f"{cell:.2f}").rjust(16) for cell in cells))
    totals = [sum(column.values()) for column in columns.values()]
    out.append("total".ljust(26) + "".join(f"{total:.2f}".rjust(16) for total in totals))
    a_month = args.rate * args.hours * 3600 * MONTH_HOURS / DAY / MILLION
    out.append("a month".ljust(26) + "".join(f"{total * a_month:,.0f}".rjust(16) for total in totals))
    out.append("")
    out.append(f"{args.rate:,g} bets a second for {args.hours:g} hours a day: {a_month:,.0f} million a month.")
    letters, subscribers = args.events * price("letters"), args.events * price("subscribers' letters")
    out.append(f"Mails come on top, {args.events:g} a bet at most: {letters:.2f} dollars by SES, {subscribers:.2f} by SNS.")
    return "\n".join(out)


def price_table():
    """The unit prices, as COST.md has them."""
    lines = [f"| price ({NOTED}, us-east-1) | dollars | for |", "|---|---:|---|"]
    lines += [f"| {name} | {dollars:g} | {what} |" for name, (dollars, what) in PRICES.items()]
    return "\n".join(lines)


def number(least, most, example, whole=False):
    """A reader of numbers within bounds; an error has the value and the way out."""

    def read(text):
        bounds = [f"{bound:,}".removesuffix(".0") for bound in (least, most)]
        way_out = f"choose a {'whole ' if whole else ''}number from {bounds[0]} to {bounds[1]}, such as {example}"
        try:
            value = int(text) if whole else float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no {'whole ' if whole else ''}number; {way_out}") from None
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text} is out of range; {way_out}")
        return value

    return read


EXAMPLES = """\
examples:
  cost.py                                    the example of COST.md
  cost.py --rate 5000 --hours 6              match days: six busy hours, eighteen idle ones
  cost.py --capacity provisioned --reading fan-out --packing aggregated
  cost.py --write-units 8.3 --sharing 1.4    with what a worker's write units were measured to be
  cost.py --events 0 --user-bets 0 --question-bets 0
                                             bare decisions: no letters, and a Lambda design without lists
  cost.py --prices                           the unit prices, to compare with AWS' own
"""


def arguments():
    parser = argparse.ArgumentParser(
        prog="cost.py",
        usage="cost.py [OPTION VALUE]...",
        description="Dollars per million bets on AWS, by what they are for.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--rate", type=number(0.01, 1_000_000, 1000), default=1000, help="bets a second in busy hours (1000)")
    add("--hours", type=number(0.1, 24, 6), default=24, help="busy hours a day; the rest of the day has no bets (24)")
    add("--bytes", type=number(1, 1_000_000, 330, whole=True), default=330, help="bytes of a bet (330)")
    add("--consumers", type=number(1, 20, 1, whole=True), default=1, help="applications that read the bets (1)")
    add("--reading", choices=["polling", "fan-out", "both"], default="both", help="how shards are read (both)")
    add("--packing", choices=["single", "aggregated", "both"], default="both", help="a record a bet, or aggregates (both)")
    add("--aggregate", type=number(1, 5000, 100, whole=True), default=100, help="bets of an aggregate (100)")
    add("--capacity", choices=["on-demand", "provisioned"], default="on-demand", help="of streams (on-demand)")
    add("--streams", type=number(3, 100, 10, whole=True), default=10, help="streams that there are (10)")
    add("--retention", type=number(24, 8760, 168), default=168, help="hours that streams keep records (168)")
    add("--write-units", type=number(0, 1000, 10), default=10, help="of a bet from acceptance to settlement (10)")
    add("--bettor-units", type=number(0, 1000, 4), default=4, help="of these, those of the bettor's row (4)")
    add("--sharing", type=number(1, 40, 1.4), default=1, help="bets of one bettor in a batch, which share them (1)")
    add("--read-units", type=number(0, 1000, 5), default=5, help="of a bet from acceptance to settlement (5)")
    add("--events", type=number(0, 100, 2.7), default=2.7, help="status changes of a bet (2.7)")
    add("--event-bytes", type=number(1, 1_000_000, 450, whole=True), default=450, help="bytes of a status change (450)")
    add("--letter-units", type=number(0, 1000, 10), default=10, help="write units of a letter (10)")
    add("--mail", choices=["ses", "sns"], default="ses", help="mail.server; only sns has a topic (ses)")
    add("--windows", type=number(0, 100, 1, whole=True), default=1, help="window jobs (1)")
    add("--worker-rate", type=number(1, 1_000_000, 1000), default=1000, help="bets a second that a worker decides (1000)")
    add("--cores", type=number(0.25, 16, 1), default=1, help="of a worker (1)")
    add("--memory", type=number(0.5, 120, 2), default=2, help="of a worker, in GB (2)")
    add("--lambda-ms", type=number(1, 900000, 30), default=30, help="milliseconds of an invocation (30)")
    add("--lambda-mb", type=number(128, 10240, 512), default=512, help="memory of an invocation (512)")
    add("--user-bets", type=number(0, 10000, 50), default=50, help="entries of a user's list of bets, on average (50)")
    add("--question-bets", type=number(0, 10000, 1000), default=1000, help="of a question's list, on average (1000)")
    add("--prices", action="store_true", help="print the unit prices and nothing else")
    args = parser.parse_args()
    if args.bettor_units > args.write_units:
        parser.error(
            f"argument --bettor-units: {args.bettor_units:g} is a part of --write-units, which is {args.write_units:g}; "
            f"choose {args.write_units:g} or less"
        )
    return args


def main():
    args = arguments()
    print(price_table() if args.prices else table(args))
    return 0


if __name__ == "__main__":
    sys.exit(main())
