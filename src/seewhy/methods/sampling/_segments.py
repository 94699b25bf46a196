"""Shapes that are kept or removed: superpixels or the cells of a grid, their blur, and a Gaussian window."""

from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from seewhy.core.arrays import Image
from seewhy.core.errors import RequestError

Shape = Literal["slic", "grid"]

Labels = Int[Tensor, "h w"]
"""The segment number of each pixel, consecutive from 0."""


def split(image: Image, count: int, shape: Shape) -> Labels:
    """Split an image into about ``count`` segments.

    ``slic`` groups neighbouring pixels of similar colour (Achanta et al., TPAMI 2012; scikit-image, compactness 10).
    ``grid`` cuts as many rows as columns, and has no optional dependency.
    """
    _, height, width = image.shape
    if not 1 <= count <= height * width:
        raise RequestError(f"expected segments from 1 to {height * width}, the pixels of the image, got {count}")
    if shape == "slic":
        return _slic(image, count)
    side = min(round(count**0.5), height, width)
    down, across = (torch.arange(length, device=image.device) * side // length for length in (height, width))
    labels: Labels = down[:, None] * side + across
    return labels


def _slic(image: Image, count: int) -> Labels:
    """Return superpixels, numbered consecutively."""
    try:
        from skimage.segmentation import slic  # noqa: PLC0415 - optional dependency
    except ImportError:
        raise RequestError(
            "expected the package scikit-image for shape=slic, got none installed; "
            "run: pip install 'seewhy[segments]', or choose shape=grid"
        ) from None
    pixels = image.permute(1, 2, 0).cpu().double().numpy()
    numbers = np.unique(slic(pixels, n_segments=count, compactness=10, start_label=0), return_inverse=True)[1]
    return torch.from_numpy(numbers.reshape(pixels.shape[:2])).to(image.device)


def fade(values: Float[Tensor, "n h w"], sigma: float) -> Float[Tensor, "n h w"]:
    """Blur with a Gaussian of ``sigma`` pixels, with the border replicated, so that constant values stay constant."""
    down, across = (_blur(side, sigma, values) for side in values.shape[1:])
    return down @ values @ across.T


def _blur(side: int, sigma: float, like: Float[Tensor, "n h w"]) -> Float[Tensor, "s s"]:
    """Return the blur along one axis as a matrix: each pixel is a weighted mean, with the border replicated."""
    if sigma == 0:
        return torch.eye(side).to(like)
    reach = round(4 * sigma)
    steps = torch.arange(-reach, reach + 1)
    weights = torch.exp(-((steps / sigma) ** 2) / 2)
    places = (torch.arange(side)[:, None] + steps).clamp(0, side - 1)
    return torch.zeros(side, side).scatter_add_(1, places, (weights / weights.sum()).expand(side, -1)).to(like)


def window(centre: tuple[float, float], width: float, size: tuple[int, int]) -> Float[Tensor, "h w"]:
    """Draw a Gaussian window with a maximum of 1; ``centre`` and ``width`` are fractions of the image's sides."""
    down, across = (
        torch.exp(-(((torch.linspace(0, 1, side) - middle) / width) ** 2) / 2)
        for side, middle in zip(size, centre, strict=True)
    )
    return torch.outer(down / down.max(), across / across.max())
