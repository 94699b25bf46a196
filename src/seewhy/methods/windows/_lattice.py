"""Choose the next windows to query: a lattice over the image, refined cell by cell where the map is least certain."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seewhy.core.features import Positions, Windows
from seewhy.core.seeds import mix

Level = Int[Tensor, "a b"]

LEVELS = 4
"""Most strides of a lattice: a window's side, a half, a quarter and an eighth of it."""

_UNUSED = LEVELS  # the level of positions between the windows of the finest stride


@dataclass(frozen=True)
class Lattice:
    """Windows at strides ``size``, ``size/2``, ``size/4`` and ``size/8``, in cells of ``size`` × ``size`` positions.

    Strides below an eighth of a window are useless: a pixel's mean is then known except for the variation of the
    in-fills.
    """

    size: int
    image_size: tuple[int, int]

    def __post_init__(self) -> None:
        Windows(self.size, self.size).covering(*self.image_size)  # raises if the image is smaller than a window

    @property
    def places(self) -> int:
        """Number of windows at the finest stride."""
        return math.prod(int((self._axis(axis)[1] < _UNUSED).sum()) for axis in (0, 1))

    @property
    def strides(self) -> tuple[int, ...]:
        """The stride between windows at each level of refinement."""
        return tuple(self.size >> level for level in range(min(LEVELS - 1, int(math.log2(self.size))) + 1))

    def _axis(self, axis: int) -> tuple[Int[Tensor, " p"], Int[Tensor, " p"]]:
        """Return the cell and the level of each position along an axis; see `seewhy.core.features.Windows.axis`."""
        places, levels = map(torch.tensor, Windows(self.size, 1).axis(self.image_size[axis]))
        return places // self.size, levels.clamp(max=_UNUSED)

    def start(self) -> Positions:
        """Return the fewest windows that cover every pixel, in a shuffled order."""
        rows, columns = ((self._axis(axis)[1] == 0).nonzero()[:, 0] for axis in (0, 1))
        grid = torch.cartesian_prod(rows, columns)
        return grid[mix(torch.arange(len(grid))).argsort()]

    def level(self) -> Level:
        """Return the coarsest level for every cell."""
        return torch.zeros(*(int(self._axis(axis)[0][-1]) + 1 for axis in (0, 1)), dtype=torch.int64)

    def _finer(self, level: Level) -> tuple[Positions, Int[Tensor, " m"]]:
        """Return the windows that each cell would gain from one more level, and the cell of each."""
        (cells_y, levels_y), (cells_x, levels_x) = self._axis(0), self._axis(1)
        needed = torch.maximum(levels_y[:, None], levels_x)
        new = ((needed == level[cells_y][:, cells_x] + 1) & (needed < _UNUSED)).nonzero()
        return new, cells_y[new[:, 0]] * level.shape[1] + cells_x[new[:, 1]]

    def refine(self, level: Level, gain: Float[Tensor, "a b"], count: int) -> tuple[Positions, Level]:
        """Refine by one level the cells with the highest gain per window.

        Args:
            level: level of each cell.
            gain: gain of each cell from its next level.
            count: number of windows wanted; the last cell may add a few more.

        Returns:
            The new windows, highest gain first, and the new levels. No windows if every cell is at the finest stride.
        """
        while True:
            windows, cell = self._finer(level)
            cost = torch.bincount(cell, minlength=level.numel())
            empty = (cost.view_as(level) == 0) & (level < len(self.strides) - 1)
            if not bool(empty.any()):
                break
            level = level + empty  # a small cell at the border may have no window at its next stride
        worth = (gain.flatten() / cost.clamp(min=1)).masked_fill(cost == 0, -torch.inf)
        order = worth.argsort(descending=True, stable=True)
        before = cost[order].cumsum(0) - cost[order]
        chosen = order[(before < count) & (cost[order] > 0)]
        rank = torch.full((level.numel(),), level.numel())
        rank[chosen] = torch.arange(len(chosen))
        turn = rank[cell].argsort(stable=True)[: int(cost[chosen].sum())]
        deeper = level.clone().view(-1)
        deeper[chosen] += 1
        return windows[turn], deeper.view_as(level)
