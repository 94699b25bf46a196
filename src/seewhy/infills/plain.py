"""In-fills that need no model: one colour, the picture's own blur, noise.

Gray and constant are what most of the field uses (Zeiler, Fergus, ECCV 2014; Petsiuk, Das, Saenko, BMVC 2018), blur and
noise come from Fong, Vedaldi, ICCV 2017. All are unlikely as photographs, which a classifier may take for evidence.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from seewhy.core.arrays import Image, Images, Keep, Seeds, compose
from seewhy.core.classifier import IMAGENET_MEAN, Color
from seewhy.core.errors import RequestError
from seewhy.core.seeds import normals
from seewhy.infills.holes import Boxes, bounding_boxes

Paint = Callable[[Image], Float[Tensor, "c a b"]]
"""Makes what lies under a picture: ``(c, h, w)``, or what broadcasts to it."""


@dataclass(frozen=True)
class Painted:
    """An in-fill that knows beforehand what lies under the whole picture.

    Args:
        paint: makes it from the picture.
    """

    paint: Paint
    stochastic: bool = False
    checksum: str | None = None

    def __call__(self, image: Image, keep: Keep, seeds: Seeds) -> Images:
        """See `seewhy.core.infill.Infill`; the seeds change nothing."""
        del seeds
        return compose(image, keep, self.paint(image)[None])


def gray(*, color: Color = IMAGENET_MEAN) -> Painted:
    """The mean colour of the data set: the classifier's own if it states one, else ImageNet's.

    Args:
        color: RGB in [0, 1], written ``0.485/0.456/0.406`` in a Spec.

    Raises:
        RequestError: a channel is outside [0, 1].

    Example:
        >>> gray()(torch.zeros(3, 1, 1), torch.zeros(1, 1, 1), torch.zeros(1, dtype=torch.int64))[0, 0].item()
        0.48627451062202454
    """
    _check_color(color)
    return Painted(lambda image: torch.tensor(color, dtype=image.dtype, device=image.device)[:, None, None])


def _check_color(color: Color) -> None:
    """Refuse what is no colour."""
    if not all(0 <= channel <= 1 for channel in color):
        raise RequestError(f"expected a color with channels in [0, 1], got {color}")


def constant(*, value: float = 0.5) -> Painted:
    """One gray level.

    Args:
        value: 0 = black, 1 = white.

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
    """The mean colour of the picture itself.

    Example:
        >>> mean()(torch.eye(2)[None].repeat(3, 1, 1), torch.zeros(1, 2, 2), torch.zeros(1, dtype=torch.int64))[0, 0, 0, 0].item()
        0.501960813999176
    """
    return Painted(lambda image: image.mean((1, 2), keepdim=True))


