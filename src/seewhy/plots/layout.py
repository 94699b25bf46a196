"""Tiles in rows: how large they are, and how many stand beside each other. Pure arithmetic, in points (1/72 inch)."""

import math
from dataclasses import dataclass

MARGIN = 30.0
"""Around everything."""

GAP = 20.0
"""Between columns."""

ROW_GAP = 18.0
"""Between rows."""

BAR = 32.0
"""Below an image: its colour bar and the numbers on it."""

NARROWEST = 560.0
"""Width between the margins of the smallest page."""

_HEAD = 40.0
_NARROWEST_TILE = 185.0
_LARGEST, _SMALLEST = 300.0, 205.0
_PAGE_AREA = 340_000.0
_ASPECT = 1.5


@dataclass(frozen=True)
class Grid:
    """Tiles of one size in rows.

    Args:
        count: the number of tiles.
        columns: tiles beside each other.
        height: height of an image, points.
        width: width of an image, points.
        bar: height of what stands below an image, points.
        heads: height of the text above the images of each row, points; empty where it is not known yet.
    """

    count: int
    columns: int
    height: float
    width: float
    bar: float = BAR
    heads: tuple[float, ...] = ()

    @property
    def cell(self) -> float:
        """The width of a column: of an image, but never too narrow for its title."""
        return max(self.width, _NARROWEST_TILE)

    @property
    def rows(self) -> int:
        """The number of rows."""
        return math.ceil(self.count / self.columns)

    @property
    def full_width(self) -> float:
        """Of all columns."""
        return self.columns * (self.cell + GAP) - GAP

    @property
    def full_height(self) -> float:
        """Of all rows."""
        return self.top(self.rows) - ROW_GAP

    def head(self, row: int) -> float:
        """Return the height of the text above the images of a row."""
        return self.heads[row] if self.heads else _HEAD

    def top(self, row: int) -> float:
        """Return where a row begins, from the top of the grid."""
        return sum((self.head(above) + self.height + self.bar + ROW_GAP for above in range(row)), 0.0)

    def corner(self, place: int) -> tuple[float, float]:
        """Return the left and top of an image, from those of the grid."""
        row, column = divmod(place, self.columns)
        return column * (self.cell + GAP), self.top(row) + self.head(row)


def tile_size(shape: tuple[int, int], count: int) -> tuple[float, float]:
    """Choose the height and width of a tile's image: about the same area for every shape, larger when there are few tiles.

    Args:
        shape: height and width of the image, pixels.
        count: number of the tiles on the page.

    Example:
        >>> tile_size((100, 100), 3), tile_size((100, 100), 20)
        ((300.0, 300.0), (205.0, 205.0))
    """
    area = min(max(_PAGE_AREA / count, _SMALLEST**2), _LARGEST**2)
    aspect = shape[1] / shape[0]
    width = min(max(math.sqrt(area * aspect), 30), 780)
    height = min(max(width / aspect, 30), 560)
    return float(round(height)), float(round(min(width, max(height * aspect, 30))))


def best_grid(shape: tuple[int, int], count: int, *, stacked: int = 1) -> Grid:
    """Choose the number of columns that comes closest to a page of 3:2 and leaves few places empty.

    Args:
        shape: height and width of the images, pixels.
        count: tiles of one grid.
        stacked: such grids below each other on the page.

    Example:
        >>> [best_grid((100, 100), count).columns for count in (2, 3, 4, 6, 8)]
        [2, 3, 2, 3, 4]
    """
    height, width = tile_size(shape, count * stacked)
    grids = [Grid(count, columns, height, width) for columns in range(1, count + 1)]
    return min(grids, key=lambda grid: _ugliness(grid, stacked))


def _ugliness(grid: Grid, stacked: int) -> float:
    """Measure how far a page is from the wanted shape, with a penalty for places left empty."""
    empty = grid.rows * grid.columns - grid.count
    return abs(math.log(grid.full_width / (stacked * grid.full_height) / _ASPECT)) + 3 * empty / grid.count
