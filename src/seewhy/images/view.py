"""Bring a picture to what a classifier sees, and a map back to where it lies on the picture."""

import numpy as np
import torch
from jaxtyping import Bool, Float
from PIL import Image

from seewhy.core.arrays import Image as Seen
from seewhy.core.view import Frame, View
from seewhy.images.open import Picture


def apply_view(picture: Picture, view: View) -> tuple[Seen, Frame]:
    """Show a picture the way a classifier sees it.

    Bicubic, straight from the box on the picture to the input's size: the same as scaling the whole picture and cropping
    it, but a long thin picture never becomes a huge one on the way.

    Args:
        picture: from `open_picture`.
        view: the classifier's rule.

    Returns:
        ``(3, h, w)`` float32 in [0, 1], and the part of the picture that it shows. A picture that was given as a tensor
        and has the right size already comes back bit by bit.

    Example:
        >>> from seewhy.images.open import open_picture
        >>> image, frame = apply_view(open_picture(np.zeros((20, 30, 3), np.uint8)), View((10, 10)))
        >>> tuple(image.shape), frame.box
        ((3, 10, 10), (4.0, 0.0, 24.0, 20.0))
    """
    height, width = picture.pixels.shape[:2]
    frame = view.frame(height, width)
    whole = frame.box == (0.0, 0.0, float(width), float(height)) and frame.size == (height, width)
    if whole and picture.tensor is not None:
        return picture.tensor.clone(), frame
    pixels = picture.pixels if whole else _resized(picture, frame)
    return torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1).contiguous(), frame


def _resized(picture: Picture, frame: Frame) -> np.ndarray:
    """Resize the box; its far edge may lie a rounding error outside of the picture, which Pillow refuses."""
    left, top, right, bottom = frame.box
    height, width = frame.picture
    box = (max(0.0, left), max(0.0, top), min(float(width), right), min(float(height), bottom))
    size = (frame.size[1], frame.size[0])
    return np.asarray(Image.fromarray(picture.pixels).resize(size, Image.Resampling.BICUBIC, box=box))


def on_picture(values: Float[np.ndarray, "a b"], frame: Frame, shape: tuple[int, int]) -> Float[np.ndarray, "h w"]:
    """Lay a map over the user's picture.

    Args:
        values: ``(a, b)`` one value a pixel of the classifier's input.
        frame: from `apply_view`.
        shape: height and width of the result: the picture's, or those of a smaller or larger copy of it.

    Returns:
        ``(h, w)`` float32, bilinear inside the frame, NaN where the classifier did not see the picture.

    Example:
        >>> frame = Frame((1.0, 0.0, 2.0, 1.0), (1, 1), (1, 3))
        >>> on_picture(np.ones((1, 1), np.float32), frame, (1, 3)).tolist()
        [[nan, 1.0, nan]]
    """
    (rows, y), (columns, x) = _axes(frame, shape)
    result = np.full(shape, np.nan, np.float32)
    if len(rows) and len(columns):
        across = _interpolate(values.astype(np.float32).T, x).T
        result[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = _interpolate(across, y)
    return result


def seen(frame: Frame, shape: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
    """Say which pixels the classifier saw: those whose centre lies in the frame.

    Args:
        frame: from `apply_view`.
        shape: height and width of the result: the picture's, or those of a copy of it.

    Returns:
        ``(h, w)`` bool.

    Example:
        >>> seen(Frame((1.0, 0.0, 2.0, 1.0), (1, 1), (1, 3)), (1, 3)).tolist()
        [[False, True, False]]
    """
    (rows, _), (columns, _) = _axes(frame, shape)
    result = np.zeros(shape, bool)
    result[np.ix_(rows, columns)] = True
    return result


_Axis = tuple[np.ndarray, np.ndarray]


def _axes(frame: Frame, shape: tuple[int, int]) -> tuple[_Axis, _Axis]:
    """For rows and columns: which of the picture's are seen, and where they lie on the input."""
    left, top, right, bottom = frame.box
    vertical = _axis(shape[0], frame.picture[0], top, bottom, frame.size[0])
    return vertical, _axis(shape[1], frame.picture[1], left, right, frame.size[1])


def _axis(length: int, original: int, start: float, stop: float, size: int) -> _Axis:
    """Indices whose centres lie between start and stop, and their coordinates on the input, 0 to size - 1."""
    centres = (np.arange(length) + 0.5) * original / length
    inside = np.flatnonzero((centres >= start) & (centres < stop))
    places = (centres[inside] - start) / (stop - start) * size - 0.5
    return inside, places.clip(0, size - 1)


def _interpolate(values: Float[np.ndarray, "a b"], places: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n b"]:
    """Take rows at fractional places, linearly between neighbours."""
    below = places.astype(np.int64)
    above = np.minimum(below + 1, len(values) - 1)
    weight = (places - below).astype(np.float32)[:, None]
    return values[below] * (1 - weight) + values[above] * weight
