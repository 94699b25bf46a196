"""Geometry of holes, shared by several in-fills."""

import torch
from jaxtyping import Int
from torch import Tensor

from seewhy.core.arrays import Image, Keep
from seewhy.core.errors import RequestError

Boxes = Int[Tensor, "n 4"]
"""Top, left, height and width of the hole in each row; all 0 for a row without a hole."""


def bounding_boxes(keep: Keep) -> Boxes:
    """Return the bounding box of the removed pixels of each row.

    Example:
        >>> bounding_boxes(torch.tensor([[[1.0, 1.0], [1.0, 0.0]]])).tolist()
        [[1, 1, 1, 1]]
    """
    top, height = _span(keep.amin(2) < 1)  # ten times faster than `any` over booleans
    left, width = _span(keep.amin(1) < 1)
    return torch.stack([top, left, height, width], dim=1)


def _span(touched: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first touched position of each row and the length of the span up to the last one, inclusive."""
    flags = touched.int()
    first = flags.argmax(1)
    last = touched.shape[1] - 1 - flags.flip(1).argmax(1)
    return first, torch.where(touched.any(1), last - first + 1, 0)


def check_three_channels(image: Image) -> None:
    """Raise if an image does not have three channels."""
    if len(image) != 3:
        raise RequestError(f"expected a colour image, got {len(image)} channels; choose another in-fill such as blur")
