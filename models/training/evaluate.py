"""The held-out figures of what ships, on rounds that no training has seen.

    python evaluate.py --work work --weights ../weights

Reads the 16-bit files. Frames are as a stream gives them: every eighth cycle of
each test round and of the five seconds after it, JPEG at quality 75.
"""

import argparse
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy

import data
import metrics
from detector import SIZE, anchors, decode
from export import load
from train import classifier_logits

DETECTOR_FRAMES = 800  # about; evenly spaced over the test frames


def classifier_figures(work, weights):
    model, about = load(weights / "classifier.safetensors")
    classes, temperature = about["classes"].split(","), float(about["temperature"])
    frames = data.split("test", work)
    logits, states = classifier_logits(model, frames)
    settling = torch.tensor([f["settling"] for f in frames])
    guesses = logits.argmax(1)
    print("classifier: frames", len(frames), "rounds", len({f["seed"] for f in frames}))
    print("accuracy, all frames", share(guesses == states))
    clear = ~settling
    print("accuracy, without settling frames", share((guesses == states)[clear]), "of", int(clear.sum()))
    print("right among settling frames", int((guesses == states)[settling].sum()), "of", int(settling.sum()))
    table = metrics.confusion(guesses, states, len(classes))
    print("confusion, rows are the truth:", classes)
    for name, row in zip(classes, table.tolist()):
        print(f"  {name:9}", row)
    print("recall", [round(v, 4) for v in (table.diag() / table.sum(1)).tolist()])
    print("precision", [round(v, 4) for v in (table.diag() / table.sum(0).clamp(min=1)).tolist()])
    for name, t in (("before", 1.0), ("after", temperature)):
        error = metrics.calibration_error(logits / t, states)
        nll = cross_entropy(logits / t, states).item()
        print(f"{name} temperature {t}: calibration error {error:.4f}, cross-entropy {nll:.4f}")
    decided(frames, (logits / temperature).softmax(1), classes)


def decided(frames, chances, classes):
    """Each test round as the product decides it: by its last three seconds, five frames."""
    rounds = {}
    for frame, chance in zip(frames, chances):
        rounds.setdefault(frame["seed"], []).append((frame, chance))
    right, early = 0, 0
    for rows in rounds.values():
        last = torch.stack([chance for _, chance in rows[-5:]]).mean(0)
        right += int(last.argmax() == rows[-1][0]["state"])
        run, wrong = 0, False
        for frame, chance in rows:
            # a wrong end that holds for three frames would be taken for one
            false_end = frame["state"] == 0 and int(chance.argmax()) != 0
            run = run + 1 if false_end else 0
            wrong = wrong or run >= 3
        early += wrong
    print(f"rounds whose last five frames name their end: {right} of {len(rounds)}")
    print(f"rounds with three false ends in a row before it: {early} of {len(rounds)}")


@torch.no_grad()
def detector_figures(work, weights, overlap):
    model, about = load(weights / "detector.safetensors")
    classes = about["classes"].split(",")
    frames = data.split("test", work)
    frames = frames[:: max(1, len(frames) // DETECTOR_FRAMES)]
    points, steps = anchors(SIZE, SIZE)
    rows, counts = [[] for _ in classes], [0] * len(classes)
    for start in range(0, len(frames), 16):
        part = frames[start : start + 16]
        views = [data.letterbox(data.open_jpeg(f["jpeg"])) for f in part]
        raw = model(torch.stack([data.tensor(view) for view, _ in views]).float() / 255)
        boxes, logits = decode(raw, points, steps)
        for frame, (_, (scale, left, top)), box, scores in zip(part, views, boxes, logits.sigmoid()):
            found = metrics.nms(box, scores, 0.005, overlap)
            true = data.shift(frame["boxes"], scale, -left / scale, -top / scale, SIZE)
            true = torch.tensor(true, dtype=torch.float32).view(-1, 5)
            for name in range(len(classes)):
                scored, count = metrics.matches(found, true, name)
                rows[name] += scored
                counts[name] += count
    print("detector: frames", len(frames), "rounds", len({f["seed"] for f in frames}), "NMS", overlap)
    every = []
    for name, scored, count in zip(classes, rows, counts):
        every.append(metrics.average_precision(scored, count))
        precision, recall = metrics.precision_recall(scored, count)
        print(f"  {name:7} {count:5} boxes  AP50 {every[-1]:.4f}  at 0.25: precision {precision:.4f} recall {recall:.4f}")
    print(f"mean AP50 {sum(every) / len(every):.4f}")


def share(right):
    return round(right.float().mean().item(), 4)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("work"))
    parser.add_argument("--weights", type=Path, default=Path("../weights"))
    parser.add_argument("--only", choices=["classifier", "detector"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.only != "detector":
        classifier_figures(options.work, options.weights)
    if options.only != "classifier":
        for overlap in (0.7, 0.5):
            detector_figures(options.work, options.weights, overlap)


if __name__ == "__main__":
    main()
