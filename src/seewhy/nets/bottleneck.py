"""The information bottleneck of Schulz, Sixt, Tombari, Landgraf (ICLR 2020): noise, its statistics and what gets through.

Where nothing is let through, a feature is replaced by noise with its mean and standard deviation over many pictures. These
`Statistics` are measured once a network and layer, by ``seewhy train iba``, and kept in ``statistics.safetensors`` and
``card.json``.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load as read_tensors
from torch import Tensor
from torch.nn import functional

from seewhy.core.errors import RequestError
from seewhy.nets.carded import read_carded, write_carded

Feature = Float[Tensor, "c h w"]
"""A number for each feature of a layer at each place."""

SMALLEST_STD = 0.01
"""A feature that hardly varies gets noise of this size, so that nothing is divided by nothing."""

TENSORS = "statistics.safetensors"


@dataclass(frozen=True, eq=False)
class Statistics:
    """How each feature of a layer is spread over pictures.

    Args:
        mean: of each feature, or of each channel with ``h`` and ``w`` 1.
        std: its standard deviation.
        rms: root mean square of its values other than 0, for features behind a ReLU.
        photos: how many pictures they come from.
    """

    mean: Float[Tensor, "c #h #w"]
    std: Float[Tensor, "c #h #w"]
    rms: Float[Tensor, "c #h #w"]
    photos: int

    @classmethod
    def of_one(cls, features: Feature) -> "Statistics":
        """Take those of one picture, channel by channel over all its places.

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
        """Return mean and standard deviation of what stands for nothing.

        Args:
            relu: for features behind a ReLU: mean 0, and the spread of the values other than 0.
        """
        if relu:
            return torch.zeros_like(self.mean), self.rms.clamp(min=SMALLEST_STD)
        return self.mean, self.std.clamp(min=SMALLEST_STD)


@dataclass
class Counting:
    """Statistics while they are being measured (Welford, Technometrics 1962), in float64.

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
        """Add one picture."""
        value = features.double()
        self.photos += 1
        before = value - self._mean
        self._mean = self._mean + before / self.photos
        self._square = self._square + before * (value - self._mean)
        self._power = self._power + value.square()
        self._active = self._active + (value != 0)

    def result(self) -> Statistics:
        """Return the statistics of all pictures so far; at least one."""
        std = (self._square / self.photos).sqrt()
        rms = (self._power / self._active.clamp(min=1)).sqrt()
        return Statistics(self._mean.float(), std.float(), rms.float(), self.photos)


def save_statistics(folder: Path, statistics: Statistics, facts: dict[str, Any]) -> None:
    """Write statistics and card; the card comes last, so that a folder with a card is whole.

    Args:
        folder: it is created.
        statistics: what was measured.
        facts: for the card: at least ``layer`` and ``fingerprint``.
    """
    tensors = {name: getattr(statistics, name) for name in ("mean", "std", "rms")}
    write_carded(folder, TENSORS, tensors, {**facts, "photos": statistics.photos})


def load_statistics(folder: Path, *, layer: str | None, fingerprint: str) -> tuple[Statistics, str]:
    """Read what `save_statistics` wrote.

    Args:
        folder: where it lies.
        layer: the layer that is wanted; None for whichever they are of.
        fingerprint: of the classifier that is explained.

    Returns:
        The statistics and their layer.

    Raises:
        RequestError: a file is missing or damaged, or they belong to another classifier or layer.
    """
    remedy = "measure them with: seewhy train iba PHOTOS --classifier SPEC --out FOLDER"
    raw, card = read_carded(folder, TENSORS, what="statistics", fingerprint=fingerprint, remedy=remedy)
    if layer is not None and card.get("layer") != layer:
        raise RequestError(
            f"expected statistics of layer {layer}, got those of {card.get('layer')}; {remedy} --layer {layer}"
        )
    try:
        return Statistics(**read_tensors(raw), photos=card["photos"]), card["layer"]
    except (SafetensorError, TypeError) as error:
        raise RequestError(f"expected statistics in {folder}, got {error}; {remedy}") from error


def smooth(values: Feature, sigma: float) -> Feature:
    """Blur each channel with a Gaussian, reflected at the edges: ``2 · round(2 sigma) + 1`` places wide, sum 1.

    Args:
        values: of each feature.
        sigma: its standard deviation in places of the map; 0 leaves them as they are.

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
    # torch reflects by less than a side; a smaller map repeats its last place
    mode = "reflect" if reach < min(values.shape[1:]) else "replicate"
    padded = functional.pad(values[:, None], (reach,) * 4, mode=mode)
    down = functional.conv2d(padded, line.view(1, 1, -1, 1))
    return functional.conv2d(down, line.view(1, 1, 1, -1))[:, 0]


def information(deviation: Feature, removed: Feature) -> Feature:
    """Bound how much of each feature gets through the noise.

    ``KL(N(lam r, (1 - lam)²) ‖ N(0, 1)) = -½ (1 - lam² r² - (1 - lam)²) - ln(1 - lam)`` with the share lam that is let
    through and the feature's distance r from its mean in standard deviations.

    Args:
        deviation: r.
        removed: ``1 - lam``, in (0, 1]; given instead of lam, as that keeps its digits where nearly all is let through.

    Returns:
        Nats, 0 or more.

    Example:
        >>> round(information(torch.ones(1, 1, 1), torch.full((1, 1, 1), 0.5)).item(), 6)
        0.443147
    """
    kept = (1 - removed) * deviation
    return (kept.square() + removed.square() - 1) / 2 - removed.log()


def bits_per_pixel(nats: Feature, size: tuple[int, int]) -> Float[Tensor, "h w"]:
    """Add up the channels, in bits for each pixel of a picture of this size; the sum over its pixels is the whole information."""
    rows, columns = nats.shape[1:]
    return nats.sum(0) * (rows * columns / (size[0] * size[1]) / math.log(2))
