"""The blocks of both networks: CBS, bottleneck, C2f, SPPF and the backbone.

Written from the description of the layers. The attribute names are the ones
that the weights' keys are made of (`conv`, `bn`, `cv1`, `cv2`, `m`).
"""

import torch
from torch import nn


class Cbs(nn.Module):
    """Convolution without bias, batch normalisation, SiLU; padding is kernel // 2."""

    def __init__(self, inputs, outputs, kernel=1, stride=1):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)
        self.act = nn.SiLU(inplace=True)

    def forward(self, x):
        return self.act(self.bn(self.conv(x)))


class Bottleneck(nn.Module):
    """Two 3x3 CBS; in the backbone the input is added to the output."""

    def __init__(self, channels, shortcut):
        super().__init__()
        self.cv1 = Cbs(channels, channels, 3)
        self.cv2 = Cbs(channels, channels, 3)
        self.shortcut = shortcut

    def forward(self, x):
        y = self.cv2(self.cv1(x))
        return x + y if self.shortcut else y


class C2f(nn.Module):
    """1x1 to 2c, split, bottlenecks each fed by the last chunk, concat, 1x1 out."""

    def __init__(self, inputs, outputs, count, shortcut):
        super().__init__()
        self.half = half = outputs // 2
        self.cv1 = Cbs(inputs, 2 * half)
        self.cv2 = Cbs((2 + count) * half, outputs)
        self.m = nn.ModuleList(Bottleneck(half, shortcut) for _ in range(count))

    def forward(self, x):
        chunks = list(self.cv1(x).split(self.half, 1))
        for bottleneck in self.m:
            chunks.append(bottleneck(chunks[-1]))
        return self.cv2(torch.cat(chunks, 1))


class Sppf(nn.Module):
    """1x1 to half, three chained 5/1/2 max-pools, concat of all four, 1x1 out."""

    def __init__(self, channels):
        super().__init__()
        self.cv1 = Cbs(channels, channels // 2)
        self.cv2 = Cbs(channels * 2, channels)
        self.pool = nn.MaxPool2d(5, 1, 2)

    def forward(self, x):
        chunks = [self.cv1(x)]
        for _ in range(3):
            chunks.append(self.pool(chunks[-1]))
        return self.cv2(torch.cat(chunks, 1))


def backbone():
    """Layers 0 to 8 of both networks; 4, 6 and 8 are P3, P4 and P5."""
    return [
        Cbs(3, 16, 3, 2),
        Cbs(16, 32, 3, 2),
        C2f(32, 32, 1, True),
        Cbs(32, 64, 3, 2),
        C2f(64, 64, 2, True),
        Cbs(64, 128, 3, 2),
        C2f(128, 128, 2, True),
        Cbs(128, 256, 3, 2),
        C2f(256, 256, 1, True),
    ]


def parameters(module):
    """The number of learned parameters, running statistics not counted."""
    return sum(p.numel() for p in module.parameters())
