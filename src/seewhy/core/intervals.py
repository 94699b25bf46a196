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
    """A statistic with its 95 % confidence interval; all NaN if there is no data."""

    value: float
    low: float
    high: float


NOTHING = Interval(math.nan, math.nan, math.nan)


def bootstrap(columns: Float[np.ndarray, "n c"], statistic: Statistic) -> Interval:
    """Compute a statistic of column means with its percentile bootstrap interval (Efron, Annals of Statistics, 1979).

    Rows are independent cases. The resamples depend only on their number, so the result is deterministic, and two
    statistics of the same rows use the same resamples.
    """
    if not len(columns):
        return NOTHING
    picks = np.random.default_rng(0).integers(len(columns), size=(DRAWS, len(columns)))
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = np.quantile(statistic(columns[picks].mean(1)), [0.025, 0.975])
        return Interval(float(statistic(columns.mean(0))), float(low), float(high))


def mean(values: Float[np.ndarray, " n"]) -> Interval:
    """Return the mean with its bootstrap interval."""
    return bootstrap(values[:, None].astype(np.float64), lambda means: means[..., 0])


def wilson(hits: int, trials: int) -> Interval:
    """Return a proportion with its score interval (Wilson, Journal of the American Statistical Association, 1927).

    Example:
        >>> round(wilson(0, 10).high, 3)
        0.278
    """
    from scipy.stats import binomtest  # noqa: PLC0415 - takes a second to import

    if not trials:
        return NOTHING
    interval = binomtest(hits, trials).proportion_ci(method="wilson")
    return Interval(hits / trials, float(interval.low), float(interval.high))
