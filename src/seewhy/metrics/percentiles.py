"""Overlap of the object with the highest-ranked pixels of a map, over a range of thresholds."""

import numpy as np

from seewhy.core.attribution import Map
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe
from seewhy.core.score import Case, Curve, Measured
from seewhy.metrics import curves


def iou_percentiles(probe: Probe, saliency: Map, case: Case, *, start: int = 70) -> Measured:
    """Measure intersection over union with the highest-ranked pixels, averaged over percentiles. Higher is better.

    After Charachon et al. (FGCS 132, 2022), whose thresholds are the map's percentiles 0 to 100. Such maps are 0 in large
    regions, where a threshold of 0 would select the full image. Here the number of pixels above each percentile is therefore
    selected by rank (`seewhy.metrics.curves.order`). For the same reason the mean starts at ``start``; it ends before 100,
    where no pixel is left.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together; not queried.
        saliency: ``(h, w)`` map to evaluate.
        case: the case; its ``region`` is the mask of the object.
        start: the first percentile, 0 to 99; the others follow in steps of 1 up to 99.

    Returns:
        Mean intersection over union, 0 to 1. The curve is the overlap over the fraction of pixels that are excluded.

    Raises:
        RequestError: the region is missing, empty or the full image, the map does not have the image's size or is not
            finite, or ``start`` is out of range.

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
