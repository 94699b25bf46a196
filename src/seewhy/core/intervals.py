"""Confidence intervals of proportions and means."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

DRAWS = 2000
"""Number of bootstrap resamples per interval."""

Statistic = Callable[[Float[np.ndarray, "*n c"]], Float[np.ndarray, "*n"]]
"""A statistic computed from column means."""


@dataclass(frozen=True)
class Interval:
    """A statistic with its 95 % confidence interval.

    Args:
        value: the point estimate; NaN if there is no data.
        low: lower end of the interval.
        high: upper end of the interval.
    """

    value: float
    low: float
    high: float


NOTHING = Interval(math.nan, math.nan, math.nan)


def bootstrap(columns: Float[np.ndarray, "n c"], statistic: Statistic) -> Interval:
    """Compute a statistic of column means with its percentile bootstrap interval (Efron, Annals of Statistics, 1979).

    Rows are resampled. The result is deterministic. The resamples depend only on the number of rows, so two statistics
    of the same rows use the same resamples.

    Args:
        columns: ``(n, c)``, one row per independent case.
        statistic: function of the column means.

    Returns:
        The estimate and its interval; all NaN if there are no rows.

    Example:
        >>> bootstrap(np.ones((5, 1)), lambda means: means[..., 0])
        Interval(value=1.0, low=1.0, high=1.0)
    """
    if not len(columns):
        return NOTHING
    picks = np.random.default_rng(0).integers(len(columns), size=(DRAWS, len(columns)))
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = np.quantile(statistic(columns[picks].mean(1)), [0.025, 0.975])
        return Interval(float(statistic(columns.mean(0))), float(low), float(high))


def mean(values: Float[np.ndarray, " n"]) -> Interval:
    """Return the mean with its bootstrap interval.

    Example:
        >>> mean(np.array([2.0, 2.0])).value
        2.0
    """
    return bootstrap(values[:, None].astype(np.float64), lambda means: means[..., 0])


def wilson(hits: int, trials: int) -> Interval:
    """Return a proportion with its score interval (Wilson, Journal of the American Statistical Association, 1927).

    Example:
        >>> round(wilson(0, 10).high, 3)
        0.278
    """
    if not trials:
        return NOTHING
    z2 = 1.959964**2
    share, spread = hits / trials, math.sqrt(z2 * (hits * (trials - hits) / trials + z2 / 4))
    low, high = ((hits + z2 / 2 + sign * spread) / (trials + z2) for sign in (-1, 1))
    return Interval(share, max(0.0, low), min(1.0, high))
