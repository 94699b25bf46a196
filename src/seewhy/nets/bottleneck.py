"""The information bottleneck of Schulz, Sixt, Tombari, Landgraf (ICLR 2020): noise, its statistics and the information passed.

A fully blocked feature is replaced by noise with the feature's mean and standard deviation over many images, which
``seewhy train iba`` measures once per network and layer.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load as read_tensors
from torch import Tensor
from torch.nn import functional

from seewhy.core.errors import RequestError
from seewhy.nets.checkpoints import Card, read_checkpoint, write_checkpoint

Feature = Float[Tensor, "c h w"]
"""One number per channel and position of a layer."""

SMALLEST_STD = 0.01
"""Minimum standard deviation of the noise, which avoids a division by zero for features that hardly vary."""

TENSORS = "statistics.safetensors"


@dataclass(frozen=True, eq=False)
class Statistics:
    """Statistics of each feature of a layer over images; ``h`` and ``w`` are 1 for statistics per channel."""

    mean: Float[Tensor, "c #h #w"]
    std: Float[Tensor, "c #h #w"]
    photos: int

    @classmethod
    def of_one(cls, features: Feature) -> "Statistics":
        """Compute the statistics of one image, per channel over all positions."""
        places = features.flatten(1)
        mean, std = places.mean(1), places.std(1, correction=0)
        return cls(mean[:, None, None], std[:, None, None], 1)

    def noise(self) -> tuple[Float[Tensor, "c #h #w"], Float[Tensor, "c #h #w"]]:
        """Return mean and standard deviation of the noise."""
        return self.mean, self.std.clamp(min=SMALLEST_STD)


@dataclass
class Counting:
    """An accumulator of statistics by Welford's algorithm (Technometrics 1962), in float64."""

    photos: int = 0
    _mean: Tensor = field(default_factory=lambda: torch.zeros(()))
    _square: Tensor = field(default_factory=lambda: torch.zeros(()))

    def add(self, features: Feature) -> None:
        """Add the features of one image."""
        value = features.double()
        self.photos += 1
        before = value - self._mean
        self._mean = self._mean + before / self.photos
        self._square = self._square + before * (value - self._mean)

    def result(self) -> Statistics:
        """Return the statistics of all images so far, of which there must be at least one."""
        std = (self._square / self.photos).sqrt()
        return Statistics(self._mean.float(), std.float(), self.photos)


def save_statistics(folder: Path, statistics: Statistics, facts: Card) -> None:
    """Write statistics and card; the card needs at least ``layer``, ``fingerprint`` and ``classifier``."""
    tensors = {name: getattr(statistics, name) for name in ("mean", "std")}
    write_checkpoint(folder, TENSORS, tensors, {**facts, "photos": statistics.photos})


def load_statistics(folder: Path, *, layer: str | None, fingerprint: str) -> tuple[Statistics, str]:
    """Read statistics for the classifier with this fingerprint, and the name of their layer.

    Raises:
        RequestError: a file is missing or damaged, or the statistics are of another classifier or layer.
    """
    remedy = "measure them with: seewhy train iba PHOTOS --classifier SPEC --out FOLDER"
    raw, card = read_checkpoint(folder, TENSORS, what="statistics", fingerprint=fingerprint, remedy=remedy)
    if layer is not None and card.get("layer") != layer:
        raise RequestError(
            f"expected statistics of layer {layer}, got those of layer {card.get('layer')}; {remedy} --layer {layer}"
        )
    try:
        return Statistics(**read_tensors(raw), photos=card["photos"]), card["layer"]
    except (SafetensorError, TypeError) as error:
        raise RequestError(f"expected statistics in {folder}, got {error}; {remedy}") from error


def smooth(values: Feature, sigma: float) -> Feature:
    """Blur each channel with a Gaussian of ``sigma`` positions, cut at two sigma, with reflected borders."""
    reach = round(2 * sigma)
    if reach == 0:
        return values
    steps = torch.arange(-reach, reach + 1, device=values.device)
    line = torch.exp(-steps.square() / (2 * sigma**2))
    line = line / line.sum()
    # torch can reflect by less than the side only; smaller maps repeat their border instead
    mode = "reflect" if reach < min(values.shape[1:]) else "replicate"
    padded = functional.pad(values[:, None], (reach,) * 4, mode=mode)
    down = functional.conv2d(padded, line.view(1, 1, -1, 1))
    return functional.conv2d(down, line.view(1, 1, 1, -1))[:, 0]


def information(deviation: Feature, removed: Feature) -> Feature:
    """Return an upper bound in nats on the information of each feature that passes the bottleneck.

    ``KL(N(lam r, (1 - lam)²) ‖ N(0, 1)) = -½ (1 - lam² r² - (1 - lam)²) - ln(1 - lam)``, where lam is the fraction of the
    feature that is passed and r its ``deviation`` from the mean in standard deviations. ``removed`` is 1 - lam, in (0, 1]:
    more precise than lam where that is close to 1.
    """
    kept = (1 - removed) * deviation
    return (kept.square() + removed.square() - 1) / 2 - removed.log()


def bits_per_pixel(nats: Feature, size: tuple[int, int]) -> Float[Tensor, "h w"]:
    """Sum over the channels and convert to bits per pixel of an image of this size, so that pixels sum to the total."""
    rows, columns = nats.shape[1:]
    return nats.sum(0) * (rows * columns / (size[0] * size[1]) / math.log(2))
