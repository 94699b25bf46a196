"""Metrics that explain the image again: with other seeds, and with a randomised classifier."""

import math
from itertools import combinations

from seewhy.core.attribution import Map
from seewhy.core.errors import RequestError
from seewhy.core.metric import MetricInput, MetricResult, Reexplain
from seewhy.core.probe import Probe
from seewhy.core.ranks import spearman
from seewhy.metrics.curves import check_map


def seed_reproducibility(probe: Probe, saliency: Map, case: MetricInput, *, seeds: int = 2) -> MetricResult:
    """Re-explain with other seeds and measure the agreement of the maps. Higher is better.

    The value is the mean Spearman rank correlation over all pairs of the map and the maps for other seeds, with the same
    method, settings, in-fill and budget. The seeds follow the probe's seed. Deterministic methods score 1. Robustness tests
    of explanations use the same measure (Ghorbani, Abid, Zou, AAAI 2019), with an attack instead of the randomness of the
    method.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together; queried only by ``case.reexplain``.
        saliency: ``(h, w)`` map to evaluate.
        case: the case; its ``reexplain`` re-explains the image.
        seeds: number of other seeds.

    Returns:
        -1 to 1; NaN if one of the maps is constant.

    Raises:
        RequestError: the image cannot be re-explained, ``seeds`` < 1, or the map is not finite or of another size.

    Cost: one explanation per seed.
    """
    check_map(probe, saliency)
    if seeds < 1:
        raise RequestError(f"expected seeds >= 1, got {seeds}")
    reexplain = _reexplain(case)
    maps = [saliency, *(reexplain(seed=probe.seed + 1 + number) for number in range(seeds))]
    correlations = [spearman(one, other) for one, other in combinations(maps, 2)]
    defined = [value for value in correlations if value is not None]
    if len(defined) < len(correlations):
        return MetricResult(math.nan, note="one of the maps is constant")
    return MetricResult(sum(defined) / len(defined))


def parameter_randomisation(probe: Probe, saliency: Map, case: MetricInput) -> MetricResult:
    """Randomise the classifier's weights, re-explain the image, and measure the similarity of the maps. Lower is better.

    Adebayo, Gilmer, Muelly, Goodfellow, Hardt, Kim, "Sanity checks for saliency maps", NeurIPS 2018. The value is the
    absolute Spearman rank correlation of the map with the map for the same class and method on a copy of the classifier in
    which all weights are shuffled at once (the paper also randomises layer by layer). A map that does not change cannot
    explain what the classifier learned.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together; queried only by ``case.reexplain``.
        saliency: ``(h, w)`` map to evaluate.
        case: the case; its ``reexplain`` re-explains the image.

    Returns:
        0 to 1; NaN if one of the two maps is constant.

    Raises:
        RequestError: the image cannot be re-explained with random weights, or the map is not finite or of another size.

    Cost: one explanation.
    """
    check_map(probe, saliency)
    correlation = spearman(saliency, _reexplain(case)(randomise=True))
    if correlation is None:
        return MetricResult(math.nan, note="one of the two maps is constant")
    return MetricResult(abs(correlation))


def _reexplain(case: MetricInput) -> Reexplain:
    """Return the function that explains the image again."""
    if case.reexplain is None:
        raise RequestError("expected case.reexplain, to explain the image again, got None; use seewhy.score")
    return case.reexplain
