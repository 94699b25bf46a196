"""Degradation, most and least relevant first (Schulz, Sixt, Tombari, Landgraf, ICLR 2020)."""

import math
from collections.abc import Sequence

import numpy as np

from seewhy.core.errors import RequestError
from seewhy.core.maps import Map
from seewhy.core.probe import Probe
from seewhy.core.score import Case, Curve, Measured
from seewhy.metrics import curves
from seewhy.metrics.tiles import number_tiles, totals


def degradation(probe: Probe, saliency: Map, case: Case, *, tile: int = 8, steps: int = 100) -> Measured:
    """Remove tiles, once the most relevant first and once the least, and measure the area between. Higher is better.

    Schulz, Sixt, Tombari, Landgraf, ICLR 2020. A tile's relevance is its mean in the map; the in-fill is by default the
    picture's own mean colour. The probability of the class is recorded for the whole picture and after ``round(i n / (steps
    - 1)) + 1`` of the n tiles for ``i = 0 … steps - 2``, as in the authors' code, and for the picture without any tile, where
    both curves end. The value is the integral of least relevant first minus most relevant first over the share of tiles.

    The authors scale both curves by ``(p - b) / (t - b)`` with t the mean probability of the whole pictures of a data set and b
    that of the degraded ones. One picture is no data set: its value is in plain probability, and `pooled` scales the mean.

    Args:
        probe: the bound question.
        saliency: the map.
        case: the class that is watched.
        tile: side of a tile, pixels; the authors take 8 and 14.
        steps: records before the last.

    Returns:
        -1 to 1; 0 for an order that makes no difference. The curve is the difference; ``parts`` holds both curves.

    Raises:
        RequestError: a setting is out of range, the map is not of the picture's size or not finite, or the budget is too small.

    Cost: ``2 x steps`` queries, 200 by default; fewer where there are fewer tiles than steps.
    """
    curves.check_map(probe, saliency)
    numbers = number_tiles(*probe.size, tile)
    relevance = totals(saliency, numbers) / np.bincount(numbers.ravel())
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
    settings: dict[str, object] = {"tile": tile, "steps": steps}
    return Measured(curves.area(x, lerf - morf), Curve(x, lerf - morf), settings=settings, parts=parts)


def pooled(measured: Sequence[Measured]) -> float:
    """Make one value of many pictures, as the authors do: the mean area over the mean fall from whole to degraded pictures.

    Args:
        measured: by `degradation`, with the same settings.

    Returns:
        Of 1 picture: the area in units of its own fall. NaN where the mean probability does not fall.
    """
    fall = float(np.mean([each.parts["morf"][0] - each.parts["morf"][-1] for each in measured]))
    return float(np.mean([each.value for each in measured])) / fall if fall > 0 else math.nan
