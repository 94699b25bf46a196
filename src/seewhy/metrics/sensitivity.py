"""Sensitivity-n (Ancona, Ceolini, Öztireli, Gross, ICLR 2018): do the values of a map add up to what is lost?"""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from seewhy.core.errors import RequestError
from seewhy.core.maps import Map
from seewhy.core.probe import Probe
from seewhy.core.score import Case, Curve, Measured
from seewhy.core.seeds import derive, uniforms
from seewhy.metrics import curves
from seewhy.metrics.tiles import number_tiles, totals

_TINY = 1e-30
"""A smaller probability counts as this one where its logarithm is taken."""


def sensitivity_n(
    probe: Probe,
    saliency: Map,
    case: Case,
    *,
    tile: int = 8,
    sizes: int = 16,
    sets: int = 100,
    score: Literal["log", "probability"] = "log",
) -> Measured:
    """Remove random sets of n tiles and correlate what is lost with what the map says of them. Higher is better.

    Ancona, Ceolini, Öztireli, Gross, ICLR 2018, with the protocol of Schulz, Sixt, Tombari, Landgraf, ICLR 2020: for ``sizes``
    numbers n, evenly spaced on a logarithmic axis from 1 tile to 80 % of them, ``sets`` random sets of n tiles are removed; the
    in-fill is by default the data set's mean colour. For each n, Pearson's correlation of the sum of the map over the set
    with the fall of the score; the value is the mean over n. The sets depend on the seed and the size of the picture alone:
    pictures share them.

    One difference: the papers take the logit, which a black box does not show; here it is the logarithm of the probability,
    or the probability. The authors' correlation is over all pictures at once, see `pooled`; here it is of one picture.

    Args:
        probe: the bound question.
        saliency: the map.
        case: the class that is watched.
        tile: side of a tile, pixels.
        sizes: how many numbers n.
        sets: random sets for each.
        score: what falls.

    Returns:
        -1 to 1; NaN where no n has a correlation. The curve is the correlation over the share of tiles removed; ``parts`` holds
        sums of the map (scaled to a sum of absolute tile values of 1) and falls, ``(sizes, sets)``.

    Raises:
        RequestError: a setting is out of range, the map is not of the picture's size or not finite, or the budget is too small.

    Cost: ``1 + sizes x sets`` queries, 1,601 by default.
    """
    curves.check_map(probe, saliency)
    if sizes < 1 or sets < 2:
        raise RequestError(f"expected sizes >= 1 and sets >= 2, got {sizes} and {sets}")
    numbers = number_tiles(*probe.size, tile)
    count = int(numbers.max()) + 1
    each = np.rint(np.geomspace(1, 0.8 * count, sizes)).astype(np.int64)
    curves.plan(probe, 1 + sizes * sets, "fewer sets")
    tiles = totals(saliency, numbers)
    tiles /= max(float(np.abs(tiles).sum()), _TINY)  # so that many pictures can be pooled
    whole = _level(probe.prediction[case.target].expand(sets).cpu().numpy(), score)
    sums, falls = np.empty((sizes, sets)), np.empty((sizes, sets))
    for level, size in enumerate(each.tolist()):
        removed = _draw(probe, level, size, sets=sets, count=count)
        sums[level] = removed.cpu().numpy() @ tiles
        falls[level] = whole - _level(_ask(probe, removed, numbers, level, case.target), score)
    rows = _correlations(sums, falls)
    settings: dict[str, object] = {"tile": tile, "sizes": sizes, "sets": sets, "score": score}
    note = "" if np.isfinite(rows).any() else "the map or the answer is the same for all sets"
    return Measured(_mean(rows), Curve(each / count, rows), note, settings, {"sums": sums, "falls": falls})


def pooled(measured: Sequence[Measured]) -> float:
    """Make one value of many pictures: for each n one correlation over all sets of all pictures, and the mean over n.

    Each map has been brought to a sum of absolute tile values of 1, so that no picture counts for its unit.

    Args:
        measured: by `sensitivity_n`, with the same settings.

    Returns:
        -1 to 1; NaN where no n has a correlation.
    """
    sums, falls = (np.concatenate([each.parts[name] for each in measured], axis=1) for name in ("sums", "falls"))
    return _mean(_correlations(sums, falls))


def _draw(probe: Probe, level: int, size: int, *, sets: int, count: int) -> Float[Tensor, "n t"]:
    """Draw sets of tiles, 1 = in the set: those with the smallest of as many random numbers."""
    rows = torch.arange(sets, device=probe.image.device)
    drawn = uniforms(derive(probe.seed, torch.full_like(rows, level), rows), count, stream=1)
    return torch.zeros_like(drawn).scatter_(1, drawn.argsort(dim=1, stable=True)[:, :size], 1)


def _ask(
    probe: Probe, removed: Float[Tensor, "n t"], numbers: Int[np.ndarray, "h w"], level: int, target: int
) -> Float[np.ndarray, " n"]:
    """Ask about the picture without each set."""
    where = torch.from_numpy(numbers).to(removed.device)
    rows = torch.arange(len(removed), device=removed.device)
    answers = [
        probe((1 - removed[some])[:, where], derive(probe.seed, torch.full_like(some, level), some))[:, target]
        for some in torch.split(rows, probe.rows)
    ]
    return torch.cat(answers).cpu().numpy()


def _level(probabilities: Float[np.ndarray, "*n"], score: str) -> Float[np.ndarray, "*n"]:
    """The score of probabilities."""
    return np.log(np.maximum(probabilities, _TINY)) if score == "log" else probabilities


def _correlations(sums: Float[np.ndarray, "s n"], falls: Float[np.ndarray, "s n"]) -> Float[np.ndarray, " s"]:
    """The correlation for each size of the sets."""
    return np.array([_correlation(one, other) for one, other in zip(sums, falls, strict=True)])


def _correlation(one: Float[np.ndarray, " n"], other: Float[np.ndarray, " n"]) -> float:
    """Pearson's correlation; NaN where one of the two does not vary beyond rounding."""
    if min(_spread(one), _spread(other)) < 1e-9:
        return math.nan
    return float(np.corrcoef(one, other)[0, 1])


def _spread(values: Float[np.ndarray, " n"]) -> float:
    """The standard deviation beside the largest value."""
    return float(values.std()) / max(float(np.abs(values).max()), _TINY)


def _mean(rows: Float[np.ndarray, " n"]) -> float:
    """The mean of those that are there."""
    there = rows[np.isfinite(rows)]
    return float(there.mean()) if len(there) else math.nan
