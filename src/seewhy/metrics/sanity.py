"""The model parameter randomisation test (Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018)."""

import math

from seewhy.core.errors import RequestError
from seewhy.core.maps import Map
from seewhy.core.probe import Probe
from seewhy.core.ranks import spearman
from seewhy.core.score import Case, Measured
from seewhy.metrics.curves import check_map


def sanity(probe: Probe, saliency: Map, case: Case) -> Measured:
    """Randomise the classifier's weights, explain again, and see whether the map stays. Lower is better.

    Adebayo, Gilmer, Muelly, Goodfellow, Hardt, Kim, NeurIPS 2018. The absolute value of Spearman's rank correlation of the map
    with the map of the same class and the same method for a copy of the classifier in which all weights were shuffled
    at once (the paper also does it layer by layer). A map that stays cannot explain what was learned.

    Args:
        probe: the bound question; nothing is asked but by ``case.again``.
        saliency: the map.
        case: explains the picture again.

    Returns:
        0 to 1; NaN where one of the two maps has one value everywhere.

    Raises:
        RequestError: the picture cannot be explained again with random weights, or the map is not of its size.

    Cost: one explanation.
    """
    check_map(probe, saliency)
    if case.again is None:
        raise RequestError("expected to be able to explain the picture again, got no way to; use seewhy.score")
    found = spearman(saliency, case.again(randomise=True))
    if found is None:
        return Measured(math.nan, note="one of the two maps has one value everywhere")
    return Measured(abs(found))
