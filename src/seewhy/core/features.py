"""What can be removed from a picture. Features are values; they become ``keep`` lazily, batch by batch, on the device."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seewhy.core.arrays import Keep
from seewhy.core.errors import RequestError
from seewhy.core.seeds import derive, mix, uniforms

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

    def axis(self, length: int) -> tuple[list[int], list[int]]:
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
        (tops, top_levels), (lefts, left_levels) = self.axis(height), self.axis(width)
        grid = torch.cartesian_prod(torch.tensor(tops), torch.tensor(lefts)).reshape(-1, 2)
        level = torch.maximum(torch.tensor(top_levels)[:, None], torch.tensor(left_levels)[None]).flatten()
        shuffled = mix(torch.arange(len(grid))).argsort()
        return grid[shuffled][level[shuffled].argsort(stable=True)]

    def covering(self, height: int, width: int) -> int:
        """Count the windows of the coarsest level: the fewest that leave no pixel out."""
        (_, top_levels), (_, left_levels) = self.axis(height), self.axis(width)
        return top_levels.count(0) * left_levels.count(0)

    def keep(self, positions: Positions, height: int, width: int) -> Keep:
        """Turn windows into ``keep``: 0 inside the window, 1 outside, one row a window."""
        rows = torch.arange(height, device=positions.device)[None]
        columns = torch.arange(width, device=positions.device)[None]
        top, left = positions[:, :1], positions[:, 1:]
        inside_y = (rows >= top) & (rows < top + self.size)
        inside_x = (columns >= left) & (columns < left + self.size)
        return 1 - inside_y[:, :, None].float() * inside_x[:, None, :].float()


Sampling = Literal["independent", "antithetic", "balanced"]

BLOCK = 64
"""Grids that are drawn together under ``balanced``."""


@dataclass(frozen=True, eq=False)
class Grids:
    """Coarse grids that were drawn, and how far each is shifted.

    Args:
        cells: ``(n, c, c)``, 1 = kept.
        shift: ``(n, 2)`` down and across, as a share of a cell's length, from 0 to less than 1.
    """

    cells: Float[Tensor, "n c c"]
    shift: Float[Tensor, "n 2"]

    def __getitem__(self, rows: Int[Tensor, " m"]) -> "Grids":
        """Pick some."""
        return Grids(self.cells[rows], self.shift[rows])

    def keep(self, height: int, width: int) -> Keep:
        """Bring the grids to the picture's size: enlarged bilinearly to ``cells + 1`` cells' length, cropped at the shift."""
        device = self.cells.device
        rows, columns = (torch.arange(side, dtype=torch.float32, device=device) for side in (height, width))
        return self.at(rows, columns, height, width)

    def at(self, rows: Float[Tensor, " a"], columns: Float[Tensor, " b"], height: int, width: int) -> Keep:
        """Return `keep` of a picture of ``height`` x ``width`` at some of its rows and columns only, ``(n, a, b)``."""
        down = _hats(rows, self.shift[:, 0], height, self.cells.shape[1])
        across = _hats(columns, self.shift[:, 1], width, self.cells.shape[2])
        return (down @ self.cells.to(down.dtype) @ across.mT).clamp_(0, 1)


@dataclass(frozen=True)
class RandomGrids:
    """Coarse random grids, enlarged smoothly and shifted (RISE: Petsiuk, Das, Saenko, BMVC 2018).

    Args:
        cells: cells along each side of the grid.
        p: probability that a cell is kept, between 0 and 1.
        sampling: ``independent``; ``antithetic``: in pairs of one shift whose cells are drawn from u and 1 - u, complements
            for p = 0.5 (Hammersley, Morton, 1956); ``balanced``: in blocks of 64 in which every cell is kept equally often,
            up to one (Latin hypercube: McKay, Beckman, Conover, Technometrics, 1979).

    Raises:
        RequestError: ``cells`` is not positive or ``p`` is not strictly between 0 and 1.

    Example:
        >>> RandomGrids(7, 0.5).draw(0, torch.arange(4)).keep(224, 224).shape
        torch.Size([4, 224, 224])
    """

    cells: int
    p: float
    sampling: Sampling = "independent"

    def __post_init__(self) -> None:
        if self.cells < 1:
            raise RequestError(f"expected cells >= 1, got {self.cells}")
        if not 0 < self.p < 1:
            raise RequestError(f"expected p between 0 and 1, got {self.p}")

    @property
    def together(self) -> int:
        """How many grids in a row depend on each other; the next so many are independent of them."""
        return _TOGETHER[self.sampling]

    def draw(self, seed: int, numbers: Int[Tensor, " n"]) -> Grids:
        """Draw grids by their number in a run; each is the same whatever else is drawn with it."""
        lone, pair = derive(seed, numbers), derive(seed, numbers - numbers % 2)
        uniform = {
            "independent": lambda: uniforms(lone, self.cells**2),
            "antithetic": lambda: _turned(uniforms(pair, self.cells**2), numbers % 2),
            "balanced": lambda: _stratified(seed, numbers, self.cells**2),
        }[self.sampling]()
        shift = uniforms(pair if self.sampling == "antithetic" else lone, 2, stream=1)
        return Grids((uniform < self.p).float().view(-1, self.cells, self.cells), shift)

    def overlap(self, rows: Float[Tensor, " a"], others: Float[Tensor, " b"], length: int) -> Float[Tensor, "a b"]:
        """Return how much two places along a side of ``length`` pixels depend on the same cells, averaged over all shifts.

        ``p (1 - p)`` times the product of both sides' overlap is the covariance of ``keep`` at two pixels.
        """
        cell = math.ceil(length / self.cells)
        shifts = (torch.arange(cell, dtype=rows.dtype, device=rows.device) + 0.5) / cell
        one, other = (_hats(where, shifts, length, self.cells) for where in (rows, others))
        return torch.einsum("sac,sbc->ab", one, other) / cell


_TOGETHER: dict[str, int] = {"independent": 1, "antithetic": 2, "balanced": BLOCK}


def _turned(uniform: Float[Tensor, "n m"], second: Int[Tensor, " n"]) -> Float[Tensor, "n m"]:
    """Turn u into 1 - u for the second of each pair."""
    return torch.where(second[:, None] == 1, 1 - uniform, uniform)


def _stratified(seed: int, numbers: Int[Tensor, " n"], count: int) -> Float[Tensor, "n m"]:
    """Draw, for each cell, one number from each of `BLOCK` equal strata, in random order over the block's grids."""
    blocks, place = torch.unique(numbers // BLOCK, return_inverse=True)
    order = uniforms(derive(seed, blocks), BLOCK * count, stream=2).view(-1, BLOCK, count)
    strata = order.argsort(dim=1, stable=True).argsort(dim=1)[place, numbers % BLOCK]
    return (strata + uniforms(derive(seed, numbers), count)) / BLOCK


def _hats(
    positions: Float[Tensor, " a"], shift: Float[Tensor, " n"], length: int, cells: int
) -> Float[Tensor, "n a c"]:
    """Weigh each cell at each position along one side: bilinear interpolation from half-pixel centres, edges repeated.

    The weights of a position sum to 1, so a grid and its complement sum to 1 everywhere.
    """
    cell = math.ceil(length / cells)
    start = (shift * cell).long()[:, None]
    centre = ((positions + start + 0.5) * (cells / ((cells + 1) * cell)) - 0.5).clamp(0, cells - 1)
    return (1 - (centre[:, :, None] - torch.arange(cells, device=centre.device)).abs()).clamp_(min=0)
