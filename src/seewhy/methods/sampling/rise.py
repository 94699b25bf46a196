"""RISE: randomized input sampling for explanation (Petsiuk, Das, Saenko, BMVC 2018), with anytime standard errors."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from seewhy.core.arrays import Seeds
from seewhy.core.attribution import Attribution, worst_error
from seewhy.core.errors import RequestError
from seewhy.core.features import Grids, RandomGrids, Sampling
from seewhy.core.probe import Answers, Probe, pieces
from seewhy.core.seeds import derive
from seewhy.core.target import Target, weight_matrix
from seewhy.methods._shared import allow, name_maps, stop_reason
from seewhy.methods.sampling._surrogate import Surrogate

Normalisation = Literal["regression", "coverage", "paper"]

LATTICE = 512
"""Most points along each side at which sums are kept; the map is interpolated between them. It is smooth: by default
there are 73 points per cell.
"""

_STEP = 16
"""Grids between two updates of the surrogate, whatever the batch size."""


def rise(
    probe: Probe,
    targets: Sequence[Target],
    *,
    masks: int = 4000,
    p: float = 0.5,
    cells: int = 7,
    normalisation: Normalisation = "regression",
    sampling: Sampling = "antithetic",
) -> Attribution:
    """Average random masks of the image, each weighted by the class probability of the masked image.

    Each query keeps a random coarse grid, enlarged smoothly and shifted. The map is ``S(l) = E[f(x M) M(l)] / p``.
    All estimators are a ratio of two sums over the queries. ``paper``: ``Σ f M(l) / Σ p``. ``coverage``: ``Σ f M(l) /
    Σ M(l)``, which corrects for how often a pixel was kept. ``regression`` (the default): ``Σ w ((f - h) M(l) + E[h
    M(l)]) / Σ w p`` with a linear surrogate h learned from the earlier queries; it is unbiased and has the smallest
    error.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together.
        targets: classes and contrasts.
        masks: number of random masks; the budget may reduce it.
        p: probability that a cell is kept.
        cells: number of cells along each side of the grid.
        normalisation: ``regression``, ``coverage`` or ``paper``.
        sampling: ``antithetic`` (pairs of complements) or ``independent``, as in the paper.

    Returns:
        Maps of the expected probability given that the pixel is kept, 0 to 1 (contrasts: -1 to 1) up to noise.
        Standard errors are estimated from the variation between pairs or single masks. ``coverage`` gives NaN
        where a pixel was never kept.

    Raises:
        RequestError: a setting is out of range, or the budget is smaller than the number of cells in a grid.

    Cost: ``1 + masks`` queries.
    """
    grids = RandomGrids(cells, p, sampling)
    smallest = _fewest(grids)
    if masks < smallest:
        raise RequestError(f"expected masks >= {smallest} for {cells} x {cells} cells and {sampling}, got {masks}")
    allowed = allow(probe, masks, fewest=smallest, hint="fewer cells")
    estimator = _Estimator.start(probe, grids, len(targets), normalisation)
    why = _query_all(probe, grids, allowed, estimator, weight_matrix(targets, probe.prediction))
    return Attribution(
        name_maps(targets, _enlarged(estimator.ratio.value(), probe.size)),
        name_maps(targets, _enlarged(estimator.ratio.error(), probe.size)),
        "probability",
        {"masks": estimator.asked, "p": p, "cells": cells, "normalisation": normalisation, "sampling": sampling},
        stop_reason(why, allowed, masks),
    )


def _fewest(grids: RandomGrids) -> int:
    """Return the minimum number of masks: one per cell, to separate the cells, and two draws, for a standard error."""
    return max(2 * grids.together, grids.cells**2)


def _query_all(
    probe: Probe, grids: RandomGrids, allowed: int, estimator: "_Estimator", weights: Float[Tensor, "k t"]
) -> str | None:
    """Draw, query and accumulate, piece by piece; return why it stopped if it stopped early."""
    for start, stop in pieces(allowed, max(_STEP, probe.rows // _STEP * _STEP)):
        numbers = torch.arange(start, stop, device=probe.image.device)
        drawn = grids.draw(probe.seed, numbers)
        answers = _query(probe, drawn, derive(probe.seed, numbers)) @ weights
        for rows in torch.split(torch.arange(stop - start, device=numbers.device), _STEP):
            estimator.add(drawn[rows], answers[rows])
        if _fewest(grids) <= stop < allowed and (why := probe.why_stop(estimator.ratio.worst_error, done=stop)):
            return why
    return None


def _query(probe: Probe, drawn: Grids, seeds: Seeds) -> Answers:
    """Query each grid, with at most as many masks at full size at once as the probe allows."""
    rows = torch.split(torch.arange(len(seeds), device=seeds.device), probe.rows)
    return torch.cat([probe(drawn[some].keep(*probe.size), seeds[some]) for some in rows])


Stack = Float[Tensor, "t h w"]
Level = Float[Tensor, "#t #h #w"]


@dataclass
class _Estimator:
    """Accumulates the two sums whose ratio is the map; individual queries are not stored."""

    grids: RandomGrids
    size: tuple[int, int]
    rows: Float[Tensor, " h"]
    columns: Float[Tensor, " w"]
    normalisation: Normalisation
    surrogate: Surrogate | None
    ratio: "_Ratio"
    asked: int = 0

    @classmethod
    def start(cls, probe: Probe, grids: RandomGrids, targets: int, normalisation: Normalisation) -> "_Estimator":
        """Start without queries."""
        points = partial(torch.linspace, 0, dtype=torch.float64, device=probe.image.device)
        rows, columns = (points(side - 1, steps=min(side, LATTICE)) for side in probe.size)
        surrogate = Surrogate.start(grids, probe.size, rows, columns, targets)
        learned = surrogate if normalisation == "regression" else None
        sums = rows.new_zeros(3, targets, len(rows), len(columns))
        below = rows.new_zeros(2, 1, *(sums.shape[2:] if normalisation == "coverage" else (1, 1)))
        return cls(grids, probe.size, rows, columns, normalisation, learned, _Ratio(*sums, *below))

    def add(self, drawn: Grids, answers: Float[Tensor, "n t"]) -> None:
        """Add a few grids and the outputs for them; a pair counts as one term."""
        keep = drawn.at(self.rows, self.columns, *self.size)
        factors, constant, weight = answers, answers.new_zeros(()), 1.0
        if self.surrogate is not None:
            seen = self.surrogate.features(drawn)
            factors, weight = answers - self.surrogate.predict(seen), self.surrogate.weight
            constant = self.surrogate.expected()
            self.surrogate.learn(seen, answers)
        for some in torch.split(torch.arange(len(keep), device=keep.device), self.grids.together):
            numerator = torch.tensordot(factors[some].T, keep[some], 1) + len(some) * constant
            kept = (
                keep[some].sum(0, keepdim=True)
                if self.normalisation == "coverage"
                else keep.new_full((1, 1, 1), self.grids.p * len(some))
            )
            self.ratio.add(weight * numerator, weight * kept)
        self.asked += len(answers)


@dataclass
class _Ratio:
    """A ratio of two sums over independent terms, with its standard error by the delta method."""

    y: Stack
    yy: Stack
    yd: Stack
    d: Level
    dd: Level
    terms: int = 0

    def add(self, y: Stack, d: Level) -> None:
        """Add one term to both sums."""
        self.y += y
        self.yy += y.square()
        self.yd += y * d
        self.d += d
        self.dd += d.square()
        self.terms += 1

    def value(self) -> Stack:
        """Return the ratio."""
        return self.y / self.d

    def error(self) -> Stack:
        """Return the standard error of the ratio, from the variation of ``y - ratio d`` between terms."""
        ratio = self.value()
        scatter = (self.yy - 2 * ratio * self.yd + ratio.square() * self.dd).clamp(min=0)
        return (scatter * (self.terms / (self.terms - 1))).sqrt() / self.d

    def worst_error(self) -> float:
        """Return the largest relative error of the maps."""
        return worst_error(self.value().cpu().numpy(), self.error().cpu().numpy())


def _enlarged(stack: Stack, size: tuple[int, int]) -> Float[Tensor, "t height width"]:
    """Upsample maps from the lattice to the image's size; maps of that size are unchanged."""
    if stack.shape[1:] == size:
        return stack
    return functional.interpolate(stack.float()[None], size=size, mode="bilinear", align_corners=True)[0]
