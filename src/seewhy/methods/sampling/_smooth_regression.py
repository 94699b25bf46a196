"""Bayesian linear regression with a smooth prior on a lattice, fed by running sums and read out at any time.

The observations are half differences of complementary queries, in which everything that the two have in common cancels:
the level of the score, and whatever depends only on how much is kept.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.methods.sampling._soft_grids import Lattice

LENGTHS = (1.5, 2.5, 4.0)
"""Correlation lengths of the prior that are tried, in distances between lattice points."""

RATIOS = tuple(10.0 ** (power / 4) for power in range(-16, 17))
"""Signal-to-noise ratios of the prior that are tried: mean variance of the score over that of the noise."""

LEVEL = 3.0
"""Prior standard deviation of the level of a map, in those of its deviations from it."""

_NEGLIGIBLE = 1e-9
"""Components of the prior with less variance than this fraction of the largest are left out."""


@dataclass(eq=False)
class Sums:
    """Running sums of products over pairs of queries: x, how much each lattice point is kept, and y, the scores.

    ``xx`` is ``Σ x xᵀ``, ``xy`` is ``Σ x yᵀ``, one column per target, and ``yy`` is ``Σ y²``. Memory does not grow with
    the number of pairs.
    """

    xx: Float[Tensor, "m m"]
    xy: Float[Tensor, "m t"]
    yy: Float[Tensor, " t"]
    pairs: int = 0

    @classmethod
    def start(cls, points: int, targets: int, device: torch.device) -> "Sums":
        """Start without queries."""
        sums = torch.zeros(1 + points, points + targets, dtype=torch.float64, device=device)
        return cls(sums[1:, :points], sums[1:, points:], sums[0, points:])

    def add(self, x: Float[Tensor, "n m"], y: Float[Tensor, "n t"]) -> None:
        """Add queries, each followed by its complement."""
        dx, dy = (x[0::2] - x[1::2]) / 2, (y[0::2] - y[1::2]) / 2
        self.xx += dx.T @ dx
        self.xy += dx.T @ dy
        self.yy += dy.square().sum(0)
        self.pairs += len(dx)


@dataclass(frozen=True, eq=False)
class Posterior:
    """What is known about one map: a normal distribution of its values at the points of a lattice.

    Args:
        lattice: the points.
        mean: value of each point, score per pixel.
        factor: ``factor @ factor.T`` is the covariance of these values.
    """

    lattice: Lattice
    mean: Float[Tensor, " m"]
    factor: Float[Tensor, "m r"]

    def values(self) -> Float[Tensor, "h w"]:
        """Return the map: evidence per pixel."""
        return self.lattice.draw(self.mean)

    def error(self) -> Float[Tensor, "h w"]:
        """Return the standard error of each pixel."""
        return self.lattice.variance(self.factor @ self.factor.T).sqrt()

    def region(self, weights: Float[Tensor, "h w"]) -> tuple[float, float]:
        """Return the evidence of a region, the sum of the map over it, and its standard error.

        Args:
            weights: 1 inside the region and 0 outside, or fractions; with -1 for another region, the difference of the two.
        """
        share = self.lattice.collect(weights.double())
        return float(share @ self.mean), float((share @ self.factor).norm())


def posteriors(sums: Sums, lattice: Lattice) -> Iterator[Posterior]:
    """Yield the posterior of each target.

    The prior of a map is a Gaussian process with mean 0 and covariance ``s² (LEVEL² + exp(-d² / (2 l²)))``. The result is
    the mean over all lengths l and variances s², weighted by the marginal likelihood of the target's own scores; its
    covariance includes the differences between them. The variance of the noise is integrated out, under Jeffreys' prior.
    """
    priors = [_Prior.solve(sums, lattice, length) for length in LENGTHS]
    for target in range(len(sums.yy)):
        fits = [prior.fit(sums.xy[:, target], sums.yy[target]) for prior in priors]
        weights = torch.cat([fit.likelihoods for fit in fits]).softmax(0)
        means = torch.cat([fit.means for fit in fits], 1)
        mean = means @ weights
        spreads = (weight @ fit.spreads for weight, fit in zip(torch.split(weights, len(RATIOS)), fits, strict=True))
        within = (prior.axes * spread.sqrt() for prior, spread in zip(priors, spreads, strict=True))
        yield Posterior(lattice, mean, torch.cat([*within, (means - mean[:, None]) * weights.sqrt()], 1))


class _Fit(NamedTuple):
    """The posterior of one target under a prior of one length, for each signal-to-noise ratio."""

    likelihoods: Float[Tensor, " s"]
    means: Float[Tensor, "m s"]
    spreads: Float[Tensor, "s r"]


@dataclass(frozen=True, eq=False)
class _Prior:
    """A prior of one length, in the coordinates in which its components are independent, a priori and a posteriori.

    ``axes`` are the components at the lattice points, with variance 1; ``seen`` is the sum over the pairs of the square of
    each one's effect on the score; ``ratios`` are the variances that are tried, in those of the noise.
    """

    axes: Float[Tensor, "m r"]
    seen: Float[Tensor, " r"]
    ratios: Float[Tensor, " s"]
    pairs: int

    @classmethod
    def solve(cls, sums: Sums, lattice: Lattice, length: float) -> "_Prior":
        """Find the coordinates, by an eigendecomposition that serves all targets and signal-to-noise ratios."""
        local = _root(lattice, length)
        ratios = torch.tensor(RATIOS).to(local) * sums.pairs / (local.T @ sums.xx @ local).trace()
        root = torch.cat([local, torch.full_like(local[:, :1], LEVEL)], 1)
        seen, turn = torch.linalg.eigh(root.T @ sums.xx @ root)
        return cls(root @ turn, seen.clamp(min=0), ratios, sums.pairs)

    def fit(self, xy: Float[Tensor, " m"], yy: Float[Tensor, ""]) -> _Fit:
        """Return the posterior of a target, and the log marginal likelihoods up to a constant."""
        effect = self.axes.T @ xy
        shrink = 1 + self.ratios[:, None] * self.seen
        gains = self.ratios[:, None] / shrink
        left = (yy - gains @ effect.square()).clamp(min=torch.finfo(xy.dtype).tiny)
        likelihoods = -(self.pairs * left.log() + shrink.log().sum(1)) / 2
        return _Fit(likelihoods, self.axes @ (gains * effect).T, gains * (left / (self.pairs - 2))[:, None])


def _root(lattice: Lattice, length: float) -> Float[Tensor, "m r"]:
    """Return a square root of the correlation between the lattice points, of as few columns as it needs."""
    (down, tall), (across, wide) = (_components(axis.shape[1], length, axis) for axis in (lattice.down, lattice.across))
    variance = torch.outer(down, across).flatten()
    return (torch.kron(tall, wide) * variance.sqrt())[:, variance > _NEGLIGIBLE * variance.max()]


def _components(points: int, length: float, like: Tensor) -> tuple[Float[Tensor, " a"], Float[Tensor, "a a"]]:
    """Return the variances and directions of the independent components of the prior along one axis."""
    place = torch.arange(points, dtype=like.dtype, device=like.device) / length
    variance, directions = torch.linalg.eigh((-(place[:, None] - place).square() / 2).exp())
    return variance.clamp(min=0), directions
