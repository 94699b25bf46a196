"""Arrays and images inside one HTML file: base64 and data URIs."""

import base64
import io
import math
from typing import TypedDict

import numpy as np
from jaxtyping import Float32, Shaped, UInt8
from PIL import Image

from seewhy.results.report_data import Photo, SampleTable

_LONGEST = 1200
"""The longest side of an embedded photo, pixels."""

_TOLERANCE = 1e-3
"""The largest error of half precision that is accepted, relative to the largest value of a map."""

MAP_SIDE = 900
"""The largest number of values per side of an embedded map: about what a page shows, whatever the size of the view."""


class Packed(TypedDict):
    """An array as text: little-endian ``float16`` or ``float32`` in base64."""

    dtype: str
    data: str


def pack(values: Float32[np.ndarray, "h w"]) -> Packed:
    """Encode a map as text, in half precision where the error stays below a thousandth of the largest value.

    Example:
        >>> pack(np.array([[1.0, 0.0]], np.float32))
        {'dtype': 'float16', 'data': 'ADwAAA=='}
    """
    with np.errstate(over="ignore"):
        half = values.astype("<f2")
    finite = np.isfinite(values)
    error = np.abs(half.astype(np.float32) - values, where=finite, out=np.zeros_like(values))
    fits = error.max(initial=0) <= _TOLERANCE * np.abs(values[finite]).max(initial=0)
    if fits:
        return {"dtype": "float16", "data": base64_text(half)}
    return {"dtype": "float32", "data": base64_text(values.astype("<f4"))}


def packed_size(size: tuple[int, int]) -> tuple[int, int]:
    """Return the height and width at which a map of this size is embedded.

    Example:
        >>> packed_size((224, 224)), packed_size((3000, 4000))
        ((224, 224), (675, 900))
    """
    factor = min(1.0, MAP_SIDE / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def thin(values: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "a b"]:
    """Drop evenly spaced rows and columns of a large map; the values that remain are unchanged."""
    rows, columns = (
        ((np.arange(fewer) + 0.5) * length / fewer).astype(np.int64)
        for fewer, length in zip(packed_size(values.shape), values.shape, strict=True)
    )
    thinned: Float32[np.ndarray, "a b"] = values[np.ix_(rows, columns)]
    return thinned


def image_uri(photo: Photo) -> str:
    """Return an image as a data URI, at most 1200 pixels long, as JPEG or PNG, whichever is smaller."""
    image = Image.fromarray(photo)
    image.thumbnail((_LONGEST, _LONGEST), Image.Resampling.LANCZOS)
    return min(_uri(image, "PNG"), _uri(image, "JPEG", quality=88), key=len)


def png_as_jpeg_uri(png: bytes, *, widest: int) -> str:
    """Return a PNG file as a JPEG data URI, at most `widest` pixels wide."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    image.thumbnail((widest, 4 * widest))
    return _uri(image, "JPEG", quality=80)


def sprite_uri(samples: SampleTable) -> str:
    """Return the sprite of the sampled windows as a lossless data URI."""
    return _uri(Image.fromarray(sprite(samples)), "PNG")


def sprite(samples: SampleTable) -> UInt8[np.ndarray, "height width 3"]:
    """Put all patches into one image: the originals on top, then one block per sample, windows in reading order."""
    layers = [samples.originals, *np.moveaxis(samples.patches, 1, 0)]
    return np.concatenate([_block(layer, sprite_columns(samples)) for layer in layers])


def sprite_columns(samples: SampleTable) -> int:
    """Return the number of windows per row of the sprite: as many as there are in the first row of the view.

    Windows that are neighbours in the view are then neighbours in the sprite, which compresses like a photo.
    """
    first = int((samples.positions[:, 0] == samples.positions[0, 0]).sum())
    return max(first, math.isqrt(len(samples.positions)))


def base64_text(values: Shaped[np.ndarray, "*shape"]) -> str:
    """Encode the bytes of an array in base64."""
    return base64.b64encode(values.tobytes()).decode("ascii")


def _uri(image: Image.Image, kind: str, **settings: int) -> str:
    """Write an image file as a data URI."""
    buffer = io.BytesIO()
    image.save(buffer, kind, optimize=True, **settings)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def _block(patches: UInt8[np.ndarray, "m side side 3"], columns: int) -> UInt8[np.ndarray, "height width 3"]:
    """Lay out patches row by row."""
    side, rows = patches.shape[1], math.ceil(len(patches) / columns)
    full = np.zeros((rows * columns, side, side, 3), np.uint8)
    full[: len(patches)] = patches
    grid = full.reshape(rows, columns, side, side, 3).transpose(0, 2, 1, 3, 4)
    return grid.reshape(rows * side, columns * side, 3)
