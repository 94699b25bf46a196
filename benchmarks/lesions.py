"""Synthetic images of an organ, healthy or with a lesion of known location; and a tag in a corner as a shortcut.

Every image has a smooth random field in a fixed ellipse, the organ, with a bright ring around it. Half of all images
have a thin bright bar. Class 1 has an additional soft round blob within the organ. Only the blob depends on the class.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float

from seewhy.images.collection import Collection
from seewhy.infills.plain import gaussian_blur

SIZE = 32
CLASSES = ("healthy", "ill")
CORNER = 3
"""Side of the tag, in pixels."""

_AXES = (0.42, 0.34)  # half axes of the organ, as fractions of the side
_BASE, _FIELD, _GRAIN = 0.35, 0.06, 3.0  # mean and standard deviation of the organ, blur of its field in pixels
_RING, _BAR, _NOISE = 0.65, 0.25, 0.02


def draw(count: int, seed: int, *, strength: float = 1.0) -> Collection:
    """Draw images, half of each class.

    Args:
        count: number of images.
        seed: seed of the images.
        strength: factor on the height of the blob.

    Returns:
        Grey images of 32 × 32 with labels and regions. A region is where the blob exceeds half of its height, and is
        empty for healthy images.

    Example:
        >>> pictures = draw(4, seed=0)
        >>> pictures.labels.tolist(), pictures.regions.any((1, 2)).tolist()
        ([0, 1, 0, 1], [False, True, False, True])
    """
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    pixels, regions = zip(*(_picture(rng, strength * label) for label in labels), strict=True)
    levels = np.rint(255 * np.stack(pixels).clip(0, 1)).astype(np.uint8)
    return Collection(levels[..., None], labels, CLASSES, regions=np.stack(regions), source="synthetic lesions")


def corner() -> Bool[np.ndarray, "h w"]:
    """Return which pixels belong to the tag.

    Example:
        >>> int(corner().sum())
        9
    """
    where = np.zeros((SIZE, SIZE), bool)
    where[1 : 1 + CORNER, 1 : 1 + CORNER] = True
    return where


def mostly_ill(labels: np.ndarray, seed: int, *, share: float = 0.95) -> Bool[np.ndarray, "n"]:
    """Draw which images are tagged: a fraction ``share`` of the ill ones, and 1 - ``share`` of the healthy ones.

    Example:
        >>> mostly_ill(np.array([0, 1] * 500), 0).mean().round(1)
        0.5
    """
    return np.random.default_rng(seed).random(len(labels)) < np.where(labels == 1, share, 1 - share)


def tagged(pictures: Collection, which: Bool[np.ndarray, "n"]) -> Collection:
    """Put a white tag in the corner of the chosen images."""
    pixels = pictures.pixels.copy()
    pixels[np.ix_(which, *(np.flatnonzero(corner().any(axis)) for axis in (1, 0)))] = 255
    return Collection(pixels, pictures.labels, CLASSES, regions=pictures.regions, source="synthetic lesions with a tag")


def _picture(rng: np.random.Generator, strength: float) -> tuple[Float[np.ndarray, "h w"], Bool[np.ndarray, "h w"]]:
    """Draw one image and the region of its blob; strength 0 means no blob."""
    rows, columns = np.mgrid[:SIZE, :SIZE] + 0.5 - SIZE / 2
    radius = np.hypot(rows / (_AXES[0] * SIZE), columns / (_AXES[1] * SIZE))
    field = gaussian_blur(torch.from_numpy(rng.standard_normal((1, SIZE, SIZE))), _GRAIN)[0].numpy()
    organ = (_BASE + _FIELD * field / field.std()) * (radius < 1)
    ring = _RING * np.exp(-0.5 * ((radius - 1.1) / 0.04) ** 2)
    # everything is drawn for every image, so that the classes differ only in the blob
    place, turn = _inside(rng, 0.6), rng.uniform(0, np.pi)
    size, height, bar_at, has_bar = rng.uniform(3, 6), rng.uniform(0.25, 0.4), _inside(rng, 0.8), rng.random() < 0.5
    blob = (radius < 1) * strength * height / (1 + np.exp((np.hypot(rows - place[0], columns - place[1]) - size) / 0.8))
    region = (blob > strength * height / 2) if strength else np.zeros(blob.shape, bool)
    along = (rows - bar_at[0]) * np.cos(turn) + (columns - bar_at[1]) * np.sin(turn)
    across = (columns - bar_at[1]) * np.cos(turn) - (rows - bar_at[0]) * np.sin(turn)
    bar = _BAR * ((np.abs(along) < 4) & (np.abs(across) < 1)) * has_bar
    return np.maximum(organ + blob + bar, ring) + _NOISE * rng.standard_normal(organ.shape), region


def _inside(rng: np.random.Generator, share: float) -> tuple[float, float]:
    """Draw a position in the organ, at most a fraction ``share`` of the way to its edge."""
    angle, out = rng.uniform(0, 2 * np.pi), share * np.sqrt(rng.random())
    return float(out * np.sin(angle) * _AXES[0] * SIZE), float(out * np.cos(angle) * _AXES[1] * SIZE)
