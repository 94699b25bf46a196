"""Annotated images: the class, and bounding boxes of the object."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from PIL import Image

from seewhy.core.errors import RequestError
from seewhy.core.view import Frame
from seewhy.images.open import OpenedImage, open_image
from seewhy.images.sources import list_images

LABELS = "labels.csv"

Box = tuple[float, float, float, float]
"""Left, top, right, bottom as fractions of the full image, 0 to 1."""


@dataclass(frozen=True)
class Labelled:
    """An image file and its annotations; ``label`` is None and ``boxes`` empty where unknown.

    ``size`` is the height and width before the file was resized to another aspect ratio; None if it was not.
    """

    path: Path
    label: int | None = None
    boxes: tuple[Box, ...] = ()
    size: tuple[int, int] | None = None

    def open(self, *, max_megapixels: float = 200.0) -> OpenedImage:
        """Open the image at its original aspect ratio, see `seewhy.images.open.open_image`."""
        return restored(open_image(self.path, max_megapixels=max_megapixels), self.size)


def restored(opened: OpenedImage, size: tuple[int, int] | None) -> OpenedImage:
    """Resize an image to its original height and width; None returns it unchanged."""
    if size is None or size == opened.pixels.shape[:2]:
        return opened
    height, width = size
    pixels = np.asarray(Image.fromarray(opened.pixels).resize((width, height), Image.Resampling.BICUBIC))
    return replace(opened, pixels=pixels, notes=(*opened.notes, f"resized to {width} × {height}, its original size"))


def region(boxes: Sequence[Box], frame: Frame) -> Bool[np.ndarray, "h w"] | None:
    """Return the pixels of the classifier's view whose centre lies in a box; None if there is no box."""
    if not boxes:
        return None
    left, top, right, bottom = frame.box
    down = (top + (np.arange(frame.size[0]) + 0.5) * (bottom - top) / frame.size[0]) / frame.image_size[0]
    across = (left + (np.arange(frame.size[1]) + 0.5) * (right - left) / frame.size[1]) / frame.image_size[1]
    inside = np.zeros(frame.size, dtype=bool)
    for x0, y0, x1, y1 in boxes:
        inside |= ((down >= y0) & (down < y1))[:, None] & ((across >= x0) & (across < x1))
    return inside


def list_labelled(source: str | Path, only: str | Path | None = None, limit: int | None = None) -> list[Labelled]:
    """List the images of a folder, with annotations from its ``labels.csv`` if present.

    Args:
        source: an image, a folder of images, or a folder with ``labels.csv``. Its columns are ``file`` (in the folder, or
            in its subfolder ``images/``) and optionally ``class_idx``, ``boxes_norm`` (``x0 y0 x1 y1`` as fractions of the
            full image, several separated by ``;``), ``orig_w`` and ``orig_h``.
        only: text file with the names of the files to use, one per line, in this order; None uses all files.
        limit: use at most this many images.

    Raises:
        RequestError: ``limit`` is below 1, there is no image, a line of ``labels.csv`` cannot be read, or a listed name does not exist.
    """
    if limit is not None and limit < 1:
        raise RequestError(f"expected limit >= 1 images, got {limit}; leave it out for all")
    folder = Path(source)
    if (folder / LABELS).is_file():
        inside = folder / "images" if (folder / "images").is_dir() else folder
        known = [_line(inside, number, row) for number, row in enumerate(read_labels(folder), 2)]
    else:
        known = [Labelled(path) for path in list_images([folder])]
    return (known if only is None else _chosen(known, Path(only)))[:limit]


def _chosen(known: Sequence[Labelled], only: Path) -> list[Labelled]:
    """Return the images that a text file lists."""
    try:
        names = [line.strip() for line in only.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as problem:
        raise RequestError(f"expected a text file with one file name per line, got {only}: {problem}") from problem
    if not names:
        raise RequestError(f"expected file names in {only}, got none; write one per line")
    by_name = {image.path.name: image for image in known}
    for name in names:
        if name not in by_name:
            raise RequestError(f"{only} names {name}, which is not in the folder; check the files in the folder")
    return [by_name[name] for name in dict.fromkeys(names)]


def read_labels(folder: Path) -> list[dict[str, str]]:
    """Read the lines of a folder's ``labels.csv``, each as a mapping from column to text."""
    path = folder / LABELS
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            rows = [{column: text or "" for column, text in row.items() if column} for row in csv.DictReader(lines)]
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise RequestError(
            f"expected {LABELS} in {folder}, got {problem}; see the documentation for the expected columns"
        ) from problem
    if not rows or "file" not in rows[0]:
        raise RequestError(
            f"expected lines and a column 'file' in {path}, got {', '.join(rows[0]) if rows else 'none'}"
        )
    return rows


def _line(inside: Path, number: int, row: dict[str, str]) -> Labelled:
    """Parse one line; its number is used in error messages."""
    try:
        label = int(row["class_idx"]) if row.get("class_idx") else None
        size = (int(row["orig_h"]), int(row["orig_w"])) if row.get("orig_h") and row.get("orig_w") else None
        return Labelled(inside / row["file"], label, read_boxes(row.get("boxes_norm", "")), size)
    except ValueError as problem:
        raise RequestError(f"cannot read line {number} of {LABELS}: {problem}") from problem


def read_boxes(text: str) -> tuple[Box, ...]:
    """Parse boxes ``x0 y0 x1 y1; …``, as fractions of the full image."""
    boxes = []
    for piece in filter(str.strip, text.split(";")):
        try:
            x0, y0, x1, y1 = map(float, piece.split())
        except ValueError:
            raise RequestError(f"expected a box x0 y0 x1 y1, got {piece.strip()!r}") from None
        if not (0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1):
            raise RequestError(f"expected a box with 0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1, got {piece.strip()!r}")
        boxes.append((x0, y0, x1, y1))
    return tuple(boxes)
