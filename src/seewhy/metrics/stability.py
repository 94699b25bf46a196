"""Stability: how similar the maps for different seeds are."""

import math
from itertools import combinations

from seewhy.core.attribution import Map
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe
from seewhy.core.ranks import spearman
from seewhy.core.score import Case, Measured
from seewhy.metrics.curves import check_map


def stability(probe: Probe, saliency: Map, case: Case, *, seeds: int = 2) -> Measured:
    """Re-explain with other seeds and measure the agreement of the maps. Higher is better.

    The value is the mean Spearman rank correlation over all pairs of the map and the maps for other seeds, with the same
    method, settings, in-fill and budget. The seeds follow the probe's seed. Deterministic methods score 1. Robustness tests
    of explanations use the same measure (Ghorbani, Abid, Zou, AAAI 2019), with an attack instead of the randomness of the
    method.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together; queried only by ``case.again``.
        saliency: ``(h, w)`` map to evaluate.
        case: the case; its ``again`` re-explains the image.
        seeds: number of other seeds.

    Returns:
        -1 to 1; NaN if one of the maps is constant.

    Raises:
        RequestError: the image cannot be re-explained, ``seeds`` is less than 1, or the map does not have the image's size
            or is not finite.

    Cost: one explanation per seed.
    """
    check_map(probe, saliency)
    if seeds < 1:
        raise RequestError(f"expected seeds >= 1, got {seeds}")
    if case.again is None:
        raise RequestError("expected case.again, to explain the image again, got None; use seewhy.score")
    maps = [saliency, *(case.again(seed=probe.seed + 1 + number) for number in range(seeds))]
    pairs = list(combinations(maps, 2))
    found = [value for one, other in pairs if (value := spearman(one, other)) is not None]
    settings: dict[str, object] = {"seeds": seeds}
    if len(found) < len(pairs):
        return Measured(math.nan, note="one of the maps is constant", settings=settings)
    return Measured(sum(found) / len(found), settings=settings)
