"""The pointing game (Zhang et al., "Excitation Backprop", ECCV 2016): does the highest point fall on the object?"""

import cv2
import numpy as np

from seewhy.core.errors import RequestError
from seewhy.core.maps import Map
from seewhy.core.probe import Probe
from seewhy.core.score import Case, Measured
from seewhy.metrics.curves import check_map


def pointing(probe: Probe, saliency: Map, case: Case, *, tolerance: float = 15.0) -> Measured:
    """Say whether the highest point of the map lies on the object, or near it. Higher is better.

    Zhang, Lin, Brandt, Shen, Sclaroff, ECCV 2016. A hit is a highest point at most ``tolerance`` pixels from a pixel of the
    region (Euclidean, between pixel centres, in the classifier's view; published figures count in the picture's own pixels).
    Where several pixels share the highest value, the value is the share of them that hit.

    Args:
        probe: the bound question; nothing is asked.
        saliency: the map.
        case: where the object is.
        tolerance: pixels of the view; 0 for none.

    Returns:
        1 for a hit, 0 for a miss; the mean over pictures is the accuracy.

    Raises:
        RequestError: no region is known or it says nothing, the map is not of the picture's size, or the tolerance is
            negative.

    Cost: no query.
    """
    check_map(probe, saliency)
    if not tolerance >= 0:
        raise RequestError(f"expected tolerance >= 0 pixels, got {tolerance}")
    outside = (~case.where()).astype(np.uint8)
    distance = cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    hits = distance[saliency == saliency.max()] <= tolerance
    return Measured(float(hits.mean()), settings={"tolerance": tolerance})
