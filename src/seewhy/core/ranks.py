"""Ranks and rank correlation of maps."""

import numpy as np
from jaxtyping import Float, Shaped

from seewhy.core.attribution import Map


def ranks(values: Shaped[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Return ranks starting at 1 for the smallest value; tied values share their mean rank.

    Example:
        >>> ranks(np.array([3.0, 1.0, 3.0])).tolist()
        [2.5, 1.0, 2.5]
    """
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    shared: Float[np.ndarray, " n"] = last - (count - 1) / 2
    return shared[place].reshape(values.shape)


def spearman(one: Map, other: Map) -> float | None:
    """Return Spearman's rank correlation of two maps, -1 to 1; None if either is constant.

    Example:
        >>> spearman(np.array([[1.0, 2.0, 3.0]]), np.array([[1.0, 8.0, 27.0]]))
        1.0
    """
    return correlation(ranks(one), ranks(other))


def correlation(one: Float[np.ndarray, "*shape"], other: Float[np.ndarray, "*shape"]) -> float | None:
    """Return Pearson's correlation, -1 to 1; None if either input is constant.

    Example:
        >>> correlation(np.array([1.0, 2.0]), np.array([5.0, 3.0]))
        -1.0
    """
    first, second = (each.ravel() - each.mean() for each in (one, other))
    length = float(np.sqrt((first @ first) * (second @ second)))
    return float(np.clip(first @ second / length, -1, 1)) if length > 0 else None
