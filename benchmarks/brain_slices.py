"""Slices of brain MRI with and without a tumour, selected by rules fixed before any training.

``read(FILE, size)`` takes an ``.npz`` file with ``image`` (n, h, w) uint8, ``mask`` (n, h, w / 8) with the packed bits
of the tumour, ``patient`` (n,) and ``slice`` (n,), the slice number counted from the bottom. The rules:

- brightness: for each patient, the 99th percentile of the values above a tenth becomes white, since scanners have no
  common scale;
- levels: only slices from 30 to 85 % of the height, where tumours occur (about their 5th and 95th percentile), so that
  a classifier cannot separate the classes by the level;
- head: it must cover at least 15 % of the slice;
- tumour: it must cover at least 0.25 % of the slice; slices with less tumour are in neither class.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from common import Row
from jaxtyping import Bool, Float
from located import sure

from seewhy.images.collection import Collection, split

CLASSES = ("none", "tumour")
LEVELS = (0.30, 0.85)
HEAD, DARK = 0.15, 0.1
SMALLEST = 0.0025
TEST, VALIDATION = 0.3, 0.2
"""Fraction of all patients for the test, and of the remaining ones for choosing settings."""


class Sides(NamedTuple):
    """The three parts of the data; no patient is in more than one."""

    train: Collection
    validation: Collection
    test: Collection


def read(path: Path, size: int) -> Sides:
    """Read the slices, select and downscale them, and split them by patient.

    Args:
        path: the ``.npz`` file.
        size: side of the downscaled images; it must divide the original side.
    """
    with np.load(path) as file:
        pixels, patients, level = file["image"] / 255, file["patient"], file["slice"].astype(np.float64)
        regions = np.unpackbits(file["mask"], axis=2, count=pixels.shape[2]).astype(bool)
    for patient in np.unique(patients):
        own = patients == patient
        pixels[own] = whitened(pixels[own])
        level[own] = (level[own] - level[own].min()) / max(1, np.ptp(level[own]))
    chosen = fitting(pixels, regions, level)
    levels = np.rint(255 * shrunk(pixels[chosen], size)).astype(np.uint8)[..., None]
    small = shrunk(regions[chosen].astype(np.float64), size) >= 0.5
    labels = regions[chosen].any((1, 2)).astype(np.int64)
    every = Collection(levels, labels, CLASSES, patients[chosen], small, path.stem)
    rest, test = split(every, share=TEST)
    return Sides(*split(rest, share=VALIDATION), test)


def whitened(pixels: Float[np.ndarray, "n h w"]) -> Float[np.ndarray, "n h w"]:
    """Rescale a patient's slices so that the 99th percentile of the pixels that are not dark becomes white.

    Example:
        >>> whitened(np.full((1, 2, 2), 0.5)).max()
        1.0
    """
    shown = pixels[pixels > DARK]
    return np.clip(pixels / np.percentile(shown, 99), 0, 1) if len(shown) else pixels


def fitting(
    pixels: Float[np.ndarray, "n h w"], regions: Bool[np.ndarray, "n h w"], level: Float[np.ndarray, "n"]
) -> Bool[np.ndarray, "n"]:
    """Return which slices satisfy the rules."""
    area = regions.mean((1, 2))
    at_level = (LEVELS[0] <= level) & (level <= LEVELS[1])
    fits: Bool[np.ndarray, "n"] = at_level & ((pixels > DARK).mean((1, 2)) >= HEAD) & ((area == 0) | (area >= SMALLEST))
    return fits


def shrunk(pictures: Float[np.ndarray, "n h w"], size: int) -> Float[np.ndarray, "n small small"]:
    """Downscale images by averaging squares of pixels.

    Example:
        >>> shrunk(np.array([[[0.0, 1.0], [1.0, 0.0]]]), 1).tolist()
        [[[0.5]]]
    """
    count, height, width = pictures.shape
    if height % size or height != width:
        raise SystemExit(
            f"expected square slices and a --size that divides their side, got {size} for {height} × {width}; "
            "choose another --size"
        )
    squares = pictures.reshape(count, size, height // size, size, width // size)
    means: Float[np.ndarray, "n small small"] = squares.mean((2, 4))
    return means


def about(sides: Sides) -> list[Row]:
    """Count the patients and slices of each part."""
    rows = []
    for name, side in zip(Sides._fields, sides, strict=True):
        none, tumours = np.bincount(labels := sure(side.labels, "labels"), minlength=2).tolist()
        tumour = sure(side.regions, "regions")[labels == 1]
        patients = len(np.unique(sure(side.groups, "patients")))
        row: Row = {"side": name, "patients": patients, "none": none, "tumour": tumours}
        rows.append(row | {"tumour_area": float(tumour.mean())})
    return rows
