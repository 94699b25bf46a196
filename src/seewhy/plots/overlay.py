"""Maps on the user's own picture: from the classifier's view back to the photo, and onto it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, UInt8
from PIL import Image, ImageDraw

from seewhy.core.view import Frame
from seewhy.draw.page import resize
from seewhy.plots.scales import Scale
from seewhy.results.report_data import Photo

_GHOST = 0.48
_OUTSIDE = 0.35


def resize_frame(frame: Frame, height: int, width: int) -> Frame:
    """Return the same view of the same picture at another size.

    Args:
        frame: on the picture at its own size.
        height: of the resized picture.
        width: of the resized picture.

    Example:
        >>> resize_frame(Frame((10.0, 0.0, 110.0, 100.0), (224, 224), (100, 120)), 50, 60).box
        (5.0, 0.0, 55.0, 50.0)
    """
    down, across = height / frame.picture[0], width / frame.picture[1]
    left, top, right, bottom = frame.box
    return Frame((left * across, top * down, right * across, bottom * down), frame.size, (height, width))


def place(values: Float32[np.ndarray, "h w"], frame: Frame) -> Float32[np.ndarray, "height width"]:
    """Bring a map from the classifier's view onto the picture, by bilinear interpolation.

    Args:
        values: ``(h, w)``, NaN where nothing is known.
        frame: what the classifier saw of the picture.

    Returns:
        one value a pixel of the picture, NaN outside the frame and where most of the weight is on unknown values.
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
    """Where the pixel centres of one side of the picture fall among those of the map."""

    low: Int[np.ndarray, " n"]
    high: Int[np.ndarray, " n"]
    weight: Float[np.ndarray, " n"]
    inside: Bool[np.ndarray, " n"]


def _axis(start: float, stop: float, size: int, length: int) -> _Axis:
    """Find the two neighbours of each pixel of the picture in the map, and the weight of the second."""
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


def ghost(picture: Photo) -> Photo:
    """Return the picture without colour and lightened, so that only the map is coloured."""
    grey = picture.astype(np.float32) @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    light = np.rint(255 - (255 - grey) * _GHOST).astype(np.uint8)
    return np.repeat(light[:, :, None], 3, axis=2)


def lay_over(picture: Photo, paint: UInt8[np.ndarray, "height width 4"]) -> Photo:
    """Lay colours with opacity over a picture of the same size."""
    opacity = paint[:, :, 3:].astype(np.float32) / 255
    return np.rint(picture * (1 - opacity) + paint[:, :, :3] * opacity).astype(np.uint8)


def fade_outside(picture: Photo, frame: Frame) -> Photo:
    """Fade what the classifier did not see towards white, and outline what it saw.

    Args:
        picture: of the frame's picture size.
        frame: what the classifier saw of it.
    """
    inside = ~np.isnan(place(np.zeros(frame.size, np.float32), frame))
    if inside.all():
        return picture
    pale = np.rint(255 - (255 - picture.astype(np.float32)) * _OUTSIDE).astype(np.uint8)
    image = Image.fromarray(np.where(inside[:, :, None], picture, pale))
    left, top, right, bottom = frame.box
    # Dark inside light, so that the line is seen on any photo.
    edge = (round(left), round(top), round(right) - 1, round(bottom) - 1)
    ImageDraw.Draw(image).rectangle(edge, outline=(255, 255, 255), width=3)
    ImageDraw.Draw(image).rectangle(edge, outline=(40, 40, 40), width=1)
    return np.asarray(image)


def lay_in(picture: Photo, frame: Frame, seen: UInt8[np.ndarray, "h w 3"]) -> Photo:
    """Put another picture where the classifier saw this one, and fade the rest.

    Args:
        picture: of the frame's picture size.
        frame: what the classifier saw of it.
        seen: in the classifier's view.
    """
    left, top, right, bottom = (round(side) for side in frame.box)
    page = Image.fromarray(picture)
    page.paste(Image.fromarray(resize(seen, bottom - top, right - left)), (left, top))
    return fade_outside(np.asarray(page), frame)


def draw_map(picture: Photo, frame: Frame, values: Float32[np.ndarray, "h w"], scale: Scale) -> Photo:
    """Draw a map over the greyed picture.

    Args:
        picture: the photo, at the size at which it is shown.
        frame: what the classifier saw of it, at that size.
        values: ``(h, w)`` in the classifier's view.
        scale: the colours.
    """
    return lay_over(fade_outside(ghost(picture), frame), scale.paint(place(values, frame)))
