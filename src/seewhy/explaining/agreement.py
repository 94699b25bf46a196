"""How far maps of one question agree, and how much of a difference noise may explain.

Everything is computed on the pixels of the classifier's view. Pixels of one window share a value; they count as many times
as there are of them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float, Float32, Int

from seewhy.core.attribution import Map
from seewhy.core.ranks import correlation as pearson
from seewhy.core.ranks import ranks
from seewhy.results.diagnostics import Verdict

AGREE = 0.7
"""From this mean rank correlation on, maps are said to agree."""

PARTLY = 0.4
"""Below this one, the map is said to depend on the in-fill; between the two, maps agree in part."""

CERTAIN = 2.0
"""Standard errors that a value is away from zero when its sign is taken seriously."""

VISIBLE = 0.1
"""Share of its map's largest absolute value that a value has when its sign is taken seriously."""


@dataclass(frozen=True)
class Agreement:
    """How far several maps of one target agree.

    Args:
        correlation: the mean of the rank correlations over the pairs of maps; None where no pair has one.
        expected: the mean over the same pairs of what noise alone would leave, from `expected`.
        verdict: from `verdict_of`.
        reliability: of each map; None for a map without standard error.
        correlations: Spearman's rank correlation of each pair, a symmetric matrix with 1 on its diagonal; None where a map
            has one value everywhere.
    """

    correlation: float | None
    expected: float | None
    verdict: Verdict
    reliability: tuple[float | None, ...]
    correlations: tuple[tuple[float | None, ...], ...]


def agreement(maps: Sequence[Map], sure: Sequence[float | None], *, main: int | None = None) -> Agreement:
    """Compare maps of one target, each with each.

    Args:
        maps: at least two, of one size.
        sure: the reliability of each; None where it is not known. See `seewhy.core.attribution.reliability`.
        main: the place of a map whose pairs alone go into the means; None: all pairs.

    Example:
        >>> rising = np.arange(4.0).reshape(2, 2)
        >>> agreement([rising, rising**3], [None, None]).verdict
        'agree'
    """
    count = len(maps)
    ranked = [ranks(values) for values in maps]
    matrix: list[list[float | None]] = [[1.0] * count for _ in maps]
    for one, other in combinations(range(count), 2):
        matrix[one][other] = matrix[other][one] = pearson(ranked[one], ranked[other])
    pairs = [pair for pair in combinations(range(count), 2) if main is None or main in pair]
    found = {pair: value for pair in pairs if (value := matrix[pair[0]][pair[1]]) is not None}
    mean = _mean(list(found.values()))
    ceiling = _mean([expected(sure[one], sure[other]) for one, other in found])
    return Agreement(mean, ceiling, verdict_of(mean, ceiling), tuple(sure), tuple(map(tuple, matrix)))


def _mean(values: Sequence[float]) -> float | None:
    """The mean, or None of nothing."""
    return sum(values) / len(values) if values else None


def expected(one: float | None, other: float | None) -> float:
    """The correlation that two maps of the very same thing would have, given their reliabilities: noise leaves no more.

    True of Pearson's correlation; a guide for that of ranks. A map without standard error counts as free of noise.

    Example:
        >>> expected(0.64, None)
        0.8
    """
    return math.sqrt((1.0 if one is None else one) * (1.0 if other is None else other))


def verdict_of(correlation: float | None, ceiling: float | None) -> Verdict:
    """Put a mean rank correlation into a word.

    Args:
        correlation: between maps of different in-fills; None where there is none.
        ceiling: what noise alone would leave of it.

    Returns:
        ``agree`` from `AGREE` on. Below it ``noisy`` where noise alone may be the reason: the correlation reaches `AGREE`
        of what noise would leave, or noise would leave less than `PARTLY`. Else ``in part`` from `PARTLY` on, and
        ``depends`` (on the in-fill). ``flat`` where there is nothing to compare.

    Example:
        >>> verdict_of(0.8, 1.0), verdict_of(0.3, 0.95), verdict_of(0.3, 0.4)
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
    """How far in-fills are apart about a pixel, on a common footing.

    Each map is shifted to a median of 0, its dull level, and divided by its root mean square; then the standard deviation over
    the maps is taken. Ranks would put as much weight on the order of dull pixels as on that of the strongest.

    Returns:
        ``(h, w)`` from 0, the same everywhere up to height and shift; at 1 the maps are as far apart as they are high on
        average.

    Example:
        >>> rising = np.array([[-1.0, 0.0, 1.0]])
        >>> disagreement([rising, 5 * rising]).tolist()
        [[0.0, 0.0, 0.0]]
    """
    spread: Float32[np.ndarray, "h w"] = np.std([_standard(values) for values in maps], axis=0).astype(np.float32)
    return spread


def _standard(values: Map) -> Float[np.ndarray, "h w"]:
    """A map with a median of 0 and a root mean square of 1, or zeros for one value everywhere."""
    shifted = values.astype(np.float64) - np.median(values)
    height = math.sqrt(float((shifted**2).mean()))
    scaled: Float[np.ndarray, "h w"] = shifted / (height or 1.0)
    return scaled


def sign_conflict(maps: Sequence[Map], errors: Sequence[Map | None]) -> Bool[np.ndarray, "h w"]:
    """Where one in-fill says that a pixel supports the class and another that it opposes it.

    A sign counts where the value is more than `CERTAIN` standard errors from zero (without errors: not zero) and more than
    `VISIBLE` of its map's largest absolute value.

    Example:
        >>> sign_conflict([np.array([[1.0, 1.0]]), np.array([[-1.0, -0.01]])], [None, None]).tolist()
        [[True, False]]
    """
    signs = [_sign(values, error) for values, error in zip(maps, errors, strict=True)]
    conflict: Bool[np.ndarray, "h w"] = (np.max(signs, axis=0) > 0) & (np.min(signs, axis=0) < 0)
    return conflict


def _sign(values: Map, error: Map | None) -> Int[np.ndarray, "h w"]:
    """1 supports, -1 opposes, 0 cannot be told."""
    doubt = 0.0 if error is None else CERTAIN * error
    sure = np.abs(values) > np.maximum(doubt, VISIBLE * float(np.abs(values).max()))
    return np.where(sure, np.sign(values), 0).astype(np.int64)
