"""Convert images to the classifier's input view."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int, Shaped, UInt8, UInt16
from PIL import Image as Pillow

from seewhy.core.arrays import Image
from seewhy.core.view import Frame, View
from seewhy.images.open import Levels, OpenedImage

Seen = UInt8[np.ndarray, "rows columns k"] | UInt16[np.ndarray, "rows columns k"]
"""Pixel levels at the size of the classifier's view."""

Shown = Shaped[np.ndarray, "..."]
"""Levels or values of a whole image or of a part of it."""

Places = Int[np.ndarray, " m"]
Weights = Float32[np.ndarray, " m"]

_LARGEST_WHOLE = 2**24  # pixels of a resized image that is made before it is cropped
_CUBIC = -0.75  # the sharpness of cv2.INTER_CUBIC and torch's bicubic; Pillow's is -0.5


def apply_view(opened: OpenedImage, view: View) -> tuple[Image, Frame]:
    """Convert an opened image to the classifier's input.

    The result equals resizing the full image to 8-bit levels and cropping it. A long thin image never becomes a huge
    intermediate image: there, levels may differ by one.

    Returns:
        ``(3, h, w)`` float32 in [0, 1], and the part of the image that it shows. An image that was passed as a tensor and
        is not resized is returned bit for bit.
    """
    frame = view.frame(*opened.pixels.shape[:2])
    if opened.tensor is not None and frame.resized == frame.image_size:
        inside = _cut(opened.tensor.permute(1, 2, 0).numpy(), frame)
    else:
        inside = _resampled(opened.pixels, frame, view).astype(np.float32) / 255
    return torch.from_numpy(_padded(inside, frame, view.pad_color)).permute(2, 0, 1).contiguous(), frame


def resized(pixels: Levels, view: View) -> Seen:
    """Bring an image into a view, as levels of the same depth; see `apply_view`."""
    frame = view.frame(*pixels.shape[:2])
    inside, color = _resampled(pixels, frame, view), view.pad_color
    if color is None:
        return _padded(inside, frame, None)
    if inside.shape[2] == 1 and len(set(color)) > 1:
        inside = np.repeat(inside, 3, axis=2)
    white = float(np.iinfo(pixels.dtype).max)
    return _padded(inside, frame, [float(round(value * white)) for value in color])


def nearest(inside: Bool[np.ndarray, "height width"], frame: Frame) -> Bool[np.ndarray, "rows columns"]:
    """Bring a region of an image into a view that has this frame; the padding does not belong to it."""
    rule = View(frame.size, "stretch", interpolation="nearest")
    return _padded(_resampled(inside[:, :, None].astype(np.uint8), frame, rule), frame, None)[:, :, 0].astype(bool)


