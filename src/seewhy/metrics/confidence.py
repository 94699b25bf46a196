"""Average drop and increase of confidence (Chattopadhay, Sarkar, Howlader, Balasubramanian, "Grad-CAM++", WACV 2018)."""

import math

import numpy as np
import torch

from seewhy.core.maps import Map
from seewhy.core.probe import Probe
from seewhy.core.score import Case, Measured
from seewhy.core.seeds import derive
from seewhy.metrics import curves

_EVEN = "the map has one value everywhere"


def average_drop(probe: Probe, saliency: Map, case: Case) -> Measured:
    """Show only what the map marks and measure how much of the confidence is lost. Lower is better.

    Chattopadhay, Sarkar, Howlader, Balasubramanian, WACV 2018. The map is brought to 0 … 1 by its least and its largest value
    and says how much of each pixel is kept; in between, pixels are blended with the in-fill, by default black, so that the
    picture is multiplied by the map. (Ports that multiply the normalised picture blend with gray: ``infill="gray"``.)
    The value is ``max(0, p - q) / p``, with p of the picture and q of what was kept.

    Args:
        probe: the bound question.
        saliency: the map.
        case: the class that is watched.

    Returns:
        0 to 1, a share (the paper gives per cent); NaN for a map with one value everywhere, or a class without
        probability. The mean over pictures is the average drop.

    Raises:
        RequestError: the map is not of the picture's size or not finite, or the budget is too small.

    Cost: two queries.
    """
    answers = _answers(probe, saliency, case)
    if answers is None:
        return Measured(math.nan, note=_EVEN)
    whole, kept = answers
    if whole == 0:
        return Measured(math.nan, note="the class has no probability")
    return Measured(max(0.0, whole - kept) / whole)


def average_increase(probe: Probe, saliency: Map, case: Case) -> Measured:
    """Show only what the map marks and say whether the confidence rises. Higher is better.

    Chattopadhay, Sarkar, Howlader, Balasubramanian, WACV 2018; the picture as in `average_drop`.

    Args:
        probe: the bound question.
        saliency: the map.
        case: the class that is watched.

    Returns:
        1 where it rises, else 0; NaN for a map with one value everywhere. The mean over pictures is the share of those that
        rise.

    Raises:
        RequestError: as in `average_drop`.

    Cost: two queries.
    """
    answers = _answers(probe, saliency, case)
    if answers is None:
        return Measured(math.nan, note=_EVEN)
    whole, kept = answers
    return Measured(float(kept > whole))


def _answers(probe: Probe, saliency: Map, case: Case) -> tuple[float, float] | None:
    """The probability of the class for the picture and for what the map keeps of it; None for an even map."""
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
