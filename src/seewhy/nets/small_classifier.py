"""A small convolutional classifier for users without one, trained by ``seewhy train classifier``.

It follows VGG (Simonyan, Zisserman, ICLR 2015) or ResNet (He et al., CVPR 2016).
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, final

import torch
from torch import Tensor, nn

from seewhy.core.arrays import Images
from seewhy.core.classifier import Color, Scores
from seewhy.nets.checkpoints import Card, fixed_seed, load_network, write_checkpoint

Arch = Literal["plain", "residual"]
"""``plain``: two convolutions per level and max pooling; ``residual``: residual blocks with strides."""

TENSORS = "classifier.safetensors"
REMEDY = "train one with: seewhy train classifier IMAGES --out FOLDER, and use trained:folder=FOLDER"

_DEEPEST = 8  # maximum short side of the deepest level, in pixels
_NARROWEST = 8  # minimum number of channels


@final
class SmallClassifier(nn.Module):
    """Levels that halve the size down to 8 pixels, global average pooling, and a linear layer.

    With one channel, the three of an image are averaged. ``color`` and ``spread`` are the mean and the standard deviation of
    the training images, by which an image is normalised.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        *,
        arch: Arch,
        classes: int,
        channels: int,
        widths: Sequence[int],
        color: Color = (0.5, 0.5, 0.5),
        spread: Color = (0.25, 0.25, 0.25),
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.settings = {"arch": arch, "classes": classes, "channels": channels, "widths": tuple(widths)}
        self.channels = channels
        self.register_buffer("mean", torch.tensor(color)[:channels, None, None])
        self.register_buffer("std", torch.tensor(spread)[:channels, None, None])
        steps = zip((channels, *widths), widths, strict=False)
        level = _plain if arch == "plain" else _residual
        with fixed_seed(seed):
            self.levels = nn.Sequential(*(level(before, after, first=not n) for n, (before, after) in enumerate(steps)))
            self.last = nn.Linear(widths[-1], classes)

    def forward(self, images: Images) -> Scores:
        """Return the logits of images in [0, 1]."""
        planes = images if self.channels == 3 else images.mean(1, keepdim=True)
        features = self.levels((planes - self.mean) / self.std)
        scores: Tensor = self.last(features.mean((2, 3)))
        return scores


def _plain(before: int, after: int, *, first: bool) -> nn.Module:
    """A VGG level: 2 x 2 max pooling, then two convolutions."""
    parts = [*_convolved(before, after), nn.ReLU(), *_convolved(after, after), nn.ReLU()]
    return nn.Sequential(*([] if first else [nn.MaxPool2d(2)]), *parts)


def _residual(before: int, after: int, *, first: bool) -> nn.Module:
    """Build a ResNet level: a residual block that halves the side, and one that does not."""
    stem = nn.Sequential(*_convolved(before, after), nn.ReLU()) if first else _Block(before, after, stride=2)
    return nn.Sequential(stem, _Block(after, after, stride=1))


def _convolved(before: int, after: int, *, side: int = 3, stride: int = 1) -> list[nn.Module]:
    """Build a convolution and a batch norm."""
    return [nn.Conv2d(before, after, side, stride, side // 2, bias=False), nn.BatchNorm2d(after)]


@final
class _Block(nn.Module):
    """A residual block: two convolutions and a shortcut."""

    def __init__(self, before: int, after: int, *, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*_convolved(before, after, stride=stride), nn.ReLU(), *_convolved(after, after))
        around = _convolved(before, after, side=1, stride=stride) if stride > 1 or before != after else []
        self.around = nn.Sequential(*around)

    def forward(self, features: Tensor) -> Tensor:
        """Add the convolutions and the shortcut."""
        total: Tensor = self.body(features) + self.around(features)
        return total.relu()


def usual_widths(size: tuple[int, int], width: int) -> tuple[int, ...]:
    """Return the channels of each level: ``width`` at the deepest, half as many at each level above, but at least 8."""
    levels = 1 + max(0, math.ceil(math.log2(min(size) / _DEEPEST)))
    return tuple(max(min(_NARROWEST, width), width >> n) for n in reversed(range(levels)))


def save_small(folder: Path, net: SmallClassifier, facts: Card) -> None:
    """Write weights and card; the card needs at least ``fingerprint`` and ``classifier``."""
    write_checkpoint(folder, TENSORS, net.state_dict(), {**facts, "net": net.settings})


def load_small(folder: Path) -> tuple[SmallClassifier, Card]:
    """Read a network written by `save_small`, and its card; RequestError if a file is missing or damaged."""
    return load_network(
        folder, TENSORS, lambda card: SmallClassifier(**card["net"]), what="a classifier", remedy=REMEDY
    )
