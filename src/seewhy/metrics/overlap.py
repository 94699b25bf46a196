"""The highest pixels of a map against the object: as many of them as the object has."""

import math

import numpy as np

from seewhy.core.errors import RequestError
from seewhy.core.maps import Map
from seewhy.core.probe import Probe
from seewhy.core.score import Case, Measured
from seewhy.metrics import curves


def box_ratio(probe: Probe, saliency: Map, case: Case, *, largest: float = 0.33) -> Measured:
    """Measure the share of the highest pixels that lies on the object, as many pixels as it has. Higher is better.

    Schulz, Sixt, Tombari, Landgraf, ICLR 2020. Ties: see `seewhy.metrics.curves.order`. A random map gets the region's share
    of the picture.

    Args:
        probe: the bound question; nothing is asked.
        saliency: the map.
        case: where the object is.
        largest: objects that cover more of what the classifier sees are left out, as in the paper; 1 takes all.

    Returns:
        0 to 1; NaN for an object that is too large.

    Raises:
        RequestError: no region is known or it says nothing, the map is not of the picture's size or not finite, or
            ``largest`` is out of range.

    Cost: no query.
    """
    curves.check_map(probe, saliency)
    if not 0 < largest <= 1:
        raise RequestError(f"expected largest in (0, 1], got {largest}")
    settings: dict[str, object] = {"largest": largest}
    share = float(case.where().mean())
    if share > largest:
        return Measured(math.nan, note=f"the object covers {share:.0%}, more than {largest:.0%}", settings=settings)
    return Measured(_common(saliency, case) / int(case.where().sum()), settings=settings)


def iou(probe: Probe, saliency: Map, case: Case) -> Measured:
    """Measure intersection over union of the object and the highest pixels, as many as it has. Higher is better.

    No threshold is chosen: both areas are the same, and ``iou = r / (2 - r)`` with r as in `box_ratio`. (Everingham et al., The
    PASCAL VOC challenge, IJCV 2010, for the measure itself.)

    Args:
        probe: the bound question; nothing is asked.
        saliency: the map.
        case: where the object is.

    Returns:
        0 to 1.

    Raises:
        RequestError: no region is known or it says nothing, or the map is not of the picture's size or not finite.

    Cost: no query.
    """
    curves.check_map(probe, saliency)
    common, size = _common(saliency, case), int(case.where().sum())
    return Measured(common / (2 * size - common))


def _common(saliency: Map, case: Case) -> int:
    """Count the pixels that are on the object and among as many highest ones."""
    region = case.where()
    return int(np.count_nonzero(region & (curves.places(saliency) < region.sum())))
