"""Gradients on the way from a picture to its counterfactual (Charachon et al., iMIMIC 2021)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from seewhy.core.arrays import Image, blend
from seewhy.core.errors import RequestError
from seewhy.core.maps import Companion, Maps, as_map
from seewhy.core.probe import Probe
from seewhy.core.target import Target, weight_matrix
from seewhy.core.view import View
from seewhy.images.open import open_picture
from seewhy.images.view import apply_view
from seewhy.methods.counterfactual import flip_finding, translate

Weighting = Literal["output", "even"]

_GAP = 0.05
"""A path with even weights and signs says so when its map misses the change of the output by more than this part of it."""


def counterfactual_path(
    probe: Probe,
    targets: Sequence[Target],
    *,
    weights: str | None = None,
    baseline: str | None = None,
    steps: int = 24,
    weighting: Weighting = "output",
    signed: bool = False,
    output: Literal["probability", "score"] = "probability",
) -> Maps:
    """Weigh what separates a picture from its counterfactual by how the output changes on the way from one to the other.

    With the picture x, its counterfactual ``x_a`` and the points ``g(l) = x + l (x_a - x)`` between them:
    ``|x - x_a| Σ_l w(l) |∇f(g(l))|``, summed over the colours, with ``w(l) = |d f(g(l)) / dl|`` scaled to a sum of 1. This is our
    reading of Charachon et al., *Visual Explanation by Unifying Adversarial Generation and Feature Importance
    Attributions*, iMIMIC 2021. With ``weighting=even,signed=true`` it is Integrated Gradients (Sundararajan, Taly, Yan, ICML 2017)
    with the counterfactual as the baseline.

    Args:
        probe: the bound question.
        targets: classes and contrasts, each with ``steps`` queries of its own; with ``weights`` as for `counterfactual`.
        weights: folder written by ``seewhy train counterfactual`` for this classifier, which makes ``x_a``.
        baseline: in place of it a picture file that is ``x_a``: as it is where it has the size of the classifier's view.
        steps: points between the two, the middles of as many equal parts of the way.
        weighting: ``output`` as above; ``even``: the same everywhere.
        signed: keep the signs: ``(x - x_a) Σ_l w(l) ∇f(g(l))``, positive where the picture speaks for the target.
        output: what f is: the probability, or the score before the soft-max.

    Returns:
        Maps in the unit of the output, 0 or more unless ``signed``. With ``weighting=even,signed=true`` a map sums to ``f(x) - f(x_a)``;
        a finding says so where it misses by more than a twentieth.

    Raises:
        RequestError: not one of ``weights`` and ``baseline`` is given, the file is not a picture, ``steps`` is not positive, the budget
            is too small, or as for `counterfactual`.

    Cost: ``3 + targets x steps`` queries, and ``targets x steps`` pictures backward.
    """
    if (weights is None) == (baseline is None):
        raise RequestError(
            "expected either weights=FOLDER of seewhy train counterfactual or baseline=FILE with a counterfactual picture, got "
            f"{'none' if weights is None else 'both'} of them"
        )
    if steps < 1:
        raise RequestError(f"expected steps >= 1, got {steps}; 24 is usual")
    total = 3 + len(targets) * steps
    probe.affordable(total, smallest=total, hint="fewer steps or targets")
    probe.plan(total)
    end = _End.made(probe, targets, weights) if baseline is None else _End.opened(probe, baseline)
    with torch.no_grad():
        ends = probe.scores(torch.stack([probe.image, end.image])).double()
    values, findings = {}, [flip_finding(probe, end.other, ends[1].softmax(0)), *end.told]
    for target, column in zip(targets, weight_matrix(targets, probe.prediction).T, strict=True):
        path = _Path(probe, end.image, column, as_probability=output == "probability")
        shares = path.shares(steps, even=weighting == "even", signed=signed).sum(0)
        values[target.key] = as_map(shares)
        if weighting == "even" and signed:
            before, after = path.read(ends).tolist()
            findings += _gap(target, float(shares.sum()), before - after)
    settings = {"weights": weights, "baseline": baseline, "steps": steps, "weighting": weighting}
    settings |= {"signed": signed, "output": output}
    return Maps(values, {}, output, settings, "complete", findings=tuple(findings), companions=end.companions)


@dataclass(frozen=True, eq=False)
class _End:
    """The counterfactual that the way leads to.

    Args:
        image: it.
        other: the class that it is to have; None: any other than the picture's.
        companions: the pictures that belong to the answer.
        told: what is to be said of where it comes from.
    """

    image: Image
    other: int | None
    companions: Mapping[str, Companion]
    told: tuple[str, ...] = ()

    @classmethod
    def made(cls, probe: Probe, targets: Sequence[Target], weights: str | None) -> "_End":
        """Have trained generators make it."""
        twins = translate(probe, targets, weights)
        return cls(twins.adversarial, twins.other, {"adversarial": twins.companions["adversarial"]}, twins.told)

    @classmethod
    def opened(cls, probe: Probe, path: str) -> "_End":
        """Read it from a file: as it is where it has the size of the picture, else as the classifier would see it."""
        picture = open_picture(path)
        as_it_is = picture.pixels.shape[:2] == probe.size
        image, _ = apply_view(picture, View.native() if as_it_is else probe.classifier.view)
        if image.shape != probe.image.shape:
            rows, columns = probe.size
            raise RequestError(
                f"expected a baseline of {rows} x {columns} pixels, as the picture has, got {image.shape[1]} x {image.shape[2]}; "
                "give the companion picture of an explanation of it"
            )
        return cls(image.to(probe.image), None, {"baseline": image.numpy()})


@dataclass(frozen=True, eq=False)
class _Path:
    """The way from the picture to the other end.

    Args:
        probe: the bound question, with the picture.
        end: where it leads.
        column: the target's weight of each class.
        as_probability: whether the output is read behind the soft-max.
    """

    probe: Probe
    end: Image
    column: Float64[Tensor, " k"]
    as_probability: bool

    def read(self, scores: Float[Tensor, "n k"]) -> Float64[Tensor, " n"]:
        """Turn scores into the output."""
        exact = scores.double()
        return (exact.softmax(1) if self.as_probability else exact) @ self.column

    def shares(self, steps: int, *, even: bool, signed: bool) -> Float64[Tensor, "c h w"]:
        """Add up the weighted gradients along the way, and multiply by the difference of the ends."""
        image, end = self.probe.image, self.end
        apart = (image - end).double()
        total, weight = torch.zeros_like(apart), 0.0
        for numbers in torch.split(torch.arange(steps, device=image.device), self.probe.batch_size):
            slopes = self._slopes((numbers + 0.5) / steps)
            weights = torch.ones_like(slopes[:, 0, 0, 0]) if even else (slopes * apart).sum((1, 2, 3)).abs()
            total += torch.tensordot(weights, slopes if signed else slopes.abs(), 1)
            weight += float(weights.sum())
        mean = total / (
            weight or 1
        )  # all weights are 0 only where the output never moves, and so are the gradients then
        return apart * mean if signed else apart.abs() * mean

    def _slopes(self, places: Float[Tensor, " n"]) -> Float64[Tensor, "n c h w"]:
        """Take the gradient of the output at places from 0, the picture, to 1, the other end."""
        keep = (1 - places)[:, None, None].expand(-1, *self.probe.size)
        pictures = blend(self.probe.image, keep, self.end[None]).requires_grad_()
        output = self.read(self.probe.scores(pictures)).sum()
        return self.probe.gradient(output, [pictures], len(pictures))[0].double()


def _gap(target: Target, total: float, change: float) -> list[str]:
    """Say so where a map does not add up."""
    if abs(total - change) <= _GAP * abs(change):
        return []
    return [f"The map of {target.key} sums to {total:.3g}, and the output changes by {change:.3g}: take more steps."]
