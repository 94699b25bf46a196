"""A linear model of the outputs for random grids, whose contribution to a RISE map is known in closed form.

It is a control variate (in survey sampling, the regression or difference estimator: Särndal, Swensson, Wretman,
1992). What the model explains needs no sampling, because the covariance of two pixels' ``keep`` is known in closed
form. Only the unexplained rest is estimated. The model is learned from queries before those that it is applied to, so
the estimate is unbiased.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.core.features import Grids, RandomGrids

_SIDE = 12
"""Most points of the model along each side: more could not be learned from a few thousand queries."""


@dataclass(eq=False)
class Surrogate:
    """Ridge regression of the outputs on how much each point of a coarse lattice was kept.

    The lattice has one more point per side than there are cells, because the grids are shifted. ``shared`` holds the
    covariance factors between each row (column) of the map and of the lattice (`RandomGrids.overlap`). ``moments`` is
    ``Σ x xᵀ`` over the queries, x = (1, kept - p at each point), plus the ridge; ``products`` is ``Σ x f``. The
    coefficients are 0 before the first query.
    """

    p: float
    size: tuple[int, int]
    points: tuple[Float[Tensor, " a"], Float[Tensor, " b"]]
    shared: tuple[Float[Tensor, "h a"], Float[Tensor, "w b"]]
    moments: Float[Tensor, "k k"]
    products: Float[Tensor, "k t"]
    coefficients: Float[Tensor, "k t"]
    queries: int = 0

    @classmethod
    def start(
        cls,
        grids: RandomGrids,
        size: tuple[int, int],
        rows: Float[Tensor, " h"],
        columns: Float[Tensor, " w"],
        targets: int,
    ) -> "Surrogate":
        """Create an untrained model; ``rows`` and ``columns`` are the positions at which the map is evaluated.

        The ridge is worth half as many queries as there are points, in the metric of the grids' covariance.
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
        moments.diagonal().add_(1e-9)  # points of a tiny image may coincide
        products = rows.new_zeros(1 + count, targets)
        pairs = (points[0], points[1]), (shared[0], shared[1])
        return cls(grids.p, size, *pairs, moments, products, torch.zeros_like(products))

    @property
    def weight(self) -> float:
        """The weight of the next queries: the error of a model with k coefficients falls like 1 + k / queries."""
        return (self.queries + 1) / (self.queries + 1 + len(self.moments))

    def features(self, drawn: Grids) -> Float[Tensor, "n k"]:
        """Return the features of grids: (1, kept - p at each point)."""
        kept = drawn.at(*self.points, *self.size).flatten(1) - self.p
        return torch.cat([kept.new_ones(len(kept), 1), kept], dim=1)

    def predict(self, seen: Float[Tensor, "n k"]) -> Float[Tensor, "n t"]:
        """Predict the outputs."""
        return seen @ self.coefficients

    def expected(self) -> Float[Tensor, "t h w"]:
        """Return ``E[h M(l)]`` over all grids: ``p`` times the mean of h, plus the covariance of h with ``M(l)``."""
        side = len(self.points[0])
        slopes = self.coefficients[1:].T.reshape(-1, side, side)
        covariance = self.p * (1 - self.p) * (self.shared[0] @ slopes @ self.shared[1].T)
        return self.p * self.coefficients[0][:, None, None] + covariance

    def learn(self, seen: Float[Tensor, "n k"], answers: Float[Tensor, "n t"]) -> None:
        """Update the model with more outputs."""
        self.moments += seen.T @ seen
        self.products += seen.T @ answers
        self.coefficients = torch.linalg.solve(self.moments, self.products)
        self.queries += len(answers)
