"""Writes complete test rounds as a stream would carry them, with their truth.

    python rounds.py --out ../rounds

The seeds are the first of the test split that end in each way and are of middling
length. 640 x 360, JPEG at quality 75, every eighth cycle of 15 a second.
"""

import argparse
import json
from pathlib import Path

import game
from classifier import CLASSES as STATES
from data import SEEDS, STREAM_STEP
from detector import CLASSES as SPRITES

ENDS = ["cleared", "breached", "dead"]
CYCLES = range(150, 330)  # 10 to 22 seconds


def pick(end):
    """The first fitting test seed."""
    for seed in SEEDS["test"]:
        how, cycles = game.ending(seed)
        if how == end and cycles in CYCLES:
            return seed
    raise SystemExit(f"no test round ends {end} within {CYCLES}")


def write(seed, end, folder):
    """One round: numbered JPEG files and truth.json."""
    folder.mkdir(parents=True, exist_ok=True)
    rows, plain = [], None
    for frame in game.frames(seed):
        if frame.cycle % STREAM_STEP:
            continue
        name = f"{len(rows):03}.jpg"
        (folder / name).write_bytes(frame.jpeg(75))
        if plain is None and frame.state != "playing" and not frame.settling:
            plain = len(rows)
        boxes = [{"class": SPRITES[b[0]], "box": list(b[1:])} for b in frame.boxes]
        rows.append({"file": name, "state": frame.state, "boxes": boxes})
    truth = {
        "game": "pettingzoo 1.27 knights_archers_zombies",
        "seed": seed,
        "split": "test",
        "width": game.WIDTH,
        "height": game.HEIGHT,
        "fps": game.const.FPS / STREAM_STEP,
        "states": STATES,
        "classes": SPRITES,
        "ended": end,
        "ended_frame": next(i for i, row in enumerate(rows) if row["state"] != "playing"),
        "visible_from": plain,
    }
    lines = ",\n".join("    " + json.dumps(row) for row in rows)
    text = json.dumps(truth, indent=2)[:-2] + ',\n  "frames": [\n' + lines + "\n  ]\n}\n"
    (folder / "truth.json").write_text(text)
    print(folder.name, "seed", seed, end, len(rows), "frames, visible from", plain)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("../rounds"))
    options = parser.parse_args()
    for number, end in enumerate(ENDS, 1):
        write(pick(end), end, options.out / f"round-{number}")


if __name__ == "__main__":
    main()
