"""The detector: backbone, SPPF, a neck without shortcuts, and a head per scale.

`forward` returns the raw head: [B, 64 + classes, anchors], the anchors of
stride 8 first, then 16, then 32, each row by row. Channels 0..63 are the four
distances left, top, right, bottom with 16 bins each; the rest are class logits.
"""

import torch
from torch import nn
from torch.nn.functional import softmax

from blocks import C2f, Cbs, Sppf, backbone

SIZE = 320
CLASSES = ["archer", "knight", "zombie", "arrow"]
STRIDES = (8, 16, 32)
BINS = 16


class Head(nn.Module):
    """Layer 22: per scale one branch for boxes (cv2) and one for classes (cv3)."""

    def __init__(self, classes, inputs=(64, 128, 256)):
        super().__init__()
        box, cls = 4 * BINS, max(64, min(classes, 100))
        self.cv2 = nn.ModuleList(self.branch(c, 64, box) for c in inputs)
        self.cv3 = nn.ModuleList(self.branch(c, cls, classes) for c in inputs)
        for boxes, scores in zip(self.cv2, self.cv3):
            nn.init.constant_(boxes[-1].bias, 1.0)
            nn.init.constant_(scores[-1].bias, -5.0)  # a first confidence of 0.7 %

    @staticmethod
    def branch(inputs, width, outputs):
        return nn.Sequential(
            Cbs(inputs, width, 3), Cbs(width, width, 3), nn.Conv2d(width, outputs, 1)
        )

    def forward(self, scales):
        rows = [
            torch.cat((boxes(x), scores(x)), 1).flatten(2)
            for boxes, scores, x in zip(self.cv2, self.cv3, scales)
        ]
        return torch.cat(rows, 2)


class Detector(nn.Module):
    """[B, 3, H, W] of RGB / 255, sides a multiple of 32, to the raw head."""

    def __init__(self, classes=len(CLASSES)):
        super().__init__()
        self.model = nn.ModuleList(
            backbone()
            + [
                Sppf(256),  # 9
                nn.Upsample(scale_factor=2.0, mode="nearest"),  # 10
                nn.Identity(),  # 11: concat with P4
                C2f(256 + 128, 128, 1, False),  # 12
                nn.Upsample(scale_factor=2.0, mode="nearest"),  # 13
                nn.Identity(),  # 14: concat with P3
                C2f(128 + 64, 64, 1, False),  # 15
                Cbs(64, 64, 3, 2),  # 16
                nn.Identity(),  # 17: concat with 12
                C2f(64 + 128, 128, 1, False),  # 18
                Cbs(128, 128, 3, 2),  # 19
                nn.Identity(),  # 20: concat with 9
                C2f(128 + 256, 256, 1, False),  # 21
                Head(classes),  # 22
            ]
        )

    def forward(self, x):
        m = self.model
        kept = {}
        for index in range(9):
            x = m[index](x)
            kept[index] = x
        p5 = m[9](x)
        p4 = m[12](torch.cat((m[10](p5), kept[6]), 1))
        small = m[15](torch.cat((m[13](p4), kept[4]), 1))
        medium = m[18](torch.cat((m[16](small), p4), 1))
        large = m[21](torch.cat((m[19](medium), p5), 1))
        return m[22]((small, medium, large))


def anchors(height, width):
    """Centres in pixels [A, 2] and strides [A, 1], in the order of the raw head."""
    points, steps = [], []
    for stride in STRIDES:
        ys = (torch.arange(height // stride) + 0.5) * stride
        xs = (torch.arange(width // stride) + 0.5) * stride
        y, x = torch.meshgrid(ys, xs, indexing="ij")
        points.append(torch.stack((x, y), 2).reshape(-1, 2))
        steps.append(torch.full((len(points[-1]), 1), float(stride)))
    return torch.cat(points), torch.cat(steps)


def decode(raw, points, steps):
    """Boxes [B, A, 4] as x1, y1, x2, y2 in pixels, and class logits [B, A, classes]."""
    raw = raw.transpose(1, 2)
    bins = raw[..., : 4 * BINS].unflatten(2, (4, BINS))
    distance = softmax(bins, 3) @ torch.arange(BINS, dtype=raw.dtype) * steps
    boxes = torch.cat((points - distance[..., :2], points + distance[..., 2:]), 2)
    return boxes, raw[..., 4 * BINS :]
