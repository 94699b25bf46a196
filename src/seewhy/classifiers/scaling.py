"""How pixels become the numbers that a network was trained on: range, mean and standard deviation."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from seewhy.classifiers.settings import Channels
from seewhy.core.classifier import IMAGENET_MEAN, Color
from seewhy.core.errors import RequestError

Triple = float | str | Sequence[float]
"""One number for all channels, three numbers, or text: ``0.5`` or ``0.485/0.456/0.406``."""

Scale = Literal["auto", "unit", "255"] | float
"""The value of white before ``mean`` and ``std``: ``unit`` or 1, 255, or ``auto``: 255 where ``mean`` is above 1, otherwise 1."""

_WHITE = {"unit": 1.0, "1": 1.0, "1.0": 1.0, "255": 255.0, "255.0": 255.0}

_PLAIN: Color = (0.0, 0.0, 0.0)
_UNIT: Color = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Scaling:
    """Input normalisation of a network: ``(white · x - mean) / std`` per channel, in the network's channel order.

    Raises:
        RequestError: a ``std`` is not positive.
    """

    mean: Color = _PLAIN
    std: Color = _UNIT
    white: float = field(default=1.0, repr=False)

    def __post_init__(self) -> None:
        if min(self.std) <= 0:
            raise RequestError(f"expected std > 0, got {self.std}; omit it for no division")

    @property
    def identity(self) -> tuple[object, ...]:
        """What goes into a classifier's fingerprint; a white of 1 leaves it as it was before there was a white."""
        return (self,) if self.white == 1 else (self, self.white)

    def apply(self, images: Tensor) -> Tensor:
        """Normalise ``(n, 3, h, w)`` images in [0, 1], in float32."""
        pixels = images if self.white == 1 else images * self.white
        column = images.new_tensor([self.mean, self.std])[:, :, None, None]
        return (pixels - column[0]) / column[1]


def make_scaling(mean: Triple | None, std: Triple | None, scale: Scale = "auto") -> Scaling:
    """Read ``mean`` (None for 0), ``std`` (None for 1) and ``scale``.

    Raises:
        RequestError: a value cannot be read, or mean and std belong to different ranges of pixels.

    Example:
        >>> make_scaling("104/117/123", None).white
        255.0
    """
    middle = _PLAIN if mean is None else read_triple("mean", mean)
    spread = _UNIT if std is None else read_triple("std", std)
    white = 255.0 if max(middle) > 1 else 1.0
    if scale != "auto":
        white = read_white(scale)
    _check_range(middle, spread, white, chosen=scale != "auto")
    return Scaling(middle, spread, white)


def read_white(scale: Scale) -> float:
    """Return the value of white that ``scale`` names, a number or its text."""
    if str(scale) not in _WHITE:
        raise RequestError(
            f"expected scale=unit (white is 1), scale=255 or scale=auto, got {scale!r}; choose one of them"
        )
    return _WHITE[str(scale)]


def _check_range(mean: Color, std: Color, white: float, *, chosen: bool) -> None:
    """Refuse a mean or a std that belongs to pixels of another range than from 0 to white."""
    shown = f"got mean={mean} and std={std}"
    if white == 1 and max(mean) > 1:
        raise RequestError(
            f"expected mean in the range of pixels from 0 to 1, {shown}; write scale=255 for pixels from 0 to 255"
        )
    if white == 1 and max(std) > 1 and not chosen:
        raise RequestError(
            f"expected std in the range of pixels from 0 to 1, {shown}; write scale=255 if the network takes pixels from 0 to 255, "
            "or scale=unit if it was trained with this std on pixels from 0 to 1"
        )
    if white == 255 and 0 < max(mean) <= 1:
        raise RequestError(
            f"expected mean in the range of pixels from 0 to 255, {shown}; multiply both by 255, or omit scale="
        )
    if white == 255 and max(std) < 1:
        raise RequestError(
            f"expected std in the range of pixels from 0 to 255, {shown}; if it is for pixels from 0 to 1, multiply it by 255; "
            "if the network multiplies by it, give its inverse"
        )


def read_triple(setting: str, value: Triple) -> Color:
    """Return three finite numbers, one per channel."""
    parts: Iterable[str | float] = (
        value.split("/") if isinstance(value, str) else [value] if isinstance(value, int | float) else value
    )
    try:
        numbers = [float(part) for part in parts]
    except (TypeError, ValueError):
        numbers = []
    if len(numbers) == 1:
        numbers *= 3
    if len(numbers) != 3 or not bool(torch.tensor(numbers).isfinite().all()):
        raise RequestError(f"expected {setting} as one or three numbers, got {value!r}; write 0.485/0.456/0.406")
    return numbers[0], numbers[1], numbers[2]


def make_mean_color(mean_color: Triple | None, scaling: Scaling, channels: Channels) -> Color:
    """Determine the mean colour of the training images, RGB in [0, 1].

    The given colour takes precedence, then the normalisation mean if it is a valid colour, then the ImageNet mean.
    """
    if mean_color is not None:
        color = read_triple("mean_color", mean_color)
        if not 0 <= min(color) <= max(color) <= 1:
            raise RequestError(f"expected mean_color in [0, 1], got {color}; divide by 255")
        return color
    red, green, blue = (value / scaling.white for value in scaling.mean)
    color = (red, green, blue) if channels == "rgb" else (blue, green, red)
    return color if min(color) >= 0 and max(color) > 0 else IMAGENET_MEAN
