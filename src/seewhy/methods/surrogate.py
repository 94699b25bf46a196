"""A linear model of the answers to random grids, whose share of a RISE map is known exactly.

A control variate (survey sampling calls it the regression or difference estimator: Särndal, Swensson, Wretman, 1992). What
the model explains of the answers needs no sampling: the covariance of two pixels' ``keep`` is known in closed form. Only what
it leaves unexplained is estimated. It learns from the queries before those that it is used for, so nothing is biased.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.core.features import Grids, RandomGrids

_SIDE = 12
"""The model looks at no more points a side: more could not be learned from a few thousand answers."""


@dataclass(eq=False)
class Surrogate:
    """Ridge regression of the answers on how much each point of a coarse lattice was kept.

    Args:
        p: probability that a cell is kept.
        size: height and width of the picture.
        points: rows and columns of the lattice, one more a side than there are cells: the grids are shifted.
        shared: how strongly each row (column) of the map goes with each row (column) of the lattice; see
            `seewhy.core.features.RandomGrids.overlap`.
        moments: ``Σ x xᵀ`` over the queries, x = (1, kept - p at each point), with the ridge.
        products: ``Σ x f``, one column a target.
        coefficients: of the model, learned from the queries so far; 0 before the first.
        queries: how many those are.
    """

    p: float
    size: tuple[int, int]
    points: tuple[Float[Tensor, " a"], Float[Tensor, " b"]]
    shared: tuple[Float[Tensor, "h a"], Float[Tensor, "w b"]]
    moments: Float[Tensor, "k k"]
    products: Float[Tensor, "k t"]
    coefficients: Float[Tensor, "k t"] = field(init=False)
    queries: int = 0

    def __post_init__(self) -> None:
        self.coefficients = torch.zeros_like(self.products)

    @classmethod
    def start(
        cls,
        grids: RandomGrids,
        size: tuple[int, int],
        rows: Float[Tensor, " h"],
        columns: Float[Tensor, " w"],
        targets: int,
    ) -> "Surrogate":
        """Know nothing yet; ``rows`` and ``columns`` are where the map is wanted.

        The ridge is worth half as many queries as there are points, in the metric in which grids really vary.
        """
        side = min(grids.cells + 1, _SIDE)
        points = tuple(torch.linspace(0, length - 1, side, dtype=rows.dtype, device=rows.device) for length in size)
        within = [grids.overlap(one, one, length) for one, length in zip(points, size, strict=True)]
        shared = [
            grids.overlap(where, one, length) for where, one, length in zip((rows, columns), points, size, strict=True)
        ]
        count = side**2
        moments = rows.new_zeros(1 + count, 1 + count)
        moments[1:, 1:] = count / 2 * grids.p * (1 - grids.p) * torch.kron(within[0], within[1])
        moments.diagonal().add_(1e-9)  # points of a tiny picture may coincide
        return cls(
            grids.p, size, (points[0], points[1]), (shared[0], shared[1]), moments, rows.new_zeros(1 + count, targets)
        )

    @property
    def weight(self) -> float:
        """How much the next answers should count: the error of a model of k coefficients falls like 1 + k / queries."""
        return (self.queries + 1) / (self.queries + 1 + len(self.moments))

    def look(self, drawn: Grids) -> Float[Tensor, "n k"]:
        """Describe grids by (1, kept - p at each point)."""
        kept = drawn.at(*self.points, *self.size).flatten(1) - self.p
        return torch.cat([kept.new_ones(len(kept), 1), kept], dim=1)

    def predict(self, seen: Float[Tensor, "n k"]) -> Float[Tensor, "n t"]:
        """Foretell the answers."""
        return seen @ self.coefficients

    def expected(self) -> Float[Tensor, "t h w"]:
        """Return ``E[h M(l)]`` over all grids: ``p`` times the mean of h, and the covariance of h with ``M(l)``."""
        side = len(self.points[0])
        slopes = self.coefficients[1:].T.reshape(-1, side, side)
        covariance = self.p * (1 - self.p) * (self.shared[0] @ slopes @ self.shared[1].T)
        return self.p * self.coefficients[0][:, None, None] + covariance

    def learn(self, seen: Float[Tensor, "n k"], answers: Float[Tensor, "n t"]) -> None:
        """Take more answers into account."""
        self.moments += seen.T @ seen
        self.products += seen.T @ answers
        self.coefficients = torch.linalg.solve(self.moments, self.products)
        self.queries += len(answers)
