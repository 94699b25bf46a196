"""The model parameter randomisation test (Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018)."""

import math

from seewhy.core.attribution import Map
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe
from seewhy.core.ranks import spearman
from seewhy.core.score import Case, Measured
from seewhy.metrics.curves import check_map


def sanity(probe: Probe, saliency: Map, case: Case) -> Measured:
    """Randomise the classifier's weights, re-explain the image, and measure the similarity of the maps. Lower is better.

    Adebayo, Gilmer, Muelly, Goodfellow, Hardt, Kim, NeurIPS 2018. The value is the absolute Spearman rank correlation of the
    map with the map for the same class and method on a copy of the classifier in which all weights are shuffled at once (the
    paper also randomises layer by layer). A map that does not change cannot explain what the classifier learned.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together; queried only by ``case.again``.
        saliency: ``(h, w)`` map to evaluate.
        case: the case; its ``again`` re-explains the image.

    Returns:
        0 to 1; NaN if one of the two maps is constant.

    Raises:
        RequestError: the image cannot be re-explained with random weights, or the map does not have the image's size or is
            not finite.

    Cost: one explanation.
    """
    check_map(probe, saliency)
    if case.again is None:
        raise RequestError("expected case.again, to explain the image again, got None; use seewhy.score")
    found = spearman(saliency, case.again(randomise=True))
    if found is None:
        return Measured(math.nan, note="one of the two maps is constant")
    return Measured(abs(found))
