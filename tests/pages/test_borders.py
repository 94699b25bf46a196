"""The lines around a region."""

import numpy as np

from seewhy.pages.report import borders


def test_a_rectangle_has_four_sides() -> None:
    """Long sides are one line each."""
    region = np.zeros((5, 6), dtype=bool)
    region[1:3, 2:6] = True
    assert sorted(borders(region)) == [(1, 2, 1, 6), (1, 2, 3, 2), (1, 6, 3, 6), (3, 2, 3, 6)]


def test_a_hole_has_borders_of_its_own() -> None:
    """Eight lines: four outside, four inside; their length is that of all edges between pixels."""
    region = np.ones((5, 5), dtype=bool)
    region[2, 2] = False
    found = borders(region)
    assert len(found) == 8
    assert sum(abs(y1 - y0) + abs(x1 - x0) for y0, x0, y1, x1 in found) == 4 * 5 + 4


def test_nothing_has_no_border() -> None:
    """An empty region."""
    assert borders(np.zeros((3, 3), dtype=bool)) == []
