"""In-fills that need no model: a uniform colour, a blurred copy of the image, or noise.

Gray and constant are the most common in the literature (Zeiler, Fergus, ECCV 2014; Petsiuk, Das, Saenko, BMVC 2018);
blur and noise come from Fong, Vedaldi, ICCV 2017. All of them produce unrealistic images, whose artefacts a classifier may
take for evidence.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from seewhy.core.arrays import Image, Images, Keep, Seeds, compose
from seewhy.core.classifier import IMAGENET_MEAN, Color
from seewhy.core.errors import RequestError
from seewhy.core.seeds import normals
from seewhy.infills.holes import bounding_boxes

Paint = Callable[[Image], Float[Tensor, "c a b"]]
"""Compute the replacement pixels for an image: ``(c, h, w)``, or a shape that broadcasts to it."""


@dataclass(frozen=True)
class Painted:
    """An in-fill whose replacement pixels depend on the image only, not on the hole."""

    paint: Paint
    stochastic: bool = False
    checksum: str | None = None

    def __call__(self, image: Image, keep: Keep, seeds: Seeds) -> Images:
        """Implement `seewhy.core.infill.Infill`; seeds are ignored."""
        del seeds
        return compose(image, keep, self.paint(image)[None])


def gray(*, color: Color = IMAGENET_MEAN) -> Painted:
    """Fill with the mean colour of the data set: the classifier's own mean if it states one, else ImageNet's.

    Args:
        color: RGB in [0, 1], written ``0.485/0.456/0.406`` in a Spec.

    Raises:
        RequestError: a channel is outside [0, 1].

    Example:
        >>> gray()(torch.zeros(3, 1, 1), torch.zeros(1, 1, 1), torch.zeros(1, dtype=torch.int64))[0, 0].item()
        0.48627451062202454
    """
    _check_range(color)
    return Painted(lambda image: torch.tensor(color, dtype=image.dtype, device=image.device)[:, None, None])


def _check_range(color: Color) -> None:
    """Raise if a channel is outside [0, 1]."""
    if not all(0 <= channel <= 1 for channel in color):
        raise RequestError(f"expected a color with channels in [0, 1], got {color}")


def constant(*, value: float = 0.5) -> Painted:
    """Fill with one gray level.

    Args:
        value: gray level in [0, 1]; 0 = black, 1 = white.

    Raises:
        RequestError: the value is outside [0, 1].

    Example:
        >>> constant(value=1.0)(torch.zeros(3, 1, 1), torch.zeros(1, 1, 1), torch.zeros(1, dtype=torch.int64)).max().item()
        1.0
    """
    if not 0 <= value <= 1:
        raise RequestError(f"expected value in [0, 1], got {value}")
    return Painted(lambda image: torch.full((len(image), 1, 1), value, dtype=image.dtype, device=image.device))


def mean() -> Painted:
    """Fill with the mean colour of the image.

    Example:
        >>> mean()(torch.eye(2)[None].repeat(3, 1, 1), torch.zeros(1, 2, 2), torch.zeros(1, dtype=torch.int64))[0, 0, 0, 0].item()
        0.501960813999176
    """
    return Painted(lambda image: image.mean((1, 2), keepdim=True))


def blur(*, sigma: float = 10.0) -> Painted:
    """Fill with a Gaussian-blurred copy of the image; a trace of the removed content remains visible.

    Args:
        sigma: standard deviation of the blur, in pixels of the classifier's view.

    Raises:
        RequestError: sigma is not positive.

    Example:
        >>> blur(sigma=2.0)(torch.ones(3, 9, 9), torch.zeros(1, 9, 9), torch.zeros(1, dtype=torch.int64)).min().item()
        1.0
    """
    if not sigma > 0:
        raise RequestError(f"expected sigma > 0 pixels, got {sigma}")
    return Painted(_once(lambda image: gaussian_blur(image, sigma)))


def rise_blur(*, color: Color = IMAGENET_MEAN) -> Painted:
    """Fill with the blur from which RISE's insertion metric starts, nearly an 11 x 11 mean (BMVC 2018, authors' code).

    The kernel is an 11 x 11 image of a single bright pixel, blurred with a standard deviation of 5 pixels and reflecting
    borders, which makes it nearly flat. The image is padded with ``color``: the authors pad the normalised image with
    zeros.

    Args:
        color: padding colour, RGB in [0, 1].

    Raises:
        RequestError: a channel is outside [0, 1].

    Example:
        >>> rise_blur()(torch.ones(3, 12, 12), torch.zeros(1, 12, 12), torch.zeros(1, dtype=torch.int64)).max().item()
        1.0
    """
    _check_range(color)
    return Painted(_once(lambda image: _near_box_blur(image, color)))


def _near_box_blur(image: Image, color: Color) -> Image:
    """Blur the image with the kernel of `rise_blur`, padded with a colour."""
    from scipy.ndimage import gaussian_filter1d  # noqa: PLC0415 - takes a second to import

    line = torch.from_numpy(gaussian_filter1d(np.eye(11)[5], 5.0)).to(image)
    paper = torch.tensor(color, dtype=image.dtype, device=image.device)[:, None, None]
    layers = functional.conv2d((image - paper)[:, None], line[None, None, :, None], padding=(5, 0))
    return functional.conv2d(layers, line[None, None, None, :], padding=(0, 5))[:, 0] + paper


def _once(paint: Paint) -> Paint:
    """Cache the result for the last image: a run explains one image, and a blur costs as much as many queries."""
    last: tuple[Image, Image] | None = None

    def painted(image: Image) -> Image:
        nonlocal last
        cached = last  # another thread may change `last` meanwhile
        if cached is None or cached[0].device != image.device or not torch.equal(cached[0], image):
            last = cached = image.clone(), paint(image)
        return cached[1]

    return painted


def gaussian_blur(image: Image, sigma: float) -> Image:
    """Blur each channel; near the border the weights inside the image are renormalised."""
    radius = math.ceil(3 * sigma)
    offsets = torch.arange(-radius, radius + 1, dtype=image.dtype, device=image.device)
    kernel = torch.exp(-(offsets**2) / (2 * sigma**2))
    layers = torch.cat([image, torch.ones_like(image[:1])])[:, None]
    layers = functional.conv2d(layers, kernel[None, None, :, None], padding=(radius, 0))
    layers = functional.conv2d(layers, kernel[None, None, None, :], padding=(0, radius))[:, 0]
    return layers[:-1] / layers[-1:]


@dataclass(frozen=True)
class Noise:
    """An in-fill of Gaussian noise; see `noise`."""

    stochastic: bool = True
    checksum: str | None = None

    def __call__(self, image: Image, keep: Keep, seeds: Seeds) -> Images:
        """Implement `seewhy.core.infill.Infill`; numbers are drawn only for the bounding box of the hole."""
        center, spread = image.mean((1, 2), keepdim=True), image.std((1, 2), keepdim=True, correction=0)
        fills = image.repeat(len(keep), 1, 1, 1)
        for fill, seed, (top, left, height, width) in zip(fills, seeds, bounding_boxes(keep).tolist(), strict=True):
            drawn = normals(seed[None], len(image) * height * width).view(len(image), height, width)
            fill[:, top : top + height, left : left + width] = center + spread * drawn
        return compose(image, keep, fills)


def noise() -> Noise:
    """Fill with independent Gaussian noise that has the image's mean and standard deviation in each channel.

    Example:
        >>> noise().stochastic
        True
    """
    return Noise()
