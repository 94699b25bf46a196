"""What can be removed from a picture. Features are values; they become ``keep`` lazily, batch by batch, on the device."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from seewhy.core.arrays import Keep, Seeds
from seewhy.core.errors import RequestError
from seewhy.core.seeds import mix, uniforms

Positions = Int[Tensor, "m 2"]
"""Top and left of each window, pixels."""


@dataclass(frozen=True)
class Windows:
    """Square windows slid over the picture; where the stride does not divide, a last row and column is added.

    Args:
        size: side of a window, pixels.
        stride: step between windows, pixels; at most ``size``, so that every pixel lies in a window.

    Raises:
        RequestError: a number is not positive, or the stride would leave gaps.

    Example:
        >>> len(Windows(8, 8).positions(224, 224))
        784
    """

    size: int
    stride: int

    def __post_init__(self) -> None:
        if self.size < 1:
            raise RequestError(f"expected size >= 1 pixel, got {self.size}")
        if not 1 <= self.stride <= self.size:
            raise RequestError(
                f"expected stride from 1 to size={self.size}, got {self.stride}; a larger stride leaves pixels uncovered"
            )

    def _axis(self, length: int) -> tuple[list[int], list[int]]:
        """Positions along one axis, and the level of each: 0 covers everything, later ones refine."""
        if length < self.size:
            raise RequestError(
                f"expected a picture of at least {self.size} pixels a side, got {length}; choose size={length} or less"
            )
        positions = [*range(0, length - self.size, self.stride), length - self.size]
        coarse = self.size // self.stride
        levels = [int(math.log2(coarse)) + 1] * len(positions)
        step = coarse
        for level in range(int(math.log2(coarse)) + 1):
            for index in range(0, len(positions), step):
                levels[index] = min(levels[index], level)
            step = max(1, step // 2)
        levels[-1] = 0
        return positions, levels

    def positions(self, height: int, width: int) -> Positions:
        """List the windows coarse to fine: any prefix from `covering` on covers the picture about evenly.

        Raises:
            RequestError: the picture is smaller than a window.
        """
        (tops, top_levels), (lefts, left_levels) = self._axis(height), self._axis(width)
        grid = torch.cartesian_prod(torch.tensor(tops), torch.tensor(lefts)).reshape(-1, 2)
        level = torch.maximum(torch.tensor(top_levels)[:, None], torch.tensor(left_levels)[None]).flatten()
        shuffled = mix(torch.arange(len(grid))).argsort()
        return grid[shuffled][level[shuffled].argsort(stable=True)]

    def covering(self, height: int, width: int) -> int:
        """Count the windows of the coarsest level: the fewest that leave no pixel out."""
        (_, top_levels), (_, left_levels) = self._axis(height), self._axis(width)
        return top_levels.count(0) * left_levels.count(0)

    def keep(self, positions: Positions, height: int, width: int) -> Keep:
        """Turn windows into ``keep``: 0 inside the window, 1 outside, one row a window."""
        rows = torch.arange(height, device=positions.device)[None]
        columns = torch.arange(width, device=positions.device)[None]
        top, left = positions[:, :1], positions[:, 1:]
        inside_y = (rows >= top) & (rows < top + self.size)
        inside_x = (columns >= left) & (columns < left + self.size)
        return 1 - (inside_y[:, :, None] & inside_x[:, None, :]).float()


@dataclass(frozen=True)
class RandomGrids:
    """Coarse random grids, enlarged smoothly and shifted (RISE: Petsiuk, Das, Saenko, BMVC 2018).

    Args:
        cells: cells along each side of the grid.
        p: probability that a cell is kept, between 0 and 1.

    Raises:
        RequestError: ``cells`` is not positive or ``p`` is not strictly between 0 and 1.

    Example:
        >>> RandomGrids(7, 0.5).keep(torch.arange(4), 224, 224).shape
        torch.Size([4, 224, 224])
    """

    cells: int
    p: float

    def __post_init__(self) -> None:
        if self.cells < 1:
            raise RequestError(f"expected cells >= 1, got {self.cells}")
        if not 0 < self.p < 1:
            raise RequestError(f"expected p between 0 and 1, got {self.p}")

    def keep(self, seeds: Seeds, height: int, width: int) -> Keep:
        """Draw one grid a seed and bring it to the picture's size.

        The grid is enlarged bilinearly to ``cells + 1`` cells' length and cropped at a uniform shift of less than a cell.
        """
        cell_y, cell_x = math.ceil(height / self.cells), math.ceil(width / self.cells)
        grids = (uniforms(seeds, self.cells**2) < self.p).float().reshape(-1, 1, self.cells, self.cells)
        size = ((self.cells + 1) * cell_y, (self.cells + 1) * cell_x)
        large = functional.interpolate(grids, size=size, mode="bilinear", align_corners=False)[:, 0]
        shift = uniforms(seeds, 2, stream=1)
        return _crop(large, (shift[:, 0] * cell_y).long(), (shift[:, 1] * cell_x).long(), height, width)


def _crop(
    large: Float[Tensor, "n a b"], top: Int[Tensor, " n"], left: Int[Tensor, " n"], height: int, width: int
) -> Keep:
    """Cut a window out of each row at its own place."""
    rows = top[:, None] + torch.arange(height, device=large.device)
    columns = left[:, None] + torch.arange(width, device=large.device)
    picked = large.gather(1, rows[:, :, None].expand(-1, -1, large.shape[2]))
    return picked.gather(2, columns[:, None, :].expand(-1, height, -1)).clamp(0, 1)
