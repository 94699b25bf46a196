"""Open images from files, bytes, PIL images, arrays and tensors, and note every conversion."""

import hashlib
import io
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Shaped, UInt8, UInt16
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from seewhy.core.errors import RequestError
from seewhy.images.levels import (
    Window,
    check_levels,
    check_window,
    deep_colours,
    describe,
    find_window,
    raw_mode,
    to_16_bits,
    to_unit,
)

Pixels = UInt8[np.ndarray, "h w 3"]
Levels = UInt8[np.ndarray, "h w c"] | UInt16[np.ndarray, "h w c"]
"""Pixels as stored in a file: one, three or (16 bits only) four channels, 8 or 16 bits."""


@runtime_checkable
class Readable(Protocol):
    """A file object opened in binary mode."""

    def read(self) -> bytes:
        """Return the bytes that are left."""
        ...


ImageLike = str | Path | bytes | bytearray | memoryview | Readable | Image.Image | Shaped[np.ndarray, "..."] | Tensor
"""A path, a file object or its bytes, a PIL image, an array or a tensor; see `open_image`."""

_PILLOW = threading.RLock()
"""Lock for Pillow's size limit and Python's warning list, which are global: one thread at a time changes and restores them."""

_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, struct.error, zlib.error)
"""Exceptions that Pillow's decoders raise on damaged files."""

_ON_WHITE = "transparency laid on white"

Stored = UInt8[np.ndarray, "h w c"] | UInt16[np.ndarray, "h w c"] | Float[np.ndarray, "h w c"]
"""Pixels as stored: one, three or four channels of 8 bits, 16 bits or floats."""

