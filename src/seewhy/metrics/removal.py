"""Deletion and insertion (Petsiuk, Das, Saenko, "RISE", BMVC 2018): two curves over the same order of pixels."""

import numpy as np
from jaxtyping import Float
from torch import Tensor

from seewhy.core.errors import RequestError
from seewhy.core.maps import Map
from seewhy.core.probe import Probe
from seewhy.core.score import Case, Curve, Measured
from seewhy.infills.plain import Painted
from seewhy.metrics import curves

STEPS = 28
"""Of the authors' evaluation: 1,792 pixels each at 224 x 224."""


def deletion(
    probe: Probe, saliency: Map, case: Case, *, steps: int = STEPS, until: float = 1.0, exact: bool = False
) -> Measured:
    """Remove the most salient pixels first and measure how soon the class is lost. Lower is better.

    Petsiuk, Das, Saenko, BMVC 2018. The pixels are removed in `steps` equal steps from the most to the least salient (ties: see
    `seewhy.metrics.curves.order`), and the in-fill stands where they were: by default the data set's mean colour, which is
    zero after the usual normalisation. The value is the area under the probability of the class over the share removed, by
    the trapezoid rule over ``steps + 1`` answers, both ends included, divided by ``until``.

    Args:
        probe: the bound question.
        saliency: the map.
        case: the class that is watched.
        steps: from the whole picture to the end; 28 as in the authors' code.
        until: the share of the picture that is removed at the end; 0.2 looks at the first fifth alone.
        exact: show the in-fill as floats, as the authors' code does; else in the 256 levels of an 8-bit picture, as everywhere
            else here. For in-fills that are one colour or a blur.

    Returns:
        The mean probability along the curve, 0 to 1, and the curve.

    Raises:
        RequestError: a setting is out of range, the map is not of the picture's size or not finite, or the budget is too small.

    Cost: ``steps + 1`` queries.
    """
    return _area(probe, saliency, case, steps=steps, until=until, exact=exact, put_in=False)


def insertion(
    probe: Probe, saliency: Map, case: Case, *, steps: int = STEPS, until: float = 1.0, exact: bool = False
) -> Measured:
    """Put the most salient pixels in first and measure how soon the class is found. Higher is better.

    Petsiuk, Das, Saenko, BMVC 2018. As `deletion`, but it starts from the in-fill alone, by default the authors' blur of the
    picture (`seewhy.infills.plain.rise_blur`), and puts the picture's pixels in.

    Args:
        probe: the bound question.
        saliency: the map.
        case: the class that is watched.
        steps: from the in-fill to the end; 28 as in the authors' code.
        until: the share of the picture that is put in at the end.
        exact: as in `deletion`.

    Returns:
        The mean probability along the curve, 0 to 1, and the curve.

    Raises:
        RequestError: as in `deletion`.

    Cost: ``steps + 1`` queries.
    """
    return _area(probe, saliency, case, steps=steps, until=until, exact=exact, put_in=True)


def _area(probe: Probe, saliency: Map, case: Case, *, steps: int, until: float, exact: bool, put_in: bool) -> Measured:
    """Ask along the order of the map."""
    curves.check_map(probe, saliency)
    if not 0 < until <= 1:
        raise RequestError(f"expected until in (0, 1], got {until}")
    if not 1 <= steps <= saliency.size * until:
        raise RequestError(
            f"expected steps from 1 to the {saliency.size * until:.0f} pixels that are moved, got {steps}"
        )
    curves.plan(probe, steps + 1, "fewer steps")
    counts = np.rint(np.linspace(0, until * saliency.size, steps + 1)).astype(np.int64)
    paint = _paint(probe) if exact else None
    y = curves.curve(probe, curves.places(saliency), counts.tolist(), case.target, put_in=put_in, paint=paint)
    x = counts / saliency.size
    return Measured(curves.area(x, y), Curve(x, y), settings={"steps": steps, "until": until, "exact": exact})


def _paint(probe: Probe) -> Float[Tensor, "c a b"]:
    """What the in-fill would put in before it is rounded."""
    if not isinstance(probe.infill, Painted):
        raise RequestError(
            f"expected exact=false for an in-fill that draws what it puts in, got {type(probe.infill).__name__}; leave it out"
        )
    return probe.infill.paint(probe.image)
