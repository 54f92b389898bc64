"""The figures: temperature, calibration error, NMS, average precision."""

import torch
from torch.nn.functional import cross_entropy


def fit_temperature(logits, states):
    """The temperature of least cross-entropy on the calibration split, in 0.25 to 4."""
    grid = torch.logspace(-2, 2, 401, base=2)
    losses = torch.stack([cross_entropy(logits / t, states) for t in grid])
    return round(grid[losses.argmin()].item(), 3)


def calibration_error(logits, states, bins=15):
    """Expected calibration error of the greatest probability, in equal bins."""
    confidence, guess = logits.softmax(1).max(1)
    right = (guess == states).float()
    index = (confidence * bins).long().clamp(max=bins - 1)
    error = 0.0
    for bin in index.unique():
        at = index == bin
        gap = (confidence[at].mean() - right[at].mean()).abs().item()
        error += gap * at.float().mean().item()
    return error


def confusion(guesses, states, classes):
    """Rows are the truth, columns the guess."""
    return torch.bincount(states * classes + guesses, minlength=classes**2).view(classes, classes)


def iou(a, b):
    """[N, M] of boxes [N, 4] and [M, 4]."""
    low = torch.max(a[:, None, :2], b[None, :, :2])
    high = torch.min(a[:, None, 2:], b[None, :, 2:])
    inner = (high - low).clamp(min=0).prod(2)
    area_a, area_b = ((boxes[:, 2:] - boxes[:, :2]).prod(1) for boxes in (a, b))
    return inner / (area_a[:, None] + area_b[None] - inner).clamp(min=1e-9)


def nms(boxes, scores, confidence, overlap, most=300):
    """Per class: (class, score, box) of what stays, best first. Scores are [A, C]."""
    kept = []
    for name in range(scores.shape[1]):
        at = (scores[:, name] >= confidence).nonzero()[:, 0]
        at = at[scores[at, name].argsort(descending=True)][:1000]
        overlaps = iou(boxes[at], boxes[at])
        alive = torch.ones(len(at), dtype=torch.bool)
        for i in range(len(at)):
            if alive[i]:
                kept.append((name, scores[at[i], name].item(), boxes[at[i]]))
                alive[i + 1 :] &= overlaps[i, i + 1 :] <= overlap
    return sorted(kept, key=lambda found: -found[1])[:most]


def matches(found, truth, name, threshold=0.5):
    """(score, right) for each detection of a class in one picture, and the true count.

    The best score first, each takes the true box of greatest overlap that is left.
    """
    true = truth[truth[:, 0] == name][:, 1:]
    taken, rows = set(), []
    for _, score, box in (f for f in found if f[0] == name):
        overlaps = iou(box[None], true)[0].tolist()
        free = [(o, i) for i, o in enumerate(overlaps) if i not in taken and o >= threshold]
        if free:
            taken.add(max(free)[1])
        rows.append((score, bool(free)))
    return rows, len(true)


def average_precision(rows, count):
    """The area under the precision envelope over recall; all points, not interpolated at 11."""
    rows = sorted(rows, key=lambda row: -row[0])
    right = torch.tensor([float(r) for _, r in rows]).cumsum(0)
    precision = right / torch.arange(1, len(rows) + 1)
    envelope = precision.flip(0).cummax(0)[0].flip(0) if len(rows) else precision
    steps = torch.tensor([float(r) for _, r in rows]) / max(count, 1)
    return (envelope * steps).sum().item()


def precision_recall(rows, count, confidence=0.25):
    """At the confidence that the product uses."""
    used = [right for score, right in rows if score >= confidence]
    return sum(used) / max(len(used), 1), sum(used) / max(count, 1)
