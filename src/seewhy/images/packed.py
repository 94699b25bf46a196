"""Read many images from one file: idx, the format of MNIST, or NumPy's npz."""

import gzip
import math
import re
import struct
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int64, Shaped, UInt8, UInt16

from seewhy.core.errors import RequestError
from seewhy.images.levels import to_16_bits

Stack = UInt8[np.ndarray, "n h w _"] | UInt16[np.ndarray, "n h w _"]
"""Images of one size: one or three channels, 8 or 16 bits."""

LARGEST = 8 * 2**30
"""Maximum number of bytes of pixels, since all of them are held in memory."""

_MOST_CLASSES = 100_000  # larger "labels" are probably something else, such as patient numbers

_PARTS = ("images", "labels", "classes", "groups", "regions")
_SHORT = {"images": "x", "labels": "y"}
"""Keys of an npz file, and the other key that some parts may have."""

_BROKEN = (OSError, ValueError, EOFError, KeyError, RuntimeError, TypeError, zlib.error, zipfile.BadZipFile)
"""Exceptions raised by reading a damaged archive."""


class Packed(NamedTuple):
    """The contents of a file; see `seewhy.images.collection.Collection` for the fields."""

    pixels: Stack
    labels: Int64[np.ndarray, "n"] | None = None
    classes: tuple[str, ...] = ()
    groups: Shaped[np.ndarray, "n"] | None = None
    regions: Bool[np.ndarray, "n h w"] | None = None


def check_bytes(count: int, what: str) -> None:
    """Raise if the pixels would not fit in memory."""
    if count > LARGEST:
        raise RequestError(
            f"expected at most {LARGEST / 2**30:g} GiB of pixels, got {count / 2**30:.3g} GiB in {what}; "
            "use fewer or smaller images"
        )


def without_colour(pixels: Stack) -> Stack:
    """Reduce images to one channel if every pixel is gray."""
    gray = pixels[..., :1]
    return np.ascontiguousarray(gray if (pixels == gray).all() else pixels)


def name_classes(
    labels: Shaped[np.ndarray, "n"], classes: tuple[str, ...], where: str
) -> tuple[Int64[np.ndarray, "n"], tuple[str, ...]]:
    """Convert labels, class numbers from 0 or class names, to class numbers and class names.

    Without ``classes`` these are the sorted names of the labels, or the numbers up to the largest; ``where`` is for messages.
    """
    if labels.dtype.kind in "US":
        labels = labels.astype(str)
        classes = classes or tuple(np.unique(labels).tolist())
        strange = np.setdiff1d(labels, classes)
        if len(strange):
            raise RequestError(
                f"expected labels among the classes in {where}, got {str(strange[0])!r}; add it to the classes"
            )
        order = np.argsort(classes)
        return order[np.searchsorted(classes, labels, sorter=order)], classes
    if labels.dtype.kind not in "biu":
        raise RequestError(f"expected class numbers or names in {where}, got {labels.dtype}; convert the labels")
    low, high = int(labels.min()), int(labels.max())
    count = len(classes) or min(high + 1, _MOST_CLASSES)
    if low < 0 or high >= count:
        raise RequestError(f"expected labels from 0 to {count - 1} in {where}, got {low} to {high}; number the classes")
    return labels.astype(np.int64), classes or tuple(map(str, range(count)))


def read_idx(path: Path) -> Packed:
    """Read ``X-images-idx3-ubyte[.gz]``, and the labels from ``X-labels-idx1-ubyte[.gz]`` if it is in the same folder."""
    pixels = _idx(path, axes=3)[..., None]
    labels = re.sub(r"images([-.])idx3-", r"labels\1idx1-", path.name.removesuffix(".gz"))
    beside = [path.with_name(name) for name in (labels, f"{labels}.gz") if path.with_name(name).is_file()]
    if not beside:
        return Packed(pixels)
    values = _idx(beside[0], axes=1)
    if len(values) != len(pixels):
        raise RequestError(
            f"expected {len(pixels)} labels in {beside[0]}, got {len(values)}; use a matching pair of files"
        )
    return Packed(pixels, *name_classes(values, (), str(beside[0])))


