"""Correlation of the map with the binary mask of the object."""

import math

import numpy as np

from seewhy.core.attribution import Map
from seewhy.core.probe import Probe
from seewhy.core.score import Case, Measured
from seewhy.metrics.curves import check_map


def ncc(probe: Probe, saliency: Map, case: Case) -> Measured:
    """Measure the normalised cross-correlation of map and object at zero lag, which is Pearson's. Higher is better.

    As in Charachon et al. (FGCS 132, 2022): the map is not smoothed, and the object mask is 1 on the object and 0 elsewhere.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together; not queried.
        saliency: ``(h, w)`` map to evaluate.
        case: the case; its ``region`` is the mask of the object.

    Returns:
        -1 to 1; about 0 for an uninformative map; NaN for a constant map.

    Raises:
        RequestError: the region is missing, empty or the full image, or the map does not have the image's size or is not
            finite.

    Cost: no query.
    """
    check_map(probe, saliency)
    values, region = saliency.astype(np.float64), case.where().astype(np.float64)
    if values.min() == values.max():
        return Measured(math.nan, note="the map is constant")
    return Measured(float(np.corrcoef(values.ravel(), region.ravel())[0, 1]))
