"""IBISA-style maps: a few grids of what is kept are improved by ten gradient steps at the picture, and averaged.

A re-implementation from the abstract of Coelho, Cardoso, *IBISA: Information Bottleneck with Input Sampling for
Attribution*, Neurocomputing 638, 2025, 130112. The text is not public: the formulas and the settings here are ours.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from seewhy.core.arrays import Image, Seeds, blend
from seewhy.core.errors import RequestError
from seewhy.core.features import Grids
from seewhy.core.maps import Map, Maps
from seewhy.core.probe import Probe
from seewhy.core.seeds import derive, uniforms
from seewhy.core.target import Target, weight_matrix

Variant = Literal["r", "b", "c", "d", "e"]

_USUAL: Mapping[str, Mapping[str, Any]] = {
    "r": {"draws": 2, "steps": 10, "beta": 10.0, "p0": 1.0, "a0": 2.0},
    "b": {"draws": 10, "steps": 1, "beta": 10.0, "p0": 0.5, "a0": 2.0},
    "c": {"draws": 1, "steps": 10, "beta": 10.0, "p0": 0.5, "a0": 2.0},
    "d": {"draws": 2, "steps": 10, "beta": 1.0, "p0": 1.0, "a0": 5.0},
    "e": {"draws": 2, "steps": 10, "beta": 1.0, "p0": 0.5, "a0": 2.0},
}
"""What ``auto`` stands for, variant by variant; a price is not the same thing for every kind of rate."""

_PRIOR = 0.1
"""Variant e: the probability with which a cell is kept at no cost."""

_TEMPERATURE = 0.5
"""Variant e: how far a relaxed draw is from 0 and 1."""

_NEAR_ONE = 1e-4
"""Variant d: what is let through is taken as at most 1 minus this, where the rate is still finite."""

_FEW = 0.01
"""A share of the picture below which no region was found."""


def ibisa(
    probe: Probe,
    targets: Sequence[Target],
    *,
    variant: Variant = "r",
    cells: int = 14,
    draws: int | None = None,
    steps: int | None = None,
    lr: float = 1.0,
    beta: float | None = None,
    phi: float = 0.0,
    gamma: float = 1.0,
    p0: float | None = None,
    a0: float | None = None,
) -> Maps:
    """Learn the smallest part of the picture that is enough for the target, and map how much of each pixel is kept.

    IBISA-style (Coelho, Cardoso, Neurocomputing 638, 2025; its text is not public, so this is not its algorithm word by
    word). Real grids A of ``cells`` x ``cells``, each at a random shift, become ``M = enlarged sigmoid(A)``, with the geometry of
    `rise`. Pictures ``Z = M x + (1 - M) fill``, the in-fill drawn anew each step, are shown, and Adam lowers

        ``L = -w . log softmax(f(Z)) + beta rate(M) + phi smooth(A)``

    where w is the target's weights (the cross-entropy for a class) and ``smooth`` the total variation of sigmoid(A), means of
    both directions. The variants:

    * ``r``: ``draws`` grids; the rate is the kept area, which bounds the information that an erasure channel lets through.
    * ``b``: one step for each grid, then the grids are averaged, weighted by the probability that each gets, as in `rise`.
    * ``c``: the rest is shown too: ``gamma`` times the probability that it gets is added to L.
    * ``d``: one grid that begins open, ``draws`` in-fills a step; the rate is the mean Gaussian information in nats as in IBA
      (Schulz, Sixt, Tombari, Landgraf, ICLR 2020), for pixels in units of the picture's spread.
    * ``e``: cells are kept with learned probabilities, ``draws`` relaxed draws a step (temperature 0.5); the rate is the mean
      information of a cell in nats against a prior of 0.1.

    Args:
        probe: the bound question.
        targets: classes and contrasts, one run each.
        variant: see above.
        cells: cells along each side of a grid.
        draws: grids (``r``, ``b``, ``c``) or draws of one grid (``d``, ``e``); auto: 2, 10, 1, 2, 2.
        steps: of Adam; auto: 10, with ``b`` 1.
        lr: learning rate; a logit moves by about so much a step.
        beta: price of the rate, for all but ``d`` and ``e`` nats for keeping the whole picture; auto: 10, with ``d``, ``e`` 1.
        phi: price of roughness.
        gamma: ``c``: weight of what the rest says.
        p0: share of cells that begin open, at random; auto: 1, with ``b`` and ``c`` 0.5. ``e``: the probability that all begin
            with; auto: 0.5.
        a0: logit at which a cell begins, minus that where it is not open; auto: 2, with ``d`` 5; ``e`` does not use it.

    Returns:
        Maps of the mean share kept, 0 to 1 (``b``: expected probability when kept); larger matters more. All 0 where no
        sufficient region was found, which the findings say. Traces: cross-entropy and area of each step.

    Raises:
        RequestError: a setting is out of range, the budget is too small, or the classifier has no gradients.

    Cost: one query for the prediction; for each target 20 forward and 20 backward pictures (``b``: 10) in 10 backward calls
    (``b``: 1).
    """
    given = {"draws": draws, "steps": steps, "beta": beta, "p0": p0, "a0": a0}
    resolved: dict[str, Any] = {
        name: _USUAL[variant][name] if value is None else value for name, value in given.items()
    }
    recipe = _Recipe(variant, cells, lr=lr, phi=phi, gamma=gamma, **resolved)
    wanted = 1 + recipe.pictures * len(targets)
    probe.affordable(wanted, smallest=wanted, hint="fewer draws or steps")
    probe.plan(wanted)
    columns = weight_matrix(targets, probe.prediction).float()
    learned = {target.key: _learn(probe, weights, recipe) for target, weights in zip(targets, columns.T, strict=True)}
    return Maps(
        {key: one.map() for key, one in learned.items()},
        {},
        "probability" if variant == "b" else "share kept",
        asdict(recipe),
        next((one.stopped for one in learned.values() if one.stopped), "complete"),
        findings=tuple(one.finding(key) for key, one in learned.items()),
        traces={f"{name} of {key}": trace for key, one in learned.items() for name, trace in one.traces.items()},
    )


def pictures_of(settings: Mapping[str, Any]) -> tuple[int, int]:
    """Return how many images one target takes forward and backward; None in the settings means auto.

    Example:
        >>> pictures_of({"variant": "b", "draws": None, "steps": None})
        (20, 10)
    """
    usual = _USUAL[settings["variant"]]
    draws, steps = (usual[name] if settings[name] is None else settings[name] for name in ("draws", "steps"))
    recipe = _Recipe(settings["variant"], 1, draws, steps, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0)
    return recipe.pictures, recipe.shown * steps


@dataclass(frozen=True)
class _Recipe:
    """The settings, `auto` resolved."""

    variant: Variant
    cells: int
    draws: int
    steps: int
    lr: float
    beta: float
    phi: float
    gamma: float
    p0: float
    a0: float

    def __post_init__(self) -> None:
        for name in ("cells", "draws", "steps"):
            if getattr(self, name) < 1:
                raise RequestError(f"expected {name} >= 1, got {getattr(self, name)}")
        for name in ("beta", "phi", "gamma"):
            if not getattr(self, name) >= 0:
                raise RequestError(f"expected {name} >= 0, got {getattr(self, name)}")
        if not self.lr > 0:
            raise RequestError(f"expected lr > 0, got {self.lr}")
        if not 0 <= self.p0 <= 1:
            raise RequestError(f"expected p0 from 0 to 1, got {self.p0}")

    @property
    def grids(self) -> int:
        """How many grids are learned."""
        return 1 if self.variant in {"d", "e"} else self.draws

    @property
    def shown(self) -> int:
        """Pictures that a step shows."""
        return self.draws * 2 if self.variant == "c" else self.draws

    @property
    def pictures(self) -> int:
        """Forward pictures for one target; `b` looks once more at the end."""
        return self.shown * (self.steps + 1 if self.variant == "b" else self.steps)


@dataclass(frozen=True, eq=False)
class _Learned:
    """What was learned for one target.

    Args:
        values: the map, 1 = kept.
        area: the mean share kept in the end.
        cross: what the last pictures lack, -w . log softmax.
        chance, whole: the same of an even answer and of the whole picture.
        traces: by step.
        stopped: why it ended before the last step, if it did.
    """

    values: Map
    area: float
    cross: float
    chance: float
    whole: float
    traces: Mapping[str, Sequence[float]]
    stopped: str | None

    @property
    def nothing(self) -> bool:
        """Whether no sufficient region was found."""
        return self.area < _FEW or self.cross >= max(self.chance, self.whole) - 1e-6

    def map(self) -> Map:
        """The map; nothing at all where drawing it would stretch what means nothing."""
        return np.zeros_like(self.values) if self.nothing else self.values

    def finding(self, key: str) -> str:
        """Say it to the reader."""
        fact = f"{self.area:.1%} of the picture kept, cross-entropy {self.cross:.2f} nats at the last look"
        if self.nothing:
            return f"{key}: no sufficient region found ({fact}; an even answer has {self.chance:.2f}); the map is 0"
        if self.cross > self.whole + math.log(2):
            return f"{key}: what was kept is not enough by itself ({fact}; the whole picture has {self.whole:.2f})"
        return f"{key}: {fact}; the whole picture has {self.whole:.2f}"


def _learn(probe: Probe, weights: Float[Tensor, " k"], recipe: _Recipe) -> _Learned:
    """Take the steps for one target."""
    search = _Search.start(probe, weights, recipe)
    adam = torch.optim.Adam([search.logits], lr=recipe.lr)
    crosses: list[float] = []
    areas: list[float] = []
    stopped = None
    for step in range(1, recipe.steps + 1):
        loss, cross, area = search.look(step)
        (search.logits.grad,) = probe.gradient(loss, [search.logits], recipe.shown)
        adam.step()
        crosses.append(cross)
        areas.append(area)
        if step < recipe.steps and (stopped := probe.why_stop()):
            break
    with torch.no_grad():
        keep = search.keep(search.logits.sigmoid())
        values = keep.mean(0)
        if recipe.variant == "b":
            values, cross = _scored(probe, weights, keep)
            crosses.append(cross)
    return _Learned(
        values.cpu().numpy(),
        float(keep.mean()),
        crosses[-1],
        math.log(len(weights)) * float(weights.sum()),
        -float(_log(probe.prediction) @ weights),
        {"cross-entropy": crosses, "area": areas},
        stopped,
    )


@dataclass(frozen=True, eq=False)
class _Search:
    """The grids of one target on their way.

    Args:
        probe: the bound question.
        weights: of the classes in the target.
        recipe: the settings.
        logits: of the grids' cells; Adam changes them.
        shift: of the grids.
    """

    probe: Probe
    weights: Float[Tensor, " k"]
    recipe: _Recipe
    logits: Float[Tensor, "n c c"]
    shift: Float[Tensor, "n 2"]

    @classmethod
    def start(cls, probe: Probe, weights: Float[Tensor, " k"], recipe: _Recipe) -> "_Search":
        """Draw the grids' first logits and their shifts."""
        seeds = derive(probe.seed, torch.arange(recipe.grids, device=probe.image.device))
        if recipe.variant == "e":
            first = torch.full((1, recipe.cells**2), recipe.p0, device=seeds.device).logit(eps=1e-6)
        else:
            first = torch.where(uniforms(seeds, recipe.cells**2) < recipe.p0, recipe.a0, -recipe.a0)
        logits = first.view(-1, recipe.cells, recipe.cells).requires_grad_()
        return cls(probe, weights, recipe, logits, uniforms(seeds, 2, stream=1))

    def keep(self, cells: Float[Tensor, "d c c"]) -> Float[Tensor, "d h w"]:
        """Bring grids, or several draws of the one grid, to the picture's size."""
        return Grids(cells, self.shift.expand(len(cells), -1)).keep(*self.probe.size)

    def look(self, step: int) -> tuple[Tensor, float, float]:
        """Show a step's pictures; return what is to be lowered, its cross-entropy and the area: means over the draws."""
        recipe, image, count = self.recipe, self.probe.image, self.recipe.draws
        seeds = derive(self.probe.seed, torch.arange(count, device=image.device) + step * count)
        share = self.logits.sigmoid()
        keep = self.keep(_relaxed(self.logits, seeds) if recipe.variant == "e" else share)
        keep, fill = keep.expand(count, -1, -1), self.probe.fill(seeds)
        pictures = blend(image, keep, fill)
        if recipe.variant == "c":
            pictures = torch.cat([pictures, blend(image, 1 - keep, fill)])
        scores = self.probe.scores(pictures)
        cross = -(functional.log_softmax(scores[:count], 1) @ self.weights).mean()
        loss = cross + recipe.beta * self.rate(share, keep) + recipe.phi * _roughness(share)
        if recipe.variant == "c":
            loss = loss + recipe.gamma * (scores[count:].softmax(1) @ self.weights).mean()
        return loss, float(cross.detach()), float(keep.detach().mean())

    def rate(self, share: Float[Tensor, "n c c"], keep: Float[Tensor, "d h w"]) -> Tensor:
        """The price of what is let through, before beta."""
        if self.recipe.variant == "d":
            return _gaussian_rate(self.probe.image, keep)
        return _bernoulli_rate(share) if self.recipe.variant == "e" else keep.mean()


