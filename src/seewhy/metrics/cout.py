"""Counterfactual transition (Khorram, Fuxin, CVPR 2022): how soon the classes change places on the way to a counterfactual."""

import math
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int

from seewhy.core.arrays import Image
from seewhy.core.errors import RequestError
from seewhy.core.maps import Map
from seewhy.core.probe import Probe
from seewhy.core.score import Case, Curve, Measured
from seewhy.metrics import curves

COUNTERFACTUALS = ("adversarial", "counterfactual")
"""Names of the companion pictures that are counterfactuals."""


def cout(
    probe: Probe, saliency: Map, case: Case, *, steps: int = 50, order: Literal["change", "map"] = "change"
) -> Measured:
    """Put the counterfactual picture into the picture, pixel by pixel, and measure how soon the classes change. Higher is better.

    Khorram, Fuxin, "Cycle-consistent counterfactuals by latent transformations", CVPR 2022. The pixels that change most come first.
    The value is the area under the probability of the counterfactual's class minus the area under that of the map's class, by the
    trapezoid rule over the share of pixels. The counterfactual's class is the likeliest other one of the finished counterfactual: a
    picture that never gets there has a low value, which says so.

    Args:
        probe: the bound question.
        saliency: the map; not used unless ``order`` is ``map``.
        case: the class that is watched, and the pictures that belong to the explanation.
        steps: equal steps from the picture to the counterfactual.
        order: which pixels come first: those that differ most (``change``), as in the paper, or the highest of the map.

    Returns:
        -1 to 1; NaN where the explanation has no counterfactual picture. The curve is the difference of the two probabilities.

    Raises:
        RequestError: the map is not of the picture's size or not finite, there are fewer pixels than steps, or the budget is too small.

    Cost: ``steps`` + 1 queries.
    """
    curves.check_map(probe, saliency)
    if not 1 <= steps <= saliency.size:
        raise RequestError(f"expected steps from 1 to {saliency.size}, the number of pixels, got {steps}")
    settings: dict[str, object] = {"steps": steps, "order": order}
    name = next((name for name in COUNTERFACTUALS if name in case.companions), None)
    if name is None:
        return Measured(math.nan, note="the explanation has no counterfactual picture", settings=settings)
    curves.plan(probe, steps + 1, "fewer steps")
    other = torch.from_numpy(case.companions[name]).to(probe.image)
    ranking = saliency if order == "map" else (probe.image - other).abs().mean(0).cpu().numpy()
    counts = np.rint(np.linspace(0, saliency.size, steps + 1)).astype(np.int64)
    answers = _answers(probe, other, curves.places(ranking), counts)
    rivals = answers[-1].copy()
    rivals[case.target] = -1
    difference = answers[:, rivals.argmax()] - answers[:, case.target]
    x = counts / saliency.size
    return Measured(curves.area(x, difference), Curve(x, difference), settings=settings)


def _answers(
    probe: Probe, other: Image, where: curves.Places, counts: Int[np.ndarray, " m"]
) -> Float[np.ndarray, "m k"]:
    """Ask about the picture with the first places taken from the other one, after each count."""
    ranked, answers = torch.from_numpy(where).to(other.device), []
    for some in torch.split(torch.from_numpy(counts).to(other.device), probe.rows):
        new = (ranked < some[:, None, None])[:, None]
        answers.append(probe.show(torch.where(new, other, probe.image)))
    return torch.cat(answers).cpu().numpy()
