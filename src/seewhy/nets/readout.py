"""The read-out bottleneck of Schulz, Sixt, Tombari, Landgraf (ICLR 2020): a small network says how much of a layer is needed.

It looks at what several layers of a classifier make of the whole picture, and is trained once a classifier, by
``seewhy train readout``, into ``readout.safetensors`` and ``card.json``.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from seewhy.nets.bottleneck import information
from seewhy.nets.carded import fill, read_carded, write_carded

Features = Float[Tensor, "n c h w"]
"""Of the layer with the bottleneck."""

Source = Float[Tensor, "n _ _ _"]
"""What any layer makes of pictures, laid out in channels, rows and columns; 1 × 1 for scores and what else has no places."""

Shape = tuple[int, int, int]
"""Channels, rows, columns."""

TENSORS = "readout.safetensors"

REMEDY = (
    "train one with: seewhy train readout PHOTOS --classifier SPEC --out FOLDER, and give iba-readout:weights=FOLDER"
)
"""How to come by a read-out, for messages."""

START = 5.0
"""Logit of the share that is let through before training: nearly all. Logits stay within this far from 0."""


@final
class Readout(nn.Module):
    """Three 1 × 1 convolutions, F → F/2 → 2 C → C, from the features of all sources to the logits of C shares.

    Every source is standardised feature by feature and resized to the rows and columns of the first, the one with the
    bottleneck. The first convolution is applied before the resizing, source by source: both are linear and the weights of the
    resizing sum to 1, so that the result is the same at a fraction of the cost.

    Args:
        shapes: of the sources; the first has the C channels of the bottleneck, all have F channels together.

    Example:
        >>> net = build_readout([(2, 4, 4), (6, 1, 1)])
        >>> net([torch.zeros(1, 2, 4, 4), torch.zeros(1, 6, 1, 1)]).shape
        torch.Size([1, 2, 4, 4])
    """

    def __init__(self, shapes: Sequence[Shape]) -> None:
        super().__init__()
        self.shapes = tuple(shapes)
        self.channels = [channels for channels, _, _ in self.shapes]
        everything, out = sum(self.channels), self.channels[0]
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
        """Return mean and standard deviation of a source over photos."""
        return self.get_buffer(f"mean{number}"), self.get_buffer(f"std{number}")

    def deviation(self, features: Source, number: int = 0) -> Source:
        """Return how many standard deviations each feature of a source is from its mean."""
        mean, std = self.noise(number)
        return (features - mean) / std

    def forward(self, sources: Sequence[Source]) -> Features:
        """Return the logits of the shares that are let through, -5 to 5."""
        size = self.shapes[0][1:]
        weights = torch.split(self.first.weight, self.channels, dim=1)
        hidden = self.first.get_parameter("bias")[:, None, None]
        for number, (features, weight) in enumerate(zip(sources, weights, strict=True)):
            mixed = functional.conv2d(self.deviation(features, number), weight)
            if mixed.shape[2:] not in {size, (1, 1)}:  # one place is spread over all by the sum
                mixed = functional.interpolate(mixed, size=size, mode="bilinear", align_corners=True)
            hidden = hidden + mixed
        logits: Tensor = self.last(self.second(hidden.relu()).relu())
        return logits.clamp(-START, START)

    def removed(self, sources: Sequence[Source]) -> Features:
        """Return the share of each feature of the first source that noise replaces, 0.0067 to 0.9933."""
        return torch.sigmoid(-self(sources))

    def nats(self, features: Features, removed: Features) -> Features:
        """Bound what gets through of each feature of the first source; see `seewhy.nets.bottleneck.information`."""
        return information(self.deviation(features).flatten(0, 1), removed.flatten(0, 1)).view_as(features)


def build_readout(shapes: Sequence[Shape], *, seed: int = 0) -> Readout:
    """Build an untrained read-out, which lets nearly everything through.

    Args:
        shapes: of its sources, see `Readout`.
        seed: of the weights; torch's own generator is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Readout(shapes)


def save_readout(folder: Path, net: Readout, facts: dict[str, Any]) -> None:
    """Write weights and card.

    Args:
        folder: it is created.
        net: the trained network.
        facts: for the card: at least ``layers``, ``fingerprint`` and ``classifier``.
    """
    write_carded(folder, TENSORS, net.state_dict(), {**facts, "shapes": net.shapes})


def load_readout(folder: Path, *, fingerprint: str) -> tuple[Readout, dict[str, Any]]:
    """Read what `save_readout` wrote.

    Args:
        folder: where it lies.
        fingerprint: of the classifier that is explained.

    Returns:
        The network, ready to answer, and its card.

    Raises:
        RequestError: a file is missing or damaged, or belongs to another classifier.
    """
    raw, card = read_carded(folder, TENSORS, what="read-out weights", fingerprint=fingerprint, remedy=REMEDY)
    net = build_readout([(channels, rows, columns) for channels, rows, columns in card["shapes"]])
    return fill(net, raw, what="a read-out", folder=folder, remedy=REMEDY), card
