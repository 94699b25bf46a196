"""Meaningful perturbation for classifiers without gradients: the gradient is estimated from pairs of queries."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.core.arrays import Keep
from seewhy.core.attribution import Attribution
from seewhy.core.probe import Probe
from seewhy.core.seeds import uniforms
from seewhy.core.target import Target, weight_matrix
from seewhy.methods._shared import allow, at_least, enlarge, positive, seeds
from seewhy.methods.optimisation._perturbation import Game, Learned, attribution, finding, region

_REACH = 0.2
"""Size of the perturbations from which the gradient is estimated; perturbed values are clipped to [0, 1]."""

Grids = Float[Tensor, "n c c"]
"""A coarse ``keep`` mask for each target."""


def meaningful_black_box(
    probe: Probe,
    targets: Sequence[Target],
    *,
    game: Game = "deletion",
    steps: int = 500,
    cells: int = 7,
    area_weight: float = 0.784,
    rate: float = 0.05,
) -> Attribution:
    """Learn a small region whose removal lowers the probability, without gradients.

    Minimises ``p(y | m x + (1 - m) in-fill) + area_weight · mean(1 - m)`` over a grid m in [0, 1], 1 = kept. This is the
    objective of Fong, Vedaldi, ICCV 2017, with fewer cells and bilinear upsampling, which makes the edge penalty
    unnecessary; preservation minimises ``area_weight · mean m - p``. The gradient of p is estimated from two queries, ``Δ
    (p(m + cΔ) - p(m - cΔ)) / 2c`` with c = 0.2 and random signs Δ (simultaneous perturbation: Spall, IEEE Transactions on
    Automatic Control 37, 1992). Adam follows it, with a step size that decays to a tenth and a clip to [0, 1].

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together.
        targets: classes and contrasts; each is optimised separately.
        game: ``deletion``: the smallest region to remove; ``preservation``: the smallest to keep.
        steps: pairs of queries for each target, 1 or more; the budget may reduce it.
        cells: number of cells along each side of the grid, 1 or more.
        area_weight: cost of removing (preservation: keeping) the full image, in probability. The default equals 28 x 28
            cells at 0.001 each, the authors' localisation setting; at their usual 0.0001 the cost would be lost in
            the noise of the gradient.
        rate: initial step size.

    Returns:
        Maps of the fraction of each pixel that is removed (preservation: kept), 0 to 1. Findings state the effect of
        the region. The traces ``KEY: probability`` and ``KEY: area`` record the optimisation, every ten steps.

    Raises:
        RequestError: a setting is out of range, or the budget is smaller than one step.

    Cost: one query, and for each target ``1 + 2 steps``.
    """
    at_least(steps=(steps, 1), cells=(cells, 1), area_weight=(area_weight, 0))
    positive(rate=rate)
    pair = 2 * len(targets)
    final = 1 + len(targets)  # one query for the prediction, and one for each learned region
    made = allow(probe, pair * steps, fewest=pair, hint="fewer targets", first=final, multiple=pair) // pair
    search = _Search(probe, weight_matrix(targets, probe.prediction).T, game, area_weight)
    learned = search.learn(cells, made, rate)
    settings = {"game": game, "steps": made, "cells": cells, "area_weight": area_weight, "rate": rate}
    unit = f"share {'removed' if game == 'deletion' else 'kept'}"
    keys = [target.key for target in targets]
    return attribution(dict(zip(keys, learned, strict=True)), unit, settings, reduced=made < steps)


@dataclass(frozen=True)
class _Search:
    """The optimisation of all targets' grids, in parallel."""

    probe: Probe
    weights: Float[Tensor, "n k"]
    game: Game
    area_weight: float

    def learn(self, cells: int, steps: int, rate: float) -> list[Learned]:
        """Optimise the grids step by step, and evaluate each with one more query."""
        grids = self.probe.image.new_full((len(self.weights), cells, cells), 0.5)
        grids.grad = torch.empty_like(grids)
        optimiser = torch.optim.Adam([grids], lr=rate)
        traces: list[dict[str, list[float]]] = [{"probability": [], "area": []} for _ in grids]
        stopped = None
        for number in range(steps):
            optimiser.param_groups[0]["lr"] = rate * (1 - 0.9 * number / steps)
            now, slope = self._estimate(grids, number)
            grids.grad.copy_((1 if self.game == "deletion" else -1) * (slope - self.area_weight / cells**2))
            optimiser.step()
            grids.clamp_(0, 1)
            if number % 10 == 0:
                for trace, probability, part in zip(traces, now.tolist(), self._parts(grids), strict=True):
                    trace["probability"].append(probability)
                    trace["area"].append(float(part.mean()))
            if stopped := self.probe.why_stop():
                break
        after, before = self._query(grids, 0).tolist(), (self.weights @ self.probe.prediction).tolist()
        return [
            Learned(part, finding(self.game, whole, now, float(part.mean())), trace, stopped)
            for part, whole, now, trace in zip(self._parts(grids), before, after, traces, strict=True)
        ]

    def _estimate(self, grids: Grids, number: int) -> tuple[Float[Tensor, " n"], Grids]:
        """Return the probabilities and their gradient, estimated from two queries with opposite random signs."""
        cells = grids.shape[1]
        signs = ((uniforms(seeds(self.probe, number), cells**2) < 0.5).float() * 2 - 1).view(1, cells, cells)
        up, down = (self._query((grids + move * _REACH * signs).clamp(0, 1), number) for move in (1, -1))
        return (up + down) / 2, (up - down).float()[:, None, None] * signs / (2 * _REACH)

    def _query(self, grids: Grids, number: int) -> Float[Tensor, " n"]:
        """Return the probability of each target with its own grid; both queries of a step use the same in-fill."""
        answers = self.probe(enlarge(grids, self.probe.size), seeds(self.probe, number).expand(len(grids)))
        return (answers * self.weights).sum(1)

    def _parts(self, grids: Grids) -> Keep:
        """Return the learned regions at the image's size."""
        return region(enlarge(grids, self.probe.size), self.game)