def blur(*, sigma: float = 10.0) -> Painted:
    """The picture itself through a Gaussian blur; a trace of what was removed stays in it.

    Args:
        sigma: standard deviation of the blur, pixels of the classifier's view.

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
    """The blur that RISE's insertion metric starts from: nearly the mean of the 11 x 11 pixels around (BMVC 2018, authors' code).

    Its kernel is the picture of a single bright pixel in 11 x 11, blurred with a standard deviation of 5 pixels where what
    leaves the picture is reflected back into it, and so nearly flat. Outside of the picture lies ``color``: the authors pad
    the normalised picture with zeros.

    Args:
        color: RGB in [0, 1].

    Raises:
        RequestError: a channel is outside [0, 1].

    Example:
        >>> rise_blur()(torch.ones(3, 12, 12), torch.zeros(1, 12, 12), torch.zeros(1, dtype=torch.int64)).max().item()
        1.0
    """
    _check_color(color)
    return Painted(_once(lambda image: _near_box_blur(image, color)))


def _near_box_blur(image: Image, color: Color) -> Image:
    """Blur what differs from a colour, as far as the picture reaches."""
    line = near_box(11, 5.0).to(image)
    paper = torch.tensor(color, dtype=image.dtype, device=image.device)[:, None, None]
    layers = functional.conv2d((image - paper)[:, None], line[None, None, :, None], padding=(5, 0))
    return functional.conv2d(layers, line[None, None, None, :], padding=(0, 5))[:, 0] + paper


def near_box(size: int, sigma: float) -> Float[Tensor, " n"]:
    """Blur a single 1 in the middle of ``size`` zeros by a Gaussian, mirrored at both ends with the end repeated.

    Args:
        size: odd.
        sigma: of the Gaussian, which is cut off at four of them.

    Returns:
        Weights that sum to 1, float64.

    Example:
        >>> [round(float(weight), 4) for weight in near_box(11, 5.0)[[0, 5]]]
        [0.088, 0.094]
    """
    reach = round(4 * sigma)
    offsets = torch.arange(-reach, reach + 1)
    bell = torch.exp(-(offsets.double() ** 2) / (2 * sigma**2))
    landed = (size // 2 + offsets) % (2 * size)  # mirrored, the line comes again after twice its length
    landed = torch.where(landed < size, landed, 2 * size - 1 - landed)
    return torch.zeros(size, dtype=torch.float64).index_add(0, landed, bell / bell.sum())


def _once(paint: Paint) -> Paint:
    """Remember the last picture and what lies under it: a run asks about one, and a blur costs as much as many answers."""
    last: tuple[Image, Image] | None = None

    def painted(image: Image) -> Image:
        nonlocal last
        found = last  # another thread may change `last` meanwhile
        if found is None or found[0].device != image.device or not torch.equal(found[0], image):
            last = found = image.clone(), paint(image)
        return found[1]

    return painted


def gaussian_blur(image: Image, sigma: float) -> Image:
    """Blur each channel; near the border the weights that fall outside are shared among those inside."""
    radius = math.ceil(3 * sigma)
    offsets = torch.arange(-radius, radius + 1, dtype=image.dtype, device=image.device)
    kernel = torch.exp(-(offsets**2) / (2 * sigma**2))
    layers = torch.cat([image, torch.ones_like(image[:1])])[:, None]
    layers = functional.conv2d(layers, kernel[None, None, :, None], padding=(radius, 0))
    layers = functional.conv2d(layers, kernel[None, None, None, :], padding=(0, radius))[:, 0]
    return layers[:-1] / layers[-1:]


@dataclass(frozen=True)
class Noise:
    """See `noise`."""

    stochastic: bool = True
    checksum: str | None = None

    def __call__(self, image: Image, keep: Keep, seeds: Seeds) -> Images:
        """See `seewhy.core.infill.Infill`; numbers are drawn for the hole's bounding box only."""
        boxes = bounding_boxes(keep)
        height, width = (max(1, int(side)) for side in boxes[:, 2:].amax(0))
        drawn = normals(seeds, len(image) * height * width).reshape(len(keep), len(image), height, width)
        center, spread = image.mean((1, 2), keepdim=True), image.std((1, 2), keepdim=True, correction=0)
        return compose(image, keep, _placed(center + spread * drawn, boxes, image))


def noise() -> Noise:
    """Independent Gaussian noise with the picture's own mean and standard deviation in each channel.

    Example:
        >>> noise().stochastic
        True
    """
    return Noise()


def _placed(patches: Float[Tensor, "n c a b"], boxes: Boxes, image: Image) -> Images:
    """Lay each row's patch with its corner on the row's hole; the rest of the canvas is never looked at."""
    rows = torch.arange(image.shape[1], device=image.device)[None] - boxes[:, :1]
    columns = torch.arange(image.shape[2], device=image.device)[None] - boxes[:, 1:2]
    tall = patches.gather(
        2, _index(rows, patches.shape[2])[:, None, :, None].expand(-1, len(image), -1, patches.shape[3])
    )
    return tall.gather(3, _index(columns, patches.shape[3])[:, None, None, :].expand(-1, len(image), tall.shape[2], -1))


def _index(offset: Tensor, length: int) -> Tensor:
    """Places inside the patch, clipped: what is clipped lies outside the hole."""
    return offset.clamp(0, length - 1)
