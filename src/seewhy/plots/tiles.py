"""Images in rows, each with a title, a quieter subtitle and, for a map, its colour bar."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from seewhy.plots.figures import DPI, LEADING, PAPER, QUIET, TEXT, TICK, TITLE, place_axes, write_lines
from seewhy.plots.layout import BAR, Grid
from seewhy.plots.scales import Scale
from seewhy.plots.typesetting import text_width, typeface, wrap

_AFTER_SUBTITLE = 7.0
_NARROWEST_BAR = 130.0

Draw = Callable[[Axes], None]
"""Draws the image of a tile on its axes."""


@dataclass(frozen=True)
class Heading:
    """The text above an image, broken into lines.

    Args:
        title: at most two lines.
        subtitle: at most two quieter lines.
    """

    title: tuple[str, ...]
    subtitle: tuple[str, ...]

    @classmethod
    def fit(cls, title: str, subtitle: str, width: float) -> "Heading":
        """Break title and subtitle into lines of at most `width` points."""
        lines = wrap(title, TITLE, width, bold=True, most=2)
        quiet = wrap(subtitle, TEXT, width, most=2)
        return cls(tuple(lines), tuple(line.removesuffix(" ·") for line in quiet))

    @property
    def height(self) -> float:
        """Of all lines and of the space below them, points."""
        return LEADING * (len(self.title) * TITLE + len(self.subtitle) * TEXT) + _AFTER_SUBTITLE

    def draw(self, figure: Figure, left: float, bottom: float) -> None:
        """Write the lines, the last one just above `bottom`; points from the top left of the page."""
        below = write_lines(figure, left, bottom - self.height, self.title, size=TITLE, bold=True)
        write_lines(figure, left, below, self.subtitle, colour=QUIET)


@dataclass(frozen=True)
class Tile:
    """An image and the text above it.

    Args:
        title: what stands above it.
        subtitle: a quieter line.
        draw: draws it.
        scale: scale of its colours, for a map.
    """

    title: str
    subtitle: str
    draw: Draw
    scale: Scale | None = None


def fit_headings(grid: Grid, tiles: Sequence[Tile]) -> tuple[Grid, list[Heading]]:
    """Break the tiles' headings into lines, and return a grid whose rows have room for the highest."""
    headings = [Heading.fit(tile.title, tile.subtitle, grid.cell) for tile in tiles]
    rows = [headings[start : start + grid.columns] for start in range(0, len(headings), grid.columns)]
    return replace(grid, heads=tuple(max(heading.height for heading in row) for row in rows)), headings


def draw_tiles(
    figure: Figure, tiles: Sequence[Tile], headings: Sequence[Heading], grid: Grid, corner: tuple[float, float]
) -> None:
    """Draw tiles in rows.

    Args:
        figure: the page.
        tiles: what is drawn.
        headings: from `fit_headings`.
        grid: from `fit_headings`.
        corner: left and top of the grid, points from the top left of the page.
    """
    for place, (tile, heading) in enumerate(zip(tiles, headings, strict=True)):
        across, down = grid.corner(place)
        left, top = corner[0] + across, corner[1] + down
        heading.draw(figure, left, top)
        axes = place_axes(figure, left, top, grid.width, grid.height)
        tile.draw(axes)
        axes.set_aspect("auto")
        if tile.scale is not None:
            below = top + grid.height + 6
            colour_bar(place_axes(figure, left, below, max(grid.width, _NARROWEST_BAR), BAR - 20), tile.scale)


def colour_bar(axes: Axes, scale: Scale) -> None:
    """Draw a colour bar: round values beneath, and what the ends of a signed scale mean.

    Args:
        axes: low and wide, from `seewhy.plots.figures.place_axes`.
        scale: scale of the map.
    """
    colours = np.ascontiguousarray(scale.bar(512)[None])
    axes.imshow(colours, extent=(scale.low, scale.high, 0, 1), aspect="auto", interpolation="nearest")
    axes.spines[:].set_visible(False)
    for share, side, word in zip((0.015, 0.985), ("left", "right"), scale.ends or (), strict=False):
        face = typeface(TICK - 0.5)
        axes.text(share, 0.46, word, transform=axes.transAxes, ha=side, va="center", color=PAPER, fontproperties=face)
    _mark(axes, scale)


def _mark(axes: Axes, scale: Scale) -> None:
    """Write as many round values as stand beside each other without touching; those at the ends stay inside."""
    width = axes.get_window_extent().width * 72 / DPI
    wanted = (scale.ticks(count) for count in (4, 3, 2, 1))
    ticks = next((ticks for ticks in wanted if sum(text_width(f"{text}   ", TICK) for _, text in ticks) <= width), [])
    axes.set_xticks([value for value, _ in ticks], [text for _, text in ticks], fontproperties=typeface(TICK))
    axes.tick_params(axis="x", length=2.5, width=0.6, color=QUIET, labelcolor=QUIET, pad=2)
    for (value, _), label in zip(ticks, axes.get_xticklabels(), strict=True):
        share = (value - scale.low) / (scale.high - scale.low)
        label.set_horizontalalignment("left" if share < 0.02 else "right" if share > 0.98 else "center")
