"""IBISA-style maps: masks of one image, optimised for ten gradient steps and averaged.

A re-implementation from the abstract of Coelho, Cardoso, *IBISA: Information Bottleneck with Input Sampling for
Attribution*, Neurocomputing 638, 2025, 130112. The full text is not public: the formulas and the settings here are
ours.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from seewhy.core.arrays import Image, Seeds, blend
from seewhy.core.attribution import Attribution, Map
from seewhy.core.errors import RequestError
from seewhy.core.features import Grids
from seewhy.core.probe import Probe
from seewhy.core.seeds import derive, uniforms
from seewhy.core.target import Target, weight_matrix

Variant = Literal["r", "b", "c", "d", "e"]


class _Usual(NamedTuple):
    """What ``auto`` stands for; see `ibisa`."""

    draws: int
    steps: int
    beta: float
    p0: float
    a0: float


_DEFAULTS: Mapping[str, _Usual] = {
    "r": _Usual(draws=2, steps=10, beta=10.0, p0=1.0, a0=2.0),
    "b": _Usual(draws=10, steps=1, beta=10.0, p0=0.5, a0=2.0),
    "c": _Usual(draws=1, steps=10, beta=10.0, p0=0.5, a0=2.0),
    "d": _Usual(draws=2, steps=10, beta=1.0, p0=1.0, a0=5.0),
    "e": _Usual(draws=2, steps=10, beta=1.0, p0=0.5, a0=2.0),
}
"""The values that ``auto`` stands for, per variant; the rate differs between variants, and so does beta."""

_PRIOR = 0.1
"""Variant e: prior probability of keeping a cell, at which the rate is 0."""

_TEMPERATURE = 0.5
"""Variant e: temperature of the relaxed draws; lower values are closer to 0 and 1."""

_NEAR_ONE = 1e-4
"""Variant d: the kept fraction is clipped at 1 minus this, where the rate is still finite."""

_SMALLEST_AREA = 0.01
"""A kept area below this fraction of the image counts as no region."""


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
) -> Attribution:
    """Learn the smallest part of the image that is sufficient for the target, and map how much of each pixel is kept.

    IBISA-style (Coelho, Cardoso, Neurocomputing 638, 2025; the full text is not public, so this is not an exact
    reproduction of its algorithm). Grids of logits A of ``cells`` x ``cells``, each with a random shift, become masks
    ``M = enlarged sigmoid(A)``, with the geometry of `rise`. The classifier sees ``Z = M x + (1 - M) fill``, with the
    in-fill drawn anew at each step, and Adam minimises

        ``L = -w . log softmax(f(Z)) + beta rate(M) + phi smooth(A)``

    where w is the target's weights (for a class, the first term is the cross-entropy) and ``smooth`` is the total
    variation of sigmoid(A), the sum of the means of both directions. The variants:

    * ``r``: ``draws`` grids; the rate is the kept area, which bounds the information that an erasure channel lets
      through.
    * ``b``: one step for each grid; then the masks are averaged, weighted by the probability that each gets, as in
      `rise`.
    * ``c``: the removed part is shown too: ``gamma`` times its probability is added to L.
    * ``d``: one grid that starts open, with ``draws`` in-fills per step; the rate is the mean Gaussian information in
      nats as in IBA (Schulz, Sixt, Tombari, Landgraf, ICLR 2020), for pixels standardised by the image's mean and
      standard deviation.
    * ``e``: cells are kept with learned probabilities, with ``draws`` relaxed draws per step (temperature 0.5); the
      rate is the mean information of a cell in nats relative to a prior of 0.1.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together.
        targets: classes and contrasts; each is optimised separately.
        variant: ``r``, ``b``, ``c``, ``d`` or ``e``, as above.
        cells: number of cells along each side of a grid, 1 or more.
        draws: number of grids (``r``, ``b``, ``c``) or draws of the one grid (``d``, ``e``); auto: 2, 10, 1, 2, 2.
        steps: number of Adam steps, 1 or more; auto: 10, with ``b`` 1.
        lr: learning rate, above 0; about the change of a logit per step.
        beta: weight of the rate, 0 or more; except for ``d`` and ``e``, the cost in nats of keeping the full image;
            auto: 10, with ``d`` and ``e`` 1.
        phi: weight of the total variation, 0 or more.
        gamma: ``c``: weight of the removed part's probability, 0 or more.
        p0: fraction of the cells that start open, chosen at random, 0 to 1; auto: 1, with ``b`` and ``c`` 0.5. With
            ``e``, the initial probability of all cells; auto: 0.5.
        a0: initial logit of an open cell, and minus that of a closed one; auto: 2, with ``d`` 5; ``e`` does not use
            it.

    Returns:
        Maps of the mean fraction kept, 0 to 1 (``b``: expected probability when kept); higher values are more
        important. A map is 0 where no sufficient region was found, which a finding reports. Traces: cross-entropy and
        area at each step.

    Raises:
        RequestError: a setting is out of range, the budget is too small, or the classifier has no gradients.

    Cost: one query for the prediction; for each target 20 forward and 20 backward images (``b``: 20 and 10) in 10
    backward calls (``b``: 1).
    """
    usual = _DEFAULTS[variant]
    recipe = _Recipe(
        variant,
        cells,
        draws=usual.draws if draws is None else draws,
        steps=usual.steps if steps is None else steps,
        lr=lr,
        beta=usual.beta if beta is None else beta,
        phi=phi,
        gamma=gamma,
        p0=usual.p0 if p0 is None else p0,
        a0=usual.a0 if a0 is None else a0,
    )
    wanted = 1 + recipe.images * len(targets)
    probe.affordable(wanted, smallest=wanted, hint="fewer draws or steps")
    probe.plan(wanted)
    columns = weight_matrix(targets, probe.prediction).float()
    learned = {target.key: _learn(probe, weights, recipe) for target, weights in zip(targets, columns.T, strict=True)}
    return Attribution(
        {key: one.map() for key, one in learned.items()},
        {},
        "probability" if variant == "b" else "share kept",
        asdict(recipe),
        next((one.stopped for one in learned.values() if one.stopped), "complete"),
        findings=tuple(one.finding(key) for key, one in learned.items()),
        traces={f"{name} of {key}": trace for key, one in learned.items() for name, trace in one.traces.items()},
    )


def images_of(settings: Mapping[str, Any]) -> tuple[int, int]:
    """Return how many images one target takes forward and backward; None in the settings means auto.

    Example:
        >>> images_of({"variant": "b", "draws": None, "steps": None})
        (20, 10)
    """
    usual = _DEFAULTS[settings["variant"]]
    draws, steps = settings["draws"] or usual.draws, settings["steps"] or usual.steps
    recipe = _Recipe(settings["variant"], 1, draws, steps, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0)
    return recipe.images, recipe.shown * steps


@dataclass(frozen=True)
class _Recipe:
    """The settings, with ``auto`` resolved."""

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
        """Number of grids that are learned."""
        return 1 if self.variant in {"d", "e"} else self.draws

    @property
    def shown(self) -> int:
        """Number of images shown at each step."""
        return self.draws * 2 if self.variant == "c" else self.draws

    @property
    def images(self) -> int:
        """Number of forward images per target; variant ``b`` evaluates its grids once more at the end."""
        return self.shown * (self.steps + 1 if self.variant == "b" else self.steps)


@dataclass(frozen=True, eq=False)
class _Learned:
    """The result for one target.

    Args:
        values: the map, 1 = kept.
        area: the mean fraction kept at the end.
        cross: the last value of -w . log softmax.
        uniform, full: the same for a uniform prediction and for the full image.
        traces: cross-entropy and area at each step.
        stopped: why it ended before the last step, or None.
    """

    values: Map
    area: float
    cross: float
    uniform: float
    full: float
    traces: Mapping[str, Sequence[float]]
    stopped: str | None

    @property
    def no_region(self) -> bool:
        """Whether no sufficient region was found."""
        return self.area < _SMALLEST_AREA or self.cross >= max(self.uniform, self.full) - 1e-6

    def map(self) -> Map:
        """Return the map, or zeros if no sufficient region was found: rescaling for display would amplify noise."""
        return np.zeros_like(self.values) if self.no_region else self.values

    def finding(self, key: str) -> str:
        """State what was found."""
        fact = f"{self.area:.1%} of the image kept, cross-entropy {self.cross:.2f} nats at the last evaluation"
        if self.no_region:
            return (
                f"{key}: no sufficient region found ({fact}; {self.uniform:.2f} for a uniform prediction); the map is 0"
            )
        if self.cross > self.full + math.log(2):
            return f"{key}: the kept region alone is not sufficient ({fact}; {self.full:.2f} for the full image)"
        return f"{key}: {fact}; {self.full:.2f} for the full image"


def _learn(probe: Probe, weights: Float[Tensor, " k"], recipe: _Recipe) -> _Learned:
    """Optimise the grids of one target."""
    search = _Search.start(probe, weights, recipe)
    adam = torch.optim.Adam([search.logits], lr=recipe.lr)
    crosses: list[float] = []
    areas: list[float] = []
    stopped = None
    for step in range(1, recipe.steps + 1):
        loss, cross, area = search.evaluate(step)
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
            values, cross = _weighted_map(probe, weights, keep)
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
    """The grids of one target during optimisation.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together.
        weights: weight of each class in the target.
        recipe: the settings.
        logits: logits of the grids' cells, updated by Adam.
        shift: random shift of each grid.
    """

    probe: Probe
    weights: Float[Tensor, " k"]
    recipe: _Recipe
    logits: Float[Tensor, "n c c"]
    shift: Float[Tensor, "n 2"]

    @classmethod
    def start(cls, probe: Probe, weights: Float[Tensor, " k"], recipe: _Recipe) -> "_Search":
        """Draw the initial logits of the grids and their shifts."""
        seeds = derive(probe.seed, torch.arange(recipe.grids, device=probe.image.device))
        if recipe.variant == "e":
            first = torch.full((1, recipe.cells**2), recipe.p0, device=seeds.device).logit(eps=1e-6)
        else:
            first = torch.where(uniforms(seeds, recipe.cells**2) < recipe.p0, recipe.a0, -recipe.a0)
        logits = first.view(-1, recipe.cells, recipe.cells).requires_grad_()
        return cls(probe, weights, recipe, logits, uniforms(seeds, 2, stream=1))

    def keep(self, cells: Float[Tensor, "d c c"]) -> Float[Tensor, "d h w"]:
        """Enlarge grids, or several draws of the one grid, to masks of the image's size."""
        return Grids(cells, self.shift.expand(len(cells), -1)).keep(*self.probe.size)

    def evaluate(self, step: int) -> tuple[Tensor, float, float]:
        """Show a step's images; return the loss, the cross-entropy and the kept area, each a mean over the draws."""
        recipe, image, count = self.recipe, self.probe.image, self.recipe.draws
        seeds = derive(self.probe.seed, torch.arange(count, device=image.device) + step * count)
        share = self.logits.sigmoid()
        keep = self.keep(_relaxed(self.logits, seeds) if recipe.variant == "e" else share)
        keep, fill = keep.expand(count, -1, -1), self.probe.fill(seeds)
        images = blend(image, keep, fill)
        if recipe.variant == "c":
            images = torch.cat([images, blend(image, 1 - keep, fill)])
        scores = self.probe.scores(images)
        cross = -(functional.log_softmax(scores[:count], 1) @ self.weights).mean()
        loss = cross + recipe.beta * self.rate(share, keep) + recipe.phi * _roughness(share)
        if recipe.variant == "c":
            loss = loss + recipe.gamma * (scores[count:].softmax(1) @ self.weights).mean()
        return loss, float(cross.detach()), float(keep.detach().mean())

    def rate(self, share: Float[Tensor, "n c c"], keep: Float[Tensor, "d h w"]) -> Tensor:
        """Return the rate of the masks, before multiplication by beta."""
        if self.recipe.variant == "d":
            return _gaussian_rate(self.probe.image, keep)
        return _bernoulli_rate(share) if self.recipe.variant == "e" else keep.mean()


