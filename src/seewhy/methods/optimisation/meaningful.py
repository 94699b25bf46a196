"""Meaningful perturbation: learn the smallest region that drives the prediction (Fong, Vedaldi, ICCV 2017)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from seewhy.core.arrays import Image, Images, Keep, blend
from seewhy.core.attribution import Attribution
from seewhy.core.probe import Probe
from seewhy.core.seeds import uniforms
from seewhy.core.target import Target, weight_matrix
from seewhy.infills.plain import gaussian_blur
from seewhy.methods._shared import allow, at_least, enlarge, positive, seeds
from seewhy.methods.optimisation._perturbation import Game, Learned, attribution, finding, region

Grid = Float[Tensor, "a b"]
"""The coarse ``keep`` mask that is learned."""

_RADII = 35
"""Number of radii tried for the initial disc: 0, 5, … 170 pixels for an image of 224, scaled for other sizes."""


def meaningful_perturbation(
    probe: Probe,
    targets: Sequence[Target],
    *,
    game: Game = "deletion",
    iterations: int = 300,
    cells: int = 28,
    sigma: float = 5.0,
    lambda1: float = 1e-4,
    lambda2: float = 1e-2,
    beta: float = 3.0,
    rate: float = 0.1,
    jitter: int = 4,
) -> Attribution:
    """Learn a small, smooth region whose removal lowers the probability (Fong, Vedaldi, ICCV 2017).

    Deletion minimises ``λ1 Σ(1 - m) + λ2 Σ |∇m|^β + p(y | m x + (1 - m) in-fill)`` over a coarse grid m in [0, 1], 1
    = kept; preservation minimises ``λ1 Σ m + λ2 Σ |∇m|^β - p``. Sums run over the cells; ``|∇m|² = dx² + dy²``,
    forward differences. The grid is enlarged cell by cell and blurred. The optimiser is Adam with a clip to [0, 1]
    after each step. At each step the image and the in-fill are shifted by a few pixels, while the mask stays in
    place. The start is the smallest centred disc with 99 % of the largest disc's effect. The default settings are the
    authors'. Their gradient bypasses the blur of the mask; here it passes through it.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together.
        targets: classes and contrasts; each is optimised separately.
        game: ``deletion``: the smallest region to remove; ``preservation``: the smallest to keep.
        iterations: number of Adam steps, 1 or more; the budget may reduce it.
        cells: number of cells along each side of the grid, 2 or more.
        sigma: standard deviation of the blur of the enlarged grid, pixels; 0 for none.
        lambda1: cost of a removed cell (preservation: a kept cell), in probability.
        lambda2: weight of the total variation.
        beta: exponent of the total variation.
        rate: learning rate of Adam.
        jitter: number of shifts along each axis, starting at 0 pixels; 1 for none.

    Returns:
        Maps of the fraction of each pixel that is removed (preservation: kept), 0 to 1. Findings state the effect of
        the region. The traces ``KEY: probability`` and ``KEY: area`` record the optimisation, every ten steps.

    Raises:
        RequestError: a setting is out of range, the budget does not cover the start and one step, or the classifier
            has no gradients.

    Cost: one query, and for each target ``36 + iterations`` queries with ``iterations`` backward passes.
    """
    at_least(iterations=(iterations, 1), cells=(cells, 2), sigma=(sigma, 0), jitter=(jitter, 1))
    at_least(lambda1=(lambda1, 0), lambda2=(lambda2, 0))
    positive(beta=beta, rate=rate)
    around = _RADII + 1  # queries for the start and the final evaluation
    wanted, fewest = (len(targets) * (around + steps) for steps in (iterations, 1))
    steps = allow(probe, wanted, fewest=fewest, hint="fewer targets", multiple=len(targets)) // len(targets) - around
    learned = {}
    for target, weights in zip(targets, weight_matrix(targets, probe.prediction).T, strict=True):
        task = _Task(probe, weights, game, cells, sigma, lambda1, lambda2, beta, jitter)
        learned[target.key] = task.learn(steps, rate)
    settings = {"game": game, "iterations": steps, "cells": cells, "sigma": sigma, "lambda1": lambda1}
    settings |= {"lambda2": lambda2, "beta": beta, "rate": rate, "jitter": jitter}
    unit = f"share {'removed' if game == 'deletion' else 'kept'}"
    return attribution(learned, unit, settings, reduced=steps < iterations)


def total_variation(grid: Grid, beta: float) -> Float[Tensor, ""]:
    """Sum ``(dx² + dy²)^(β/2)`` over the cells, with forward differences that are 0 at the last row and column."""
    down = functional.pad(grid.diff(dim=0), (0, 0, 0, 1))
    right = functional.pad(grid.diff(dim=1), (0, 1))
    squares = down.square() + right.square()
    return (squares.clamp(min=1e-10) ** (beta / 2)).sum()  # at 0 the gradient of the root is infinite


def discs(size: tuple[int, int], device: torch.device) -> Keep:
    """Draw centred discs with soft edges, 1 inside, of radius 0, 5, … 170 for a shorter side of 224 pixels."""
    unit = min(size) / 224
    rows, columns = (torch.arange(side, device=device) - (side - 1) / 2 for side in size)
    away = (rows[:, None].square() + columns.square()).sqrt()
    radii = 5 * unit * torch.arange(_RADII, device=device)
    return gaussian_blur((away < radii[:, None, None]).float(), 10 * unit)


@dataclass(frozen=True)
class _Task:
    """The optimisation for one target."""

    probe: Probe
    weights: Float[Tensor, " k"]
    game: Game
    cells: int
    sigma: float
    lambda1: float
    lambda2: float
    beta: float
    jitter: int

    def learn(self, steps: int, rate: float) -> Learned:
        """Optimise a grid step by step, and evaluate it with one more query."""
        traces: dict[str, list[float]] = {"probability": [], "area": []}
        grid = self._start().requires_grad_()
        optimiser = torch.optim.Adam([grid], lr=rate)
        why = None
        for number, (image, fill) in zip(range(steps), self._shifted(), strict=False):
            keep = self._enlarged(grid)
            probabilities = torch.softmax(self.probe.scores(blend(image, keep, fill)), dim=1)[0]
            score = probabilities @ self.weights.to(probabilities)
            penalty = self.lambda1 * region(grid, self.game).sum() + self.lambda2 * total_variation(grid, self.beta)
            loss = penalty + (score if self.game == "deletion" else -score)
            (grid.grad,) = self.probe.gradient(loss, [grid], 1)
            optimiser.step()
            grid.data.clamp_(0, 1)
            if number % 10 == 0:
                traces["probability"].append(score.item())
                traces["area"].append(region(keep, self.game).mean().item())
            if why := self.probe.why_stop():
                break
        keep = self._enlarged(grid.detach())
        part, now = region(keep, self.game)[0], float(self._query(keep)[0])
        sentence = finding(self.game, float(self.probe.prediction @ self.weights), now, float(part.mean()))
        return Learned(part, sentence, traces, why)

    def _start(self) -> Grid:
        """Return the smallest centred disc with 99 % of the largest disc's effect; costs `_RADII` queries."""
        keeps = region(discs(self.probe.size, self.probe.image.device), self.game)
        reached = region(self._query(keeps), self.game)
        first = int((reached - reached[0] >= 0.99 * (reached[-1] - reached[0])).nonzero()[0])
        return enlarge(keeps[first : first + 1], (self.cells, self.cells), "nearest")[0]

    def _query(self, keeps: Keep) -> Float[Tensor, " n"]:
        """Return the target's probability for each mask, without a shift."""
        fill = self.probe.fill(seeds(self.probe, 0))
        answers = [self.probe.show(blend(self.probe.image, rows, fill)) for rows in torch.split(keeps, self.probe.rows)]
        return torch.cat(answers) @ self.weights

    def _enlarged(self, grid: Grid) -> Keep:
        """Enlarge the grid to the image's size: each cell a block, then a Gaussian blur."""
        keep = enlarge(grid[None], self.probe.size, "nearest")
        return gaussian_blur(keep, self.sigma) if self.sigma else keep

    def _shifted(self) -> Iterator[tuple[Image, Images]]:
        """Yield the image and the in-fill, slightly enlarged and cropped at a random position.

        A random in-fill is redrawn each time.
        """
        height, width = self.probe.size
        margin = self.jitter if self.jitter > 1 else 0
        pair = None
        for number in count():
            own = seeds(self.probe, number)
            if pair is None or self.probe.infill.stochastic:
                pair = torch.cat([self.probe.image[None], self.probe.fill(own)])
                pair = functional.interpolate(pair, size=(height + margin, width + margin), mode="bilinear")
            top, left = (uniforms(own, 2)[0] * self.jitter).long().tolist()
            shifted = pair[:, :, top : top + height, left : left + width]
            yield shifted[0], shifted[1:]
