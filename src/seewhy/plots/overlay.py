"""Maps on the user's own image: from the classifier's view back to the photo, and onto it. Pure array work."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, UInt8
from PIL import Image

from seewhy.core.view import Frame
from seewhy.plots.scales import Scale
from seewhy.results.report_data import Photo

_GHOST = 0.48
_DARKEST = 48.0
_OUTSIDE = 0.35


def resize_frame(frame: Frame, height: int, width: int) -> Frame:
    """Return the same view of the same image at another size.

    Args:
        frame: on the image at its own size.
        height: height of the resized image, pixels.
        width: width of the resized image, pixels.

    Example:
        >>> resize_frame(Frame((10.0, 0.0, 110.0, 100.0), (224, 224), (100, 120)), 50, 60).box
        (5.0, 0.0, 55.0, 50.0)
    """
    down, across = height / frame.picture[0], width / frame.picture[1]
    left, top, right, bottom = frame.box
    return Frame((left * across, top * down, right * across, bottom * down), frame.size, (height, width))


def place(values: Float32[np.ndarray, "h w"], frame: Frame) -> Float32[np.ndarray, "height width"]:
    """Bring a map from the classifier's view onto the image, by bilinear interpolation.

    Args:
        values: ``(h, w)``, NaN where nothing is known.
        frame: the part of the image that the classifier saw.

    Returns:
        One value per pixel of the image; NaN outside the frame and where most of the weight is on unknown values.
    """
    left, top, right, bottom = frame.box
    rows = _axis(top, bottom, values.shape[0], frame.picture[0])
    columns = _axis(left, right, values.shape[1], frame.picture[1])
    known = ~np.isnan(values)
    total = _bilinear(np.where(known, values, 0), rows, columns)
    weight = _bilinear(known.astype(np.float32), rows, columns)
    shown = (weight >= 0.5) & rows.inside[:, None] & columns.inside[None, :]
    return np.where(shown, total / np.maximum(weight, 0.5), np.nan).astype(np.float32)


@dataclass(frozen=True, eq=False)
class _Axis:
    """The places of one side's pixel centres among those of the map."""

    low: Int[np.ndarray, " n"]
    high: Int[np.ndarray, " n"]
    weight: Float[np.ndarray, " n"]
    inside: Bool[np.ndarray, " n"]


def _axis(start: float, stop: float, size: int, length: int) -> _Axis:
    """Find the two neighbours of each image pixel in the map, and the weight of the second."""
    centre = (np.arange(length) + 0.5 - start) * size / (stop - start) - 0.5
    clipped = np.clip(centre, 0, size - 1)
    low = np.floor(clipped).astype(np.int64)
    return _Axis(low, np.minimum(low + 1, size - 1), clipped - low, (centre >= -0.5) & (centre <= size - 0.5))


def _bilinear(values: Float32[np.ndarray, "h w"], rows: _Axis, columns: _Axis) -> Float[np.ndarray, "height width"]:
    """Interpolate down, then across."""
    weight = rows.weight[:, None]
    tall = values[rows.low] * (1 - weight) + values[rows.high] * weight
    full: Float[np.ndarray, "height width"] = (
        tall[:, columns.low] * (1 - columns.weight) + tall[:, columns.high] * columns.weight
    )
    return full


def resize(pixels: Photo, height: int, width: int) -> UInt8[np.ndarray, "tall wide 3"]:
    """Resize an image smoothly; one that is enlarged four times or more keeps its square pixels.

    Args:
        pixels: the image.
        height: wanted, pixels.
        width: wanted, pixels.
    """
    if pixels.shape[:2] == (height, width):
        return pixels
    method = Image.Resampling.NEAREST if height >= 4 * pixels.shape[0] else Image.Resampling.LANCZOS
    return np.asarray(Image.fromarray(pixels).resize((width, height), method))


def ghost(photo: Photo) -> Photo:
    """Return the photo without colour and lightened, so that only the map is coloured; a dark photo is brightened first."""
    grey = photo.astype(np.float32) @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    brightest = max(float(np.percentile(grey, 99)), _DARKEST)
    light = np.rint(255 - (255 - np.minimum(grey * 255 / brightest, 255)) * _GHOST).astype(np.uint8)
    return np.repeat(light[:, :, None], 3, axis=2)


def lay_over(photo: Photo, paint: UInt8[np.ndarray, "height width 4"]) -> Photo:
    """Blend colours with opacity over a photo of the same size."""
    opacity = paint[:, :, 3:].astype(np.float32) / 255
    blended: Photo = np.rint(photo * (1 - opacity) + paint[:, :, :3] * opacity).astype(np.uint8)
    return blended


def seen(frame: Frame) -> Bool[np.ndarray, "height width"]:
    """Return which pixels of the image the classifier saw."""
    inside: Bool[np.ndarray, "height width"] = ~np.isnan(place(np.zeros(frame.size, np.float32), frame))
    return inside


def fade_outside(photo: Photo, frame: Frame) -> Photo:
    """Fade what the classifier did not see towards white.

    Args:
        photo: image of the same size as the map's frame, to draw on.
        frame: the part of it that the classifier saw.
    """
    inside = seen(frame)
    if inside.all():
        return photo
    pale = np.rint(255 - (255 - photo.astype(np.float32)) * _OUTSIDE).astype(np.uint8)
    faded: Photo = np.where(inside[:, :, None], photo, pale)
    return faded


def lay_in(photo: Photo, frame: Frame, pixels: UInt8[np.ndarray, "h w 3"]) -> Photo:
    """Put another image where the classifier saw this one, and fade the rest.

    Args:
        photo: image of the same size as the map's frame, to draw on.
        frame: the part of it that the classifier saw.
        pixels: the other image, in the classifier's view.
    """
    left, top, right, bottom = (round(side) for side in frame.box)
    combined = photo.copy()
    combined[top:bottom, left:right] = resize(pixels, bottom - top, right - left)
    return fade_outside(combined, frame)


def draw_map(photo: Photo, frame: Frame, values: Float32[np.ndarray, "h w"], scale: Scale) -> Photo:
    """Draw a map over the greyed photo.

    Args:
        photo: at the size at which it is shown.
        frame: the part of it that the classifier saw, at that size.
        values: ``(h, w)`` in the classifier's view.
        scale: the colours.
    """
    return lay_over(fade_outside(ghost(photo), frame), scale.paint(place(values, frame)))
