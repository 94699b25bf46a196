"""Collections of equally sized images in memory, for training and evaluation, with optional labels, groups and regions."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Int64, Shaped
from torch import Tensor

from seewhy.core.errors import RequestError
from seewhy.core.seeds import derive
from seewhy.core.view import View
from seewhy.images.labelled import LABELS, Labelled, list_labelled
from seewhy.images.open import Levels, open_levels
from seewhy.images.packed import (
    Packed,
    Stack,
    check_bytes,
    is_idx,
    name_classes,
    read_idx,
    read_npz,
    without_colour,
)
from seewhy.images.sources import list_images, pictures_in
from seewhy.images.view import resized


@dataclass(frozen=True, eq=False)
class Collection:
    """Images of one size, with optional labels, groups and regions.

    Args:
        pixels: ``(n, h, w, c)`` uint8 or uint16; c is 1 if every image is gray, else 3.
        labels: ``(n,)`` int64 class numbers; None if unlabelled.
        classes: class names by class number; empty without labels.
        groups: ``(n,)`` group names, such as the patient; `split` never separates images of one group. None if unknown.
        regions: ``(n, h, w)`` bool ground-truth regions, True = inside; None if unknown.
        source: name of the source, used in error messages.

    Raises:
        RequestError: there is no image, or the shapes of the arrays do not match.

    Example:
        >>> collection = Collection(np.full((2, 4, 4, 1), 255, np.uint8), np.array([0, 1]), ("cat", "dog"))
        >>> len(collection), collection.channels, collection.size
        (2, 1, (4, 4))
        >>> collection.take(np.array([1])).images(slice(None)).shape
        torch.Size([1, 3, 4, 4])
    """

    pixels: Stack
    labels: Int64[np.ndarray, "n"] | None = None
    classes: tuple[str, ...] = ()
    groups: Shaped[np.ndarray, "n"] | None = None
    regions: Bool[np.ndarray, "n h w"] | None = None
    source: str = "pictures"

    def __post_init__(self) -> None:
        count = len(self)
        if self.pixels.ndim != 4 or self.channels not in {1, 3} or self.pixels.dtype not in (np.uint8, np.uint16):
            raise RequestError(
                f"expected uint8 or uint16 pixels of shape (n, h, w, 1) or (n, h, w, 3) in {self.source}, "
                f"got {self.pixels.dtype} of shape {self.pixels.shape}; convert them"
            )
        if count == 0 or min(self.size) < 2:
            raise RequestError(
                f"expected at least one image of at least 2 × 2 pixels in {self.source}, got shape {self.pixels.shape}"
            )
        for what, part in (("labels", self.labels), ("groups", self.groups), ("regions", self.regions)):
            if part is not None and part.shape != self.pixels.shape[: part.ndim]:
                raise RequestError(
                    f"expected {what} for {count} images of shape {self.size} in {self.source}, got shape {part.shape}"
                )
        if self.labels is not None and not 0 <= self.labels.min() <= self.labels.max() < len(self.classes):
            raise RequestError(
                f"expected labels from 0 to {len(self.classes) - 1} in {self.source}, "
                f"got {self.labels.min()} to {self.labels.max()}; name all classes"
            )

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.pixels)

    @property
    def channels(self) -> int:
        """Number of channels: 1 if every image is gray, else 3."""
        return int(self.pixels.shape[3])

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images, in pixels."""
        return (int(self.pixels.shape[1]), int(self.pixels.shape[2]))

    def images(self, indices: Int[np.ndarray, "m"] | slice) -> Float[Tensor, "m 3 h w"]:
        """Return images as classifier input: float32 in [0, 1], with gray repeated in three channels.

        Example:
            >>> Collection(np.full((1, 2, 2, 1), 51, np.uint8)).images(slice(0, 1)).unique().item()
            0.20000000298023224
        """
        chosen = self.pixels[indices]
        levels = chosen.astype(np.float32) / np.float32(np.iinfo(chosen.dtype).max)
        return torch.from_numpy(levels).permute(0, 3, 1, 2).expand(-1, 3, -1, -1).contiguous()

    def take(self, indices: Int[np.ndarray, "m"] | slice) -> "Collection":
        """Return a subset of the images with their labels, groups and regions.

        Raises:
            RequestError: the subset is empty.
        """
        return Collection(
            self.pixels[indices],
            None if self.labels is None else self.labels[indices],
            self.classes,
            None if self.groups is None else self.groups[indices],
            None if self.regions is None else self.regions[indices],
            self.source,
        )


