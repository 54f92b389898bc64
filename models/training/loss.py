"""The detector's loss: binary cross-entropy, complete IoU, distribution focal loss.

A box belongs to one scale, by its longer side. Around its centre the four nearest
anchors of that scale share it by bilinear weight, the nearest counting as 1: the
weight is both the target of its class and the weight of its box.
"""

import math

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, log_softmax

from detector import BINS, STRIDES, decode

BOX, BINNED = 5.0, 1.0  # the weights of CIoU and of the bins, beside 1 for classes


def assign(boxes, points, steps, classes):
    """For one picture: class targets [A, C], each anchor's box [A, 4], its weight [A]."""
    targets = points.new_zeros(len(points), classes)
    if not len(boxes):
        return targets, points.new_zeros(len(points), 4), points.new_zeros(len(points))
    corners = boxes[:, 1:]
    centre = (corners[:, :2] + corners[:, 2:]) / 2
    longer = (corners[:, 2:] - corners[:, :2]).amax(1)
    stride = torch.full_like(longer, STRIDES[2])
    stride[longer < 8 * STRIDES[1]] = STRIDES[1]
    stride[longer < 4 * STRIDES[0]] = STRIDES[0]
    # The weight of box g at anchor a: bilinear in units of the stride, 0 elsewhere.
    away = ((points[None] - centre[:, None]).abs() / stride[:, None, None]).clamp(max=1)
    weight = (1 - away).prod(2) * (steps[None, :, 0] == stride[:, None])
    weight = weight / weight.amax(1, keepdim=True).clamp(min=1e-6)
    for name in range(classes):
        if (boxes[:, 0] == name).any():
            targets[:, name] = weight[boxes[:, 0] == name].amax(0)
    best, owner = weight.max(0)
    return targets, corners[owner], best


def complete_iou(a, b):
    """CIoU of boxes [N, 4]: IoU less the distance of centres and the odds of shapes."""
    size_a, size_b = (a[:, 2:] - a[:, :2]).clamp(min=1e-3), (b[:, 2:] - b[:, :2]).clamp(min=1e-3)
    inner = (torch.min(a[:, 2:], b[:, 2:]) - torch.max(a[:, :2], b[:, :2])).clamp(min=0).prod(1)
    iou = inner / (size_a.prod(1) + size_b.prod(1) - inner)
    outer = torch.max(a[:, 2:], b[:, 2:]) - torch.min(a[:, :2], b[:, :2])
    apart = ((a[:, :2] + a[:, 2:] - b[:, :2] - b[:, 2:]) / 2).pow(2).sum(1)
    angle = torch.atan(size_a[:, 0] / size_a[:, 1]) - torch.atan(size_b[:, 0] / size_b[:, 1])
    shape = 4 / math.pi**2 * angle.pow(2)
    with torch.no_grad():
        trade = shape / (1 - iou + shape + 1e-6)
    return iou - apart / (outer.pow(2).sum(1) + 1e-6) - trade * shape


def bins_loss(logits, distance):
    """Cross-entropy with the two bins around each distance; [N, 4, BINS] and [N, 4]."""
    distance = distance.clamp(0, BINS - 1.01)
    low = distance.floor().long()
    high_part = distance - low
    chance = log_softmax(logits, 2)
    below = chance.gather(2, low[..., None])[..., 0]
    above = chance.gather(2, low[..., None] + 1)[..., 0]
    return -(below * (1 - high_part) + above * high_part).mean(1)


def detector_loss(raw, boxes, points, steps):
    """The loss of a batch; `boxes` is a list of [N, 5] with class and corners."""
    predicted, logits = decode(raw, points, steps)
    assigned = [assign(b, points, steps, logits.shape[2]) for b in boxes]
    targets, corners, weight = (torch.stack(part) for part in zip(*assigned))
    total = weight.sum().clamp(min=1)
    classes = binary_cross_entropy_with_logits(logits, targets, reduction="sum") / total
    at = weight > 0.05
    weight, corners = weight[at], corners[at]
    overlap = ((1 - complete_iou(predicted[at], corners)) * weight).sum() / total
    point = points.expand(len(boxes), -1, -1)[at]
    step = steps.expand(len(boxes), -1, -1)[at]
    distance = torch.cat((point - corners[:, :2], corners[:, 2:] - point), 1) / step
    bins = raw.transpose(1, 2)[..., : 4 * BINS][at].unflatten(1, (4, BINS))
    binned = (bins_loss(bins, distance) * weight).sum() / total
    return classes + BOX * overlap + BINNED * binned, (classes, overlap, binned)
