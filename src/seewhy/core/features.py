"""Features that can be removed from an image: plain values, converted to ``keep`` batch by batch on the device."""

import math
from dataclasses import dataclass
from itertools import count
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seewhy.core.arrays import Keep
from seewhy.core.errors import RequestError
from seewhy.core.seeds import derive, mix, uniforms

Positions = Int[Tensor, "m 2"]
"""Top and left coordinate of each window, in pixels."""


@dataclass(frozen=True)
class Windows:
    """Square sliding windows. If the stride does not divide the image side, an extra last row and column are added.

    Args:
        size: side of a window in pixels.
        stride: step between windows in pixels; at most ``size``, so that every pixel lies in some window.

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
        """Return the positions along one axis and their levels: level 0 covers the whole axis, higher levels refine it."""
        if length < self.size:
            raise RequestError(
                f"expected an image with sides of at least {self.size} pixels, got {length}; "
                f"choose size={max(1, length // 4)} or less"
            )
        positions = [*range(0, length - self.size, self.stride), length - self.size]
        coarse = self.size // self.stride
        levels = [
            next(level for level in count() if number % (coarse >> level) == 0) for number in range(len(positions))
        ]
        levels[-1] = 0
        return positions, levels

    def check_smaller(self, height: int, width: int) -> None:
        """Refuse a window that is the whole image: it says how much the image matters, but not which part of it."""
        if self.size == height == width:
            raise RequestError(
                f"expected windows smaller than the image of {height} × {width} pixels, got size={self.size}; "
                f"choose size={max(1, self.size // 4)} or less"
            )

    def positions(self, height: int, width: int) -> Positions:
        """List the windows from coarse to fine; a prefix of at least `covering` windows covers the image about evenly."""
        (tops, top_levels), (lefts, left_levels) = self.axis(height), self.axis(width)
        grid = torch.cartesian_prod(torch.tensor(tops), torch.tensor(lefts)).reshape(-1, 2)
        level = torch.maximum(torch.tensor(top_levels)[:, None], torch.tensor(left_levels)[None]).flatten()
        shuffled = mix(torch.arange(len(grid))).argsort()
        return grid[shuffled][level[shuffled].argsort(stable=True)]

    def covering(self, height: int, width: int) -> int:
        """Count the windows of the coarsest level, the smallest prefix that covers every pixel."""
        (_, top_levels), (_, left_levels) = self.axis(height), self.axis(width)
        return top_levels.count(0) * left_levels.count(0)

    def keep(self, positions: Positions, height: int, width: int) -> Keep:
        """Convert windows to ``keep``: 0 inside the window, 1 outside, one row per window."""
        rows = torch.arange(height, device=positions.device)[None]
        columns = torch.arange(width, device=positions.device)[None]
        top, left = positions[:, :1], positions[:, 1:]
        inside_y = (rows >= top) & (rows < top + self.size)
        inside_x = (columns >= left) & (columns < left + self.size)
        return 1 - inside_y[:, :, None].float() * inside_x[:, None, :].float()


Sampling = Literal["independent", "antithetic"]


@dataclass(frozen=True, eq=False)
class Grids:
    """Sampled coarse grids and the shift of each.

    Args:
        cells: ``(n, c, c)``, 1 = kept.
        shift: ``(n, 2)`` vertical and horizontal shift as a fraction of the cell side, in [0, 1).
    """

    cells: Float[Tensor, "n c c"]
    shift: Float[Tensor, "n 2"]

    def __getitem__(self, rows: Int[Tensor, " m"]) -> "Grids":
        """Select grids by index."""
        return Grids(self.cells[rows], self.shift[rows])

    def keep(self, height: int, width: int) -> Keep:
        """Upsample the grids bilinearly to ``cells + 1`` cell sides, then crop at the shift to the image size."""
        device = self.cells.device
        rows, columns = (torch.arange(side, dtype=torch.float32, device=device) for side in (height, width))
        return self.at(rows, columns, height, width)

    def at(self, rows: Float[Tensor, " a"], columns: Float[Tensor, " b"], height: int, width: int) -> Keep:
        """Return `keep` of a ``height`` × ``width`` image at the given rows and columns only, ``(n, a, b)``."""
        down = _bilinear_weights(rows, self.shift[:, 0], height, self.cells.shape[1])
        across = _bilinear_weights(columns, self.shift[:, 1], width, self.cells.shape[2])
        return (down @ self.cells.to(down.dtype) @ across.mT).clamp_(0, 1)


@dataclass(frozen=True)
class RandomGrids:
    """Coarse random grids, upsampled smoothly and shifted (RISE: Petsiuk, Das, Saenko, BMVC 2018).

    Args:
        cells: number of cells along each side of the grid.
        p: probability that a cell is kept, between 0 and 1.
        sampling: ``independent``; or ``antithetic``: pairs with a common shift whose cells are drawn from u and 1 - u,
            which are complements for p = 0.5 (Hammersley, Morton, 1956).

    Raises:
        RequestError: ``cells`` is not positive, or ``p`` is not strictly between 0 and 1.
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
        """Number of consecutive grids that depend on each other; they are independent of the next group."""
        return 2 if self.sampling == "antithetic" else 1

    def draw(self, seed: int, numbers: Int[Tensor, " n"]) -> Grids:
        """Draw grids by their number within a run, whichever others are drawn with them."""
        if self.sampling == "antithetic":
            own = derive(seed, numbers - numbers % 2)
            uniform = (uniforms(own, self.cells**2) - numbers[:, None] % 2).abs()
        else:
            own = derive(seed, numbers)
            uniform = uniforms(own, self.cells**2)
        shift = uniforms(own, 2, stream=1)
        return Grids((uniform < self.p).float().view(-1, self.cells, self.cells), shift)

    def overlap(self, rows: Float[Tensor, " a"], others: Float[Tensor, " b"], length: int) -> Float[Tensor, "a b"]:
        """Return the mean overlap, over all shifts, of the cells that two positions along a side depend on.

        The side is ``length`` pixels long. The covariance of ``keep`` at two pixels is ``p (1 - p)`` times the product of the overlaps along both axes.
        """
        cell = math.ceil(length / self.cells)
        shifts = (torch.arange(cell, dtype=rows.dtype, device=rows.device) + 0.5) / cell
        one, other = (_bilinear_weights(where, shifts, length, self.cells) for where in (rows, others))
        return torch.einsum("sac,sbc->ab", one, other) / cell


def _bilinear_weights(
    positions: Float[Tensor, " a"], shift: Float[Tensor, " n"], length: int, cells: int
) -> Float[Tensor, "n a c"]:
    """Return the bilinear interpolation weight of each cell at each position along one side.

    Centres lie at half pixels, and edge values are repeated. The weights of a position sum to 1, so a grid and its
    complement sum to 1 everywhere.
    """
    cell = math.ceil(length / cells)
    start = (shift * cell).long()[:, None]
    centre = ((positions + start + 0.5) * (cells / ((cells + 1) * cell)) - 0.5).clamp(0, cells - 1)
    return (1 - (centre[:, :, None] - torch.arange(cells, device=centre.device)).abs()).clamp_(min=0)
