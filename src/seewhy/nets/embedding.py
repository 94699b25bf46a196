"""A small auto-encoder that turns pictures into codes, to compare sets of pictures without the classifier's eyes."""

import math
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from seewhy.core.arrays import Images
from seewhy.core.errors import RequestError

Planes = Float[Tensor, "n _ h w"]
"""Pictures of one channel or three."""

SMALLEST, LARGEST = 8, 512
"""Sides of pictures that it takes, pixels."""

_WIDTH = 16  # channels of the first level
_WIDEST = 64
_DEEPEST = 4  # pixels a side at the deepest level, about


@final
class Embedding(nn.Module):
    """A convolutional auto-encoder without any normalisation, so that the code of a picture is the same in every company.

    The encoder halves the sides by convolutions of 3 × 3 until about 4 pixels are left, and a linear layer makes the code; the
    decoder goes back the same way, with nearest neighbours enlarged.

    Args:
        channels: 1 or 3; with 1, pictures are reduced to gray first.
        size: height and width of the pictures.
        dim: length of a code.

    Raises:
        RequestError: ``channels`` or ``size`` is out of range.

    Example:
        >>> net = build_embedding(1, (28, 28), dim=8)
        >>> net.codes(torch.zeros(5, 3, 28, 28)).shape
        (5, 8)
    """

    def __init__(self, channels: int, size: tuple[int, int], dim: int) -> None:
        super().__init__()
        if channels not in {1, 3} or not SMALLEST <= min(size) <= max(size) <= LARGEST:
            raise RequestError(
                f"expected 1 or 3 channels and sides from {SMALLEST} to {LARGEST} pixels, got {channels} and {size}"
            )
        self.channels, self.size, self.dim = channels, size, dim
        levels = max(1, math.ceil(math.log2(min(size) / _DEEPEST)))
        widths = [min(_WIDEST, _WIDTH * 2**level) for level in range(levels)]
        self._small = tuple(-(-side // 2**levels) for side in size)
        deep = widths[-1] * math.prod(self._small)
        self.down = nn.ModuleList(
            nn.Conv2d(before, after, 3, stride=2, padding=1)
            for before, after in zip([channels, *widths[:-1]], widths, strict=True)
        )
        self.code = nn.Linear(deep, dim)
        self.decode = nn.Linear(dim, deep)
        self.up = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1)
            for before, after in zip(widths[::-1], [*widths[-2::-1], channels], strict=True)
        )

    def planes(self, images: Images) -> Planes:
        """Reduce pictures to the channels that it works on."""
        return images if self.channels == 3 else images.mean(1, keepdim=True)

    def encode(self, planes: Planes) -> Float[Tensor, "n d"]:
        """Return the codes of pictures."""
        features = planes - 0.5
        for layer in self.down:
            features = functional.leaky_relu(layer(features), 0.1)
        codes: Tensor = self.code(features.flatten(1))
        return codes

    def forward(self, planes: Planes) -> Planes:
        """Return the pictures as their codes remember them, of no particular range."""
        features = self.decode(self.encode(planes)).view(len(planes), -1, *self._small)
        for layer in self.up:
            larger = functional.interpolate(functional.leaky_relu(features, 0.1), scale_factor=2.0, mode="nearest")
            features = layer(larger)
        drawn: Tensor = features[:, :, : self.size[0], : self.size[1]] + 0.5
        return drawn

    @torch.no_grad()
    def codes(self, images: Images) -> Float[np.ndarray, "n d"]:
        """Return the codes of pictures ``(n, 3, h, w)`` in [0, 1] as numbers."""
        return self.encode(self.planes(images.to(self.code.weight.device))).double().cpu().numpy()


def build_embedding(channels: int, size: tuple[int, int], *, dim: int = 64, seed: int = 0) -> Embedding:
    """Build an untrained one; torch's own generator is left as it was.

    Args:
        channels: 1 or 3.
        size: of the pictures.
        dim: length of a code.
        seed: of the weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Embedding(channels, size, dim)
