"""The readout bottleneck of Schulz, Sixt, Tombari, Landgraf (ICLR 2020): a small network predicts the bottleneck's mask.

It takes the activations of several layers of a classifier on the full image; ``seewhy train readout`` trains it once per
classifier.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from seewhy.nets.bottleneck import information
from seewhy.nets.checkpoints import Card, fixed_seed, load_network, write_checkpoint

Features = Float[Tensor, "n c h w"]
"""Features of the layer with the bottleneck."""

Source = Float[Tensor, "n _ _ _"]
"""Activations of any layer in channels, rows and columns; 1 × 1 for outputs without positions, such as scores."""

Shape = tuple[int, int, int]
"""Channels, rows, columns."""

TENSORS = "readout.safetensors"

REMEDY = (
    "train one with: seewhy train readout PHOTOS --classifier SPEC --out FOLDER, and use iba-readout:weights=FOLDER"
)

START = 5.0
"""Logit of the passed fraction before training, which is nearly 1. Logits are clipped to plus or minus this value."""


@final
class Readout(nn.Module):
    """Three 1 × 1 convolutions, F → F/2 → 2 C → C, from the features of all sources to the logits of the passed fractions.

    Each feature of each source is standardised, and the sources are resized to the rows and columns of the first one, which
    is the layer with the bottleneck. The first convolution is applied per source before resizing. Both operations are linear
    and the resizing weights sum to 1, so the result is the same at a fraction of the cost. F is the number of channels of
    all sources, C that of the first. An untrained network passes nearly everything.
    """

    def __init__(self, shapes: Sequence[Shape], *, seed: int = 0) -> None:
        super().__init__()
        self.shapes = tuple(shapes)
        self.channels = [channels for channels, _, _ in self.shapes]
        everything, out = sum(self.channels), self.channels[0]
        with fixed_seed(seed):
            self.first = nn.Conv2d(everything, everything // 2, 1)
            self.second = nn.Conv2d(everything // 2, 2 * out, 1)
            self.last = nn.Conv2d(2 * out, out, 1)
        with torch.no_grad():
            self.last.weight.mul_(1e-3)
            self.last.get_parameter("bias").fill_(START)
        for number, shape in enumerate(self.shapes):
            self.register_buffer(f"mean{number}", torch.zeros(shape))
            self.register_buffer(f"std{number}", torch.ones(shape))

    def noise(self, number: int = 0) -> tuple[Float[Tensor, "c h w"], Float[Tensor, "c h w"]]:
        """Return the mean and standard deviation of a source over photos."""
        return self.get_buffer(f"mean{number}"), self.get_buffer(f"std{number}")

    def deviation(self, features: Source, number: int = 0) -> Source:
        """Standardise the features of a source: their distance from the mean in standard deviations."""
        mean, std = self.noise(number)
        return (features - mean) / std

    def forward(self, sources: Sequence[Source]) -> Features:
        """Return the logits of the passed fractions, -5 to 5."""
        size = self.shapes[0][1:]
        weights = torch.split(self.first.weight, self.channels, dim=1)
        hidden = self.first.get_parameter("bias")[:, None, None]
        for number, (features, weight) in enumerate(zip(sources, weights, strict=True)):
            mixed = functional.conv2d(self.deviation(features, number), weight)
            if mixed.shape[2:] not in {size, (1, 1)}:  # a single position broadcasts to all in the sum
                mixed = functional.interpolate(mixed, size=size, mode="bilinear", align_corners=True)
            hidden = hidden + mixed
        logits: Tensor = self.last(self.second(hidden.relu()).relu())
        return logits.clamp(-START, START)

    def removed(self, sources: Sequence[Source]) -> Features:
        """Return the fraction of each feature of the first source that noise replaces, 0.0067 to 0.9933."""
        return torch.sigmoid(-self(sources))

    def nats(self, features: Features, removed: Features) -> Features:
        """Bound the information passed by each feature of the first source; see `seewhy.nets.bottleneck.information`."""
        return information(self.deviation(features).flatten(0, 1), removed.flatten(0, 1)).view_as(features)


def save_readout(folder: Path, net: Readout, facts: Card) -> None:
    """Write weights and card; the card needs at least ``layers``, ``fingerprint`` and ``classifier``."""
    write_checkpoint(folder, TENSORS, net.state_dict(), {**facts, "shapes": net.shapes})


def load_readout(folder: Path, *, fingerprint: str) -> tuple[Readout, Card]:
    """Read a network for the classifier with this fingerprint, and its card.

    Raises:
        RequestError: a file is missing or damaged, or belongs to another classifier.
    """
    return load_network(
        folder,
        TENSORS,
        lambda card: Readout([(channels, rows, columns) for channels, rows, columns in card["shapes"]]),
        what="readout weights",
        fingerprint=fingerprint,
        remedy=REMEDY,
    )
