"""The pointing game (Zhang et al., "Excitation Backprop", ECCV 2016): whether the map's maximum is on the object."""

import numpy as np

from seewhy.core.attribution import Map
from seewhy.core.errors import RequestError
from seewhy.core.metric import MetricInput, MetricResult
from seewhy.core.probe import Probe
from seewhy.metrics.curves import check_map


def pointing(probe: Probe, saliency: Map, case: MetricInput, *, tolerance: float = 15.0) -> MetricResult:
    """Test whether the maximum of the map lies on or near the object. Higher is better.

    Zhang, Lin, Brandt, Shen, Sclaroff, ECCV 2016. A hit is a maximum at most ``tolerance`` pixels from a pixel of the region
    (Euclidean distance between pixel centres in the classifier's view; published results use the pixels of the original
    image). If several pixels share the maximum, the value is the fraction of them that hit.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together; not queried.
        saliency: ``(h, w)`` map to evaluate.
        case: the case; its ``region`` is the mask of the object.
        tolerance: maximum distance from the object in pixels of the view; 0 for none.

    Returns:
        1 for a hit, 0 for a miss; the mean over images is the accuracy.

    Raises:
        RequestError: the region is missing, empty or the full image, the map does not have the image's size or is not
            finite, or the tolerance is negative.

    Cost: no query.
    """
    check_map(probe, saliency)
    if not tolerance >= 0:
        raise RequestError(f"expected tolerance >= 0 pixels, got {tolerance}")
    outside = (~case.where()).astype(np.uint8)
    import cv2  # noqa: PLC0415 - loaded on first use

    distance = cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    hits = distance[saliency == saliency.max()] <= tolerance
    return MetricResult(float(hits.mean()), settings={"tolerance": tolerance})
