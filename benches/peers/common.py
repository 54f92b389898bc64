"""What the peers' scripts share: their arguments, and the report that the driver reads."""

import argparse
import json

WINDOW_MS = 300_000
# Longer than any bet is late: with a watermark so far behind, every bet counts in its window.
LATENESS_MS = 600_000


def arguments(about):
    """`--cores N --output DIR INPUT…`; rows go to files in the folder DIR."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--output", required=True)
    parser.add_argument("inputs", nargs="+")
    return parser.parse_args()


def report(version, settings, **measured):
    """Prints the line by which the driver learns what it measured."""
    print(json.dumps({"version": version, "settings": settings, **measured}), flush=True)
