"""The lines around a region of a map, for scripts that draw them."""

import numpy as np

from seewhy.core.attribution import BoolMap

Segment = tuple[int, int, int, int]
"""Row and column where a straight piece of a border begins, then where it ends; borders run between pixels."""


def borders(region: BoolMap) -> list[Segment]:
    """Return the straight lines between the pixels of a region and the other pixels, including the edge of the map.

    Args:
        region: in the classifier's view.

    Example:
        >>> borders(np.array([[True]]))
        [(0, 0, 0, 1), (1, 0, 1, 1), (0, 0, 1, 0), (0, 1, 1, 1)]
    """
    across = [(row, start, row, stop) for row, start, stop in _runs(region)]
    down = [(start, column, stop, column) for column, start, stop in _runs(region.T)]
    return across + down


def _runs(region: BoolMap) -> list[tuple[int, int, int]]:
    """Find where a row of pixels differs from the one above it: the line, its first and its last column."""
    edge = np.diff(np.pad(region, ((1, 1), (0, 0))).astype(np.int8), axis=0) != 0
    ends = np.diff(np.pad(edge, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    lines, starts = np.nonzero(ends == 1)
    return list(zip(lines.tolist(), starts.tolist(), np.nonzero(ends == -1)[1].tolist(), strict=True))
