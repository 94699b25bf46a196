"""Meaningful perturbation for classifiers without gradients: the gradient is estimated from pairs of queries."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from seewhy.core.arrays import Keep, Seeds
from seewhy.core.attribution import Attribution
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe
from seewhy.core.seeds import derive, uniforms
from seewhy.core.target import Target, weight_matrix
from seewhy.methods.optimisation._perturbation import Game, finding, region

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
    reach: float = 0.2,
    rate: float = 0.05,
) -> Attribution:
    """Learn a small region whose removal lowers the probability, without gradients.

    Minimises ``p(y | m x + (1 - m) in-fill) + area_weight · mean(1 - m)`` over a grid m in [0, 1], 1 = kept. This is the
    objective of Fong, Vedaldi, ICCV 2017, with fewer cells and bilinear upsampling, which makes the edge penalty
    unnecessary; preservation minimises ``area_weight · mean m - p``. The gradient of p is estimated from two queries, ``Δ
    (p(m + cΔ) - p(m - cΔ)) / 2c`` with random signs Δ (simultaneous perturbation: Spall, IEEE Transactions on
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
        reach: the perturbation size c, above 0 and at most 0.5; perturbed values are clipped to [0, 1].
        rate: initial step size.

    Returns:
        Maps of the fraction of each pixel that is removed (preservation: kept), 0 to 1. Findings state the effect of
        the region. The traces ``KEY: probability`` and ``KEY: area`` record the optimisation, every ten steps.

    Raises:
        RequestError: a setting is out of range, or the budget is smaller than one step.

    Cost: one query, and for each target ``1 + 2 steps``.
    """
    for name, (value, least) in {"steps": (steps, 1), "cells": (cells, 1)}.items():
        if value < least:
            raise RequestError(f"expected {name} >= {least}, got {value}")
    if not 0 < reach <= 0.5:
        raise RequestError(f"expected reach above 0 and at most 0.5, got {reach}")
    allowed_steps = _affordable_steps(probe, steps, len(targets))
    keys, weights = [target.key for target in targets], weight_matrix(targets, probe.prediction)
    search = _Search(probe, weights.T, game, area_weight, reach)
    grids, stopped = search.learn(cells, allowed_steps, rate)
    keeps = enlarge(grids, probe.size)
    areas = region(keeps, game)
    now = search.query(grids, 0).tolist()
    shares, whole = areas.mean((1, 2)).tolist(), (probe.prediction @ weights).tolist()
    sentences = [finding(game, *row) for row in zip(whole, now, shares, strict=True)]
    return Attribution(
        dict(zip(keys, areas.cpu().numpy(), strict=True)),
        {},
        f"share {'removed' if game == 'deletion' else 'kept'}",
        {
            "game": game,
            "steps": allowed_steps,
            "cells": cells,
            "area_weight": area_weight,
            "reach": reach,
            "rate": rate,
        },
        stopped or ("queries" if allowed_steps < steps else "complete"),
        findings=tuple(f"{key}: {sentence}" for key, sentence in zip(keys, sentences, strict=True)),
        traces=search.traces(keys),
    )


def _affordable_steps(probe: Probe, steps: int, targets: int) -> int:
    """Return the number of steps available per target."""
    allowed = probe.affordable(1 + targets * (1 + 2 * steps), smallest=1 + 3 * targets, hint="fewer targets")
    allowed_steps = ((allowed - 1) // targets - 1) // 2
    probe.plan(1 + targets * (1 + 2 * allowed_steps))
    return allowed_steps


def enlarge(grids: Grids, size: tuple[int, int]) -> Keep:
    """Upsample cells to pixels, bilinearly.

    Example:
        >>> enlarge(torch.tensor([[[0.0, 1.0]] * 2]), (1, 3)).tolist()
        [[[0.0, 0.5, 1.0]]]
    """
    return functional.interpolate(grids[:, None], size=size, mode="bilinear")[:, 0]


class _Search:
    """All targets' grids, optimised in parallel, and their traces."""

    def __init__(
        self, probe: Probe, weights: Float[Tensor, "n k"], game: Game, area_weight: float, reach: float
    ) -> None:
        self.probe, self.weights, self.game, self.area_weight, self.reach = probe, weights, game, area_weight, reach
        self.seen: list[tuple[list[float], list[float]]] = []

    def learn(self, cells: int, steps: int, rate: float) -> tuple[Grids, str | None]:
        """Optimise the grids step by step; also return why it stopped if the time budget ran out first."""
        grids = self.probe.image.new_full((len(self.weights), cells, cells), 0.5)
        grids.grad = torch.empty_like(grids)
        optimiser = torch.optim.Adam([grids], lr=rate)
        sign = 1 if self.game == "deletion" else -1
        for number in range(steps):
            optimiser.param_groups[0]["lr"] = rate * (1 - 0.9 * number / steps)
            signs = ((uniforms(self._seed(number), cells**2) < 0.5).float() * 2 - 1).view(1, cells, cells)
            up, down = (self.query((grids + move * self.reach * signs).clamp(0, 1), number) for move in (1, -1))
            slope = (up - down).float()[:, None, None] * signs / (2 * self.reach)
            grids.grad.copy_(sign * (slope - self.area_weight / cells**2))
            optimiser.step()
            grids.clamp_(0, 1)
            if number % 10 == 0:
                shares = region(enlarge(grids, self.probe.size), self.game).mean((1, 2))
                self.seen.append((((up + down) / 2).tolist(), shares.tolist()))
            if why := self.probe.why_stop():
                return grids, why
        return grids, None

    def query(self, grids: Grids, number: int) -> Float[Tensor, " n"]:
        """Return the probability of each target with its own grid; both queries of a step use the same in-fill."""
        answers = self.probe(enlarge(grids, self.probe.size), self._seed(number).expand(len(grids)))
        return (answers * self.weights).sum(1)

    def _seed(self, number: int) -> Seeds:
        """Return the seed of a step."""
        return derive(self.probe.seed, torch.tensor([number], device=self.probe.image.device))

    def traces(self, keys: Sequence[str]) -> dict[str, list[float]]:
        """Return the pair's mean probability and the area for each target, every ten steps."""
        return {
            f"{key}: {name}": [seen[which][row] for seen in self.seen]
            for row, key in enumerate(keys)
            for which, name in enumerate(("probability", "area"))
        }
