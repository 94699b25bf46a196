"""Meaningful perturbation: learn the smallest region that the answer hangs on (Fong, Vedaldi, ICCV 2017)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from seewhy.core.arrays import Image, Images, Keep, Seeds, blend
from seewhy.core.errors import RequestError
from seewhy.core.maps import Maps, as_map
from seewhy.core.probe import Probe
from seewhy.core.seeds import derive, uniforms
from seewhy.core.target import Target, weight_matrix
from seewhy.infills.plain import gaussian_blur

Game = Literal["deletion", "preservation"]

Grid = Float[Tensor, "a b"]
"""The coarse ``keep`` that is learned."""

_DISCS = 35
"""Radii that are tried for the start: 0, 5, … 170 pixels of a picture of 224, and in proportion for others."""


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
) -> Maps:
    """Learn a small, smooth region whose removal makes the probability fall (Fong, Vedaldi, ICCV 2017).

    Deletion minimises over a coarse grid m in [0, 1], 1 = kept, ``λ1 Σ(1 - m) + λ2 Σ |∇m|^β + p(y | m x + (1 - m) in-fill)``;
    preservation ``λ1 Σ m + λ2 Σ |∇m|^β - p``. Sums run over the cells; ``|∇m|² = dx² + dy²``, forward differences. The grid is
    enlarged cell by cell and blurred; Adam, each step followed by a clip to [0, 1]; in each step the picture and the in-fill
    are shifted by a few pixels under the resting ``keep``. It starts from the smallest centred disc that does 99 % of what can
    be done. Settings are the authors'; they pass the gradient around the blur of ``keep``, here it goes through it. Their
    localisation is ``lambda1=1e-3,beta=2,top=5``.

    Args:
        probe: the bound question.
        targets: classes and contrasts; each is learned by itself.
        game: ``deletion``: the least to remove; ``preservation``: the least to keep.
        iterations: steps of Adam; the budget may cut them short.
        cells: cells along each side of the grid.
        sigma: blur of the enlarged grid, pixels; 0 for none.
        lambda1: price of a cell that is removed (preservation: kept), in probability.
        lambda2: price of an edge.
        beta: power of the edge's height.
        rate: step size of Adam.
        jitter: number of shifts along each axis, from 0 pixels; 1 for none.
        top: explain the sum of the probabilities of this many likeliest classes in place of the target's; 0: the target's.

    Returns:
        Maps of the share of each pixel that is removed (preservation: kept), 0 to 1. Findings say what the region does; traces
        ``KEY: probability`` and ``KEY: area`` follow the learning, every ten steps.

    Raises:
        RequestError: a setting is out of range, the budget is smaller than the start, or the classifier has no gradients.

    Cost: one query, and for each target ``36 + iterations`` with ``iterations`` backward passes.
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
    return Maps(
        values,
        {},
        f"share {'removed' if game == 'deletion' else 'kept'}",
        {**settings, "beta": beta, "rate": rate, "jitter": jitter, "top": top},
        stopped or ("queries" if steps < iterations else "complete"),
        findings=tuple(findings),
        traces=traces,
    )


def _check(iterations: int, cells: int, sigma: float, jitter: int, top: int) -> None:
    """Refuse settings that mean nothing."""
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
    """How many steps each target can be given; a start and a last look are asked about besides."""
    around = _DISCS + 1
    wish, least = (1 + targets * (around + steps) for steps in (iterations, 1))
    reach = probe.affordable(wish, smallest=least, hint="fewer targets")
    steps = (reach - 1) // targets - around
    probe.plan(1 + targets * (around + steps))
    return steps


def region(keep: Tensor, game: Game) -> Tensor:
    """Return the share that the game is about: what is removed, or what is kept.

    Example:
        >>> region(torch.tensor([1.0, 0.25]), "deletion").tolist()
        [0.0, 0.75]
    """
    return 1 - keep if game == "deletion" else keep


def finding(game: Game, whole: float, now: float, share: float) -> str:
    """Say in a sentence what a learned region does.

    Args:
        game: what it was learned for.
        whole: the probability of the whole picture.
        now: the probability with the region removed, or with it alone.
        share: the region's area as a share of the picture.

    Example:
        >>> finding("deletion", 0.9, 0.8, 0.1)
        'nothing small changes the answer: with 10.0% of the picture removed the probability is 0.8, 0.9 before'
    """
    if game == "deletion":
        does, said = (
            "changes",
            f"with {share:.1%} of the picture removed the probability is {now:.3g}, {whole:.3g} before",
        )
    else:
        does, said = "keeps", f"{share:.1%} of the picture alone has the probability {now:.3g}, the whole {whole:.3g}"
    found = share < 0.5 and (now < whole / 2) is (game == "deletion")
    return said if found else f"nothing small {does} the answer: {said}"


