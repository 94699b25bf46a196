"""Stability: how much of a map comes again with another seed?"""

import math
from itertools import combinations

from seewhy.core.errors import RequestError
from seewhy.core.maps import Map
from seewhy.core.probe import Probe
from seewhy.core.ranks import spearman
from seewhy.core.score import Case, Measured
from seewhy.metrics.curves import check_map


def stability(probe: Probe, saliency: Map, case: Case, *, seeds: int = 2) -> Measured:
    """Explain again with other seeds and measure how far the maps agree. Higher is better.

    The mean of Spearman's rank correlation over all pairs of the map and the maps with other seeds, with the same method, settings,
    in-fill and budget; the seeds are those after the probe's. Methods that draw nothing get 1. The measure is the one that
    robustness tests of explanations use (Ghorbani, Abid, Zou, AAAI 2019), with the chance of the method in place of an attack.

    Args:
        probe: the bound question; nothing is asked but by ``case.again``.
        saliency: the map.
        case: explains the picture again.
        seeds: how many others.

    Returns:
        -1 to 1; NaN where one of the maps has one value everywhere.

    Raises:
        RequestError: the picture cannot be explained again, ``seeds`` is less than 1, or the map is not of its size.

    Cost: an explanation a seed.
    """
    check_map(probe, saliency)
    if seeds < 1:
        raise RequestError(f"expected seeds >= 1, got {seeds}")
    if case.again is None:
        raise RequestError("expected to be able to explain the picture again, got no way to; use seewhy.score")
    maps = [saliency, *(case.again(seed=probe.seed + 1 + number) for number in range(seeds))]
    pairs = list(combinations(maps, 2))
    found = [value for one, other in pairs if (value := spearman(one, other)) is not None]
    settings: dict[str, object] = {"seeds": seeds}
    if len(found) < len(pairs):
        return Measured(math.nan, note="one of the maps has one value everywhere", settings=settings)
    return Measured(sum(found) / len(found), settings=settings)