_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation → the transposition that undoes it."""


@dataclass(frozen=True, eq=False)
class OpenedImage:
    """An opened image.

    Args:
        pixels: ``(h, w, 3)`` uint8 RGB, upright.
        name: file name, or the name given by the caller.
        sha256: SHA-256 of the file's bytes, or of the pixels or the tensor if there is no file.
        notes: descriptions of the conversions beyond decoding.
        tensor: ``(3, h, w)`` float32 in [0, 1] if the caller passed a tensor, else None. The classifier then gets exactly
            this tensor, unless the image must be resized.
        window: the values of black and white, if the caller gave them.
    """

    pixels: Pixels
    name: str
    sha256: str
    notes: tuple[str, ...] = ()
    tensor: Float[Tensor, "3 h w"] | None = None
    window: Window | None = None


def open_image(
    source: ImageLike, *, max_megapixels: float = 200.0, name: str | None = None, window: Window | None = None
) -> OpenedImage:
    """Open an image.

    Args:
        source: a path, a file object, the bytes of a file, a PIL image; an array of shape ``(h, w)`` or ``(h, w, c)`` of uint8,
            uint16 or floats in [0, 1]; or a tensor ``(c, h, w)`` of uint8 or floats in [0, 1]; c is 1 (gray), 3 or 4 (with alpha).
        max_megapixels: maximum size; a larger image is refused before it is decoded.
        name: name of the image in results; None for the file name.
        window: the values that become black and white; None: 0 and 255 for 8 bits, 0 and 1 for floats; for 16 bits, 0 and the
            largest value of 8, 10, 12, 14 or 16 bits, the fewest that hold the image.

    Returns:
        Upright 8-bit RGB pixels, with transparency composited on white, and notes on the conversions.

    Raises:
        RequestError: the file does not exist, is not a single still image, is damaged, too large, smaller than 2 × 2
            pixels, or has values beyond 16 bits or, as floats, beyond [0, 1] without a window.
    """
    check_window(window)
    if isinstance(source, str | Path):
        path = Path(source)
        return _decode(_read(path), name or path.name, max_megapixels, window)
    if isinstance(source, bytes | bytearray | memoryview):
        return _decode(bytes(source), name or "image", max_megapixels, window)
    if isinstance(source, Image.Image):
        return _from_pil(
            source, name or Path(str(getattr(source, "filename", ""))).name or "image", max_megapixels, window
        )
    if isinstance(source, np.ndarray | Tensor):
        return _from_values(source, name or "image", max_megapixels, window)
    if isinstance(source, Readable):
        return _decode(_read_from(source), name or _name_of(source), max_megapixels, window)
    raise RequestError(
        f"expected an image as path, file object, bytes, PIL image, array or tensor, got {type(source).__name__}; convert it"
    )


def open_levels(path: Path) -> Levels:
    """Open an image file as `open_image` does, but keep 16 bits, white at 65535, and one channel if every pixel is gray."""
    levels, notes = _levels(_read(path), path.name, 200.0)
    if levels.dtype == np.uint16:
        levels = to_16_bits(levels[:, :, :3])
    elif levels.dtype != np.uint8:
        levels = _finish(levels, path.name, None, notes)[0]
    gray = levels[:, :, :1]
    return gray if (levels == gray).all() else levels


def _read(path: Path) -> bytes:
    """Read the bytes of a file."""
    if path.is_dir():
        raise RequestError(f"expected an image file, got the folder {path}; name a file in it")
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise RequestError(f"expected an image file, got {path}, which does not exist; check the path") from error
    except (OSError, ValueError) as error:
        raise RequestError(f"expected a readable image file, got {path}: {error}; check the path") from error


def _read_from(file: Readable) -> bytes:
    """Read the bytes of a file object."""
    data = file.read()
    if not isinstance(data, bytes):
        raise RequestError(
            f"expected a file opened in binary mode, got one that reads {type(data).__name__}; open it with 'rb'"
        )
    return data


def _name_of(file: Readable) -> str:
    """Return the name of the file behind a file object, if it has one."""
    name = getattr(file, "name", None)
    return Path(name).name if isinstance(name, str) and name else "image"


def _decode(data: bytes, name: str, max_megapixels: float, window: Window | None) -> OpenedImage:
    """Decode the bytes of an image file."""
    levels, notes = _levels(data, name, max_megapixels)
    pixels, notes = _finish(levels, name, window, notes)
    return OpenedImage(pixels, name, hashlib.sha256(data).hexdigest(), notes, window=window)


def _levels(data: bytes, name: str, max_megapixels: float) -> tuple[Stored, tuple[str, ...]]:
    """Decode the bytes of an image file to upright pixels with all their bits, with notes on the conversions."""
    if not data:
        raise RequestError(f"expected an image, got {name}, which is empty; save it again")
    with _pillow(name) as notes:
        try:
            image = Image.open(io.BytesIO(data))
        except UnidentifiedImageError as error:
            start = data[:16].strip()
            raise RequestError(
                f"expected an image, got {name}, which begins with {start!r} and is in no known format; "
                "save it as PNG or JPEG"
            ) from error
        _check_size(*image.size, max_megapixels)
        _check_still(image, name, notes)
        deep = deep_colours(image, lambda: Image.open(io.BytesIO(data)))
        stored = _convert(image, name, notes) if deep is None else _turned(deep, image.getexif(), notes)
    return stored, tuple(dict.fromkeys(notes))


@contextmanager
def _pillow(name: str) -> Iterator[list[str]]:
    """Disable Pillow's size limit, report damaged files, and yield a list of notes, to which warnings are added on exit."""
    notes: list[str] = []
    with _PILLOW, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield notes
        except RequestError:
            raise
        except _BROKEN as error:
            raise RequestError(
                f"expected a complete image, got {name}, which is damaged: {error}; save it again"
            ) from error
        finally:
            Image.MAX_IMAGE_PIXELS = limit
            notes += [f"Pillow: {warning.message}" for warning in caught]


def _check_size(width: int, height: int, max_megapixels: float) -> None:
    """Raise if an image is too large to decode or too small to explain."""
    megapixels = width * height / 1e6
    if megapixels > max_megapixels:
        raise RequestError(
            f"expected at most {max_megapixels:g} megapixels, got {width} × {height} = {megapixels:.4g}; "
            "resize it, or raise the limit with max_megapixels= (--max-megapixels)"
        )
    if min(width, height) < 2:
        raise RequestError(f"expected an image of at least 2 × 2 pixels, got {width} × {height}; choose a larger one")


