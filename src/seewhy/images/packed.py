"""Read many images from one file: idx, the format of MNIST, or NumPy's npz."""

import gzip
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int64, Shaped, UInt8, UInt16

from seewhy.core.errors import RequestError

Stack = UInt8[np.ndarray, "n h w _"] | UInt16[np.ndarray, "n h w _"]
"""Images of one size: one or three channels, 8 or 16 bits."""

LARGEST = 8 * 2**30
"""Maximum number of bytes of pixels, since all of them are held in memory."""

_MOST_CLASSES = 100_000  # larger "labels" are probably something else, such as patient numbers

_IDX = re.compile(r".*images[-.]idx3-ubyte(\.gz)?")

_PIXELS = ("images", "image", "x", "X", "x_train", "data", "arr_0")
_LABELS = ("labels", "label", "y", "y_train")
_GROUPS = ("groups", "group", "patient")
_REGIONS = ("regions", "masks", "mask")

_BROKEN = (OSError, ValueError, EOFError, RuntimeError, MemoryError, zlib.error, zipfile.BadZipFile)
"""Exceptions raised by reading a damaged archive; MemoryError if the header claims an impossible size."""


class Packed(NamedTuple):
    """The contents of a file; see `seewhy.images.collection.Collection` for the fields."""

    pixels: Stack
    labels: Int64[np.ndarray, "n"] | None = None
    classes: tuple[str, ...] = ()
    groups: Shaped[np.ndarray, "n"] | None = None
    regions: Bool[np.ndarray, "n h w"] | None = None


def check_bytes(count: int, what: str) -> None:
    """Raise if the pixels would not fit in memory.

    Raises:
        RequestError: there are more than `LARGEST` bytes.
    """
    if count > LARGEST:
        raise RequestError(
            f"expected at most {LARGEST / 2**30:g} GiB of pixels, got {count / 2**30:.3g} GiB in {what}; "
            "use fewer or smaller images"
        )


def without_colour(pixels: Stack) -> Stack:
    """Reduce images to one channel if every pixel is gray.

    Example:
        >>> without_colour(np.full((2, 4, 4, 3), 9, np.uint8)).shape
        (2, 4, 4, 1)
    """
    gray = pixels[..., :1]
    return np.ascontiguousarray(gray if (pixels == gray).all() else pixels)


def name_classes(
    labels: Shaped[np.ndarray, "n"], classes: tuple[str, ...], where: str
) -> tuple[Int64[np.ndarray, "n"], tuple[str, ...]]:
    """Convert labels to class numbers and class names.

    Args:
        labels: class numbers from 0, or class names.
        classes: class names by number; if empty, the sorted names of the labels, or the numbers up to the largest.
        where: name of the source, used in error messages.

    Returns:
        ``(n,)`` class numbers, and the class names by number.

    Raises:
        RequestError: labels are neither numbers nor names, or not among the classes.

    Example:
        >>> name_classes(np.array(["dog", "cat"]), (), "")
        (array([1, 0]), ('cat', 'dog'))
    """
    if labels.dtype.kind in "US":
        names = labels.astype(str)
        classes = classes or tuple(np.unique(names).tolist())
        number = {name: index for index, name in enumerate(classes)}
        strange = next((name for name in names.tolist() if name not in number), None)
        if strange is not None:
            raise RequestError(f"expected labels among the classes in {where}, got {strange!r}; add it to the classes")
        return np.array([number[name] for name in names.tolist()], dtype=np.int64), classes
    if labels.dtype.kind not in "biu":
        raise RequestError(f"expected class numbers or names in {where}, got {labels.dtype}; convert the labels")
    count = len(classes) or min(max(int(labels.max()) + 1, 1), _MOST_CLASSES)
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= count:
        raise RequestError(f"expected labels from 0 to {count - 1} in {where}, got {low} to {high}; number the classes")
    return labels.astype(np.int64), classes or tuple(map(str, range(count)))