def _padded(inside: Shown, frame: Frame, color: Sequence[float] | None) -> Shown:
    """Put the part of the image that is seen into the input; around it is the colour, None for black."""
    if inside.shape[:2] == frame.size:
        return inside
    canvas = np.zeros((*frame.size, inside.shape[2]), inside.dtype)
    canvas[:] = 0 if color is None else color[: inside.shape[2]]
    top, left = (max(0, -start) for start in frame.offset)
    canvas[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
    return canvas


def _cut(pixels: Shown, frame: Frame) -> Shown:
    """Return the part of the resized image that is seen."""
    (top, bottom), (left, right) = frame.visible
    return pixels[top:bottom, left:right]


def _resampled(pixels: Levels, frame: Frame, view: View) -> Seen:
    """Resize an image and return the part that is seen, as levels of the same depth."""
    if frame.resized == frame.image_size:
        return _cut(pixels, frame)
    if not view.antialias:
        return _as_levels(_sampled(pixels, frame, view.interpolation), pixels)
    how = Pillow.Resampling[view.interpolation.upper()]
    if pixels.dtype == np.uint8 and pixels.shape[2] == 3:
        return _reduced(Pillow.fromarray(pixels), frame, how)
    exact = pixels if pixels.dtype == np.uint8 else pixels.astype(np.float32)  # Pillow cannot resample uint16
    planes = [_reduced(Pillow.fromarray(plane), frame, how) for plane in exact.transpose(2, 0, 1)]
    return _as_levels(np.stack(planes, axis=2), pixels)


def _as_levels(values: Shown, like: Levels) -> Seen:
    """Round values to levels of the same depth as those of the image."""
    levels: Seen = np.rint(values).clip(0, np.iinfo(like.dtype).max).astype(like.dtype)
    return levels


def _reduced(image: Pillow.Image, frame: Frame, how: Pillow.Resampling) -> Shaped[np.ndarray, "..."]:
    """Resize with Pillow: the whole image before the crop, or, where that would be huge, a box of it."""
    rows, columns = frame.resized
    if rows * columns <= _LARGEST_WHOLE:
        return _cut(np.asarray(image.resize((columns, rows), how)), frame)
    (top, bottom), (left, right) = frame.visible
    per_x, per_y = image.width / columns, image.height / rows
    # The far edge may lie a rounding error outside the image, which Pillow refuses.
    box = (left * per_x, top * per_y, min(image.width, right * per_x), min(image.height, bottom * per_y))
    return np.asarray(image.resize((right - left, bottom - top), how, box=box))


def _sampled(pixels: Levels, frame: Frame, interpolation: str) -> Float32[np.ndarray, "..."]:
    """Sample an image at the centres of the pixels that are seen, without a filter against aliasing."""
    if interpolation == "bilinear" and pixels.dtype == np.uint8:
        return _in_integers(pixels, frame)
    values = pixels.astype(np.float32)
    ratios = [side / whole for side, whole in zip(frame.resized, frame.image_size, strict=True)]
    for axis in sorted((0, 1), key=lambda axis: ratios[axis]):  # what shrinks comes first
        start, stop = frame.visible[axis]
        places, weights = _taps(np.arange(start, stop), 1 / ratios[axis], interpolation)
        near = [values.take(place.clip(0, values.shape[axis] - 1), axis) for place in places]
        shape = [-1, 1, 1] if axis == 0 else [1, -1, 1]
        values = np.einsum("t...,t...->...", near, [w.reshape(shape) for w in weights])
    return values


def _in_integers(pixels: UInt8[np.ndarray, "h w k"], frame: Frame) -> Float32[np.ndarray, "..."]:
    """Interpolate linearly as OpenCV does with 8-bit levels: in integers, which rounds an eighth of the levels down by one."""
    rows, columns = (
        _taps(np.arange(*seen), 1 / (side / whole), "bilinear")
        for seen, side, whole in zip(frame.visible, frame.resized, frame.image_size, strict=True)
    )
    height, width = (side - 1 for side in frame.image_size)
    total = np.full(1, 2, np.int32)
    for row, down in zip(*rows, strict=True):
        near = pixels[row.clip(0, height)].astype(np.int32)
        parts = [near[:, c.clip(0, width)] * _fixed(w)[:, None] for c, w in zip(*columns, strict=True)]
        total = total + ((_fixed(down)[:, None, None] * ((parts[0] + parts[1]) >> 4)) >> 16)
    levels: Float32[np.ndarray, "..."] = (total >> 2).astype(np.float32)
    return levels


def _fixed(weights: Weights) -> Places:
    """Return weights as integers with 11 bits after the point."""
    whole: Places = np.rint(weights * 2048).astype(np.int32)
    return whole


def _taps(outputs: Int[np.ndarray, " m"], step: float, interpolation: str) -> tuple[list[Places], list[Weights]]:
    """Return which pixels of a row each output combines, and their weights; ``step`` is the distance of two outputs."""
    if interpolation == "nearest":  # not from pixel centre to pixel centre, and in 32 bits: as torch does
        place = np.floor(outputs.astype(np.float32) * np.float32(step)).astype(np.int64)
        return [place], [np.ones(len(outputs), np.float32)]
    at = ((outputs + 0.5) * step - 0.5).astype(np.float32)
    first = np.floor(at).astype(np.int64)
    kernel, offsets = (_linear, (0, 1)) if interpolation == "bilinear" else (_cubic, (-1, 0, 1, 2))
    places = [first + offset for offset in offsets]
    return places, [kernel(np.abs(at - place)).astype(np.float32) for place in places]


def _linear(distance: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
    """Return the weight of a pixel at a distance from 0 to 1."""
    return 1 - distance


def _cubic(distance: Float[np.ndarray, " m"]) -> Float[np.ndarray, " m"]:
    """Return the weight of a pixel at a distance from 0 to 2."""
    near = ((_CUBIC + 2) * distance - (_CUBIC + 3)) * distance**2 + 1
    far = ((distance - 5) * distance + 8) * distance * _CUBIC - 4 * _CUBIC
    weights: Float[np.ndarray, " m"] = np.where(distance <= 1, near, far)
    return weights
