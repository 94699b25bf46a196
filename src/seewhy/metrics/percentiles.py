"""Overlap of the object with the highest pixels of a map, over a range of thresholds."""

import numpy as np

from seewhy.core.errors import RequestError
from seewhy.core.maps import Map
from seewhy.core.probe import Probe
from seewhy.core.score import Case, Curve, Measured
from seewhy.metrics import curves


def iou_percentiles(probe: Probe, saliency: Map, case: Case, *, start: int = 70) -> Measured:
    """Measure intersection over union with the highest pixels, mean over percentiles of the map. Higher is better.

    After Charachon et al. (FGCS 132, 2022), whose thresholds are the map's percentiles 0 to 100. Here as many pixels are taken as
    lie above a percentile, in the order of `seewhy.metrics.curves.order`, because such maps are 0 on large parts: a threshold of 0
    would take the whole picture. For the same reason the mean begins at ``start`` and ends before 100, where nothing is left.

    Args:
        probe: the bound question; nothing is asked.
        saliency: the map.
        case: where the object is.
        start: the first percentile, 0 to 99; the others follow one by one up to 99.

    Returns:
        0 to 1. The curve is the overlap over the share of pixels that are left out.

    Raises:
        RequestError: no region is known or it says nothing, the map is not of the picture's size or not finite, or ``start`` is out
            of range.

    Cost: no query.
    """
    curves.check_map(probe, saliency)
    if not 0 <= start <= 99:
        raise RequestError(f"expected start from 0 to 99, got {start}")
    hits = np.cumsum(case.where().ravel()[curves.order(saliency)])
    out = np.arange(start, 100) / 100
    taken = np.maximum(1, np.rint((1 - out) * saliency.size).astype(np.int64))
    common = hits[taken - 1]
    overlap = common / (taken + hits[-1] - common)
    return Measured(float(overlap.mean()), Curve(out, overlap), settings={"start": start})
