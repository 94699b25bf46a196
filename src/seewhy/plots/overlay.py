"""Maps on the user's own image: from the classifier's view back to the photo, and onto it. Pure array work."""

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from PIL import Image

from seewhy.core.view import Frame
from seewhy.plots.scales import Scale
from seewhy.results.report_data import Photo

_GHOST = 0.48
_DARKEST = 48.0
_OUTSIDE = 0.35
_SIDE = 800


def at_display_size(photo: Photo, frame: Frame) -> tuple[UInt8[np.ndarray, "tall wide 3"], Frame]:
    """Resize a photo, and its frame with it, so that its longer side has 800 pixels: a map on it is then smooth."""
    height, width = (max(1, round(_SIDE * side / max(photo.shape[:2]))) for side in photo.shape[:2])
    return resize(photo, height, width), frame.scaled(height, width)


def place(values: Float32[np.ndarray, "h w"], frame: Frame) -> Float32[np.ndarray, "height width"]:
    """Bring a map from the classifier's view onto the image, by bilinear interpolation; NaN is an unknown value.

    Also NaN are the pixels outside the frame, and those where most of the weight is on unknown values.
    """
    known = ~np.isnan(values)
    total, weight = (_stretch(layer.astype(np.float32), frame) for layer in (np.where(known, values, 0), known))
    return np.where(weight >= 0.5, total / np.maximum(weight, 0.5), np.nan).astype(np.float32)


def _stretch(layer: Float32[np.ndarray, "h w"], frame: Frame) -> Float32[np.ndarray, "height width"]:
    """Interpolate a layer of the view at the pixels of the image; 0 outside the view."""
    (left, top, right, bottom), (height, width) = frame.box, frame.image_size
    across, down = layer.shape[1] / (right - left), layer.shape[0] / (bottom - top)  # view pixels per image pixel
    extent = (-left * across, -top * down, (width - left) * across, (height - top) * down)
    stretched = Image.fromarray(layer).transform(
        (width, height), Image.Transform.EXTENT, extent, Image.Resampling.BILINEAR
    )
    return np.asarray(stretched)


def resize(pixels: Photo, height: int, width: int) -> UInt8[np.ndarray, "tall wide 3"]:
    """Resize an image smoothly; one that is enlarged four times or more keeps its square pixels."""
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
    """Fade what the classifier did not see towards white; the photo has the size of the frame's image."""
    inside = seen(frame)
    if inside.all():
        return photo
    pale = np.rint(255 - (255 - photo.astype(np.float32)) * _OUTSIDE).astype(np.uint8)
    faded: Photo = np.where(inside[:, :, None], photo, pale)
    return faded


def lay_in(photo: Photo, frame: Frame, pixels: UInt8[np.ndarray, "h w 3"]) -> Photo:
    """Put another image, in the classifier's view, where the classifier saw this photo, and fade the rest."""
    left, top, right, bottom = (round(side) for side in frame.box)
    combined = photo.copy()
    combined[top:bottom, left:right] = resize(pixels, bottom - top, right - left)
    return fade_outside(combined, frame)


def draw_map(photo: Photo, frame: Frame, values: Float32[np.ndarray, "h w"], scale: Scale) -> Photo:
    """Draw a map, given in the classifier's view, over the greyed photo, which has the size of the frame's image."""
    return lay_over(fade_outside(ghost(photo), frame), scale.paint(place(values, frame)))
