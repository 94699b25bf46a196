"""Measure how far maps of the same target agree, and how much of their difference noise may explain."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from seewhy.core.attribution import Map
from seewhy.core.ranks import spearman
from seewhy.results.diagnostics import AgreementLevel

AGREE = 0.7
"""Maps agree if their mean rank correlation is at least this."""

PARTLY = 0.4
"""Below this mean rank correlation, the map depends on the in-fill; between the two limits, maps agree in part."""

CERTAIN = 2.0
"""A sign counts if the value is more than this number of standard errors from zero."""

VISIBLE = 0.1
"""A sign counts if the value exceeds this fraction of the largest absolute value of its map."""


@dataclass(frozen=True)
class Agreement:
    """The agreement of several maps of one target; a correlation is None where a map has one value everywhere.

    ``correlation`` is the mean over the pairs of maps, ``expected`` what noise alone would leave of it, ``correlations`` the
    symmetric matrix of Spearman's rank correlations.
    """

    correlation: float | None
    expected: float | None
    level: AgreementLevel
    reliability: tuple[float | None, ...]
    correlations: tuple[tuple[float | None, ...], ...]


def agreement(maps: Sequence[Map], sure: Sequence[float | None], *, main: int | None = None) -> Agreement:
    """Compare all pairs of maps of one target, or in the means only those of the map ``main``.

    ``sure`` is the reliability of each map, 0 to 1; None where it is unknown.
    """
    count = len(maps)
    matrix: list[list[float | None]] = [[1.0] * count for _ in maps]
    for one, other in combinations(range(count), 2):
        matrix[one][other] = matrix[other][one] = spearman(maps[one], maps[other])
    pairs = [pair for pair in combinations(range(count), 2) if main is None or main in pair]
    known = {pair: value for pair in pairs if (value := matrix[pair[0]][pair[1]]) is not None}
    mean = _mean(list(known.values()))
    ceiling = _mean([expected(sure[one], sure[other]) for one, other in known])
    return Agreement(mean, ceiling, agreement_level(mean, ceiling), tuple(sure), tuple(map(tuple, matrix)))


def _mean(values: Sequence[float]) -> float | None:
    """Return the mean; None for an empty sequence."""
    return sum(values) / len(values) if values else None


def expected(one: float | None, other: float | None) -> float:
    """Return the correlation that two noisy maps of the same quantity would have, given their reliabilities.

    It is exact for Pearson's correlation, and a guide for rank correlation. A map without standard error counts as
    noise-free.
    """
    return math.sqrt((1.0 if one is None else one) * (1.0 if other is None else other))


def agreement_level(correlation: float | None, ceiling: float | None) -> AgreementLevel:
    """Classify a mean rank correlation of maps of different in-fills; the ceiling is what noise alone would leave.

    Returns:
        ``agree`` from `AGREE` on. Below it ``noisy`` where noise alone may be the reason: the correlation is at least
        `AGREE` times the ceiling, or the ceiling is below `PARTLY`. Otherwise ``in part`` from `PARTLY` on, and below it
        ``depends`` (on the in-fill). ``flat`` where a correlation is undefined.

    Example:
        >>> agreement_level(0.8, 1.0), agreement_level(0.3, 0.95), agreement_level(0.3, 0.4)
        ('agree', 'depends', 'noisy')
    """
    if correlation is None or ceiling is None:
        return "flat"
    if correlation >= AGREE:
        return "agree"
    if correlation >= AGREE * ceiling or ceiling < PARTLY:
        return "noisy"
    return "in part" if correlation >= PARTLY else "depends"


def disagreement(maps: Sequence[Map]) -> Float32[np.ndarray, "h w"]:
    """Return the standard deviation of each pixel over the maps of several in-fills, after each map is normalised.

    Each map is shifted to a median of 0 and divided by its root mean square. (Ranks would put as much weight on the order of
    uninformative pixels as on that of the strongest.) 0: the maps are equal up to scale and shift; 1: they differ as much as
    their root mean square.
    """
    spread: Float32[np.ndarray, "h w"] = np.std([_standard(values) for values in maps], axis=0).astype(np.float32)
    return spread


def _standard(values: Map) -> Float[np.ndarray, "h w"]:
    """Return the map with a median of 0 and a root mean square of 1; zeros for a constant map."""
    shifted = values.astype(np.float64) - np.median(values)
    height = math.sqrt(float((shifted**2).mean()))
    scaled: Float[np.ndarray, "h w"] = shifted / (height or 1.0)
    return scaled


def sign_conflict(maps: Sequence[Map], errors: Sequence[Map | None]) -> Bool[np.ndarray, "h w"]:
    """Return the pixels that support the class with one in-fill and oppose it with another.

    A sign counts where the value is more than `CERTAIN` standard errors from zero (without errors: not zero) and more than
    `VISIBLE` of its map's largest absolute value.
    """
    signs = [_sign(values, error) for values, error in zip(maps, errors, strict=True)]
    conflict: Bool[np.ndarray, "h w"] = (np.max(signs, axis=0) > 0) & (np.min(signs, axis=0) < 0)
    return conflict


def _sign(values: Map, error: Map | None) -> Int[np.ndarray, "h w"]:
    """Return the sign of each pixel: 1 supports, -1 opposes, 0 is undecided."""
    doubt = 0.0 if error is None else CERTAIN * error
    sure = np.abs(values) > np.maximum(doubt, VISIBLE * float(np.abs(values).max()))
    return np.where(sure, np.sign(values), 0).astype(np.int64)
