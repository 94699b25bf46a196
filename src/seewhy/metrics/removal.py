"""Deletion and insertion (Petsiuk, Das, Saenko, "RISE", BMVC 2018): two curves over the same pixel order."""

import numpy as np

from seewhy.core.attribution import Map
from seewhy.core.errors import RequestError
from seewhy.core.metric import Curve, MetricInput, MetricResult
from seewhy.core.probe import Probe
from seewhy.metrics import curves

STEPS = 28
"""Number of steps in the authors' evaluation: 1,792 pixels per step at 224 x 224."""


def deletion(probe: Probe, saliency: Map, case: MetricInput, *, steps: int = STEPS, until: float = 1.0) -> MetricResult:
    """Remove the most salient pixels first and measure how quickly the class probability drops. Lower is better.

    Petsiuk, Das, Saenko, BMVC 2018. The pixels are removed in ``steps`` equal steps from the most to the least salient; ties
    are ordered by `seewhy.metrics.curves.order`. Removed pixels are replaced by the in-fill, by default the data set's mean
    colour, which is zero after the usual normalisation. The value is the area under the probability of the class over the
    fraction removed, by the trapezoid rule over ``steps + 1`` queries including both ends, divided by ``until``.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together.
        saliency: ``(h, w)`` map to evaluate.
        case: the case; its ``target`` is the class whose probability is measured.
        steps: number of steps from the full image to the end; 28 as in the authors' code.
        until: fraction of the image that is removed at the end, in (0, 1]; 0.2 measures the first fifth only.

    Returns:
        The mean probability along the curve, 0 to 1, and the curve.

    Raises:
        RequestError: a setting is out of range, the map is not finite or of another size, or the budget is too small.

    Cost: ``steps + 1`` queries.
    """
    return _area(probe, saliency, case, steps=steps, until=until, put_in=False)


def insertion(
    probe: Probe, saliency: Map, case: MetricInput, *, steps: int = STEPS, until: float = 1.0
) -> MetricResult:
    """Insert the most salient pixels first and measure how quickly the class probability rises. Higher is better.

    Petsiuk, Das, Saenko, BMVC 2018. As `deletion`, but the curve starts from the in-fill alone, by default the authors' blur
    of the image (`seewhy.infills.plain.rise_blur`), and the image's pixels are inserted.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together.
        saliency: ``(h, w)`` map to evaluate.
        case: the case; its ``target`` is the class whose probability is measured.
        steps: number of steps from the in-fill to the end; 28 as in the authors' code.
        until: fraction of the image that is inserted at the end, in (0, 1].

    Returns:
        The mean probability along the curve, 0 to 1, and the curve.

    Raises:
        RequestError: as in `deletion`.

    Cost: ``steps + 1`` queries.
    """
    return _area(probe, saliency, case, steps=steps, until=until, put_in=True)


def _area(probe: Probe, saliency: Map, case: MetricInput, *, steps: int, until: float, put_in: bool) -> MetricResult:
    """Query along the order of the map and return the area under the curve."""
    curves.check_map(probe, saliency)
    if not 0 < until <= 1:
        raise RequestError(f"expected until in (0, 1], got {until}")
    if not 1 <= steps <= saliency.size * until:
        raise RequestError(
            f"expected steps from 1 to the number of affected pixels, {saliency.size * until:.0f}, got {steps}"
        )
    curves.plan(probe, steps + 1, "fewer steps")
    counts = np.rint(np.linspace(0, until * saliency.size, steps + 1)).astype(np.int64)
    y = curves.curve(probe, curves.places(saliency), counts.tolist(), case.target, put_in=put_in)
    x = counts / saliency.size
    return MetricResult(curves.area(x, y), Curve(x, y))
