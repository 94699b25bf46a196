"""Sensitivity-n (Ancona, Ceolini, Öztireli, Gross, ICLR 2018): whether sums of map values match the fall of the score."""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from seewhy.core.attribution import Map
from seewhy.core.errors import RequestError
from seewhy.core.metric import Curve, MetricInput, MetricResult
from seewhy.core.probe import Probe
from seewhy.core.seeds import derive, uniforms
from seewhy.metrics import curves

_TINY = 1e-30
"""Lower bound on probabilities before taking the logarithm, and on divisors."""


def sensitivity_n(
    probe: Probe,
    saliency: Map,
    case: MetricInput,
    *,
    tile: int = 8,
    sizes: int = 16,
    sets: int = 100,
    score: Literal["log", "probability"] = "log",
) -> MetricResult:
    """Remove random sets of n tiles and correlate the fall of the score with the sum of the map. Higher is better.

    Ancona, Ceolini, Öztireli, Gross, ICLR 2018, with the protocol of Schulz, Sixt, Tombari, Landgraf, ICLR 2020. For
    ``sizes`` numbers n, evenly spaced on a logarithmic axis from 1 tile to 80 % of the tiles, ``sets`` random sets of n tiles
    are removed; the default in-fill is the data set's mean colour. For each n, Pearson's correlation is computed between the
    sum of the map over the set and the fall of the score; the value is the mean over n. The sets depend only on the seed and
    the size of the image, so images of one size share them.

    The papers use the logit, which a black box does not expose; here the score is the logarithm of the probability or the
    probability. The authors correlate over all images at once (see `pooled`); here the correlation is per image.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together.
        saliency: ``(h, w)`` map to evaluate.
        case: the case; its ``target`` is the class whose score is measured.
        tile: side of a tile, in pixels.
        sizes: number of different set sizes n.
        sets: number of random sets for each size.
        score: score whose fall is measured: ``log`` for the logarithm of the probability, or ``probability``.

    Returns:
        -1 to 1; NaN if the correlation is undefined for every n. The curve is the correlation over the fraction of tiles
        removed. ``parts`` holds the sums of the map (scaled to a sum of absolute tile values of 1) and the falls, each
        ``(sizes, sets)``.

    Raises:
        RequestError: a setting is out of range, the map is not finite or of another size, or the budget is too small.

    Cost: ``1 + sizes x sets`` queries, 1,601 by default.
    """
    curves.check_map(probe, saliency)
    if sizes < 1 or sets < 2:
        raise RequestError(f"expected sizes >= 1 and sets >= 2, got {sizes} and {sets}")
    numbers = curves.number_tiles(*probe.size, tile)
    count = int(numbers.max()) + 1
    each = np.rint(np.geomspace(1, 0.8 * count, sizes)).astype(np.int64)
    curves.plan(probe, 1 + sizes * sets, "fewer sets")
    tiles = curves.totals(saliency, numbers)
    tiles /= max(float(np.abs(tiles).sum()), _TINY)  # so that several images can be pooled
    whole = _level(probe.prediction[case.target].expand(sets).cpu().numpy(), score)
    sums, falls = np.empty((sizes, sets)), np.empty((sizes, sets))
    for level, size in enumerate(each.tolist()):
        removed = _draw(probe, level, size, sets=sets, count=count)
        sums[level] = removed.cpu().numpy() @ tiles
        falls[level] = whole - _level(_ask(probe, removed, numbers, level, case.target), score)
    rows = _correlations(sums, falls)
    note = "" if np.isfinite(rows).any() else "the map or the score is the same for all sets"
    return MetricResult(_mean(rows), Curve(each / count, rows), note, {"sums": sums, "falls": falls})


def pooled(measured: Sequence[MetricResult]) -> float:
    """Pool the values of many images: for each n, correlate over all sets of all images; then take the mean over n.

    Each map is scaled to a sum of absolute tile values of 1, so that the unit of a map does not affect its weight.
    """
    sums, falls = (np.concatenate([each.parts[name] for each in measured], axis=1) for name in ("sums", "falls"))
    return _mean(_correlations(sums, falls))


def _draw(probe: Probe, level: int, size: int, *, sets: int, count: int) -> Float[Tensor, "n t"]:
    """Draw sets of tiles, 1 = in the set: those with the smallest random numbers."""
    rows = torch.arange(sets, device=probe.image.device)
    drawn = uniforms(derive(probe.seed, torch.full_like(rows, level), rows), count, stream=1)
    return torch.zeros_like(drawn).scatter_(1, drawn.argsort(dim=1, stable=True)[:, :size], 1)


def _ask(
    probe: Probe, removed: Float[Tensor, "n t"], numbers: Int[np.ndarray, "h w"], level: int, target: int
) -> Float[np.ndarray, " n"]:
    """Query the image with each set of tiles removed, and return the probabilities of the target class."""
    where = torch.from_numpy(numbers).to(removed.device)
    rows = torch.arange(len(removed), device=removed.device)
    answers = [
        probe((1 - removed[some])[:, where], derive(probe.seed, torch.full_like(some, level), some))[:, target]
        for some in torch.split(rows, probe.rows)
    ]
    return torch.cat(answers).cpu().numpy()


def _level(probabilities: Float[np.ndarray, "*n"], score: str) -> Float[np.ndarray, "*n"]:
    """Return the scores of probabilities."""
    return np.log(np.maximum(probabilities, _TINY)) if score == "log" else probabilities


def _correlations(sums: Float[np.ndarray, "s n"], falls: Float[np.ndarray, "s n"]) -> Float[np.ndarray, " s"]:
    """Return Pearson's correlation for each set size, or NaN where one variable is constant up to rounding."""
    (first, one), (second, other) = (
        (part - part.mean(1, keepdims=True), part.std(1) / np.maximum(np.abs(part).max(1), _TINY))
        for part in (sums, falls)
    )
    defined = np.minimum(one, other) >= 1e-9
    scale = np.sqrt((first**2).sum(1) * (second**2).sum(1))
    return np.where(defined, (first * second).sum(1) / np.where(defined, scale, 1), math.nan)


def _mean(rows: Float[np.ndarray, " n"]) -> float:
    """Return the mean of the finite values, or NaN if there are none."""
    finite = rows[np.isfinite(rows)]
    return float(finite.mean()) if len(finite) else math.nan