def is_idx(path: Path) -> bool:
    """Return whether a file name is that of an idx file of images.

    Example:
        >>> is_idx(Path("train-images-idx3-ubyte.gz")), is_idx(Path("train-labels-idx1-ubyte.gz"))
        (True, False)
    """
    return _IDX.fullmatch(path.name) is not None


def read_idx(path: Path) -> Packed:
    """Read ``X-images-idx3-ubyte[.gz]``, and the labels from ``X-labels-idx1-ubyte[.gz]`` if it is in the same folder.

    Raises:
        RequestError: a file is damaged or is not an idx file, or the numbers of images and labels differ.
    """
    pixels = _idx(path, axes=3)[..., None]
    labels = re.sub(r"images([-.])idx3-", r"labels\1idx1-", path.name.removesuffix(".gz"))
    found = next((path.with_name(labels + end) for end in ("", ".gz") if path.with_name(labels + end).is_file()), None)
    if found is None:
        return Packed(pixels)
    values = _idx(found, axes=1)
    if len(values) != len(pixels):
        raise RequestError(f"expected {len(pixels)} labels in {found}, got {len(values)}; use a matching pair of files")
    return Packed(pixels, *name_classes(values, (), str(found)))


def _idx(path: Path, axes: int) -> UInt8[np.ndarray, "..."]:
    """Read one idx file of bytes."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            magic, sizes = file.read(4), file.read(4 * axes)
            if magic != bytes((0, 0, 8, axes)) or len(sizes) != 4 * axes:
                raise RequestError(
                    f"expected an idx file of bytes with {axes} axes, got {path}, which begins with "
                    f"{magic.hex(' ') or 'nothing'}; name the image file, or download it again if it is damaged"
                )
            shape = struct.unpack(f">{axes}I", sizes)
            check_bytes(math.prod(shape), str(path))
            content = file.read(math.prod(shape) + 1)
    except (OSError, EOFError, zlib.error) as problem:
        raise RequestError(f"expected a complete idx file, got {path}: {problem}; download it again") from problem
    if not content or len(content) != math.prod(shape):
        got = "more" if len(content) > math.prod(shape) else str(len(content))
        need = math.prod(shape) or "some"
        raise RequestError(f"expected {need} bytes after the header of {path}, got {got}; download it again")
    return np.frombuffer(content, np.uint8).reshape(shape)


def read_npz(path: Path) -> Packed:
    """Read images, and labels, groups and regions if present, from an npz file.

    The first key found is used, in this order. Images: ``images``, ``image``, ``x``, ``X``, ``x_train``, ``data``,
    ``arr_0``. Labels: ``labels``, ``label``, ``y``, ``y_train``. Groups: ``groups``, ``group``, ``patient``. Regions:
    ``regions``, ``masks``, ``mask``. Class names: ``classes``.

    Raises:
        RequestError: the file has no images, is damaged, or has arrays of an unsupported type or shape.
    """
    arrays = _load(path)
    pixels = _pixels(arrays["pixels"], str(path))
    count = len(pixels)
    packed = Packed(pixels)
    if "labels" in arrays:
        named = tuple(arrays["classes"].astype(str).ravel().tolist()) if "classes" in arrays else ()
        labels, classes = name_classes(_column(arrays["labels"], count, f"labels of {path}"), named, str(path))
        packed = packed._replace(labels=labels, classes=classes)
    groups = _column(arrays["groups"], count, f"groups of {path}").astype(str) if "groups" in arrays else None
    regions = _regions(arrays["regions"], pixels.shape[:3], str(path)) if "regions" in arrays else None
    return packed._replace(groups=groups, regions=regions)


def _load(path: Path) -> Mapping[str, np.ndarray]:
    """Load the known arrays, by role."""
    sizes = _sizes(path)
    wanted = {"pixels": _PIXELS, "labels": _LABELS, "groups": _GROUPS, "regions": _REGIONS, "classes": ("classes",)}
    keys = {part: key for part, names in wanted.items() for key in [k for k in names if k in sizes][:1]}
    if "pixels" not in keys:
        raise RequestError(
            f"expected images under one of the keys {', '.join(_PIXELS)} in {path}, got {', '.join(sizes) or 'nothing'}; "
            "rename the key"
        )
    check_bytes(sum(sizes[key] for key in keys.values()), str(path))
    try:
        with np.load(path, allow_pickle=False) as loaded:
            return {part: loaded[key] for part, key in keys.items()}
    except _BROKEN as problem:
        raise _damaged(path, problem) from problem


def _sizes(path: Path) -> dict[str, int]:
    """Return the number of bytes of each array as stated in the archive, without decompressing it."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {item.filename.removesuffix(".npy"): item.file_size for item in archive.infolist()}
    except _BROKEN as problem:
        raise _damaged(path, problem) from problem


