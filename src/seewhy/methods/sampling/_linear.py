"""Weighted least squares of the outputs on which segments were kept, with errors robust to model misspecification."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Fit:
    """Coefficients of a linear model, and what each independent group of queries contributes to their errors."""

    slopes: Float[Tensor, "k t"]
    influence: Float[Tensor, "p k t"]

    def through(self, change: Float[Tensor, "m k"]) -> "Fit":
        """Return the fit of ``change @ slopes``."""
        return Fit(change @ self.slopes, torch.einsum("mk,pkt->pmt", change, self.influence))

    def errors(self) -> Float[Tensor, "k t"]:
        """Standard errors: the root of the sum of squares over the groups."""
        return self.influence.square().sum(0).sqrt()

    def covariance(self, target: int) -> Float[Tensor, "k k"]:
        """Return the covariance matrix of the coefficients for one target."""
        return self.influence[:, :, target].T @ self.influence[:, :, target]


def least_squares(
    x: Float[Tensor, "n k"],
    y: Float[Tensor, "n t"],
    weights: Float[Tensor, " n"],
    ridge: Float[Tensor, " k"],
    groups: Int[Tensor, " n"],
) -> Fit:
    """Solve ``min Σ w (y - x b)² + Σ ridge b²`` in float64.

    The errors are the Huber-White sandwich estimator, clustered by groups (Liang, Zeger, Biometrika, 1986): they hold
    whether or not the outputs are linear in x. They are multiplied by ``sqrt(p / (p - degrees of freedom))`` for p
    groups, because the model was fitted to the same outputs.
    Queries of the same group depend on each other.
    """
    weighted = x * weights[:, None]
    gram = weighted.T @ x
    inverse = torch.linalg.pinv(gram + torch.diag(ridge), hermitian=True)
    slopes = inverse @ (weighted.T @ y)
    moves = torch.einsum("nk,nt->nkt", weighted, y - x @ slopes)
    count = int(groups.max()) + 1 if len(groups) else 0
    summed = moves.new_zeros(count, *moves.shape[1:]).index_add_(0, groups, moves)
    spare = max(1.0, count - float((inverse * gram).sum()))
    return Fit(slopes, torch.einsum("jk,pkt->pjt", inverse, summed) * (count / spare) ** 0.5)
