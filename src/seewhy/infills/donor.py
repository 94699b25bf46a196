"""Donor patches: what is removed is covered with another part of the same picture, taken at random."""

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from seewhy.core.arrays import Image, Images, Keep, Seeds, compose
from seewhy.core.seeds import uniforms
from seewhy.infills.holes import bounding_boxes


@dataclass(frozen=True)
class Donor:
    """Cover a hole with a piece of the same picture: real texture, though it may not fit its surroundings.

    The piece has the shape of the hole and is drawn uniformly from the places where it fits inside the picture without
    touching the hole's own rows or its own columns. A hole of more than half the picture in either direction has no such
    place on that axis; the picture is then shifted with wrap-around.

    Example:
        >>> Donor().stochastic
        True
    """

    stochastic: bool = True
    checksum: str | None = None

    def __call__(self, image: Image, keep: Keep, seeds: Seeds) -> Images:
        """See `seewhy.core.infill.Infill`."""
        boxes = bounding_boxes(keep)
        places = uniforms(seeds, 3)
        across = places[:, 2] < 0.5  # leave the hole by its rows or by its columns; the other axis is free
        height, width = image.shape[1:]
        down = torch.where(
            across,
            _away(places[:, 0], boxes[:, 0], boxes[:, 2], height),
            _free(places[:, 0], boxes[:, 0], boxes[:, 2], height),
        )
        right = torch.where(
            across,
            _free(places[:, 1], boxes[:, 1], boxes[:, 3], width),
            _away(places[:, 1], boxes[:, 1], boxes[:, 3], width),
        )
        rows = (torch.arange(height, device=image.device)[None] + down[:, None]) % height
        columns = (torch.arange(width, device=image.device)[None] + right[:, None]) % width
        return compose(image, keep, image[:, rows[:, :, None], columns[:, None, :]].movedim(1, 0))


Shift = Int[Tensor, " n"]


def _free(place: Tensor, start: Tensor, length: Tensor, side: int) -> Shift:
    """Shift to any place on the axis where the piece lies inside the picture."""
    return (place * (side - length + 1)).long() - start


def _away(place: Tensor, start: Tensor, length: Tensor, side: int) -> Shift:
    """Shift to a place on the axis that does not touch the hole: before it, or after it."""
    before = (start - length + 1).clamp(min=0)
    after = (side - 2 * length - start + 1).clamp(min=0)
    pick = (place * (before + after)).long()
    target = torch.where(pick < before, pick, start + length + pick - before)
    wrapped = 1 + (place * (side - 1)).long()  # nowhere to go: wrap around by at least a pixel
    return torch.where(before + after > 0, target - start, wrapped)


def donor() -> Donor:
    """Patches copied from elsewhere in the same picture.

    Example:
        >>> donor()(torch.rand(3, 8, 8), torch.ones(1, 8, 8), torch.zeros(1, dtype=torch.int64)).shape
        torch.Size([1, 3, 8, 8])
    """
    return Donor()
