"""Training photos for patch samplers: read once, split by content, and scaled like the classifier's input."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

VIEW, SHORT_SIDE = 224, 256  # the classifier's input: short side 256, centre crop 224
_STORED = 400  # largest short side kept in memory; views never need more
HELD_OUT_ONE_IN = 10  # one photo in ten is held out
_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp"}


def is_held_out(content: bytes) -> bool:
    """Return whether a photo is held out from training, decided by its file content alone; one in ten is."""
    return _is_held_out(hashlib.sha256(content).digest())


def _is_held_out(digest: bytes) -> bool:
    """Return whether a photo is held out, given the SHA-256 of its file content."""
    return int.from_bytes(digest) % HELD_OUT_ONE_IN == 0


def read_photos(folders: Iterable[Path]) -> tuple[list[Image.Image], list[Image.Image]]:
    """Decode every photo below the folders into memory, once, in RGB.

    Returns:
        Training photos and held-out photos, in an order that depends only on their content; duplicates count once.
    """
    paths = [path for folder in folders for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES]
    contents = {hashlib.sha256(path.read_bytes()).digest(): path for path in sorted(paths)}
    parts: tuple[list[Image.Image], list[Image.Image]] = ([], [])
    for digest, path in sorted(contents.items()):
        with Image.open(path) as opened:
            photo = ImageOps.exif_transpose(opened).convert("RGB")
        scale = min(1, _STORED / min(photo.size))
        if scale < 1:
            photo = photo.resize((round(photo.width * scale), round(photo.height * scale)), Image.Resampling.BICUBIC)
        parts[_is_held_out(digest)].append(photo)
    return parts


def centre_view(photo: Image.Image) -> UInt8[np.ndarray, "224 224 3"]:
    """Scale and crop a photo like the classifier's input: short side 256, centre crop 224."""
    scale = SHORT_SIDE / min(photo.size)
    width, height = (max(SHORT_SIDE, round(side * scale)) for side in photo.size)
    left, top = (width - VIEW) // 2, (height - VIEW) // 2
    whole = photo.resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(whole.crop((left, top, left + VIEW, top + VIEW)))


def random_view(photo: Image.Image, rng: np.random.Generator) -> UInt8[np.ndarray, "224 224 3"]:
    """Return a random crop within about a fifth of the classifier's scale, slightly stretched, mirrored half of the time."""
    scale = max(VIEW, SHORT_SIDE * np.exp(rng.uniform(-0.13, 0.2))) / min(photo.size)
    stretch = np.exp(rng.uniform(-0.08, 0.08))
    width, height = (
        min(side, VIEW / factor) for side, factor in zip(photo.size, (scale * stretch, scale / stretch), strict=True)
    )
    left, top = rng.uniform(0, photo.width - width), rng.uniform(0, photo.height - height)
    view = photo.resize((VIEW, VIEW), Image.Resampling.BICUBIC, box=(left, top, left + width, top + height))
    return np.asarray(ImageOps.mirror(view) if rng.random() < 0.5 else view)
