"""Random augmentation: rotate, stretch, shift and mirror each image of a batch independently."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch.nn import functional

from seewhy.core.arrays import Images
from seewhy.training.loop import check_settings

Mirror = Literal["none", "vertical", "horizontal"]
"""Axis along which half of the images are mirrored: ``vertical`` turns them upside down."""


@dataclass(frozen=True, kw_only=True)
class Augment:
    """Random augmentation of training images.

    Args:
        turn: largest rotation in degrees, in either direction.
        zoom: each side is stretched by a random factor between 1 and ``1 / (1 - zoom)``.
        shift: largest shift in either direction, as a fraction of the side.
        mirror: how each image is mirrored, with probability one half.

    Raises:
        RequestError: a number is out of range.
    """

    turn: float = 5.0
    zoom: float = 0.1
    shift: float = 0.03
    mirror: Mirror = "none"

    def __post_init__(self) -> None:
        check_settings(self, ("turn",), lambda value: 0 <= value <= 180, "from 0 to 180")
        check_settings(self, ("zoom",), lambda value: 0 <= value <= 0.9, "from 0 to 0.9")
        check_settings(self, ("shift",), lambda value: 0 <= value <= 0.5, "from 0 to 0.5")

    def __call__(self, images: Images, generator: torch.Generator) -> Images:
        """Augment each image; pixels that enter from outside repeat the border. The generator is one of the CPU."""

        def draw(low: float, high: float, columns: int = 1) -> torch.Tensor:
            return low + (high - low) * torch.rand(len(images), columns, generator=generator)

        turn = draw(-self.turn, self.turn)[:, 0] * math.pi / 180
        scale, shift = draw(1 - self.zoom, 1.0, 2), 2 * draw(-self.shift, self.shift, 2)
        flip = torch.where(draw(0.0, 1.0)[:, 0] < 0.5, -1.0, 1.0)
        scale[:, 0] *= flip if self.mirror == "horizontal" else 1.0
        scale[:, 1] *= flip if self.mirror == "vertical" else 1.0
        # grid coordinates run from -1 to 1 on both axes, so a rotation must account for the aspect ratio
        aspect = images.shape[3] / images.shape[2]
        rows = [
            torch.stack([turn.cos() * scale[:, 0], -turn.sin() * scale[:, 1] / aspect, shift[:, 0]], 1),
            torch.stack([turn.sin() * scale[:, 0] * aspect, turn.cos() * scale[:, 1], shift[:, 1]], 1),
        ]
        grid = functional.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
        return functional.grid_sample(images, grid.to(images), padding_mode="border", align_corners=False)
