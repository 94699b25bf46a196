"""The energy-based pointing game (Wang et al., "Score-CAM", CVPR workshops 2020): the share of the map on the object."""

import math

import numpy as np

from seewhy.core.attribution import Map
from seewhy.core.probe import Probe
from seewhy.core.score import Case, Measured
from seewhy.metrics.curves import check_map


def energy_in_box(probe: Probe, saliency: Map, case: Case) -> Measured:
    """Measure the share of the map's positive values that lies on the object. Higher is better.

    Wang, Wang, Du, Yang, Zhang, Ding, Mardziel, Hu, CVPR workshops 2020. The value is the sum of the positive values in the
    region, divided by the sum of all positive values. A constant map scores the region's share of the image. The metric
    underrates maps without a natural zero, such as those of `rise`.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together; not queried.
        saliency: ``(h, w)`` map to evaluate.
        case: the case; its ``region`` is the mask of the object.

    Returns:
        0 to 1; NaN if the map has no positive value.

    Raises:
        RequestError: the region is missing, empty or the full image, or the map does not have the image's size or is not
            finite.

    Cost: no query.
    """
    check_map(probe, saliency)
    positive = np.maximum(saliency, 0, dtype=np.float64)
    total = float(positive.sum())
    if total == 0:
        return Measured(math.nan, note="the map has no positive value")
    return Measured(float(positive[case.where()].sum()) / total)