def _gaussian_rate(image: Image, keep: Float[Tensor, "d h w"]) -> Tensor:
    """Return the mean of ``KL(N(m r, (1 - m)²) || N(0, 1))`` over pixels r, which the picture's mean and spread bring to scale."""
    center, spread = image.mean((1, 2), keepdim=True), image.std((1, 2), keepdim=True, correction=0)
    through = keep[:, None].clamp(max=1 - _NEAR_ONE)
    mean, variance = through * (image - center) / spread.clamp(min=1e-6), (1 - through).square()
    return -0.5 * (1 + variance.log() - mean.square() - variance).mean()


def _bernoulli_rate(share: Float[Tensor, "n c c"]) -> Tensor:
    """Return the mean of the divergence of keeping a cell with its probability from keeping it with the prior's."""
    kept, left = (part.clamp(1e-6, 1 - 1e-6) for part in (share, 1 - share))
    return (kept * (kept / _PRIOR).log() + left * (left / (1 - _PRIOR)).log()).mean()


def _relaxed(logits: Float[Tensor, "1 c c"], seeds: Seeds) -> Float[Tensor, "n c c"]:
    """Draw cells that are nearly 0 or 1 (Concrete: Maddison, Mnih, Teh, ICLR 2017; Jang, Gu, Poole, ICLR 2017)."""
    noise = uniforms(seeds, logits[0].numel(), stream=2).logit().view(-1, *logits.shape[1:])
    return ((logits + noise) / _TEMPERATURE).sigmoid()


def _roughness(share: Float[Tensor, "n c c"]) -> Tensor:
    """Total variation of the grids: means of the steps down and across; 0 for a single cell."""
    steps = share.diff(dim=1), share.diff(dim=2)
    return torch.stack([step.abs().sum() / max(1, step.numel()) for step in steps]).sum()


def _scored(
    probe: Probe, weights: Float[Tensor, " k"], keep: Float[Tensor, "n h w"]
) -> tuple[Float[Tensor, "h w"], float]:
    """Variant b: weigh each keep by the probability that it gets, as `rise` does by coverage; and their cross-entropy."""
    seeds = derive(probe.seed, torch.arange(len(keep), device=keep.device))
    answers = probe.show(blend(probe.image, keep, probe.fill(seeds)))
    values = torch.tensordot(answers.float() @ weights, keep, 1) / keep.sum(0).clamp(min=1e-6)
    return values, -float((_log(answers) @ weights).mean())


def _log(probabilities: Float[Tensor, "*n k"]) -> Float[Tensor, "*n k"]:
    """Take logarithms, finite also where a probability is 0."""
    return probabilities.float().clamp(min=torch.finfo(torch.float32).tiny).log()
