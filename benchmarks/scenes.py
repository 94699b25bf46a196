"""Images with an object at a known location: cut-outs pasted on a background, and photos with boxes or trimaps."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import click
import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image

import seewhy
from seewhy.core.probe import as_distributions
from seewhy.images.labelled import Labelled, list_labelled, region
from seewhy.images.open import open_image
from seewhy.images.view import apply_view
from seewhy.training.sampler.photos import is_held_out

Pixels = UInt8[np.ndarray, "h w 3"]

Ground = Callable[[int, np.random.Generator], Image.Image]
"""Function that makes a square background of a given side in pixels."""

CANDIDATES = 8
"""Number of crops of photos from which a background is chosen."""

BACKGROUND = 2
"""Trimap level of the background; 1 is the object, 3 its border."""


@dataclass(frozen=True, eq=False)
class Scene:
    """An image and the location of its object.

    Args:
        file: name of the file.
        label: index of the object's class; None if unknown.
        pixels: the image as a user would provide it.
        alpha: fraction of each pixel that is the object, 0 to 1, in the classifier's view.
        seed: seed of everything that is drawn for this image.
    """

    file: str
    label: int | None
    pixels: Pixels
    alpha: Float[np.ndarray, "h w"]
    seed: int


def in_view(alpha: UInt8[np.ndarray, "h w"], view: seewhy.View) -> Float[np.ndarray, "a b"]:
    """Convert an image's alpha, 0 to 255, to the classifier's view, 0 to 1."""
    seen, _ = apply_view(open_image(np.repeat(alpha[:, :, None], 3, axis=2)), view)
    return seen[0].numpy()


def texture(side: int, rng: np.random.Generator) -> Image.Image:
    """Return noise with a power-law spectrum, stretched in one direction, in shades of one colour."""
    down, across = np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None]
    angle, stretch, power = rng.uniform(0, np.pi), rng.uniform(1, 4), rng.uniform(0.7, 1.4)
    along, aside = np.cos(angle) * down + np.sin(angle) * across, np.cos(angle) * across - np.sin(angle) * down
    amplitude = (along**2 + (stretch * aside) ** 2 + (2 / side) ** 2) ** (-power / 2)
    noise = np.fft.ifft2(np.fft.fft2(rng.standard_normal((side, side))) * amplitude).real
    shades = (noise - noise.mean()) / noise.std() * rng.uniform(8, 16)
    colour = rng.uniform(90, 180) + rng.uniform(-20, 20, 3)
    return Image.fromarray((colour + shades[:, :, None]).clip(0, 255).astype(np.uint8))


def photo_ground(folder: Path, classifier: seewhy.Classifier, *, everything: bool) -> Ground:
    """Return a function that makes backgrounds from a folder's photos.

    Of `CANDIDATES` crops, it returns the one classified with least confidence. This prefers texture and clutter to
    objects that the classifier knows, while backgrounds still differ. Each background costs `CANDIDATES` queries.
    """
    inside = folder / "images" if (folder / "images").is_dir() else folder
    contents = [path.read_bytes() for path in sorted(inside.iterdir()) if path.is_file()]
    photos = [open_image(content).pixels for content in contents if everything or is_held_out(content)]
    if not photos:
        raise click.UsageError(f"expected held-out photos in {inside}, got none; add --all to include every photo")

    def ground(side: int, rng: np.random.Generator) -> Image.Image:
        crops = [_crop(photos[rng.integers(len(photos))], side, rng) for _ in range(CANDIDATES)]
        seen = torch.stack([apply_view(open_image(crop), classifier.view)[0] for crop in crops])
        with torch.no_grad():
            sure = as_distributions(classifier(seen.to(classifier.device)), len(crops)).amax(1)
        return crops[int(sure.argmin())]

    return ground


def _crop(photo: Pixels, side: int, rng: np.random.Generator) -> Image.Image:
    """Cut a random square from a photo at its own scale; a photo that is too small is enlarged."""
    square = min(side, *photo.shape[:2])
    top, left = (int(rng.integers(length - square + 1)) for length in photo.shape[:2])
    cut = Image.fromarray(photo[top : top + square, left : left + square])
    return cut.resize((side, side), Image.Resampling.BICUBIC)


def paste(
    cutout: Image.Image, view: seewhy.View, scale: float, seed: int, ground: Ground = texture
) -> tuple[Image.Image, Image.Image]:
    """Paste a cut-out into a corner region of a background that has exactly the size the view expects."""
    rng = np.random.default_rng(seed)
    side = view.short_side or max(view.size or (224, 224))
    left, top, right, bottom = view.frame(side, side).box
    width, height = right - left, bottom - top
    tight = cutout.crop(cutout.getchannel("A").getbbox())
    factor = scale * min(width, height) / max(tight.size)
    small = tight.resize((round(tight.width * factor), round(tight.height * factor)), Image.Resampling.LANCZOS)
    near, gap = rng.integers(2, size=2), rng.uniform(0.03, 0.08, 2) * (width, height)
    x = left + (gap[0] if near[0] else width - small.width - gap[0])
    y = top + (gap[1] if near[1] else height - small.height - gap[1])
    layer = Image.new("RGBA", (side, side))
    layer.paste(small, (round(x), round(y)))
    behind = ground(side, rng).convert("RGBA")
    return Image.alpha_composite(behind, layer).convert("RGB"), layer.getchannel("A")


def read_scenes(
    folder: Path, view: seewhy.View, scale: float, limit: int | None, ground: Ground = texture
) -> list[Scene]:
    """Compose an image from each cut-out in ``labels.csv``; the seed is the row number."""
    scenes = []
    for seed, labelled in enumerate(list_labelled(folder)[:limit]):
        with Image.open(labelled.path) as cutout:
            picture, alpha = paste(cutout.convert("RGBA"), view, scale, seed, ground)
        seen = in_view(np.asarray(alpha), view)
        scenes.append(Scene(labelled.path.name, labelled.label, np.asarray(picture), seen, seed))
    return scenes


def read_located(folder: Path, view: seewhy.View, *, everything: bool, limit: int | None = None) -> Iterator[Scene]:
    """Yield the photos of ``labels.csv`` whose object is known from boxes or from a trimap.

    Args:
        folder: folder of photos, see `seewhy.images.labelled.list_labelled`; without boxes, ``trimaps/`` holds PNG files
            of the same names: 1 object, 2 background, 3 border.
        view: the classifier's view.
        everything: whether to include photos that the sampler may have been trained on.
        limit: largest number of photos; None for all.
    """

    def scenes() -> Iterator[Scene]:
        for labelled in list_labelled(folder):
            content = labelled.path.read_bytes()
            if everything or is_held_out(content):
                yield _located(folder, labelled, content, view)

    return islice(scenes(), limit)


def _located(folder: Path, labelled: Labelled, content: bytes, view: seewhy.View) -> Scene:
    """Read one photo; its seed is derived from its content."""
    pixels = labelled.open().pixels
    height, width = pixels.shape[:2]
    inside = region(labelled.boxes, view.frame(height, width))
    if inside is None:
        alpha = in_view(_trimap(folder / "trimaps" / f"{labelled.path.stem}.png", height, width), view)
    else:
        alpha = inside.astype(np.float32)
    seed = int.from_bytes(hashlib.sha256(content).digest()[:8])
    return Scene(labelled.path.name, labelled.label, pixels, alpha, seed)


def _trimap(path: Path, height: int, width: int) -> UInt8[np.ndarray, "h w"]:
    """Return an array that is white on the object of a trimap and on its border."""
    if not path.is_file():
        raise click.UsageError(f"expected boxes in the column boxes_norm, or a trimap {path}, got neither; add one")
    with Image.open(path) as trimap:
        levels = np.asarray(trimap)
    if levels.shape != (height, width):
        raise click.UsageError(f"expected a trimap of {width} × {height}, got {trimap.size} in {path}; resize it")
    return np.where(levels == BACKGROUND, 0, 255).astype(np.uint8)