def read_collection(source: str | Path, *, view: View | None = None) -> Collection:
    """Read a collection of images.

    Args:
        source: a folder with one subfolder per class; a folder of images, optionally with ``labels.csv``; a file
            ``X-images-idx3-ubyte[.gz]``, or a folder with such a file; an ``.npz`` file. See ``docs/how-to/data-sets.md``.
        view: view that brings every image to the classifier's input size; None for the native size. If the view has no
            size, all images must have the same size. Images of an array file that already have the size are not changed.

    Raises:
        RequestError: the source does not exist or is empty, a file is damaged, or the images do not match in size or depth.

    Example:
        ``read_collection("digits.npz", view=classifier.view)``
    """
    path = Path(source)
    return Collection(*_read(path, view or View.native()), source=path.name or str(path))


def _read(path: Path, view: View) -> Packed:
    """Detect the format of the source and read it."""
    if path.is_dir():
        idx = sorted(entry for entry in path.iterdir() if is_idx(entry))
        if len(idx) > 1:
            raise RequestError(
                f"expected one idx file of images in {path}, got {', '.join(each.name for each in idx)}; "
                f"name one of them: {idx[-1]}"
            )
        return _framed(read_idx(idx[0]), view) if idx else _read_folder(path, view)
    if not path.is_file():
        raise RequestError(f"expected a folder or a file of images, got {path}, which does not exist; check the path")
    if is_idx(path):
        return _framed(read_idx(path), view)
    if path.suffix == ".npz":
        return _framed(read_npz(path), view)
    raise RequestError(
        f"expected a folder, an .npz file or a file X-images-idx3-ubyte, got the file {path}; name one of those"
    )


def _framed(packed: Packed, view: View) -> Packed:
    """Resize the images and regions of an array file to the view's size."""
    here = packed.pixels.shape[1:3]
    if view.size in {None, here}:
        return packed
    frame = view.frame(*here)
    pixels = np.stack([resized(each, frame) for each in packed.pixels])
    if packed.regions is None:
        return packed._replace(pixels=pixels)
    inside = [resized(each[..., None].astype(np.uint8), frame, nearest=True)[..., 0] for each in packed.regions]
    return packed._replace(pixels=pixels, regions=np.stack(inside).astype(bool))


def _read_folder(folder: Path, view: View) -> Packed:
    """Read a folder of image files."""
    if (folder / LABELS).is_file():
        return _read_labelled(folder, view)
    loose = pictures_in(folder)
    below = sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if below and not loose:
        files = [Labelled(path, number) for number, each in enumerate(below) for path in list_images([each])]
        labels = np.array([each.label for each in files], dtype=np.int64)
        return Packed(_open_all(files, view), labels, tuple(each.name for each in below))
    deeper = next((each.name for each in below if pictures_in(each)), None)
    if deeper is not None:
        raise RequestError(
            f"expected either images or folders of images in {folder}, got both, {loose[0].name} and {deeper}/; "
            "put every image into the folder of its class"
        )
    return Packed(_open_all([Labelled(path) for path in list_images([folder])], view))


def _read_labelled(folder: Path, view: View) -> Packed:
    """Read a folder with ``labels.csv``; the collection is labelled if every line has a class."""
    files = list_labelled(folder)
    labels = [each.label for each in files if each.label is not None]
    if labels and len(labels) < len(files):
        raise RequestError(
            f"expected class_idx in every line of {folder / LABELS} or in none, got it in {len(labels)} of "
            f"{len(files)}; fill it in or leave it out"
        )
    named = name_classes(np.array(labels), (), str(folder / LABELS)) if labels else (None, ())
    return Packed(_open_all(files, view), *named)


def _open_all(files: Sequence[Labelled], view: View) -> Stack:
    """Open image files in the view; all must have one size and depth."""
    first = _open(files[0], view)
    check_bytes(len(files) * first.shape[0] * first.shape[1] * 3 * first.itemsize, f"{len(files)} files")
    opened = [first]
    for file in files[1:]:
        pixels = _open(file, view)
        if pixels.shape[:2] != first.shape[:2]:
            one, other = (f"{each.shape[1]} × {each.shape[0]}" for each in (first, pixels))
            raise RequestError(
                f"expected images of one size, got {files[0].path} with {one} and {file.path} with {other}; "
                "resize them, or use a classifier with a fixed input size (size=)"
            )
        if pixels.dtype != first.dtype:
            one, other = (f"{8 * each.itemsize} bits" for each in (first, pixels))
            raise RequestError(
                f"expected images of one bit depth, got {files[0].path} with {one} and {file.path} with {other}; "
                "save all of them at the same depth"
            )
        opened.append(pixels)
    channels = max(each.shape[2] for each in opened)
    return without_colour(np.stack([np.broadcast_to(each, (*first.shape[:2], channels)) for each in opened]))


