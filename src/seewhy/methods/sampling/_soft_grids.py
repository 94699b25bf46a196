"""Random grids of several cell sizes with soft edges, in complementary pairs, and the lattice on which they are summed up."""

import math
from dataclasses import dataclass
from itertools import product

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seewhy.core.arrays import Keep
from seewhy.core.seeds import derive, uniforms

SCALES = (4, 5, 7, 10, 14)
"""Cells per side of a square picture; consecutive pairs of grids take them in turn."""

_SOFTNESS = 1 / 6
"""Standard deviation of the Gaussian that softens the edges, in sides of a cell."""

_LEAST, _MOST = 0.1, 0.9
"""The fraction of cells that a grid keeps is uniform between these."""

_GOLDEN = (math.sqrt(5) - 1) / 2
"""The fractional parts of its multiples fill the unit interval evenly, for any number of them."""


@dataclass(frozen=True, eq=False)
class SoftGrids:
    """Sampled grids over a picture: which cells are kept, the side of a cell in pixels, and the shift in cells."""

    cells: Float[Tensor, "n r c"]
    side: Float[Tensor, " n"]
    shift: Float[Tensor, "n 2"]

    def keep(self, height: int, width: int) -> Keep:
        """Return which pixels of the picture are kept: each grid smoothed by a Gaussian, cropped to the picture."""
        down, across = self._weights(height, width)
        return (down @ self.cells @ across.mT).clamp_(0, 1).float()

    def sums(self, lattice: "Lattice") -> Float[Tensor, "n m"]:
        """Return how much each point of a lattice is kept: the sum of ``keep`` over the pixels, weighted by its share of each."""
        down, across = self._weights(*lattice.size)
        return (lattice.down.T @ down @ self.cells @ (across.mT @ lattice.across)).flatten(1)

    def _weights(self, height: int, width: int) -> tuple[Float[Tensor, "n h r"], Float[Tensor, "n w c"]]:
        """Return the weight of each row and column of cells at each row and column of pixels; they sum to 1."""
        return (
            _shares(height, self.cells.shape[1], self.side, self.shift[:, 0]),
            _shares(width, self.cells.shape[2], self.side, self.shift[:, 1]),
        )


def draw(seed: int, numbers: Int[Tensor, " n"], size: tuple[int, int]) -> SoftGrids:
    """Draw grids by their number within a run, whichever others are drawn with them; 2j + 1 is the complement of 2j."""
    pair = numbers // 2
    own, odd = derive(seed, 2 * pair), numbers % 2
    scale = torch.tensor(SCALES, dtype=torch.float64, device=numbers.device)[pair % len(SCALES)]
    side = (math.sqrt(size[0] * size[1]) / scale).clamp(min=1)
    rows, columns = (1 + math.ceil(length / _smallest(size)) for length in size)
    start = uniforms(derive(seed, numbers[:1] * 0), 1, stream=2)[:, 0].double()
    fraction = _LEAST + (_MOST - _LEAST) * ((start + pair.double() * _GOLDEN) % 1)
    kept = (uniforms(own, rows * columns) < fraction[:, None]).double().view(-1, rows, columns)
    return SoftGrids((kept - odd[:, None, None]).abs(), side, uniforms(own, 2, stream=1).double())


def _smallest(size: tuple[int, int]) -> float:
    """Return the side in pixels of the smallest cells of a picture."""
    return max(1.0, math.sqrt(size[0] * size[1]) / max(SCALES))


def _shares(
    length: int, cells: int, side: Float[Tensor, " n"], shift: Float[Tensor, " n"]
) -> Float[Tensor, "n length cells"]:
    """Return how much each cell counts at each pixel along one axis: cells blurred by a Gaussian, the outer ones unbounded."""
    centres = torch.arange(length, dtype=torch.float64, device=side.device) + 0.5
    edges = torch.arange(1, cells, dtype=torch.float64, device=side.device)
    distance = (centres / side[:, None] + shift[:, None])[:, :, None] - edges
    beyond = torch.special.ndtr(distance / _SOFTNESS)
    ends = beyond.new_ones(len(side), length, 1)
    return torch.cat([ends, beyond], 2) - torch.cat([beyond, 0 * ends], 2)


@dataclass(frozen=True, eq=False)
class Lattice:
    """Points spread evenly over a picture, between which a map is interpolated.

    Args:
        size: height and width of the picture, pixels.
        down: ``(h, a)`` weight of each row of points at each row of pixels; each row sums to 1.
        across: ``(w, b)`` the same for columns.
    """

    size: tuple[int, int]
    down: Float[Tensor, "h a"]
    across: Float[Tensor, "w b"]

    @classmethod
    def over(cls, size: tuple[int, int], longest: int, device: torch.device) -> "Lattice":
        """Spread at most ``longest`` points along the longer side, at about the same distance along both."""
        distance = max(1.0, max(size) / longest)
        down, across = (_interpolation(length, max(1, round(length / distance)), device) for length in size)
        return cls(size, down, across)

    @property
    def points(self) -> int:
        """Number of points."""
        return self.down.shape[1] * self.across.shape[1]

    def draw(self, values: Float[Tensor, "*n m"]) -> Float[Tensor, "*n h w"]:
        """Interpolate values at the points bilinearly to the pixels."""
        stack = values.reshape(*values.shape[:-1], self.down.shape[1], self.across.shape[1])
        return self.down @ stack @ self.across.T

    def collect(self, weights: Float[Tensor, "h w"]) -> Float[Tensor, " m"]:
        """Return how much the value at each point contributes to the sum of pixels with these weights."""
        return (self.down.T @ weights @ self.across).flatten()

    def variance(self, covariance: Float[Tensor, "m m"]) -> Float[Tensor, "h w"]:
        """Return the variance of each interpolated pixel, from the covariance of the points; only neighbours share pixels."""
        sides = self.down.shape[1], self.across.shape[1]
        table = covariance.view(*sides, *sides)
        total = covariance.new_zeros(self.size)
        for below, beside in product((-1, 0, 1), repeat=2):
            near = table.diagonal(below, 0, 2).diagonal(beside, 0, 1)
            total += _products(self.down, below) @ near @ _products(self.across, beside).T
        return total.clamp_(min=0)


def _products(weights: Float[Tensor, "length points"], offset: int) -> Float[Tensor, "length pairs"]:
    """Return the products of the weights of two points that are ``offset`` points apart."""
    points = weights.shape[1]
    return weights[:, max(0, -offset) : points - max(0, offset)] * weights[:, max(0, offset) : points - max(0, -offset)]


def _interpolation(length: int, points: int, device: torch.device) -> Float[Tensor, "length points"]:
    """Return the bilinear weight of each point at each pixel along one axis, edge values repeated."""
    pixels = torch.arange(length, dtype=torch.float64, device=device) + 0.5
    place = (pixels * (points / length) - 0.5).clamp(0, points - 1)
    return (1 - (place[:, None] - torch.arange(points, device=device)).abs()).clamp_(min=0)
