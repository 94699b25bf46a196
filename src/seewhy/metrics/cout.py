"""Counterfactual transition, COUT (Khorram, Fuxin, CVPR 2022): how early the prediction flips towards a counterfactual."""

import math
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int

from seewhy.core.arrays import Image
from seewhy.core.attribution import Map
from seewhy.core.errors import RequestError
from seewhy.core.metric import Curve, MetricInput, MetricResult
from seewhy.core.probe import Probe
from seewhy.metrics import curves

COUNTERFACTUALS = ("adversarial", "counterfactual")
"""Names of the generated images that are counterfactuals."""


def cout(
    probe: Probe, saliency: Map, case: MetricInput, *, steps: int = 50, order: Literal["change", "map"] = "change"
) -> MetricResult:
    """Replace pixels by those of the counterfactual image and measure how early the prediction flips. Higher is better.

    Khorram, Fuxin, "Cycle-consistent counterfactuals by latent transformations", CVPR 2022. The pixels that change most are
    replaced first. The value is the area under the probability of the counterfactual class minus the area under the
    probability of the explained class, by the trapezoid rule over the fraction of pixels. The counterfactual class is the
    most probable class of the full counterfactual image other than the explained class. A counterfactual that does not flip
    the prediction therefore has a low value.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together.
        saliency: ``(h, w)`` map to evaluate; not used unless ``order`` is ``map``.
        case: the case; its ``target`` is the explained class, and its generated images include the counterfactual.
        steps: number of equal steps from the image to the counterfactual.
        order: order of the pixels: ``change`` replaces those that differ most first, as in the paper; ``map`` replaces those
            with the highest saliency first.

    Returns:
        -1 to 1; NaN if the explanation has no counterfactual image. The curve is the difference of the two probabilities.

    Raises:
        RequestError: a setting is out of range, the map is not finite or of another size, or the budget is too small.

    Cost: ``steps`` + 1 queries.
    """
    curves.check_map(probe, saliency)
    if not 1 <= steps <= saliency.size:
        raise RequestError(f"expected steps from 1 to {saliency.size}, the number of pixels, got {steps}")
    name = next((name for name in COUNTERFACTUALS if name in case.generated), None)
    if name is None:
        return MetricResult(math.nan, note="the explanation has no counterfactual image")
    curves.plan(probe, steps + 1, "fewer steps")
    other = torch.from_numpy(case.generated[name]).to(probe.image)
    ranking = saliency if order == "map" else (probe.image - other).abs().mean(0).cpu().numpy()
    counts = np.rint(np.linspace(0, saliency.size, steps + 1)).astype(np.int64)
    answers = _answers(probe, other, curves.places(ranking), counts)
    rivals = answers[-1].copy()
    rivals[case.target] = -1
    difference = answers[:, rivals.argmax()] - answers[:, case.target]
    x = counts / saliency.size
    return MetricResult(curves.area(x, difference), Curve(x, difference))


def _answers(
    probe: Probe, other: Image, where: curves.Places, counts: Int[np.ndarray, " m"]
) -> Float[np.ndarray, "m k"]:
    """Query the image with the first ``counts`` pixels replaced by those of the other image."""
    ranked, answers = torch.from_numpy(where).to(other.device), []
    for some in torch.split(torch.from_numpy(counts).to(other.device), probe.rows):
        new = (ranked < some[:, None, None])[:, None]
        answers.append(probe.show(torch.where(new, other, probe.image)))
    return torch.cat(answers).cpu().numpy()
