"""The energy-based pointing game (Wang et al., "Score-CAM", CVPR workshops 2020): how much of the map is on the object?"""

import math

import numpy as np

from seewhy.core.maps import Map
from seewhy.core.probe import Probe
from seewhy.core.score import Case, Measured
from seewhy.metrics.curves import check_map


def energy_in_box(probe: Probe, saliency: Map, case: Case) -> Measured:
    """Measure the share of the map's positive values that lies on the object. Higher is better.

    Wang, Wang, Du, Yang, Zhang, Ding, Mardziel, Hu, CVPR workshops 2020. The sum of the positive values in the region over
    the sum of all positive values. An even map gets the region's share of the picture. A map without a natural zero, such as
    that of `rise`, gets less than its shape deserves.

    Args:
        probe: the bound question; nothing is asked.
        saliency: the map.
        case: where the object is.

    Returns:
        0 to 1; NaN where the map has no positive value.

    Raises:
        RequestError: no region is known or it says nothing, or the map is not of the picture's size.

    Cost: no query.
    """
    check_map(probe, saliency)
    positive = np.maximum(saliency, 0, dtype=np.float64)
    total = float(positive.sum())
    if total == 0:
        return Measured(math.nan, note="the map has no positive value")
    return Measured(float(positive[case.where()].sum()) / total)
