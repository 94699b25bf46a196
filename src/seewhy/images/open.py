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

import numpy as np
import torch
from jaxtyping import Float, Shaped, UInt8, UInt16
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from seewhy.core.errors import RequestError

Pixels = UInt8[np.ndarray, "h w 3"]
Levels = UInt8[np.ndarray, "h w c"] | UInt16[np.ndarray, "h w c"]
"""Pixels as stored in a file: one or three channels, 8 or 16 bits."""

ImageLike = str | Path | bytes | bytearray | memoryview | Image.Image | Shaped[np.ndarray, "..."] | Tensor
"""A path, the bytes of a file, a PIL image, an array or a tensor; see `open_image`."""

_TO_8_BITS = "scaled from 16 to 8 bits"

_PILLOW = threading.RLock()
"""Lock for Pillow's size limit and Python's warning list, which are global: one thread at a time changes and restores them."""

_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, struct.error, zlib.error)
"""Exceptions that Pillow's decoders raise on damaged files."""

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
    """

    pixels: Pixels
    name: str
    sha256: str
    notes: tuple[str, ...] = ()
    tensor: Float[Tensor, "3 h w"] | None = None


def open_image(source: ImageLike, *, max_megapixels: float = 200.0, name: str | None = None) -> OpenedImage:
    """Open an image.

    Args:
        source: a path, the bytes of a file, a PIL image, an ``(h, w, 3)`` uint8 array, or a ``(3, h, w)`` float tensor
            in [0, 1].
        max_megapixels: maximum size; a larger image is refused before it is decoded.
        name: name of the image in results; None for the file name.

    Returns:
        Upright 8-bit RGB pixels, with transparency composited on white, and notes on the conversions.

    Raises:
        RequestError: the file does not exist, is not a single still image, is damaged, too large, smaller than 2 × 2
            pixels, or cannot be converted to 8 bits.
    """
    if isinstance(source, str | Path):
        path = Path(source)
        return _decode(_read(path), name or path.name, max_megapixels)
    if isinstance(source, bytes | bytearray | memoryview):
        return _decode(bytes(source), name or "image", max_megapixels)
    if isinstance(source, Image.Image):
        return _from_pil(source, name or Path(str(getattr(source, "filename", ""))).name or "image", max_megapixels)
    if isinstance(source, np.ndarray):
        return _from_array(source, name or "image", max_megapixels)
    if isinstance(source, Tensor):
        return _from_tensor(source, name or "image", max_megapixels)
    raise RequestError(
        f"expected an image as path, bytes, PIL image, array or tensor, got {type(source).__name__}; convert it"
    )


def open_levels(path: Path) -> Levels:
    """Open an image file as `open_image` does, but keep 16-bit gray, and one channel if every pixel is gray."""
    data = _read(path)
    opened = _decode(data, path.name)  # performs all checks, also for 16-bit files
    if _TO_8_BITS in opened.notes:
        with _pillow(path.name) as notes, Image.open(io.BytesIO(data)) as image:
            image.load()
            return np.array(_upright(image, image.getexif(), notes)).astype(np.uint16)[:, :, None]
    gray = opened.pixels[:, :, :1]
    return gray if (opened.pixels == gray).all() else opened.pixels


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


def _decode(data: bytes, name: str, max_megapixels: float = 200.0) -> OpenedImage:
    """Decode the bytes of an image file."""
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
        pixels = _convert(image, name, notes)
    return OpenedImage(pixels, name, hashlib.sha256(data).hexdigest(), tuple(dict.fromkeys(notes)))


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


def _from_pil(image: Image.Image, name: str, max_megapixels: float) -> OpenedImage:
    """Convert a PIL image; the caller's object is not changed."""
    _check_size(*image.size, max_megapixels)
    with _pillow(name) as notes:
        pixels = _convert(image, name, notes)
    return OpenedImage(pixels, name, hashlib.sha256(pixels.tobytes()).hexdigest(), tuple(dict.fromkeys(notes)))


