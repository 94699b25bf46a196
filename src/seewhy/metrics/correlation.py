"""Correlation of the map with the object, as a picture of ones and zeros."""

import math

import numpy as np

from seewhy.core.maps import Map
from seewhy.core.probe import Probe
from seewhy.core.score import Case, Measured
from seewhy.metrics.curves import check_map


def ncc(probe: Probe, saliency: Map, case: Case) -> Measured:
    """Measure the normalised cross-correlation of the map with the object at zero lag: Pearson's correlation. Higher is better.

    As Charachon et al. (FGCS 132, 2022) measure it: the map is taken as it is, without smoothing; the object is 1 and all else 0.

    Args:
        probe: the bound question; nothing is asked.
        saliency: the map.
        case: where the object is.

    Returns:
        -1 to 1; about 0 for a map that knows nothing; NaN for a map with one value everywhere.

    Raises:
        RequestError: no region is known or it says nothing, or the map is not of the picture's size or not finite.

    Cost: no query.
    """
    check_map(probe, saliency)
    values, region = saliency.astype(np.float64), case.where().astype(np.float64)
    if values.min() == values.max():
        return Measured(math.nan, note="the map has one value everywhere")
    return Measured(float(np.corrcoef(values.ravel(), region.ravel())[0, 1]))