def _gaussian_rate(image: Image, keep: Float[Tensor, "d h w"]) -> Tensor:
    """Return the mean over pixels r of ``KL(N(m r, (1 - m)²) || N(0, 1))``.

    The pixels are standardised with the image's mean and standard deviation.
    """
    center, deviation = image.mean((1, 2), keepdim=True), image.std((1, 2), keepdim=True, correction=0)
    through = keep[:, None].clamp(max=1 - _NEAR_ONE)
    mean, variance = through * (image - center) / deviation.clamp(min=1e-6), (1 - through).square()
    return -0.5 * (1 + variance.log() - mean.square() - variance).mean()


def _bernoulli_rate(share: Float[Tensor, "n c c"]) -> Tensor:
    """Return the mean KL divergence between the keep probability of a cell and the prior."""
    kept, left = (part.clamp(1e-6, 1 - 1e-6) for part in (share, 1 - share))
    return (kept * (kept / _PRIOR).log() + left * (left / (1 - _PRIOR)).log()).mean()


def _relaxed(logits: Float[Tensor, "1 c c"], seeds: Seeds) -> Float[Tensor, "n c c"]:
    """Draw cells that are nearly 0 or 1 (Concrete: Maddison, Mnih, Teh, ICLR 2017; Jang, Gu, Poole, ICLR 2017)."""
    noise = uniforms(seeds, logits[0].numel(), stream=2).logit().view(-1, *logits.shape[1:])
    return ((logits + noise) / _TEMPERATURE).sigmoid()


def _roughness(share: Float[Tensor, "n c c"]) -> Tensor:
    """Total variation of the grids: the mean vertical plus the mean horizontal difference; 0 for a single cell."""
    steps = share.diff(dim=1), share.diff(dim=2)
    return torch.stack([step.abs().sum() / max(1, step.numel()) for step in steps]).sum()


def _weighted_map(
    probe: Probe, weights: Float[Tensor, " k"], keep: Float[Tensor, "n h w"]
) -> tuple[Float[Tensor, "h w"], float]:
    """Variant b: average the masks weighted by probability, as in `rise`; also return the cross-entropy."""
    seeds = derive(probe.seed, torch.arange(len(keep), device=keep.device))
    answers = probe.show(blend(probe.image, keep, probe.fill(seeds)))
    values = torch.tensordot(answers.float() @ weights, keep, 1) / keep.sum(0).clamp(min=1e-6)
    return values, -float((_log(answers) @ weights).mean())


def _log(probabilities: Float[Tensor, "*n k"]) -> Float[Tensor, "*n k"]:
    """Take logarithms that stay finite where a probability is 0."""
    return probabilities.float().clamp(min=torch.finfo(torch.float32).tiny).log()
