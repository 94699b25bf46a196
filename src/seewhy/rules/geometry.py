"""Geometric rules: mirroring, rotation, translation. Undefined border regions are cropped away, not filled in."""

import math
from typing import Literal

import torch
from torch.nn import functional

from seewhy.core.arrays import Image
from seewhy.core.seeds import uniforms

Drawn = Literal["upto", "exact"]


def flip(image: Image, strength: float, seed: int) -> Image:
    """Mirror the image left to right, at any strength.

    Args:
        image: ``(3, h, w)`` in [0, 1].
        strength: not used; mirroring has no degree.
        seed: not used.

    Example:
        >>> flip(torch.tensor([[[0.0, 1.0]]]), 1.0, 0).tolist()
        [[[1.0, 0.0]]]
    """
    del strength, seed
    return image.flip(2)


def rotation(image: Image, strength: float, seed: int, *, drawn: Drawn = "upto") -> Image:
    """Rotate the image about its centre and take the crop that is valid at every angle, see `centre_crop`.

    Args:
        image: ``(3, h, w)`` in [0, 1].
        strength: maximum angle in degrees.
        seed: seed of the angle.
        drawn: ``upto`` draws the angle uniformly between minus and plus the strength; ``exact`` draws one of these two
            values.
    """
    share = _signed_share(seed)
    angle = strength * (share if drawn == "upto" else math.copysign(1, share))
    return _sample(image, _largest_everywhere(image), angle=angle)


def centre_crop(image: Image, strength: float) -> Image:
    """Take the crop of `rotation` without rotating: the same pixels of the scene, with the same interpolation.

    The crop has the image's shape, and its diagonal equals the image's shorter side. It therefore fits into the image
    at any angle.
    """
    del strength
    return _sample(image, _largest_everywhere(image))


def translation(image: Image, strength: float, seed: int) -> Image:
    """Shift the crop of the image in a direction drawn from the seed, see `still_crop`.

    Args:
        image: ``(3, h, w)`` in [0, 1].
        strength: distance as a fraction of each side, in [0, 0.5).
        seed: seed of the direction.
    """
    direction = 2 * math.pi * _signed_share(seed)
    shift = (2 * strength * math.cos(direction), 2 * strength * math.sin(direction))
    return _sample(image, 1 - 2 * strength, shift=shift)


def still_crop(image: Image, strength: float) -> Image:
    """Take the crop of `translation` before the shift: each side loses a fraction ``strength`` at each border."""
    return _sample(image, 1 - 2 * strength)


def _signed_share(seed: int) -> float:
    """Draw a random number between -1 and 1."""
    return 2 * float(uniforms(torch.tensor([seed]), 1)) - 1


def _largest_everywhere(image: Image) -> float:
    """Return the scale of the crop that lies inside the image at any angle."""
    height, width = image.shape[1:]
    return min(height, width) / math.hypot(height, width)


def _sample(image: Image, scale: float, *, angle: float = 0.0, shift: tuple[float, float] = (0.0, 0.0)) -> Image:
    """Resample a scaled, rotated (degrees) and shifted (in half sides) crop to the size of the image, bilinearly."""
    height, width = image.shape[1:]
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    rows = [
        [scale * cosine, -scale * sine * height / width, shift[0]],
        [scale * sine * width / height, scale * cosine, shift[1]],
    ]
    grid = functional.affine_grid(image.new_tensor([rows]), [1, *image.shape], align_corners=False)
    return functional.grid_sample(image[None], grid, padding_mode="border", align_corners=False)[0]
