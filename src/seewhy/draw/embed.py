"""Numbers and pictures inside one HTML file: base64 maps, one sprite of all patches, JSON that cannot end its element."""

import base64
import io
import json
import math
from typing import TypedDict

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from seewhy.draw.scene import Exhibits, Picture

_LONGEST = 1200
_TOLERANCE = 1e-3

MAP_SIDE = 900
"""A map travels at no more values a side than this: about what the page shows, whatever the size of the view."""


class Packed(TypedDict):
    """An array as text: little-endian ``float16`` or ``float32``, base64."""

    dtype: str
    data: str


def pack(values: Float32[np.ndarray, "h w"]) -> Packed:
    """Write a map as text, in half precision where that costs less than a thousandth of the largest value.

    Args:
        values: any finite or non-finite numbers.

    Example:
        >>> pack(np.array([[1.0, 0.0]], np.float32))
        {'dtype': 'float16', 'data': 'ADwAAA=='}
    """
    with np.errstate(over="ignore"):
        half = values.astype("<f2")
    finite = np.isfinite(values)
    error = np.abs(half.astype(np.float32) - values, where=finite, out=np.zeros_like(values))
    fits = error.max(initial=0) <= _TOLERANCE * np.abs(values[finite]).max(initial=0)
    return {
        "dtype": "float16" if fits else "float32",
        "data": base64.b64encode((half if fits else values.astype("<f4")).tobytes()).decode("ascii"),
    }


def packed_size(size: tuple[int, int]) -> tuple[int, int]:
    """Return the height and width at which a map of this size travels.

    Example:
        >>> packed_size((224, 224)), packed_size((3000, 4000))
        ((224, 224), (675, 900))
    """
    factor = min(1.0, MAP_SIDE / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def thin(values: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "a b"]:
    """Leave rows and columns out of a large map; what stays are values of the map, each with its own standard error.

    Args:
        values: of any size.

    Example:
        >>> thin(np.zeros((1800, 10), np.float32)).shape
        (900, 5)
    """
    rows, columns = (
        ((np.arange(fewer) + 0.5) * length / fewer).astype(np.int64)
        for fewer, length in zip(packed_size(values.shape), values.shape, strict=True)
    )
    thinned: Float32[np.ndarray, "a b"] = values[np.ix_(rows, columns)]
    return thinned


def unpack(packed: Packed, shape: tuple[int, int]) -> Float32[np.ndarray, "h w"]:
    """Read back what ``pack`` wrote, as the report's script does.

    Args:
        packed: from ``pack``.
        shape: height, width.
    """
    kind = "<f2" if packed["dtype"] == "float16" else "<f4"
    return np.frombuffer(base64.b64decode(packed["data"]), kind).astype(np.float32).reshape(shape)


def safe_json(value: object) -> str:
    r"""Write JSON that may stand inside a ``<script>`` element: no markup character survives.

    Example:
        >>> safe_json("</script>")
        '"\\u003c/script\\u003e"'
    """
    written = json.dumps(_without_nan(value), separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        written = written.replace(character, f"\\u{ord(character):04x}")
    return written


def _without_nan(value: object) -> object:
    """JSON has no NaN: it becomes null."""
    if isinstance(value, dict):
        return {key: _without_nan(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def picture_uri(picture: Picture) -> str:
    """Return the picture as a data URI, at most 1200 pixels long, as JPEG or PNG, whichever is smaller.

    Args:
        picture: of any size.
    """
    image = Image.fromarray(picture)
    image.thumbnail((_LONGEST, _LONGEST), Image.Resampling.LANCZOS)
    return min(_uri(image, "PNG"), jpeg_uri(image, quality=88), key=len)


def jpeg_uri(image: Image.Image, *, quality: int) -> str:
    """Return an image as a JPEG data URI.

    Args:
        image: RGB.
        quality: 1 … 95.
    """
    return _uri(image, "JPEG", quality=quality)


def _uri(image: Image.Image, kind: str, **settings: int) -> str:
    """An image file as a data URI."""
    buffer = io.BytesIO()
    image.save(buffer, kind, optimize=True, **settings)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def sprite_columns(exhibits: Exhibits) -> int:
    """How many windows stand side by side in the sprite: as many as there are in the first row of the picture.

    So windows that touch in the picture touch in the sprite, which then compresses like a photo.
    """
    first = int((exhibits.positions[:, 0] == exhibits.positions[0, 0]).sum())
    return max(first, math.isqrt(len(exhibits.positions)))


def sprite(exhibits: Exhibits) -> UInt8[np.ndarray, "height width 3"]:
    """Put all patches into one picture: the originals, and below them one block a sample, windows in reading order.

    Args:
        exhibits: at least one window.
    """
    layers = [exhibits.originals, *np.moveaxis(exhibits.patches, 1, 0)]
    return np.concatenate([_block(layer, sprite_columns(exhibits)) for layer in layers])


def _block(patches: UInt8[np.ndarray, "m side side 3"], columns: int) -> UInt8[np.ndarray, "height width 3"]:
    """Lay patches out row by row."""
    side, rows = patches.shape[1], math.ceil(len(patches) / columns)
    full = np.zeros((rows * columns, side, side, 3), np.uint8)
    full[: len(patches)] = patches
    grid = full.reshape(rows, columns, side, side, 3).transpose(0, 2, 1, 3, 4)
    return grid.reshape(rows * side, columns * side, 3)


def sprite_uri(exhibits: Exhibits) -> str:
    """Return the sprite as a lossless data URI.

    Args:
        exhibits: at least one window.
    """
    return _uri(Image.fromarray(sprite(exhibits)), "PNG")
