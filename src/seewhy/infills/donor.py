"""Donor patches: each hole is covered with a randomly chosen part of the same image."""

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from seewhy.core.arrays import Image, Images, Keep, Seeds, compose
from seewhy.core.seeds import uniforms
from seewhy.infills.holes import bounding_boxes


@dataclass(frozen=True)
class Donor:
    """An in-fill that covers a hole with a piece of the same image: real texture that may not fit its surroundings.

    The piece has the shape of the hole. It is drawn uniformly from the positions where it lies inside the image and does
    not overlap the rows of the hole, or does not overlap its columns. A hole larger than half the image along an axis has
    no such position on that axis; the image is then shifted with wrap-around.
    """

    stochastic: bool = True
    checksum: str | None = None

    def __call__(self, image: Image, keep: Keep, seeds: Seeds) -> Images:
        """Implement `seewhy.core.infill.Infill`."""
        boxes = bounding_boxes(keep)
        places = uniforms(seeds, 3)
        across = places[:, 2] < 0.5  # avoid the hole's rows or its columns; the other axis is free
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
    """Return a shift to any position on the axis where the piece lies inside the image."""
    return (place * (side - length + 1)).long() - start


def _away(place: Tensor, start: Tensor, length: Tensor, side: int) -> Shift:
    """Return a shift to a position on the axis that does not overlap the hole: before it or after it."""
    before = (start - length + 1).clamp(min=0)
    after = (side - 2 * length - start + 1).clamp(min=0)
    pick = (place * (before + after)).long()
    target = torch.where(pick < before, pick, start + length + pick - before)
    wrapped = 1 + (place * (side - 1)).long()  # no such position: wrap around by at least one pixel
    return torch.where(before + after > 0, target - start, wrapped)


def donor() -> Donor:
    """Copy patches from elsewhere in the same image.

    Example:
        >>> donor()(torch.rand(3, 8, 8), torch.ones(1, 8, 8), torch.zeros(1, dtype=torch.int64)).shape
        torch.Size([1, 3, 8, 8])
    """
    return Donor()