def _from_array(array: np.ndarray, name: str, max_megapixels: float) -> OpenedImage:
    """Copy an array of 8-bit pixels."""
    if array.ndim != 3 or array.shape[2] != 3:
        raise RequestError(f"expected an array of shape (h, w, 3), got {array.shape}; stack or drop channels")
    if array.dtype != np.uint8:
        raise RequestError(
            f"expected a uint8 array, 0 to 255, got {array.dtype}; convert it, or pass a (3, h, w) float tensor in [0, 1]"
        )
    _check_size(array.shape[1], array.shape[0], max_megapixels)
    pixels = np.array(array, order="C")
    return OpenedImage(pixels, name, hashlib.sha256(pixels.tobytes()).hexdigest())


def _from_tensor(tensor: Tensor, name: str, max_megapixels: float) -> OpenedImage:
    """Keep a copy of a float tensor for the classifier, and quantise it for display."""
    if tensor.ndim != 3 or tensor.shape[0] != 3:
        raise RequestError(f"expected a tensor of shape (3, h, w), got {tuple(tensor.shape)}; permute or index it")
    if not tensor.is_floating_point():
        raise RequestError(f"expected a float tensor in [0, 1], got {tensor.dtype}; write tensor / 255")
    exact = tensor.detach().cpu().to(torch.float32, copy=True).contiguous()
    _check_size(exact.shape[2], exact.shape[1], max_megapixels)
    if not bool(exact.isfinite().all()):
        raise RequestError("expected finite values in [0, 1], got NaN or infinity; check how the tensor was computed")
    low, high = float(exact.min()), float(exact.max())
    if low < 0 or high > 1:
        hint = "divide by 255" if low >= 0 and high > 2 else "undo its normalisation"
        raise RequestError(f"expected values in [0, 1], got {low:.4g} to {high:.4g}; {hint}")
    pixels = (exact * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
    return OpenedImage(pixels, name, hashlib.sha256(exact.numpy().tobytes()).hexdigest(), (), exact)


def _convert(image: Image.Image, name: str, notes: list[str]) -> Pixels:
    """Decode one still image to upright 8-bit RGB, and note what was done."""
    frames = int(getattr(image, "n_frames", 1))
    if frames > 1 and image.format != "MPO":
        raise RequestError(f"expected a single still image, got {name} with {frames} frames; save one frame as PNG")
    if frames > 1:  # a phone's JPEG
        notes.append(f"used the first of {frames} images in the file")
    image.load()
    rgb = _to_rgb(image, name, notes)
    # Read after loading: some decoders rotate the image themselves and then remove the tag.
    return np.array(_upright(rgb, image.getexif(), notes))


def _to_rgb(image: Image.Image, name: str, notes: list[str]) -> Image.Image:
    """Convert any mode to RGB; a transparent image is composited on white."""
    if image.mode.startswith("I"):
        return _from_16_bit(image, name, notes)
    if image.mode == "F":
        raise RequestError(f"expected 8 or 16 bits per channel, got {name} with 32-bit floats; save it as PNG")
    if "transparency" in image.info or {"A", "a"} & set(image.getbands()):
        layer = image.convert("RGBA")
        if np.asarray(layer.getchannel("A")).min() < 255:
            notes.append("transparency laid on white")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), layer).convert("RGB")
    if image.mode not in {"1", "L", "P", "RGB", "RGBX"}:
        notes.append(f"converted from {image.mode} to RGB")
    return image.convert("RGB")


def _from_16_bit(image: Image.Image, name: str, notes: list[str]) -> Image.Image:
    """Scale 16-bit gray to 8 bits: 65535 is white."""
    levels = np.asarray(image).astype(np.int64)
    if levels.min() < 0 or levels.max() > 65535:
        raise RequestError(
            f"expected 8 or 16 bits per channel, got {name} with values {levels.min()} to {levels.max()}; save it as PNG"
        )
    notes.append(_TO_8_BITS)
    return Image.fromarray(np.rint(levels / 257).astype(np.uint8)).convert("RGB")


def _upright(image: Image.Image, exif: Image.Exif, notes: list[str]) -> Image.Image:
    """Rotate an image according to its EXIF orientation."""
    orientation = exif.get(_ORIENTATION)
    if orientation not in _UPRIGHT:
        return image
    notes.append(f"turned upright (EXIF orientation {orientation})")
    return image.transpose(_UPRIGHT[orientation])
