"""Regions of an image that are kept or removed together: superpixels, parts of a tree, cells of a grid, or the user's own."""

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Shaped

from seewhy.core.arrays import Image
from seewhy.core.errors import RequestError
from seewhy.core.view import Frame, View
from seewhy.images.open import open_levels
from seewhy.images.partition_tree import Labels, grow

Shape = Literal["slic", "tree", "grid"]

_MOST = 1000
"""A drawing of more regions than this has blended colours."""


def split(image: Image, count: int, shape: Shape) -> Labels:
    """Split an image into about ``count`` segments.

    ``slic`` groups neighbouring pixels of similar colour (Achanta et al., TPAMI 2012; scikit-image, compactness 10).
    ``tree`` cuts the tree of `seewhy.images.partition_tree.grow`; ``grid`` cuts as many rows as columns. Neither has an
    optional dependency.
    """
    _, height, width = image.shape
    if not 1 <= count <= height * width:
        raise RequestError(f"expected segments from 1 to {height * width}, the pixels of the image, got {count}")
    if shape == "slic":
        return _slic(image, count)
    if shape == "tree":
        return grow(image).labels(count).to(image.device)
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
            "run: pip install 'seewhy[segments]', or choose shape=tree"
        ) from None
    pixels = image.permute(1, 2, 0).cpu().double().numpy()
    return _numbered(slic(pixels, n_segments=count, compactness=10, start_label=0)).to(image.device)


def _numbered(values: Shaped[np.ndarray, "h w"]) -> Labels:
    """Number the distinct values consecutively, in their order."""
    return torch.from_numpy(np.unique(values, return_inverse=True)[1].reshape(values.shape))


def read_regions(path: str | Path, frame: Frame | View) -> Labels:
    """Read regions that a user drew: every distinct colour or number is one region, wherever it lies.

    Args:
        path: an image file of the size of the explained image, or of the classifier's view of it.
        frame: how the explained image is brought into that view; or, where its size is not known, the view: then the file has it.

    Raises:
        RequestError: the file cannot be read, has another size, or has one colour or more than 1,000.
    """
    try:
        levels = open_levels(Path(path))
    except RequestError as problem:
        raise RequestError(f"expected an image of regions, got {path}: {problem}") from problem
    height, width, channels = levels.shape
    drawn = np.unique(levels.reshape(-1, channels), axis=0, return_inverse=True)[1].reshape(height, width)
    if isinstance(frame, View):
        frame = frame.frame(*drawn.shape)
    if drawn.shape not in {frame.image_size, frame.size}:
        expected = " or ".join(f"{width} x {height}" for height, width in (frame.image_size, frame.size))
        raise RequestError(
            f"expected regions of {expected} pixels, as the image or the classifier's view, got {drawn.shape[1]} x "
            f"{drawn.shape[0]} in {path}; draw them at one of these sizes"
        )
    labels = _numbered(drawn if drawn.shape != frame.image_size else _seen(drawn, frame))
    if not 1 <= int(labels.max()) < _MOST:
        raise RequestError(
            f"expected 2 to {_MOST:,} colours in {path}, one for each region, got {int(labels.max()) + 1:,} in the part that the "
            "classifier sees; save it as PNG, without smoothed edges"
        )
    return labels


def _seen(drawn: Shaped[np.ndarray, "rows columns"], frame: Frame) -> Shaped[np.ndarray, "h w"]:
    """Return the value at the centre of each pixel of the view."""
    left, top, right, bottom = frame.box
    sides = zip((top, left), (bottom, right), frame.size, drawn.shape, strict=True)
    rows, columns = (
        np.clip(start + (np.arange(count) + 0.5) * (stop - start) / count, 0, side - 1).astype(np.int64)
        for start, stop, count, side in sides
    )
    return drawn[np.ix_(rows, columns)]
