"""Pages of images: a header, rows of tiles with a title and a colour bar each, how to read them and how they were made.

All measures are in points, 1/72 inch.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from seewhy.plots.figures import (
    DPI,
    HEADLINE,
    LETTER,
    PAPER,
    QUIET,
    RULE,
    SECTION,
    SMALL,
    TEXT,
    TICK,
    TITLE,
    Line,
    fit,
    height_of,
    place_axes,
    size_of,
    style,
    write,
)
from seewhy.plots.scales import Scale

MARGIN, GAP = 30.0, 20.0
_BAR = 32.0
_ROW_GAP, _AFTER_HEADING = 18.0, 7.0
_NARROWEST_PAGE, _NARROWEST_TILE, _LONGEST_LINE = 560.0, 185.0, 800.0
_LARGEST, _SMALLEST, _TALLEST, _WIDEST = 300.0, 205.0, 560.0, 780.0
_PAGE_AREA, _ASPECT = 340_000.0, 1.5


@dataclass(frozen=True)
class Tile:
    """An image and the text above it; `draw` draws the image, and `scale` is that of its colours, for a map."""

    title: str
    subtitle: str
    draw: Callable[[Axes], None]
    scale: Scale | None = None


@dataclass(frozen=True)
class Row:
    """Tiles beside each other; `height` and `width` are those of an image."""

    tiles: Sequence[Tile]
    height: float
    width: float

    @property
    def cell(self) -> float:
        """The width of a column: of an image, but never too narrow for its title."""
        return max(self.width, _NARROWEST_TILE)

    @property
    def full_width(self) -> float:
        """The width of all columns."""
        return len(self.tiles) * (self.cell + GAP) - GAP

    @cached_property
    def headings(self) -> list[list[Line]]:
        """The text above each image."""
        return [
            fit(tile.title, TITLE, width=self.cell, bold=True) + fit(tile.subtitle, width=self.cell, colour=QUIET)
            for tile in self.tiles
        ]

    @property
    def full_height(self) -> float:
        """The height of the row, with the space below it."""
        bar = _BAR if any(tile.scale for tile in self.tiles) else 0.0
        return max(map(height_of, self.headings)) + _AFTER_HEADING + self.height + bar + _ROW_GAP

    def draw(self, figure: Figure, top: float) -> None:
        """Draw the row: headings end just above the images."""
        image = top + max(map(height_of, self.headings)) + _AFTER_HEADING
        for column, (tile, heading) in enumerate(zip(self.tiles, self.headings, strict=True)):
            left = MARGIN + column * (self.cell + GAP)
            write(figure, left, image - _AFTER_HEADING - height_of(heading), heading)
            tile.draw(place_axes(figure, left, image, self.width, self.height))
            if tile.scale is not None:
                below = image + self.height + 6
                draw_colour_bar(place_axes(figure, left, below, max(self.width, 130.0), 12.0), tile.scale)


@dataclass(frozen=True)
class Heading:
    """Lines from margin to margin, with space above and below them."""

    lines: Sequence[Line]
    above: float = 0.0
    below: float = 0.0

    @property
    def full_height(self) -> float:
        """The height of the lines, with the space around them."""
        return self.above + height_of(self.lines) + self.below

    def draw(self, figure: Figure, top: float) -> None:
        """Write the lines."""
        write(figure, MARGIN, top + self.above, self.lines)


def section(title: str, subtitle: str, width: float) -> Heading:
    """Return the heading of a section; one line each for title and subtitle."""
    lines = fit(title, SECTION, width=width, bold=True, most=1)
    return Heading(lines + fit(subtitle, width=width, colour=QUIET, most=1), above=8.0, below=12.0)


def rows(tiles: Sequence[Tile], shape: tuple[int, int], *, stacked: int = 1) -> list[Row]:
    """Arrange tiles in rows that come closest to a page of 3:2 and leave few places empty; the fewer tiles, the larger.

    ``shape`` is the height and width of the images in pixels, ``stacked`` the number of such sections below each other.
    """
    area = min(max(_PAGE_AREA / (len(tiles) * stacked), _SMALLEST**2), _LARGEST**2)
    scale = min(math.sqrt(area / math.prod(shape)), _TALLEST / shape[0], _WIDEST / shape[1])
    height, width = (scale * side for side in shape)
    arrangements = [
        [Row(tiles[start : start + columns], height, width) for start in range(0, len(tiles), columns)]
        for columns in range(1, len(tiles) + 1)
    ]
    return min(arrangements, key=lambda arranged: _ugliness(arranged, stacked))


def _ugliness(arranged: Sequence[Row], stacked: int) -> float:
    """Measure how far a page is from the wanted shape, with a penalty for places left empty."""
    columns, count = len(arranged[0].tiles), sum(len(row.tiles) for row in arranged)
    height = stacked * sum(row.full_height for row in arranged)
    empty = len(arranged) * columns - count
    return abs(math.log(arranged[0].full_width / height / _ASPECT)) + 3 * empty / count


def page_width(blocks: Sequence[Row]) -> float:
    """Return the width between the margins of a page with these rows."""
    return max([_NARROWEST_PAGE, *(row.full_width for row in blocks)])


def sheet(
    blocks: Sequence[Row | Heading],
    *,
    title: str = "",
    subtitle: str = "",
    reading: str = "",
    footer: str = "",
) -> Figure:
    """Draw a page: a header, the blocks below each other, how to read them and, below a rule, how they were made."""
    width = page_width([block for block in blocks if isinstance(block, Row)])
    header = fit(title, HEADLINE, width=width, bold=True) + fit(subtitle, TEXT + 1, width=width, colour=QUIET)
    prose = fit(reading, width=min(width, _LONGEST_LINE), most=9)
    small = fit(footer, SMALL, width=width, colour=QUIET, most=3)
    parts = [Heading(header, below=16.0 if header else 0.0), *blocks, Heading(prose, below=10.0 if small else 0.0)]
    height = sum(part.full_height for part in parts) + height_of(small) + 2 * MARGIN
    with style():
        figure = Figure(figsize=((width + 2 * MARGIN) / 72, height / 72), dpi=DPI, facecolor=PAPER)
        top = MARGIN
        for part in parts:
            part.draw(figure, top)
            top += part.full_height
        if small:
            _rule(figure, top - 5)
            write(figure, MARGIN, top, small)
    return figure


def _rule(figure: Figure, top: float) -> None:
    """Draw a line from margin to margin."""
    width, height = size_of(figure)
    ends, level = (MARGIN / width, 1 - MARGIN / width), 1 - top / height
    figure.add_artist(Line2D(ends, (level, level), color=RULE, linewidth=0.75, transform=figure.transFigure))


def draw_colour_bar(axes: Axes, scale: Scale) -> None:
    """Draw a colour bar: round values beneath, as many as fit, and what the ends of a signed scale mean."""
    axes.imshow(scale.bar(512)[None], extent=(scale.low, scale.high, 0, 1), aspect="auto", interpolation="nearest")
    axes.spines[:].set_visible(False)
    for share, side, word in zip((0.015, 0.985), ("left", "right"), scale.ends or (), strict=False):
        axes.text(share, 0.46, word, transform=axes.transAxes, ha=side, va="center", color=PAPER, size=TICK - 0.5)
    letters = axes.get_window_extent().width * 72 / DPI / (TICK * LETTER[False])
    choices = (scale.ticks(count) for count in (4, 3, 2, 1))
    ticks = next((ticks for ticks in choices if sum(len(text) + 3 for _, text in ticks) <= letters), [])
    axes.set_xticks([value for value, _ in ticks], [text for _, text in ticks])
    axes.tick_params(axis="x", length=2.5, width=0.6, color=QUIET, pad=2)
    for (value, _), label in zip(ticks, axes.get_xticklabels(), strict=True):
        share = (value - scale.low) / (scale.high - scale.low)
        label.set_horizontalalignment("left" if share < 0.02 else "right" if share > 0.98 else "center")  # inside
