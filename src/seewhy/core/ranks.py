"""Rank correlation of maps."""

import numpy as np

from seewhy.core.attribution import Map


def spearman(one: Map, other: Map) -> float | None:
    """Return Spearman's rank correlation of two maps, -1 to 1; None if either is constant."""
    from scipy.stats import spearmanr  # noqa: PLC0415 - takes a second to import

    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return None
    return float(spearmanr(one, other, axis=None).statistic)
