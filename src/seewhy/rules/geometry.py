"""Rules about where things are: mirrored, rotated, moved. Nothing is made up at the border: what would be is cropped away."""

import math
from typing import Literal

import torch
from torch.nn import functional

from seewhy.core.arrays import Image
from seewhy.core.seeds import uniforms

Drawn = Literal["upto", "exact"]


def flip(image: Image, strength: float, seed: int) -> Image:
    """Mirror the picture, left to right.

    Args:
        image: ``(3, h, w)`` in [0, 1].
        strength: not used: a picture is mirrored or not.
        seed: not used.

    Example:
        >>> flip(torch.tensor([[[0.0, 1.0]]]), 1.0, 0).tolist()
        [[[1.0, 0.0]]]
    """
    del strength, seed
    return image.flip(2)


def rotation(image: Image, strength: float, seed: int, *, drawn: Drawn = "upto") -> Image:
    """Rotate the picture about its centre and show the crop that stays filled at every angle, see `centre_crop`.

    Args:
        image: ``(3, h, w)`` in [0, 1].
        strength: the largest angle, degrees.
        seed: of the angle.
        drawn: ``upto``: the angle is uniform between minus and plus the strength; ``exact``: it is one of the two.

    Example:
        >>> rotation(torch.zeros(3, 8, 8), 45.0, 0).shape
        torch.Size([3, 8, 8])
    """
    share = _signed_share(seed)
    angle = strength * (share if drawn == "upto" else math.copysign(1, share))
    return _sample(image, _largest_everywhere(image), angle=angle)


def centre_crop(image: Image, strength: float) -> Image:
    """Show what `rotation` leaves, unrotated: the same pixels of the scene, interpolated the same way.

    The crop has the picture's shape, and its diagonal is the picture's shorter side: it fits into the picture at any angle.
    """
    del strength
    return _sample(image, _largest_everywhere(image))


def translation(image: Image, strength: float, seed: int) -> Image:
    """Move the crop of the picture in a direction drawn from the seed, see `still_crop`.

    Args:
        image: ``(3, h, w)`` in [0, 1].
        strength: how far, as a share of each side, 0 to less than 0.5.
        seed: of the direction.

    Example:
        >>> translation(torch.zeros(3, 8, 8), 0.1, 0).shape
        torch.Size([3, 8, 8])
    """
    direction = 2 * math.pi * _signed_share(seed)
    shift = (2 * strength * math.cos(direction), 2 * strength * math.sin(direction))
    return _sample(image, 1 - 2 * strength, shift=shift)


def still_crop(image: Image, strength: float) -> Image:
    """Show the crop of `translation` before it moves: the picture without ``strength`` of each side at each border."""
    return _sample(image, 1 - 2 * strength)


def _signed_share(seed: int) -> float:
    """Draw a number between -1 and 1."""
    return 2 * float(uniforms(torch.tensor([seed]), 1)) - 1


def _largest_everywhere(image: Image) -> float:
    """The scale of the crop that lies inside the picture at any angle."""
    height, width = image.shape[1:]
    return min(height, width) / math.hypot(height, width)


def _sample(image: Image, scale: float, *, angle: float = 0.0, shift: tuple[float, float] = (0.0, 0.0)) -> Image:
    """Show a scaled, rotated (degrees) and shifted (in half sides) crop at the picture's own size, bilinearly."""
    height, width = image.shape[1:]
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    rows = [
        [scale * cosine, -scale * sine * height / width, shift[0]],
        [scale * sine * width / height, scale * cosine, shift[1]],
    ]
    grid = functional.affine_grid(image.new_tensor([rows]), [1, *image.shape], align_corners=False)
    return functional.grid_sample(image[None], grid, padding_mode="border", align_corners=False)[0]