def _damaged(path: Path, problem: Exception) -> RequestError:
    """Return the error for an archive that cannot be read."""
    return RequestError(f"expected an npz file of plain arrays, got {path}: {problem}; save it again with numpy.savez")


def _pixels(array: np.ndarray, where: str) -> Stack:
    """Convert images from any common layout and type to ``(n, h, w, c)`` with 8 or 16 bits."""
    if array.ndim == 3:
        array = array[..., None]
    elif array.ndim == 4 and array.shape[3] not in {1, 3} and array.shape[1] in {1, 3}:
        array = np.moveaxis(array, 1, 3)
    if array.ndim != 4 or array.shape[3] not in {1, 3}:
        raise RequestError(
            f"expected images of shape (n, h, w), (n, h, w, 3) or (n, 3, h, w) in {where}, got {array.shape}; "
            "reshape them"
        )
    if array.size == 0:
        raise RequestError(f"expected at least one image in {where}, got an array of shape {array.shape}")
    if array.dtype.kind == "f":
        array = _levels(array, where)
    elif array.dtype.kind == "b":
        array = array.astype(np.uint8) * 255
    if array.dtype.kind != "u" or array.dtype.itemsize > 2:
        raise RequestError(
            f"expected uint8, uint16, bool or floats in [0, 1] in {where}, got {array.dtype}; convert the images"
        )
    return without_colour(array.astype(array.dtype.newbyteorder("="), copy=False))


def _levels(array: Float[np.ndarray, "n h w c"], where: str) -> UInt16[np.ndarray, "n h w c"]:
    """Scale floats in [0, 1] to 16 bits."""
    low, high = float(array.min()), float(array.max())
    if not 0 <= low <= high <= 1:  # NaN fails too
        hint = "divide by 255" if low >= 0 and high > 2 else "check how they were computed"
        raise RequestError(f"expected floats in [0, 1] in {where}, got {low:.4g} to {high:.4g}; {hint}")
    return np.rint(array.astype(np.float32, copy=False) * 65535).astype(np.uint16)


def _column(array: np.ndarray, count: int, where: str) -> Shaped[np.ndarray, "n"]:
    """Return the column, or raise unless it has one value per image."""
    if array.shape not in {(count,), (count, 1)}:
        raise RequestError(
            f"expected {count} values, one per image, as {where}, got shape {array.shape}; match the number of images"
        )
    return array.reshape(count)


def _regions(array: np.ndarray, shape: tuple[int, ...], where: str) -> Bool[np.ndarray, "n h w"]:
    """Convert regions to bool; bytes with an eighth of the image width are unpacked as bits."""
    count, height, width = shape
    if array.shape in {(*shape, 1), (count, 1, height, width)}:
        array = array.reshape(shape)
    if array.dtype == np.uint8 and array.shape == (count, height, math.ceil(width / 8)):
        array = np.unpackbits(array, axis=2, count=width)
    if array.shape != shape or array.dtype not in {np.dtype(bool), np.dtype(np.uint8)}:
        raise RequestError(
            f"expected regions of shape {shape}, bool or uint8, or numpy.packbits of them on the last axis in {where}, "
            f"got {array.dtype} of shape {array.shape}; match the images"
        )
    return array.astype(bool)
