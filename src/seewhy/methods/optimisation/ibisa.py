"""IBISA-style maps: masks of one image, optimised for ten gradient steps and averaged.

A re-implementation from the abstract of Coelho, Cardoso, *IBISA: Information Bottleneck with Input Sampling for
Attribution*, Neurocomputing 638, 2025, 130112. The full text is not public: the formulas and the settings here are
ours.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.core.arrays import Keep, blend
from seewhy.core.attribution import Attribution
from seewhy.core.errors import RequestError
from seewhy.core.features import Grids
from seewhy.core.probe import Probe
from seewhy.core.seeds import uniforms
from seewhy.core.target import Target, weight_matrix
from seewhy.methods._shared import at_least, positive, reserve, seeds
from seewhy.methods.optimisation._perturbation import Learned, attribution

_OPEN = 2.0
"""Initial logit of an open cell, and minus that of a closed one: ten steps of the default rate can close or open either."""

_SMALLEST_AREA = 0.01
"""A kept area below this fraction of the image counts as no region."""


def ibisa(
    probe: Probe,
    targets: Sequence[Target],
    *,
    cells: int = 14,
    draws: int = 2,
    steps: int = 10,
    lr: float = 1.0,
    beta: float = 10.0,
    p0: float = 1.0,
) -> Attribution:
    """Learn the smallest part of the image that is sufficient for the target, and map how much of each pixel is kept.

    IBISA-style (Coelho, Cardoso, Neurocomputing 638, 2025; the full text is not public, so this is not an exact
    reproduction of its algorithm). Grids of logits A of ``cells`` x ``cells``, each with a random shift, become masks
    ``M = enlarged sigmoid(A)``, with the geometry of `rise`. The classifier sees ``Z = M x + (1 - M) fill``, with the
    in-fill drawn anew at each step, and Adam minimises

        ``L = -w . log softmax(f(Z)) + beta mean(M)``

    where w is the target's weights (for a class, the first term is the cross-entropy). The second term is the kept
    area, which bounds the information that an erasure channel lets through.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together.
        targets: classes and contrasts; each is optimised separately.
        cells: number of cells along each side of a grid, 1 or more.
        draws: number of grids, 1 or more.
        steps: number of Adam steps, 1 or more.
        lr: learning rate, above 0; about the change of a logit per step.
        beta: weight of the kept area, 0 or more: the cost in nats of keeping the full image.
        p0: fraction of the cells that start open, chosen at random, 0 to 1. 1 scored best; several random starts
            (``p0=0.5``, more ``draws``) are how a follow-up of the paper is described.

    Returns:
        Maps of the mean fraction kept, 0 to 1; higher values are more important. A map is 0 where no sufficient
        region was found, which a finding reports. Traces: cross-entropy and area at each step.

    Raises:
        RequestError: a setting is out of range, the budget is too small, or the classifier has no gradients.

    Cost: one query for the prediction; for each target ``draws x steps`` forward and as many backward images, in
    ``steps`` calls.
    """
    at_least(cells=(cells, 1), draws=(draws, 1), steps=(steps, 1), beta=(beta, 0))
    positive(lr=lr)
    if not 0 <= p0 <= 1:
        raise RequestError(f"expected p0 from 0 to 1, got {p0}")
    reserve(probe, 1 + draws * steps * len(targets), hint="fewer draws or steps")
    columns = weight_matrix(targets, probe.prediction).float()
    learned = {}
    for target, weights in zip(targets, columns.T, strict=True):
        search = _Search.start(probe, weights, cells=cells, draws=draws, p0=p0)
        learned[target.key] = search.learn(steps, lr, beta)
    settings = {"cells": cells, "draws": draws, "steps": steps, "lr": lr, "beta": beta, "p0": p0}
    return attribution(learned, "share kept", settings)


@dataclass(frozen=True, eq=False)
class _Search:
    """The grids of one target during optimisation: the logits of their cells, and the random shift of each."""

    probe: Probe
    weights: Float[Tensor, " k"]
    logits: Float[Tensor, "n c c"]
    shift: Float[Tensor, "n 2"]

    @classmethod
    def start(cls, probe: Probe, weights: Float[Tensor, " k"], *, cells: int, draws: int, p0: float) -> "_Search":
        """Draw the initial logits of the grids and their shifts."""
        own = seeds(probe, 0, draws)
        logits = torch.where(uniforms(own, cells**2) < p0, _OPEN, -_OPEN).view(-1, cells, cells)
        return cls(probe, weights, logits.requires_grad_(), uniforms(own, 2, stream=1))

    def learn(self, steps: int, rate: float, beta: float) -> Learned:
        """Optimise the grids."""
        adam = torch.optim.Adam([self.logits], lr=rate)
        crosses: list[float] = []
        areas: list[float] = []
        stopped = None
        for step in range(1, steps + 1):
            keep = self._keep()
            cross = self._cross_entropy(keep, step)
            (self.logits.grad,) = self.probe.gradient(cross + beta * keep.mean(), [self.logits], len(keep))
            adam.step()
            crosses.append(cross.item())
            areas.append(keep.mean().item())
            if step < steps and (stopped := self.probe.why_stop()):
                break
        found, finding = self._judge(self._keep().detach(), crosses[-1])
        return Learned(found, finding, {"cross-entropy": crosses, "area": areas}, stopped)

    def _keep(self) -> Keep:
        """Enlarge the grids to masks of the image's size."""
        return Grids(self.logits.sigmoid(), self.shift).keep(*self.probe.size)

    def _cross_entropy(self, keep: Keep, step: int) -> Float[Tensor, ""]:
        """Show the masked images, with new in-fills for each step; return their mean cross-entropy."""
        fill = self.probe.fill(seeds(self.probe, step * len(keep), len(keep)))
        scores = self.probe.scores(blend(self.probe.image, keep, fill))
        return -(scores.log_softmax(1) @ self.weights).mean()

    def _judge(self, keep: Keep, cross: float) -> tuple[Float[Tensor, "h w"], str]:
        """Return the map and its finding; without a sufficient region the map is 0, as its scale would mean nothing."""
        area = float(keep.mean())
        uniform = math.log(len(self.weights)) * float(self.weights.sum())
        smallest = torch.finfo(torch.float32).tiny  # keeps the logarithm finite where a probability is 0
        full = -float(self.probe.prediction.float().clamp(min=smallest).log() @ self.weights)
        fact = f"{area:.1%} of the image kept, cross-entropy {cross:.2f} nats at the last evaluation"
        if area < _SMALLEST_AREA or cross >= max(uniform, full) - 1e-6:
            compared = f"{uniform:.2f} for a uniform prediction"
            return torch.zeros_like(keep[0]), f"no sufficient region found ({fact}; {compared}); the map is 0"
        compared = f"{full:.2f} for the full image"
        if cross > full + math.log(2):
            return keep.mean(0), f"the kept region alone is not sufficient ({fact}; {compared})"
        return keep.mean(0), f"{fact}; {compared}"
