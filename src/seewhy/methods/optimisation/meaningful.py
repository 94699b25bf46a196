"""Meaningful perturbation: learn the smallest region that drives the prediction (Fong, Vedaldi, ICCV 2017)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from seewhy.core.arrays import Image, Images, Keep, Seeds, blend
from seewhy.core.attribution import Attribution, as_map
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe
from seewhy.core.seeds import derive, uniforms
from seewhy.core.target import Target, weight_matrix
from seewhy.infills.plain import gaussian_blur
from seewhy.methods.optimisation._perturbation import Game, finding, region

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
    top: int = 0,
) -> Attribution:
    """Learn a small, smooth region whose removal lowers the probability (Fong, Vedaldi, ICCV 2017).

    Deletion minimises ``λ1 Σ(1 - m) + λ2 Σ |∇m|^β + p(y | m x + (1 - m) in-fill)`` over a coarse grid m in [0, 1], 1
    = kept; preservation minimises ``λ1 Σ m + λ2 Σ |∇m|^β - p``. Sums run over the cells; ``|∇m|² = dx² + dy²``,
    forward differences. The grid is enlarged cell by cell and blurred. The optimiser is Adam with a clip to [0, 1]
    after each step. At each step the image and the in-fill are shifted by a few pixels, while the mask stays in
    place. The start is the smallest centred disc with 99 % of the largest disc's effect. The default settings are the
    authors'. Their gradient bypasses the blur of the mask; here it passes through it. Their localisation settings are
    ``lambda1=1e-3,beta=2,top=5``.

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
        top: explain the summed probability of this many most probable classes instead of the target; 0: explain the
            target.

    Returns:
        Maps of the fraction of each pixel that is removed (preservation: kept), 0 to 1. Findings state the effect of
        the region. The traces ``KEY: probability`` and ``KEY: area`` record the optimisation, every ten steps.

    Raises:
        RequestError: a setting is out of range, the budget does not cover the start and one step, or the classifier
            has no gradients.

    Cost: one query, and for each target ``36 + iterations`` queries with ``iterations`` backward passes.
    """
    _check(iterations, cells, sigma, jitter, top)
    steps = _steps(probe, iterations, len(targets))
    columns = weight_matrix(targets, probe.prediction).T
    if top > len(probe.prediction):
        raise RequestError(f"expected top <= {len(probe.prediction)} classes, got {top}")
    if top:
        columns = (probe.prediction >= probe.prediction.topk(top).values[-1]).to(columns).expand_as(columns)
    values, findings, stopped = {}, [], None
    traces: dict[str, list[float]] = {}
    for target, weights in zip(targets, columns, strict=True):
        task = _Task(probe, weights, game, cells, sigma, lambda1, lambda2, beta, jitter)
        learned, why = task.learn(task.start(), steps, rate)
        stopped = stopped or why
        values[target.key] = as_map(region(task.enlarge(learned)[0], game))
        findings.append(f"{target.key}: {task.finding(learned)}")
        traces |= {f"{target.key}: {name}": trace for name, trace in task.traces.items()}
    settings = {
        "game": game,
        "iterations": steps,
        "cells": cells,
        "sigma": sigma,
        "lambda1": lambda1,
        "lambda2": lambda2,
    }
    return Attribution(
        values,
        {},
        f"share {'removed' if game == 'deletion' else 'kept'}",
        {**settings, "beta": beta, "rate": rate, "jitter": jitter, "top": top},
        stopped or ("queries" if steps < iterations else "complete"),
        findings=tuple(findings),
        traces=traces,
    )


def _check(iterations: int, cells: int, sigma: float, jitter: int, top: int) -> None:
    """Reject settings that are out of range."""
    least = {
        "iterations": (iterations, 1),
        "cells": (cells, 2),
        "sigma": (sigma, 0),
        "jitter": (jitter, 1),
        "top": (top, 0),
    }
    for name, (value, smallest) in least.items():
        if not value >= smallest:
            raise RequestError(f"expected {name} >= {smallest}, got {value}")


def _steps(probe: Probe, iterations: int, targets: int) -> int:
    """Return the number of steps available per target, besides the queries for the start and the final evaluation."""
    around = _RADII + 1
    wanted, least = (1 + targets * (around + steps) for steps in (iterations, 1))
    reach = probe.affordable(wanted, smallest=least, hint="fewer targets")
    steps = (reach - 1) // targets - around
    probe.plan(1 + targets * (around + steps))
    return steps


def total_variation(grid: Grid, beta: float) -> Float[Tensor, ""]:
    """Sum ``(dx² + dy²)^(β/2)`` over the cells, with forward differences that are 0 at the last row and column.

    Example:
        >>> total_variation(torch.tensor([[0.0, 1.0], [0.0, 1.0]]), 3.0).item()
        2.0
    """
    down = functional.pad(grid.diff(dim=0), (0, 0, 0, 1))
    right = functional.pad(grid.diff(dim=1), (0, 1))
    squares = down.square() + right.square()
    return (squares.clamp(min=1e-10) ** (beta / 2)).sum()  # at 0 the gradient of the root is infinite


def discs(size: tuple[int, int], device: torch.device) -> Keep:
    """Draw centred discs with soft edges, 1 inside, of radius 0, 5, … 170 for a shorter side of 224 pixels.

    Returns:
        ``(35, h, w)``.

    Example:
        >>> discs((8, 8), torch.device("cpu"))[0].max().item()
        0.0
    """
    unit = min(size) / 224
    rows, columns = (torch.arange(side, device=device) - (side - 1) / 2 for side in size)
    away = (rows[:, None].square() + columns.square()).sqrt()
    radii = 5 * unit * torch.arange(_RADII, device=device)
    return gaussian_blur((away < radii[:, None, None]).float(), 10 * unit)


@dataclass
class _Task:
    """The optimisation for one target, and its traces."""

    probe: Probe
    weights: Float[Tensor, " k"]
    game: Game
    cells: int
    sigma: float
    lambda1: float
    lambda2: float
    beta: float
    jitter: int
    traces: dict[str, list[float]] = field(default_factory=lambda: {"probability": [], "area": []})

    def enlarge(self, grid: Grid) -> Keep:
        """Enlarge the grid to the image's size: each cell a block, then a Gaussian blur."""
        keep = functional.interpolate(grid[None, None], size=self.probe.size, mode="nearest")[0]
        return gaussian_blur(keep, self.sigma) if self.sigma else keep

    def start(self) -> Grid:
        """Return the smallest centred disc with 99 % of the largest disc's effect; costs `_RADII` queries."""
        keeps = region(discs(self.probe.size, self.probe.image.device), self.game)
        reached = region(self.query(keeps), self.game)
        first = int((reached - reached[0] >= 0.99 * (reached[-1] - reached[0])).nonzero()[0])
        return functional.interpolate(keeps[None, first : first + 1], size=(self.cells,) * 2, mode="nearest")[0, 0]

    def query(self, keeps: Keep) -> Float[Tensor, " n"]:
        """Return the target's probability for each mask, without a shift."""
        answers = [
            self.probe.show(blend(self.probe.image, rows, self.probe.fill(self._seed(0))))
            for rows in torch.split(keeps, self.probe.rows)
        ]
        return torch.cat(answers) @ self.weights

    def learn(self, start: Grid, steps: int, rate: float) -> tuple[Grid, str | None]:
        """Optimise a grid step by step; also return why it stopped if the time budget ran out first."""
        grid = start.clone().requires_grad_()
        optimiser = torch.optim.Adam([grid], lr=rate)
        for number, (image, fill) in zip(range(steps), self._shifted(), strict=False):
            keep = self.enlarge(grid)
            probabilities = torch.softmax(self.probe.scores(blend(image, keep, fill)), dim=1)[0]
            score = probabilities @ self.weights.to(probabilities)
            penalty = self.lambda1 * region(grid, self.game).sum() + self.lambda2 * total_variation(grid, self.beta)
            (grid.grad,) = self.probe.gradient(penalty + (score if self.game == "deletion" else -score), [grid], 1)
            optimiser.step()
            grid.data.clamp_(0, 1)
            if number % 10 == 0:
                self.traces["probability"].append(score.item())
                self.traces["area"].append(region(keep, self.game).mean().item())
            if why := self.probe.why_stop():
                return grid.detach(), why
        return grid.detach(), None

    def _shifted(self) -> Iterator[tuple[Image, Images]]:
        """Yield the image and the in-fill, slightly enlarged and cropped at a random position.

        A random in-fill is redrawn each time.
        """
        height, width = self.probe.size
        margin = self.jitter if self.jitter > 1 else 0
        pair = None
        for number in count():
            if pair is None or self.probe.infill.stochastic:
                pair = torch.cat([self.probe.image[None], self.probe.fill(self._seed(number))])
                pair = functional.interpolate(pair, size=(height + margin, width + margin), mode="bilinear")
            top, left = (uniforms(self._seed(number), 2)[0] * self.jitter).long().tolist()
            shifted = pair[:, :, top : top + height, left : left + width]
            yield shifted[0], shifted[1:]

    def _seed(self, number: int) -> Seeds:
        """Return the seed of a step."""
        return derive(self.probe.seed, torch.tensor([number], device=self.probe.image.device))

    def finding(self, grid: Grid) -> str:
        """State the effect of the learned region; costs one query."""
        keep = self.enlarge(grid)
        share = float(region(keep, self.game).mean())
        return finding(self.game, float(self.probe.prediction @ self.weights), float(self.query(keep)[0]), share)
