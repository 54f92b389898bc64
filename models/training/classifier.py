"""The classifier: the backbone, a 1x1 CBS to 1280, global average pool, linear."""

from torch import nn

from blocks import Cbs, backbone

SIZE = 128
CLASSES = ["playing", "cleared", "breached", "dead"]


class Head(nn.Module):
    """Layer 9: 256 to 1280, the mean over the picture, one linear layer."""

    def __init__(self, classes):
        super().__init__()
        self.conv = Cbs(256, 1280)
        self.drop = nn.Dropout(0.2)
        self.linear = nn.Linear(1280, classes)

    def forward(self, x):
        return self.linear(self.drop(self.conv(x).mean((2, 3))))


class Classifier(nn.Module):
    """[B, 3, S, S] of RGB / 255 to logits [B, classes]."""

    def __init__(self, classes=len(CLASSES)):
        super().__init__()
        self.model = nn.Sequential(*backbone(), Head(classes))

    def forward(self, images):
        return self.model(images)
