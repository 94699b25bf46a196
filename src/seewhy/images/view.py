"""Bring a picture to what a classifier sees."""

import numpy as np
import torch
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