def _open(file: Labelled, view: View) -> Levels:
    """Open one image at its original aspect ratio and apply the view."""
    pixels = open_levels(file.path)
    if file.size is not None and file.size != pixels.shape[:2]:
        pixels = resized(pixels, View(file.size, "stretch").frame(*pixels.shape[:2]))
    return resized(pixels, view.frame(*pixels.shape[:2]))


def split(collection: Collection, *, share: float = 0.2, seed: int = 0) -> tuple[Collection, Collection]:
    """Split a collection into a remaining part and a held-out part, stratified by class as far as possible.

    Groups are not split. Bit-identical images, and the groups that contain them, stay together too. The split depends on
    the pixels and the seed, not on the order of the images.

    Args:
        collection: collection to split.
        share: fraction of the images to hold out, in (0, 1).
        seed: seed of the split.

    Returns:
        The remaining part and the held-out part, each in the original order.

    Raises:
        RequestError: the share is not in (0, 1), or one part would be empty.

    Example:
        >>> pixels = np.arange(10, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 1), np.uint8)
        >>> [len(side) for side in split(Collection(pixels))]
        [8, 2]
    """
    if not 0 < share < 1:
        raise RequestError(f"expected a share between 0 and 1, got {share:g}; 0.2 is usual")
    contents = np.array([_digest(image) for image in collection.pixels])
    units = _units([contents] if collection.groups is None else [contents, collection.groups])
    held = _chosen(units, contents, collection.labels, share, seed)
    if held.all() or not held.any():
        raise RequestError(
            f"expected images in both parts, got an empty part with a share of {share:g} of {len(held)} images "
            f"in {len(units)} sets that must stay together; choose another share or add images"
        )
    return collection.take(np.flatnonzero(~held)), collection.take(np.flatnonzero(held))


def _digest(image: np.ndarray) -> int:
    """Hash the pixels of an image to an int64."""
    return int.from_bytes(hashlib.blake2b(image.tobytes(), digest_size=8).digest(), "big", signed=True)


def _units(keys: Sequence[Shaped[np.ndarray, "n"]]) -> list[Int[np.ndarray, "_"]]:
    """List the sets of images that must stay together: the transitive closure of sharing any key."""
    count = len(keys[0])
    numbered = [np.unique(key, return_inverse=True)[1] for key in keys]
    unit = np.arange(count)
    before = np.zeros(0, dtype=np.int64)
    while not np.array_equal(unit, before):
        before = unit
        for key in numbered:
            lowest = np.full(key.max() + 1, count)
            np.minimum.at(lowest, key, unit)
            unit = lowest[key]
    order = np.argsort(unit, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(unit[order])) + 1)


def _chosen(
    units: Sequence[Int[np.ndarray, "_"]],
    contents: Int64[np.ndarray, "n"],
    labels: Int64[np.ndarray, "n"] | None,
    share: float,
    seed: int,
) -> Bool[np.ndarray, "n"]:
    """Hold out sets in random order while this moves their classes closer to the share, then the total as well."""
    classes = np.zeros_like(contents) if labels is None else labels
    missing = share * np.bincount(classes)
    names = torch.from_numpy(np.array([contents[unit].min() for unit in units]))
    waiting = [units[place] for place in np.argsort(derive(seed, names).numpy()).tolist()]
    held = np.zeros(len(contents), dtype=bool)
    for fill in (False, True):
        for unit in waiting:
            if held[unit[0]]:
                continue
            present, counts = np.unique(classes[unit], return_counts=True)
            lacking = missing[present]
            if fill:
                nearer = (lacking > 0).all() and abs(missing.sum() - len(unit)) < abs(missing.sum())
            else:
                nearer = ((lacking - counts) ** 2).sum() < (lacking**2).sum()
            if nearer:
                held[unit] = True
                missing[present] -= counts
    return held
