"""Overlap of the object with the highest-ranked pixels of a map, the same number as the object has."""

import math

import numpy as np

from seewhy.core.attribution import Map
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe
from seewhy.core.score import Case, Measured
from seewhy.metrics import curves


def box_ratio(probe: Probe, saliency: Map, case: Case, *, largest: float = 0.33) -> Measured:
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
        RequestError: the region is missing, empty or the full image, the map does not have the image's size or is not
            finite, or ``largest`` is out of range.

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
        RequestError: the region is missing, empty or the full image, or the map does not have the image's size or is not
            finite.

    Cost: no query.
    """
    curves.check_map(probe, saliency)
    common, size = _common(saliency, case), int(case.where().sum())
    return Measured(common / (2 * size - common))


def _common(saliency: Map, case: Case) -> int:
    """Count the object's N pixels that are among the N highest-ranked ones."""
    region = case.where()
    return int(np.count_nonzero(region & (curves.places(saliency) < region.sum())))
