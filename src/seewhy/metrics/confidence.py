"""Average drop and increase of confidence (Chattopadhay, Sarkar, Howlader, Balasubramanian, "Grad-CAM++", WACV 2018)."""

import math

import numpy as np
import torch

from seewhy.core.attribution import Map
from seewhy.core.metric import MetricInput, MetricResult
from seewhy.core.probe import Probe
from seewhy.core.seeds import derive
from seewhy.metrics import curves

_CONSTANT = "the map is constant"


def average_drop(probe: Probe, saliency: Map, case: MetricInput) -> MetricResult:
    """Keep only the highlighted pixels and measure the relative drop in confidence. Lower is better.

    Chattopadhay, Sarkar, Howlader, Balasubramanian, WACV 2018. The map is min-max scaled to 0 … 1 and used as a soft keep
    mask. Partly kept pixels are blended with the in-fill, black by default, so that the image is multiplied by the map.
    (Implementations that multiply the normalised image blend with gray: ``infill="gray"``.) The value is
    ``max(0, p - q) / p``, with the probability p of the class for the full image and q for the masked image.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together.
        saliency: ``(h, w)`` map to evaluate.
        case: the case; its ``target`` is the class whose probability is measured.

    Returns:
        The drop as a fraction, 0 to 1 (the paper reports per cent); NaN for a constant map or a class of probability 0.
        The mean over images is the average drop.

    Raises:
        RequestError: the map is not finite or of another size, or the budget is too small.

    Cost: two queries.
    """
    answers = _answers(probe, saliency, case)
    if answers is None:
        return MetricResult(math.nan, note=_CONSTANT)
    whole, kept = answers
    if whole == 0:
        return MetricResult(math.nan, note="the class has probability 0")
    return MetricResult(max(0.0, whole - kept) / whole)


def average_increase(probe: Probe, saliency: Map, case: MetricInput) -> MetricResult:
    """Keep only the highlighted pixels and measure whether the confidence rises. Higher is better.

    Chattopadhay, Sarkar, Howlader, Balasubramanian, WACV 2018; the image is masked as in `average_drop`.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together.
        saliency: ``(h, w)`` map to evaluate.
        case: the case; its ``target`` is the class whose probability is measured.

    Returns:
        1 if the probability rises, else 0; NaN for a constant map. The mean over images is the fraction of images whose
        probability rises.

    Raises:
        RequestError: as in `average_drop`.

    Cost: two queries.
    """
    answers = _answers(probe, saliency, case)
    if answers is None:
        return MetricResult(math.nan, note=_CONSTANT)
    whole, kept = answers
    return MetricResult(float(kept > whole))


def _answers(probe: Probe, saliency: Map, case: MetricInput) -> tuple[float, float] | None:
    """Return the class probability for the full and the masked image; None for a constant map."""
    curves.check_map(probe, saliency)
    least, most = float(saliency.min()), float(saliency.max())
    if least == most:
        return None
    curves.plan(probe, 2, "no budget")
    scaled = (saliency.astype(np.float64) - least) / (most - least)
    keep = torch.from_numpy(scaled).to(probe.image)
    seeds = derive(probe.seed, torch.arange(2, device=keep.device))
    whole, kept = probe(torch.stack([torch.ones_like(keep), keep]), seeds)[:, case.target].tolist()
    return whole, kept
