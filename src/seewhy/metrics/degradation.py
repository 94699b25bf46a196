"""Degradation of the image, most and least relevant tiles first (Schulz, Sixt, Tombari, Landgraf, ICLR 2020)."""

import math
from collections.abc import Sequence

import numpy as np

from seewhy.core.attribution import Map
from seewhy.core.errors import RequestError
from seewhy.core.metric import Curve, MetricInput, MetricResult
from seewhy.core.probe import Probe
from seewhy.metrics import curves


def degradation(probe: Probe, saliency: Map, case: MetricInput, *, tile: int = 8, steps: int = 100) -> MetricResult:
    """Remove tiles, once most and once least relevant first, and measure the area between the curves. Higher is better.

    Schulz, Sixt, Tombari, Landgraf, ICLR 2020. The relevance of a tile is its mean in the map; the default in-fill is the
    image's mean colour. The probability of the class is recorded for the full image, after removing ``round(i n / (steps
    - 1)) + 1`` of the n tiles for ``i = 0 … steps - 2``, as in the authors' code, and after removing all tiles, where both
    curves end. The value is the integral of the least-relevant-first curve minus the most-relevant-first curve, over the
    fraction of tiles.

    The authors scale both curves by ``(p - b) / (t - b)``, where t is the mean probability over the full images of a data
    set and b the mean over the degraded images. For a single image the value is in plain probability; `pooled` scales the
    mean over images.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together.
        saliency: ``(h, w)`` map to evaluate.
        case: the case; its ``target`` is the class whose probability is measured.
        tile: side of a tile, in pixels; the authors use 8 and 14.
        steps: number of points on each curve before the last one.

    Returns:
        -1 to 1; 0 if the order makes no difference. The curve is the difference; ``parts`` holds both curves.

    Raises:
        RequestError: a setting is out of range, the map is not finite or of another size, or the budget is too small.

    Cost: ``2 x steps`` queries, 200 by default; fewer if there are fewer tiles than steps.
    """
    curves.check_map(probe, saliency)
    numbers = curves.number_tiles(*probe.size, tile)
    relevance = curves.totals(saliency, numbers) / np.bincount(numbers.ravel())
    count = len(relevance)
    if steps < 2:
        raise RequestError(f"expected steps >= 2, got {steps}")
    between = np.unique(np.rint(np.linspace(0, 1, steps) * count)[:-1].astype(np.int64) + 1)
    between = between[between < count].tolist()
    curves.plan(probe, 2 + 2 * len(between), "fewer steps")
    place = curves.places(relevance[None])[0]
    top, bottom = curves.curve(probe, place[numbers], [0, count], case.target)
    most = curves.curve(probe, place[numbers], between, case.target, stream=1)
    least = curves.curve(probe, (count - 1 - place)[numbers], between, case.target, stream=2)
    morf, lerf = (np.array([top, *inner, bottom]) for inner in (most, least))
    x = np.array([0, *between, count]) / count
    parts = {"morf": morf, "lerf": lerf}
    return MetricResult(curves.area(x, lerf - morf), Curve(x, lerf - morf), parts=parts)


def pooled(measured: Sequence[MetricResult]) -> float:
    """Pool the values of many images as the authors do: the mean area, divided by the mean fall from full to degraded image.

    For one image it is its area in units of its own fall; NaN if the mean probability does not fall.
    """
    fall = float(np.mean([each.parts["morf"][0] - each.parts["morf"][-1] for each in measured]))
    return float(np.mean([each.value for each in measured])) / fall if fall > 0 else math.nan
