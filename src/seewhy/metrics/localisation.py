"""Metrics that compare a map with the location of the object; none of them queries the classifier."""

import math

import numpy as np

from seewhy.core.attribution import Map
from seewhy.core.errors import RequestError
from seewhy.core.metric import Curve, MetricInput, MetricResult
from seewhy.core.probe import Probe
from seewhy.metrics import curves


def pointing(probe: Probe, saliency: Map, case: MetricInput, *, tolerance: float = 15.0) -> MetricResult:
    """Test whether the maximum of the map lies on or near the object. Higher is better.

    Zhang, Lin, Brandt, Shen, Sclaroff, "Excitation Backprop", ECCV 2016. A hit is a maximum at most ``tolerance`` pixels
    from a pixel of the region (Euclidean distance between pixel centres in the classifier's view; published results use the
    pixels of the original image). If several pixels share the maximum, the value is the fraction of them that hit.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together; not queried.
        saliency: ``(h, w)`` map to evaluate.
        case: the case; its ``region`` is the mask of the object.
        tolerance: maximum distance from the object in pixels of the view; 0 for none.

    Returns:
        1 for a hit, 0 for a miss; the mean over images is the accuracy.

    Raises:
        RequestError: the region is missing, empty or the full image, the map is not finite or of another size, or the
            tolerance is negative.
    """
    curves.check_map(probe, saliency)
    if not tolerance >= 0:
        raise RequestError(f"expected tolerance >= 0 pixels, got {tolerance}")
    outside = (~case.where()).astype(np.uint8)
    import cv2  # noqa: PLC0415 - loaded on first use

    distance = cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    hits = distance[saliency == saliency.max()] <= tolerance
    return MetricResult(float(hits.mean()))


def energy_in_box(probe: Probe, saliency: Map, case: MetricInput) -> MetricResult:
    """Measure the share of the map's positive values that lies on the object. Higher is better.

    The energy-based pointing game: Wang, Wang, Du, Yang, Zhang, Ding, Mardziel, Hu, "Score-CAM", CVPR workshops 2020. The
    value is the sum of the positive values in the region, divided by the sum of all positive values. A constant map scores
    the region's share of the image. The metric underrates maps without a natural zero, such as those of `rise`.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together; not queried.
        saliency: ``(h, w)`` map to evaluate.
        case: the case; its ``region`` is the mask of the object.

    Returns:
        0 to 1; NaN if the map has no positive value.

    Raises:
        RequestError: the region or the map is invalid, as in `pointing`.
    """
    curves.check_map(probe, saliency)
    positive = np.maximum(saliency, 0, dtype=np.float64)
    total = float(positive.sum())
    if total == 0:
        return MetricResult(math.nan, note="the map has no positive value")
    return MetricResult(float(positive[case.where()].sum()) / total)


def ncc(probe: Probe, saliency: Map, case: MetricInput) -> MetricResult:
    """Measure the normalised cross-correlation of map and object at zero lag, which is Pearson's. Higher is better.

    As in Charachon et al. (FGCS 132, 2022): the map is not smoothed, and the object mask is 1 on the object and 0 elsewhere.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together; not queried.
        saliency: ``(h, w)`` map to evaluate.
        case: the case; its ``region`` is the mask of the object.

    Returns:
        -1 to 1; about 0 for an uninformative map; NaN for a constant map.

    Raises:
        RequestError: the region or the map is invalid, as in `pointing`.
    """
    curves.check_map(probe, saliency)
    values, region = saliency.astype(np.float64), case.where()
    if values.min() == values.max():
        return MetricResult(math.nan, note="the map is constant")
    return MetricResult(float(np.corrcoef(values.ravel(), region.ravel())[0, 1]))


def box_ratio(probe: Probe, saliency: Map, case: MetricInput, *, largest: float = 0.33) -> MetricResult:
    """Measure the share of the N highest-ranked pixels on an object of N pixels. Higher is better.

    Schulz, Sixt, Tombari, Landgraf, ICLR 2020. Ties are ordered by `seewhy.metrics.curves.order`. A random map scores the
    region's share of the image on average.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together; not queried.
        saliency: ``(h, w)`` map to evaluate.
        case: the case; its ``region`` is the mask of the object.
        largest: maximum fraction of the classifier's view that the object may cover; larger objects are excluded, as in the
            paper. 1 includes all objects.

    Returns:
        0 to 1; NaN for an object that is too large.

    Raises:
        RequestError: the region or the map is invalid, as in `pointing`, or ``largest`` is out of range.
    """
    curves.check_map(probe, saliency)
    if not 0 < largest <= 1:
        raise RequestError(f"expected largest in (0, 1], got {largest}")
    share = float(case.where().mean())
    if share > largest:
        return MetricResult(math.nan, note=f"the object covers {share:.0%}, more than {largest:.0%}")
    return MetricResult(_common(saliency, case) / int(case.where().sum()))


def iou(probe: Probe, saliency: Map, case: MetricInput) -> MetricResult:
    """Measure intersection over union of an object of N pixels and the N highest-ranked pixels. Higher is better.

    No threshold is needed: both areas are equal, and ``iou = r / (2 - r)`` with r as in `box_ratio`. (For the measure itself
    see Everingham et al., The PASCAL VOC challenge, IJCV 2010.)

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together; not queried.
        saliency: ``(h, w)`` map to evaluate.
        case: the case; its ``region`` is the mask of the object.

    Returns:
        Intersection over union, 0 to 1.

    Raises:
        RequestError: the region or the map is invalid, as in `pointing`.
    """
    curves.check_map(probe, saliency)
    common, size = _common(saliency, case), int(case.where().sum())
    return MetricResult(common / (2 * size - common))


def _common(saliency: Map, case: MetricInput) -> int:
    """Count the object's N pixels that are among the N highest-ranked ones."""
    region = case.where()
    return int(np.count_nonzero(region & (curves.places(saliency) < region.sum())))


def iou_percentiles(probe: Probe, saliency: Map, case: MetricInput, *, start: int = 70) -> MetricResult:
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
        RequestError: the region or the map is invalid, as in `pointing`, or ``start`` is out of range.
    """
    curves.check_map(probe, saliency)
    if not 0 <= start <= 99:
        raise RequestError(f"expected start from 0 to 99, got {start}")
    hits = np.cumsum(case.where().ravel()[curves.order(saliency)])
    out = np.arange(start, 100) / 100
    taken = np.maximum(1, np.rint((1 - out) * saliency.size).astype(np.int64))
    common = hits[taken - 1]
    overlap = common / (taken + hits[-1] - common)
    return MetricResult(float(overlap.mean()), Curve(out, overlap))
