"""Bring pixel values of more than 8 bits to the 256 levels that are explained, and say which value became white."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Integer, Shaped, UInt16
from PIL import Image

from seewhy.core.errors import RequestError

Window = tuple[float, float]
"""The values that become black and white; what lies beyond them is clipped."""

_DEPTHS = (8, 10, 12, 14, 16)
"""Numbers of bits that cameras, scanners and detectors use."""

_LOW_BYTES = {
    "RGB;16B": "RGB;16L",
    "RGB;16L": "RGB;16B",
    "RGB;16N": "RGB;16B",
    "RGBA;16B": "RGBA;16L",
    "RGBA;16L": "RGBA;16B",
    "RGBA;16N": "RGBA;16B",
}
"""Pillow keeps the high byte of 16-bit colours; the raw mode for the other byte order makes it keep the low one."""


def check_window(window: Window | None) -> None:
    """Refuse a window without any values in it.

    Raises:
        RequestError: the window is not two finite numbers, black below white.
    """
    if window is not None and not (len(window) == 2 and np.isfinite(window).all() and window[0] < window[1]):
        raise RequestError(f"expected a window of two numbers, black below white, got {window}; write (0, 4095)")


def find_window(levels: Integer[np.ndarray, "..."]) -> Window:
    """Return the range of values of the smallest usual number of bits that holds all levels; 16 bits for a black image."""
    highest = int(levels.max())
    bits = next(bits for bits in _DEPTHS if highest < 2**bits) if highest else 16
    return (0.0, 2.0**bits - 1)


def check_levels(levels: Integer[np.ndarray, "..."], name: str) -> None:
    """Refuse values beyond 16 bits.

    Raises:
        RequestError: a value is negative or above 65535.
    """
    if levels.min() < 0 or levels.max() > 65535:
        raise RequestError(
            f"expected 8 or 16 bits per channel, got {name} with values {levels.min()} to {levels.max()}; save it as PNG"
        )


def describe(levels: Shaped[np.ndarray, "..."], window: Window, *, given: bool) -> str:
    """Say how values were brought to 8 bits."""
    low, high = (f"{value:g}" for value in window)
    if given:
        return f"scaled to 8 bits: {low} is black, {high} is white, as stated by window"
    if high == "65535":
        return "scaled from 16 to 8 bits"
    bits = int(window[1]).bit_length()
    return f"scaled from {bits} to 8 bits: the largest of the 16-bit values is {levels.max()}, so {high} is white"


def to_unit(values: Shaped[np.ndarray, "..."], window: Window) -> Float[np.ndarray, "..."]:
    """Map a window of values to the range from 0, black, to 1, white, in float64."""
    low, high = window
    unit: Float[np.ndarray, "..."] = ((values.astype(np.float64) - low) / (high - low)).clip(0, 1)
    return unit


def to_16_bits(levels: UInt16[np.ndarray, "..."]) -> UInt16[np.ndarray, "..."]:
    """Stretch the values of `find_window` to all 16 bits, so that white is 65535."""
    stretched: UInt16[np.ndarray, "..."] = np.rint(to_unit(levels, find_window(levels)) * 65535).astype(np.uint16)
    return stretched


def raw_mode(image: Image.Image) -> str:
    """Return the layout of the pixels in a file that is not decoded yet, such as ``RGB;16B``; empty where it has none."""
    tiles = getattr(image, "tile", None) or []
    arguments = tiles[0][3] if tiles else ""
    first = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return first if isinstance(first, str) else ""


def deep_colours(high: Image.Image, reopen: Callable[[], Image.Image]) -> UInt16[np.ndarray, "h w c"] | None:
    """Decode a file with 16 bits per colour channel, which Pillow has to open twice, as it drops the low bytes.

    Returns:
        All 16 bits; None where the file does not have them in colour.
    """
    swapped = _LOW_BYTES.get(raw_mode(high))
    if swapped is None:
        return None
    low = reopen()
    low.tile = [tile._replace(args=_with_mode(tile.args, swapped)) for tile in low.tile]  # type: ignore[attr-defined]
    high.load()
    low.load()
    levels: UInt16[np.ndarray, "h w c"] = np.asarray(high).astype(np.uint16) << 8 | np.asarray(low)
    return levels


def _with_mode(arguments: object, mode: str) -> object:
    """Replace the raw mode in the arguments of Pillow's decoder."""
    return (mode, *arguments[1:]) if isinstance(arguments, tuple) else mode
