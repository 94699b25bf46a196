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
from seewhy.images.packed import Packed, Stack, check_bytes, name_classes, read_idx, read_npz, without_colour
from seewhy.images.sources import images_in, list_images
from seewhy.images.view import nearest, resized


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
    """

    pixels: Stack
    labels: Int64[np.ndarray, "n"] | None = None
    classes: tuple[str, ...] = ()
    groups: Shaped[np.ndarray, "n"] | None = None
    regions: Bool[np.ndarray, "n h w"] | None = None
    source: str = "images"

    def __post_init__(self) -> None:
        if not len(self) or min(self.size) < 2:
            raise RequestError(
                f"expected at least one image of at least 2 × 2 pixels in {self.source}, got shape {self.pixels.shape}"
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
        """Return images as classifier input: float32 in [0, 1], with gray repeated in three channels."""
        chosen = self.pixels[indices]
        levels = chosen.astype(np.float32) / np.float32(np.iinfo(chosen.dtype).max)
        return torch.from_numpy(levels).permute(0, 3, 1, 2).expand(-1, 3, -1, -1).contiguous()

    def take(self, indices: Int[np.ndarray, "m"] | slice) -> "Collection":
        """Return a subset of the images, at least one, with their labels, groups and regions."""
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
            ``X-images-idx3-ubyte[.gz]``; an ``.npz`` file. See ``docs/how-to/data-sets.md``.
        view: view that brings every image to the classifier's input size; None for the native size. If the view has no
            size, all images must have the same size. Images of an array file that already have the size are not changed.

    Raises:
        RequestError: the source does not exist or is empty, a file is damaged, or the images do not match in size or depth.
    """
    path = Path(source)
    return Collection(*_read(path, view or View.native()), source=path.name or str(path))


def _read(path: Path, view: View) -> Packed:
    """Detect the format of the source and read it."""
    if path.is_dir():
        return _read_folder(path, view)
    if not path.is_file():
        raise RequestError(f"expected a folder or a file of images, got {path}, which does not exist; check the path")
    if "images-idx3-ubyte" in path.name or "images.idx3-ubyte" in path.name:
        return _framed(read_idx(path), view)
    if path.suffix == ".npz":
        return _framed(read_npz(path), view)
    raise RequestError(
        f"expected a folder, an .npz file or a file X-images-idx3-ubyte, got the file {path}; name one of those"
    )


def _framed(packed: Packed, view: View) -> Packed:
    """Resize the images and regions of an array file to the view's size."""
    here = packed.pixels.shape[1:3]
    frame = view.frame(*here)
    if frame.resized == frame.size == here:
        return packed
    pixels = np.stack([resized(image, view) for image in packed.pixels])
    if packed.regions is None:
        return packed._replace(pixels=pixels)
    return packed._replace(pixels=pixels, regions=np.stack([nearest(region, frame) for region in packed.regions]))


def _read_folder(folder: Path, view: View) -> Packed:
    """Read a folder of image files."""
    if (folder / LABELS).is_file():
        return _read_labelled(folder, view)
    loose = images_in(folder)
    below = sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if below and not loose:
        files = [Labelled(path, number) for number, each in enumerate(below) for path in list_images([each])]
        labels = np.array([each.label for each in files], dtype=np.int64)
        return Packed(_open_all(files, view), labels, tuple(each.name for each in below))
    deeper = next((each.name for each in below if images_in(each)), None)
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
        if (pixels.shape[:2], pixels.dtype) != (first.shape[:2], first.dtype):
            one, other = (f"{part.shape[1]} × {part.shape[0]}, {8 * part.itemsize} bits" for part in (first, pixels))
            raise RequestError(
                f"expected images of one size and bit depth, got {files[0].path} with {one} and {file.path} with {other}; "
                "convert them, or for the size use a classifier with a fixed input size (size=)"
            )
        opened.append(pixels)
    channels = max(pixels.shape[2] for pixels in opened)
    return without_colour(np.stack([np.broadcast_to(pixels, (*first.shape[:2], channels)) for pixels in opened]))


def _open(file: Labelled, view: View) -> Levels:
    """Open one image at its original aspect ratio and apply the view."""
    pixels = open_levels(file.path)
    if file.size is not None and file.size != pixels.shape[:2]:
        pixels = resized(pixels, View(file.size, "stretch"))
    return resized(pixels, view)


def split(collection: Collection, *, share: float = 0.2, seed: int = 0) -> tuple[Collection, Collection]:
    """Split a collection into a remaining part and a held-out part, stratified by class as far as possible.

    Groups are not split. Bit-identical images, and the groups that contain them, stay together too. The split depends on
    the pixels and the seed, not on the order of the images.

    Both parts keep the original order. ``share`` is the fraction of the images to hold out.

    Raises:
        RequestError: the share is not in (0, 1), or one part would be empty.
    """
    if not 0 < share < 1:
        raise RequestError(f"expected a share between 0 and 1, got {share:g}; 0.2 is usual")
    contents = np.array([_digest(image) for image in collection.pixels])
    units = _units(contents, contents if collection.groups is None else collection.groups)
    order = derive(seed, torch.tensor([int(contents[unit].min()) for unit in units])).argsort().tolist()
    classes = np.zeros(len(collection), np.int64) if collection.labels is None else collection.labels
    held = _held_out([units[place] for place in order], classes, share)
    if held.all() or not held.any():
        raise RequestError(
            f"expected images in both parts, got an empty part with a share of {share:g} of {len(held)} images "
            f"in {len(units)} sets that must stay together; choose another share or add images"
        )
    return collection.take(np.flatnonzero(~held)), collection.take(np.flatnonzero(held))


def _digest(image: np.ndarray) -> int:
    """Hash the pixels of an image to an int64."""
    return int.from_bytes(hashlib.blake2b(image.tobytes(), digest_size=8).digest(), "big", signed=True)


def _units(contents: Int64[np.ndarray, "n"], groups: Shaped[np.ndarray, "n"]) -> list[Int[np.ndarray, "_"]]:
    """List the sets of images that must stay together: those linked by equal contents or groups, directly or in a chain."""
    from scipy.sparse import coo_array  # noqa: PLC0415 - takes a second to import
    from scipy.sparse.csgraph import connected_components  # noqa: PLC0415

    content, group = (np.unique(key, return_inverse=True)[1] for key in (contents, groups))
    size = content.max() + group.max() + 2
    links = coo_array((np.ones(len(content)), (content, group + content.max() + 1)), shape=(size, size))
    unit = connected_components(links, directed=False)[1][content]
    order = np.argsort(unit, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(unit[order])) + 1)


def _held_out(
    units: Sequence[Int[np.ndarray, "_"]], classes: Int64[np.ndarray, "n"], share: float
) -> Bool[np.ndarray, "n"]:
    """Hold out sets in turn while this moves their classes closer to the share, then the total as well."""
    missing = share * np.bincount(classes)
    held = np.zeros(len(classes), dtype=bool)
    for fill in (False, True):
        for unit in units:
            present, counts = np.unique(classes[unit], return_counts=True)
            lacking = missing[present]
            if fill:
                closer = (lacking > 0).all() and abs(missing.sum() - len(unit)) < abs(missing.sum())
            else:
                closer = ((lacking - counts) ** 2).sum() < (lacking**2).sum()
            if closer and not held[unit[0]]:
                held[unit] = True
                missing[present] -= counts
    return held
