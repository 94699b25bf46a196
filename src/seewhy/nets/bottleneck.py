"""The information bottleneck of Schulz, Sixt, Tombari, Landgraf (ICLR 2020): noise, its statistics and the information passed.

A fully blocked feature is replaced by noise with the feature's mean and standard deviation over many images. These
`Statistics` are measured once per network and layer by ``seewhy train iba``, and stored in ``statistics.safetensors`` and
``card.json``.
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
    """Statistics of each feature of a layer over images.

    Args:
        mean: mean of each feature; ``h`` and ``w`` are 1 for statistics per channel.
        std: standard deviation of each feature.
        rms: root mean square of the nonzero values of each feature, for features after a ReLU.
        photos: number of images that the statistics were measured on.
    """

    mean: Float[Tensor, "c #h #w"]
    std: Float[Tensor, "c #h #w"]
    rms: Float[Tensor, "c #h #w"]
    photos: int

    @classmethod
    def of_one(cls, features: Feature) -> "Statistics":
        """Compute the statistics of one image, per channel over all positions.

        Example:
            >>> Statistics.of_one(torch.tensor([[[1.0, 3.0]]])).mean.item()
            2.0
        """
        places = features.flatten(1)
        active = (places != 0).sum(1).clamp(min=1)
        rms = (places.square().sum(1) / active).sqrt()
        mean, std = places.mean(1), places.std(1, correction=0)
        return cls(mean[:, None, None], std[:, None, None], rms[:, None, None], 1)

    def noise(self, *, relu: bool) -> tuple[Float[Tensor, "c #h #w"], Float[Tensor, "c #h #w"]]:
        """Return the mean and standard deviation of the noise that replaces blocked features.

        Args:
            relu: whether the features come after a ReLU; the noise then has mean 0 and the root mean square of the nonzero
                values as standard deviation.
        """
        if relu:
            return torch.zeros_like(self.mean), self.rms.clamp(min=SMALLEST_STD)
        return self.mean, self.std.clamp(min=SMALLEST_STD)


@dataclass
class Counting:
    """An accumulator of statistics by Welford's algorithm (Technometrics 1962), in float64.

    Example:
        >>> counting = Counting()
        >>> for value in (1.0, 3.0):
        ...     counting.add(torch.full((1, 1, 1), value))
        >>> counting.result().std.item()
        1.0
    """

    photos: int = 0
    _mean: Tensor = field(default_factory=lambda: torch.zeros(()))
    _square: Tensor = field(default_factory=lambda: torch.zeros(()))
    _power: Tensor = field(default_factory=lambda: torch.zeros(()))
    _active: Tensor = field(default_factory=lambda: torch.zeros(()))

    def add(self, features: Feature) -> None:
        """Add the features of one image."""
        value = features.double()
        self.photos += 1
        before = value - self._mean
        self._mean = self._mean + before / self.photos
        self._square = self._square + before * (value - self._mean)
        self._power = self._power + value.square()
        self._active = self._active + (value != 0)

    def result(self) -> Statistics:
        """Return the statistics of all images so far, of which there must be at least one."""
        std = (self._square / self.photos).sqrt()
        rms = (self._power / self._active.clamp(min=1)).sqrt()
        return Statistics(self._mean.float(), std.float(), rms.float(), self.photos)


def save_statistics(folder: Path, statistics: Statistics, facts: Card) -> None:
    """Write statistics and card; the card is written last, so that a folder with a card is complete.

    Args:
        folder: output folder, created if missing.
        statistics: the measured statistics.
        facts: entries of the card: at least ``layer`` and ``fingerprint``.
    """
    tensors = {name: getattr(statistics, name) for name in ("mean", "std", "rms")}
    write_checkpoint(folder, TENSORS, tensors, {**facts, "photos": statistics.photos})


def load_statistics(folder: Path, *, layer: str | None, fingerprint: str) -> tuple[Statistics, str]:
    """Read statistics written by `save_statistics`.

    Args:
        folder: folder with the statistics and their card.
        layer: name of the expected layer; None accepts any.
        fingerprint: fingerprint of the classifier to explain.

    Returns:
        The statistics and the name of their layer.

    Raises:
        RequestError: a file is missing or damaged, or the statistics belong to another classifier or layer.
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
    """Blur each channel with a Gaussian kernel, ``2 · round(2 sigma) + 1`` positions wide, with reflected borders.

    The kernel sums to 1.

    Args:
        values: feature map to blur.
        sigma: standard deviation of the Gaussian, in positions of the feature map; 0 returns the values unchanged.

    Example:
        >>> round(smooth(torch.nn.functional.one_hot(torch.tensor([12]), 25).float().view(1, 5, 5), 1.0)[0, 2, 2].item(), 6)
        0.162103
    """
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
    """Return an upper bound on the information of each feature that passes the bottleneck.

    ``KL(N(lam r, (1 - lam)²) ‖ N(0, 1)) = -½ (1 - lam² r² - (1 - lam)²) - ln(1 - lam)``, where lam is the fraction of the
    feature that is passed and r is its distance from its mean in standard deviations.

    Args:
        deviation: r, the standardised features.
        removed: ``1 - lam`` in (0, 1]; passed instead of lam to keep precision when lam is close to 1.

    Returns:
        Information in nats, nonnegative.

    Example:
        >>> round(information(torch.ones(1, 1, 1), torch.full((1, 1, 1), 0.5)).item(), 6)
        0.443147
    """
    kept = (1 - removed) * deviation
    return (kept.square() + removed.square() - 1) / 2 - removed.log()


def bits_per_pixel(nats: Feature, size: tuple[int, int]) -> Float[Tensor, "h w"]:
    """Sum over the channels and convert to bits per pixel of an image of this size, so that pixels sum to the total."""
    rows, columns = nats.shape[1:]
    return nats.sum(0) * (rows * columns / (size[0] * size[1]) / math.log(2))
