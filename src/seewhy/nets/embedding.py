"""A small auto-encoder whose codes allow comparing sets of images independently of the classifier."""

import math
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from seewhy.core.arrays import Images
from seewhy.core.errors import RequestError
from seewhy.nets.checkpoints import fixed_seed

Planes = Float[Tensor, "n _ h w"]
"""Images with one or three channels."""

SMALLEST, LARGEST = 8, 512
"""Smallest and largest supported image sides, in pixels."""

_WIDTH = 16  # channels of the first level
_WIDEST = 64
_DEEPEST = 4  # approximate side of the deepest level, in pixels


@final
class Embedding(nn.Module):
    """A convolutional auto-encoder without normalisation layers, so that the code of an image does not depend on its batch.

    The encoder halves the sides with 3 × 3 convolutions down to about 4 pixels, and a linear layer computes the code of
    length ``dim``. The decoder mirrors the encoder, with nearest-neighbour upsampling. With one channel, images are reduced
    to gray first. RequestError if ``channels`` or ``size`` is out of range.
    """

    def __init__(self, channels: int, size: tuple[int, int], *, dim: int = 64, seed: int = 0) -> None:
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
        with fixed_seed(seed):
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
        """Reduce images to the channels of the network."""
        return images if self.channels == 3 else images.mean(1, keepdim=True)

    def encode(self, planes: Planes) -> Float[Tensor, "n d"]:
        """Return the codes of images."""
        features = planes - 0.5
        for layer in self.down:
            features = functional.leaky_relu(layer(features), 0.1)
        codes: Tensor = self.code(features.flatten(1))
        return codes

    def forward(self, planes: Planes) -> Planes:
        """Return the images reconstructed from their codes; values are not limited to [0, 1]."""
        features = self.decode(self.encode(planes)).view(len(planes), -1, *self._small)
        for layer in self.up:
            larger = functional.interpolate(functional.leaky_relu(features, 0.1), scale_factor=2.0, mode="nearest")
            features = layer(larger)
        drawn: Tensor = features[:, :, : self.size[0], : self.size[1]] + 0.5
        return drawn

    @torch.no_grad()
    def codes(self, images: Images) -> Float[np.ndarray, "n d"]:
        """Return the codes of images as a NumPy array."""
        return self.encode(self.planes(images.to(self.code.weight.device))).double().cpu().numpy()