def _from_pil(image: Image.Image, name: str, max_megapixels: float, window: Window | None) -> OpenedImage:
    """Convert a PIL image; the caller's object is not changed."""
    _check_size(*image.size, max_megapixels)
    with _pillow(name) as notes:
        _check_still(image, name, notes)
        stored = _convert(image, name, notes)
    pixels, told = _finish(stored, name, window, tuple(dict.fromkeys(notes)))
    return OpenedImage(pixels, name, hashlib.sha256(pixels.tobytes()).hexdigest(), told, window=window)


def _from_values(source: np.ndarray | Tensor, name: str, max_megapixels: float, window: Window | None) -> OpenedImage:
    """Copy an array ``(h, w)`` or ``(h, w, c)``, or a tensor ``(c, h, w)``; floats also reach the classifier exactly."""
    values = _as_stored(source, any_type=window is not None)
    _check_size(values.shape[1], values.shape[0], max_megapixels)
    pixels, notes = _finish(values, name, window, ())
    exact = None
    if values.dtype.kind == "f":
        unit = _to_unit_rgb(values, window).transpose(2, 0, 1)
        exact = torch.from_numpy(np.ascontiguousarray(unit, dtype=np.float32))
    content = pixels if exact is None else exact.numpy()
    return OpenedImage(pixels, name, hashlib.sha256(content.tobytes()).hexdigest(), notes, exact, window)


def _as_stored(source: np.ndarray | Tensor, *, any_type: bool) -> Stored:
    """Return the values of an array or a tensor as ``(h, w, c)``, a copy; ``any_type`` of integers is read as floats."""
    if isinstance(source, Tensor):
        if source.ndim != 3 or source.shape[0] not in {1, 3, 4} or source.shape[2] in {1, 3, 4}:
            raise RequestError(
                f"expected a tensor of shape (c, h, w) with 1, 3 or 4 channels, got {tuple(source.shape)}; permute or index it"
            )
        values = source.detach().cpu()
        values = values.to(torch.float32) if values.is_floating_point() else values
        array = np.array(values.permute(1, 2, 0).numpy(), order="C")
    else:
        array = np.array(source[:, :, None] if source.ndim == 2 else source, order="C")
        if array.ndim != 3 or array.shape[2] not in {1, 3, 4}:
            hint = (
                "move the channels to the end" if array.ndim == 3 and array.shape[0] in {1, 3, 4} else "pass one image"
            )
            raise RequestError(
                f"expected an array of shape (h, w) or (h, w, c) with 1, 3 or 4 channels, got {source.shape}; {hint}"
            )
    if any_type and array.dtype.kind in "iu":
        return array.astype(np.float64)
    if array.dtype.kind != "f" and array.dtype not in {np.dtype(np.uint8), np.dtype(np.uint16)}:
        raise RequestError(f"expected uint8 or uint16 values, or floats in [0, 1], got {array.dtype}; convert them")
    return array


def _finish(stored: Stored, name: str, window: Window | None, notes: tuple[str, ...]) -> tuple[Pixels, tuple[str, ...]]:
    """Bring stored values to 8-bit RGB, and add what was done to the notes."""
    if stored.dtype.kind == "f":
        _check_floats(stored, window, name)
    if stored.shape[2] == 4 and _alpha(stored).min() < 1:
        notes = (*notes, _ON_WHITE)
    if window is not None or stored.dtype == np.uint16:
        levels = stored[:, :, :3]
        notes = (*notes, describe(levels, window or _black_and_white(levels), given=window is not None))
    if stored.dtype == np.uint8 and window is None and stored.shape[2] < 4:
        return np.ascontiguousarray(np.broadcast_to(stored, (*stored.shape[:2], 3))), notes
    return np.rint(_to_unit_rgb(stored, window) * 255).astype(np.uint8), notes


def _to_unit_rgb(stored: Stored, window: Window | None) -> Float[np.ndarray, "h w 3"]:
    """Return RGB from 0 to 1 in float64: gray is repeated, and transparent pixels are laid on white."""
    levels = stored[:, :, :3]
    colours = np.broadcast_to(to_unit(levels, window or _black_and_white(levels)), (*stored.shape[:2], 3))
    if stored.shape[2] < 4:
        return colours
    opaque: Float[np.ndarray, "h w 3"] = 1 + _alpha(stored) * (colours - 1)
    return opaque


