"""Convert images to the classifier's input view."""

import numpy as np
import torch
from jaxtyping import UInt8, UInt16
from PIL import Image as Pillow

from seewhy.core.arrays import Image
from seewhy.core.view import Frame, View
from seewhy.images.open import Levels, OpenedImage

Seen = UInt8[np.ndarray, "rows columns c"] | UInt16[np.ndarray, "rows columns c"]
"""Pixel levels at the size of the classifier's view."""


def apply_view(opened: OpenedImage, view: View) -> tuple[Image, Frame]:
    """Convert an opened image to the classifier's input.

    The box on the image is resized to the input size in one bicubic step. The result equals resizing the full image and
    cropping it, but a long thin image never becomes a huge intermediate image.

    Returns:
        ``(3, h, w)`` float32 in [0, 1], and the part of the image that it shows. An image that was passed as a tensor and
        already has the right size is returned bit for bit.
    """
    height, width = opened.pixels.shape[:2]
    frame = view.frame(height, width)
    if opened.tensor is not None and _is_whole(frame):
        return opened.tensor.clone(), frame
    pixels = resized(opened.pixels, frame)
    return torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1).contiguous(), frame


def _is_whole(frame: Frame) -> bool:
    """Return whether the frame shows the full image at its own size."""
    height, width = frame.image_size
    return frame.box == (0.0, 0.0, float(width), float(height)) and frame.size == frame.image_size


def resized(pixels: Levels, frame: Frame, *, nearest: bool = False) -> Seen:
    """Resize the part of an image that a frame shows to the frame's size; ``nearest`` is for values that must not blend."""
    if _is_whole(frame):
        return pixels
    left, top, right, bottom = frame.box
    height, width = frame.image_size
    # The far edge may lie a rounding error outside the image, which Pillow refuses.
    box = (max(0.0, left), max(0.0, top), min(float(width), right), min(float(height), bottom))
    size = (frame.size[1], frame.size[0])
    how = Pillow.Resampling.NEAREST if nearest else Pillow.Resampling.BICUBIC
    if pixels.dtype == np.uint8 and pixels.shape[2] == 3:
        return np.asarray(Pillow.fromarray(pixels).resize(size, how, box=box))
    exact = pixels if pixels.dtype == np.uint8 else pixels.astype(np.float32)  # Pillow cannot resample uint16
    planes = [np.asarray(Pillow.fromarray(plane).resize(size, how, box=box)) for plane in exact.transpose(2, 0, 1)]
    levels: Seen = np.rint(np.stack(planes, axis=2)).clip(0, np.iinfo(pixels.dtype).max).astype(pixels.dtype)
    return levels