def total_variation(grid: Grid, beta: float) -> Float[Tensor, ""]:
    """Sum ``(dx² + dy²)^(β/2)`` over the cells, with forward differences that are 0 at the last row and column.

    Example:
        >>> total_variation(torch.tensor([[0.0, 1.0], [0.0, 1.0]]), 3.0).item()
        2.0
    """
    down = functional.pad(grid.diff(dim=0), (0, 0, 0, 1))
    right = functional.pad(grid.diff(dim=1), (0, 1))
    squares = down.square() + right.square()
    return (squares.clamp(min=1e-10) ** (beta / 2)).sum()  # at 0 the slope of the root is infinite


def discs(size: tuple[int, int], device: torch.device) -> Keep:
    """Draw centred discs with soft edges, 1 inside, of radius 0, 5, … 170 for a short side of 224 pixels.

    Returns:
        ``(35, h, w)``.

    Example:
        >>> discs((8, 8), torch.device("cpu"))[0].max().item()
        0.0
    """
    unit = min(size) / 224
    rows, columns = (torch.arange(side, device=device) - (side - 1) / 2 for side in size)
    away = (rows[:, None].square() + columns.square()).sqrt()
    radii = 5 * unit * torch.arange(_DISCS, device=device)
    return gaussian_blur((away < radii[:, None, None]).float(), 10 * unit)


@dataclass
class _Task:
    """One target, and the account of what was learned for it."""

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
        """From cells to pixels: each cell a block, then a Gaussian blur."""
        keep = functional.interpolate(grid[None, None], size=self.probe.size, mode="nearest")[0]
        return gaussian_blur(keep, self.sigma) if self.sigma else keep

    def start(self) -> Grid:
        """From the smallest centred disc that does 99 % of what the largest does; costs `_DISCS` queries."""
        keeps = region(discs(self.probe.size, self.probe.image.device), self.game)
        reached = region(self.ask(keeps), self.game)
        first = int((reached - reached[0] >= 0.99 * (reached[-1] - reached[0])).nonzero()[0])
        return functional.interpolate(keeps[None, first : first + 1], size=(self.cells,) * 2, mode="nearest")[0, 0]

    def ask(self, keeps: Keep) -> Float[Tensor, " n"]:
        """The probability with each ``keep``, not shifted."""
        answers = [
            self.probe.show(blend(self.probe.image, rows, self.probe.fill(self._seed(0))))
            for rows in torch.split(keeps, self.probe.rows)
        ]
        return torch.cat(answers) @ self.weights

    def learn(self, start: Grid, steps: int, rate: float) -> tuple[Grid, str | None]:
        """Improve a grid step by step; say why if time was up before the last."""
        grid = start.clone().requires_grad_()
        optimiser = torch.optim.Adam([grid], lr=rate)
        for number, (image, fill) in zip(range(steps), self._shifted(), strict=False):
            keep = self.enlarge(grid)
            chances = torch.softmax(self.probe.scores(blend(image, keep, fill)), dim=1)[0]
            score = chances @ self.weights.to(chances)
            price = self.lambda1 * region(grid, self.game).sum() + self.lambda2 * total_variation(grid, self.beta)
            (grid.grad,) = self.probe.gradient(price + (score if self.game == "deletion" else -score), [grid], 1)
            optimiser.step()
            grid.data.clamp_(0, 1)
            if number % 10 == 0:
                self.traces["probability"].append(score.item())
                self.traces["area"].append(region(keep, self.game).mean().item())
            if why := self.probe.why_stop():
                return grid.detach(), why
        return grid.detach(), None

    def _shifted(self) -> Iterator[tuple[Image, Images]]:
        """Picture and in-fill, a little enlarged and cut out at another place for each step; a random in-fill anew each time."""
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
        """Of a step."""
        return derive(self.probe.seed, torch.tensor([number], device=self.probe.image.device))

    def finding(self, grid: Grid) -> str:
        """Say in a sentence what the learned region does; costs one query."""
        keep = self.enlarge(grid)
        share = float(region(keep, self.game).mean())
        return finding(self.game, float(self.probe.prediction @ self.weights), float(self.ask(keep)[0]), share)
