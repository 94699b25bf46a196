"""Parts of a picture to keep or remove as wholes: superpixels, or the cells of a grid."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from seewhy.core.arrays import Image
from seewhy.core.errors import RequestError
from seewhy.core.maps import Map

Shape = Literal["slic", "grid"]

Labels = Int[Tensor, "h w"]
"""The number of each pixel's segment, from 0 on without a gap."""


def split(image: Image, count: int, shape: Shape) -> Labels:
    """Cut a picture into about so many segments.

    ``slic`` groups neighbouring pixels of like colour (Achanta et al., TPAMI 2012; scikit-image, compactness 10); ``grid``
    cuts as many rows as columns, for which nothing need be installed.

    Args:
        image: the picture.
        count: how many segments are wanted; there may be a few fewer or more.
        shape: ``slic`` or ``grid``.

    Raises:
        RequestError: ``count`` is not positive or more than the pixels, or scikit-image is needed and not installed.

    Example:
        >>> split(torch.zeros(3, 2, 4), 4, "grid").tolist()
        [[0, 0, 1, 1], [2, 2, 3, 3]]
    """
    _, height, width = image.shape
    if not 1 <= count <= height * width:
        raise RequestError(f"expected segments from 1 to the {height * width} pixels of the picture, got {count}")
    if shape == "slic":
        return _slic(image, count)
    side = min(round(count**0.5), height, width)
    down, across = (torch.arange(length, device=image.device) * side // length for length in (height, width))
    labels: Labels = down[:, None] * side + across
    return labels


def _slic(image: Image, count: int) -> Labels:
    """Superpixels, numbered without a gap."""
    try:
        from skimage.segmentation import slic  # noqa: PLC0415 - an extra
    except ImportError:
        raise RequestError(
            "expected the package scikit-image for shape=slic, got none installed; "
            "run: pip install 'seewhy[segments]', or choose shape=grid"
        ) from None
    pixels = image.permute(1, 2, 0).cpu().double().numpy()
    found = np.unique(slic(pixels, n_segments=count, compactness=10, start_label=0), return_inverse=True)[1]
    return torch.from_numpy(found.reshape(pixels.shape[:2])).to(image.device)


def paint(keys: Sequence[str], values: Float[Tensor, "k t"], labels: Labels) -> dict[str, Map]:
    """Give each pixel the value of its segment: key → map, for one column of values a key.

    Example:
        >>> paint(["class:0"], torch.tensor([[1.0], [2.0]]), torch.tensor([[0, 1, 1]]))["class:0"].tolist()
        [[1.0, 2.0, 2.0]]
    """
    return {key: column[labels].float().cpu().numpy() for key, column in zip(keys, values.T, strict=True)}


def fade(values: Float[Tensor, "n h w"], sigma: float) -> Float[Tensor, "n h w"]:
    """Blur with a Gaussian of ``sigma`` pixels, the picture's border repeated outwards, so that even stays even.

    Example:
        >>> fade(torch.tensor([[[0.0, 0.0, 1.0, 1.0]]]), 0.5).round(decimals=1).tolist()
        [[[0.0, 0.1, 0.9, 1.0]]]
    """
    down, across = (_blur(side, sigma, values) for side in values.shape[1:])
    return down @ values @ across.T


def _blur(side: int, sigma: float, like: Float[Tensor, "n h w"]) -> Float[Tensor, "s s"]:
    """The blur of one axis as a matrix: each pixel is a mean of its neighbours, and what lies outside is the border's pixel."""
    if sigma == 0:
        return torch.eye(side).to(like)
    reach = round(4 * sigma)
    steps = torch.arange(-reach, reach + 1)
    weights = torch.exp(-((steps / sigma) ** 2) / 2)
    places = (torch.arange(side)[:, None] + steps).clamp(0, side - 1)
    return torch.zeros(side, side).scatter_add_(1, places, (weights / weights.sum()).expand(side, -1)).to(like)
