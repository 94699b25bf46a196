"""RISE: randomized input sampling for explanation (Petsiuk, Das, Saenko, BMVC 2018)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.core.arrays import Keep
from seewhy.core.errors import RequestError
from seewhy.core.features import RandomGrids
from seewhy.core.maps import Maps
from seewhy.core.probe import Answers, Probe, pieces
from seewhy.core.seeds import derive
from seewhy.core.target import Target, weight_matrix

Normalisation = Literal["paper", "coverage"]


def rise(
    probe: Probe,
    targets: Sequence[Target],
    *,
    masks: int = 4000,
    p: float = 0.5,
    cells: int = 7,
    normalisation: Normalisation = "paper",
) -> Maps:
    """Keep random parts of the picture and average them, each weighted by the probability it got.

    Each query keeps a random coarse grid, enlarged smoothly and shifted. ``paper``: ``S(l) = 1/(N p) Σᵢ f(x Mᵢ) Mᵢ(l)``;
    ``coverage`` divides by ``Σᵢ Mᵢ(l)`` instead, which evens out how often a pixel was kept.

    Args:
        probe: the bound question.
        targets: classes and contrasts.
        masks: random grids; the budget may cut them short.
        p: probability that a cell is kept.
        cells: cells along each side of the grid.
        normalisation: ``paper`` or ``coverage``.

    Returns:
        Maps of the expected probability when the pixel is kept, 0 to 1 (contrasts: -1 to 1), with standard errors.

    Raises:
        RequestError: a setting is out of range, or the budget is smaller than the cells of a grid.

    Cost: ``1 + masks`` queries.
    """
    grids = RandomGrids(cells, p)
    smallest = _fewest(grids)
    if masks < smallest:
        raise RequestError(f"expected masks >= {smallest} for {cells} x {cells} cells, got {masks}")
    reach = probe.affordable(1 + masks, smallest=1 + smallest, hint="fewer cells") - 1
    probe.plan(1 + reach)
    weights = weight_matrix(targets, probe.prediction)
    sums = _Sums.zeros(len(targets), probe)
    stopped = _ask_all(probe, grids, reach, sums, weights) or ("queries" if reach < masks else "complete")
    value, error = sums.paper(p) if normalisation == "paper" else sums.coverage()
    keys = [target.key for target in targets]
    return Maps(
        dict(zip(keys, value.astype(np.float32), strict=True)),
        dict(zip(keys, error.astype(np.float32), strict=True)),
        "probability",
        {"masks": sums.queries, "p": p, "cells": cells, "normalisation": normalisation},
        stopped,
    )


def _fewest(grids: RandomGrids) -> int:
    """Fewer grids than cells cannot tell the cells apart, and one has no standard error."""
    return max(2, grids.cells**2)


def _ask_all(probe: Probe, grids: RandomGrids, reach: int, sums: "_Sums", weights: Float[Tensor, "k t"]) -> str | None:
    """Draw, ask and add up, batch by batch; say why if it stops early."""
    for start, stop in pieces(reach, probe.rows):
        seeds = derive(probe.seed, torch.arange(start, stop, device=probe.image.device))
        keep = grids.keep(seeds, *probe.size)
        sums.add(keep, probe(keep, seeds), weights)
        if _fewest(grids) <= stop < reach and (why := probe.why_stop(stop, lambda: sums.worst_error(grids.p))):
            return why
    return None


Stack = Float[Tensor, "t h w"]


@dataclass
class _Sums:
    """Running sums per pixel over the queries: of M, M², fM, fM², f²M². All that RISE remembers."""

    m: Float[Tensor, "h w"]
    mm: Float[Tensor, "h w"]
    fm: Stack
    fmm: Stack
    ffmm: Stack
    queries: int = 0

    @classmethod
    def zeros(cls, targets: int, probe: Probe) -> "_Sums":
        """Start with nothing asked."""
        flat = torch.zeros(probe.size, dtype=torch.float64, device=probe.image.device)
        stack = flat.expand(targets, -1, -1)
        return cls(flat.clone(), flat.clone(), stack.clone(), stack.clone(), stack.clone())

    def add(self, keep: Keep, answers: Answers, weights: Float[Tensor, "k t"]) -> None:
        """Add one batch."""
        m, f = keep.double(), answers @ weights
        mm = m.square()
        self.m += m.sum(0)
        self.mm += mm.sum(0)
        self.fm += torch.tensordot(f.T, m, 1)
        self.fmm += torch.tensordot(f.T, mm, 1)
        self.ffmm += torch.tensordot(f.square().T, mm, 1)
        self.queries += len(keep)

    def paper(self, p: float) -> tuple[Float[np.ndarray, "t h w"], Float[np.ndarray, "t h w"]]:
        """The paper's estimate and its standard error: a mean of N independent terms fM/p."""
        mean = self.fm / self.queries
        variance = (self.ffmm / self.queries - mean.square()).clamp(min=0) / (self.queries - 1)
        return (mean / p).cpu().numpy(), (variance.sqrt() / p).cpu().numpy()

    def coverage(self) -> tuple[Float[np.ndarray, "t h w"], Float[np.ndarray, "t h w"]]:
        """The self-normalised estimate and its standard error: a ratio of sums, to first order (delta method)."""
        ratio = self.fm / self.m
        residuals = (self.ffmm - 2 * ratio * self.fmm + ratio.square() * self.mm).clamp(min=0)
        return ratio.cpu().numpy(), (residuals.sqrt() / self.m).cpu().numpy()

    def worst_error(self, p: float) -> float:
        """The root mean square of the standard error over the map, for the target where it is largest."""
        return float(np.sqrt((self.paper(p)[1] ** 2).mean((1, 2))).max())