def _idx(path: Path, axes: int) -> UInt8[np.ndarray, "..."]:
    """Read one idx file of bytes: a magic number and the lengths of the axes, big-endian, then the content."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            magic, *shape = struct.unpack(f">{axes + 1}I", file.read(4 * axes + 4))
            size = math.prod(shape) if magic == 0x800 + axes else 0
            check_bytes(size, str(path))
            content = file.read(size + 1)
    except (OSError, EOFError, struct.error, zlib.error) as problem:
        raise RequestError(f"expected a complete idx file, got {path}: {problem}; download it again") from problem
    if not size or len(content) != size:
        raise RequestError(
            f"expected an idx file of bytes with {axes} axes and its whole content, got {path} with magic number {magic:#x} "
            f"and axes {shape}, and {'more' if len(content) > size else 'fewer'} bytes; download it again, or name the image file"
        )
    return np.frombuffer(content, np.uint8).reshape(shape)


def read_npz(path: Path) -> Packed:
    """Read images, and labels, names of the classes, groups and regions if present, from an npz file."""
    arrays = _load(path)
    pixels = _pixels(arrays["images"], str(path))
    for part, shape in (("labels", pixels.shape[:1]), ("groups", pixels.shape[:1]), ("regions", pixels.shape[:3])):
        if part in arrays and arrays[part].shape != shape:
            raise RequestError(
                f"expected {part} of shape {shape} in {path}, got shape {arrays[part].shape}; match the images"
            )
    packed = Packed(pixels)
    if "labels" in arrays:
        names = tuple(arrays["classes"].astype(str).tolist()) if "classes" in arrays else ()
        labels, classes = name_classes(arrays["labels"], names, str(path))
        packed = packed._replace(labels=labels, classes=classes)
    if "groups" in arrays:
        packed = packed._replace(groups=arrays["groups"].astype(str))
    return packed._replace(regions=arrays["regions"].astype(bool)) if "regions" in arrays else packed


def _load(path: Path) -> dict[str, np.ndarray]:
    """Load the arrays with known keys."""
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            keys = {part: key for part in _PARTS for key in (_SHORT.get(part), part) if key in file.files}
            size = sum(file.zip.getinfo(f"{key}.npy").file_size for key in keys.values())
            # the sizes are read from the archive's directory, before anything is decompressed
            arrays = {part: file[key] for part, key in keys.items()} if size <= LARGEST else {}
            present = ", ".join(file.files) or "nothing"
    except _BROKEN as problem:
        raise RequestError(
            f"expected an npz file of plain arrays, got {path}: {problem}; save it again with numpy.savez"
        ) from problem
    check_bytes(size, str(path))
    if "images" not in arrays:
        raise RequestError(f"expected images under the key images or x in {path}, got {present}; rename the key")
    return arrays


def _pixels(array: np.ndarray, where: str) -> Stack:
    """Convert images from any common layout and type to ``(n, h, w, c)`` with 8 or 16 bits; floats get 16 bits.

    Fewer bits in 16 are stretched to 16, as `seewhy.images.open.open_levels` does, by the largest value of all images.
    """
    if array.ndim == 3:
        array = array[..., None]
    elif array.ndim == 4 and array.shape[3] not in {1, 3}:
        array = np.moveaxis(array, 1, 3)
    if array.ndim != 4 or array.shape[3] not in {1, 3} or not len(array):
        raise RequestError(
            f"expected images of shape (n, h, w), (n, h, w, 3) or (n, 3, h, w) in {where}, got {array.shape}; "
            "reshape them"
        )
    if array.dtype.kind == "u" and array.dtype.itemsize == 2:
        array = to_16_bits(array)
    elif array.dtype.kind == "f":
        low, high = float(array.min()), float(array.max())
        if not 0 <= low <= high <= 1:  # NaN fails too
            hint = "divide by 255" if low >= 0 and high > 2 else "check how they were computed"
            raise RequestError(f"expected floats in [0, 1] in {where}, got {low:.4g} to {high:.4g}; {hint}")
        array = np.rint(array.astype(np.float32) * 65535).astype(np.uint16)
    elif array.dtype.kind == "b":
        array = array.astype(np.uint8) * 255
    if array.dtype.kind != "u" or array.dtype.itemsize > 2:
        raise RequestError(
            f"expected uint8, uint16, bool or floats in [0, 1] in {where}, got {array.dtype}; convert the images"
        )
    return without_colour(array.astype(array.dtype.newbyteorder("=")))