def _alpha(stored: Stored) -> Float[np.ndarray, "h w 1"]:
    """Return how opaque each pixel is, from 0 to 1; values of fewer than 16 bits have an alpha of as many bits."""
    opacity = stored[:, :, 3:]
    return to_unit(opacity, _black_and_white(opacity))


def _black_and_white(values: Stored) -> Window:
    """Return the values of black and white where none are given: those of the type, or, of 16 bits, of the fewest usual bits."""
    if values.dtype == np.uint16:
        return find_window(values)
    return (0.0, 255.0) if values.dtype == np.uint8 else (0.0, 1.0)


def _check_floats(values: Stored, window: Window | None, name: str) -> None:
    """Refuse floats that are not finite, or not in [0, 1] where no window is given."""
    if not np.isfinite(values).all():
        raise RequestError(
            f"expected finite values in [0, 1], got NaN or infinity in {name}; check how they were computed"
        )
    low, high = float(values.min()), float(values.max())
    if window is None and (low < 0 or high > 1):
        hint = "divide by 255" if low >= 0 and high > 2 else "undo its normalisation"
        raise RequestError(
            f"expected values in [0, 1], got {low:.4g} to {high:.4g} in {name}; {hint}, or give the values of black and white, "
            "window=(low, high)"
        )


def _check_still(image: Image.Image, name: str, notes: list[str]) -> None:
    """Refuse animations; a phone's JPEG with a second, hidden image is a still image."""
    frames = int(getattr(image, "n_frames", 1))
    if frames > 1 and image.format != "MPO":
        raise RequestError(f"expected a single still image, got {name} with {frames} frames; save one frame as PNG")
    if frames > 1:  # a phone's JPEG
        notes.append(f"used the first of {frames} images in the file")


def _convert(image: Image.Image, name: str, notes: list[str]) -> Stored:
    """Decode one still image upright: 8-bit RGB, or one channel of more bits or floats."""
    if ";16" in raw_mode(image) and image.mode not in {"I;16", "I;16B", "I;16L", "I"}:
        notes.append("read only the high 8 of 16 bits per channel")
    image.load()
    if image.mode.startswith("I"):
        levels = np.asarray(image)
        check_levels(levels, name)
        return _turned(levels.astype(np.uint16)[:, :, None], image.getexif(), notes)
    if image.mode == "F":
        return _turned(np.array(image)[:, :, None], image.getexif(), notes)
    rgb = _to_rgb(image, notes)
    # Read after loading: some decoders rotate the image themselves and then remove the tag.
    return np.array(_upright(rgb, image.getexif(), notes))


def _turned(values: Stored, exif: Image.Exif, notes: list[str]) -> Shaped[np.ndarray, "rows columns c"]:
    """Rotate values of more than 8 bits, which Pillow holds one channel at a time, according to their EXIF orientation."""
    planes = [
        _upright(Image.fromarray(np.ascontiguousarray(plane)), exif, notes) for plane in values.transpose(2, 0, 1)
    ]
    return np.stack([np.asarray(plane) for plane in planes], axis=2)


def _to_rgb(image: Image.Image, notes: list[str]) -> Image.Image:
    """Convert any mode of 8 bits to RGB; a transparent image is composited on white."""
    if "transparency" in image.info or {"A", "a"} & set(image.getbands()):
        layer = image.convert("RGBA")
        if np.asarray(layer.getchannel("A")).min() < 255:
            notes.append(_ON_WHITE)
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), layer).convert("RGB")
    if image.mode not in {"1", "L", "P", "RGB", "RGBX"}:
        notes.append(f"converted from {image.mode} to RGB")
    return image.convert("RGB")


def _upright(image: Image.Image, exif: Image.Exif, notes: list[str]) -> Image.Image:
    """Rotate an image according to its EXIF orientation."""
    orientation = exif.get(_ORIENTATION)
    if orientation not in _UPRIGHT:
        return image
    notes.append(f"turned upright (EXIF orientation {orientation})")
    return image.transpose(_UPRIGHT[orientation])
