"""What all figures share: a page measured in points, headings, tiles with colour bars, the lines at the foot, PNG."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from seewhy.plots.layout import BAR, Grid
from seewhy.plots.scales import Scale
from seewhy.plots.typesetting import FAMILY, missing_glyphs_allowed, text_width, typeface, wrap

DPI = 144
"""Two pixels per point."""

INK, QUIET, RULE, PAPER = "#1c1e21", "#5f6368", "#dadce0", "#ffffff"

ACCENT = "#1c5d99"
"""Of curves and points that stand alone."""

HEADLINE, TITLE, TEXT, SMALL, TICK = 17.0, 12.0, 10.0, 9.0, 8.5
"""Sizes of type, points."""

LEADING = 1.4
"""From baseline to baseline, as a multiple of the size of type."""

_AFTER_SUBTITLE = 7.0
_ABOVE_FOOT, _RULE_GAP = 16.0, 10.0

_STYLE = {
    "font.family": [FAMILY],
    "font.size": TEXT,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": RULE,
    "axes.labelcolor": QUIET,
    "axes.labelsize": SMALL,
    "axes.titlesize": TITLE,
    "axes.titlecolor": INK,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#e8eaed",
    "grid.linewidth": 0.8,
    "xtick.color": RULE,
    "xtick.labelcolor": QUIET,
    "xtick.labelsize": TICK,
    "ytick.color": RULE,
    "ytick.labelcolor": QUIET,
    "ytick.labelsize": TICK,
    "ytick.major.size": 0.0,
    "legend.frameon": False,
    "legend.fontsize": SMALL,
    "lines.linewidth": 1.8,
    "hatch.color": INK,
    "hatch.linewidth": 0.6,
}


@contextmanager
def style() -> Iterator[None]:
    """Set matplotlib's defaults to those of the figures, whatever the user's own are; undone at the end."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def page(width: float, height: float) -> Figure:
    """Make an empty page.

    Args:
        width: in points; the page is a whole number of pixels wide.
        height: in points.
    """
    return Figure(figsize=(round(2 * width) / 144, round(2 * height) / 144), dpi=DPI, facecolor=PAPER)


def png(figure: Figure) -> bytes:
    """Write a figure as a PNG file; the same bytes for the same figure."""
    buffer = io.BytesIO()
    with style(), missing_glyphs_allowed():
        figure.savefig(buffer, format="png", dpi=DPI, facecolor=PAPER, metadata={"Software": None})
    return buffer.getvalue()


def write(
    figure: Figure,
    left: float,
    baseline: float,
    line: str,
    *,
    size: float = TEXT,
    bold: bool = False,
    colour: str = INK,
) -> None:
    """Write one line on a page.

    Args:
        figure: the page.
        left: of the line, points from the left of the page.
        baseline: of the line, points from the top of the page.
        line: the text.
        size: of the typeface, points.
        bold: or regular.
        colour: of the text.
    """
    width, height = size_of(figure)
    position = (left / width, 1 - baseline / height)
    face = typeface(size, bold=bold)
    figure.text(*position, line, fontproperties=face, color=colour, va="baseline", ha="left", parse_math=False)


def write_lines(
    figure: Figure,
    left: float,
    top: float,
    lines: Sequence[str],
    *,
    size: float = TEXT,
    bold: bool = False,
    colour: str = INK,
) -> float:
    """Write lines below each other, and return where the next one would begin, points from the top of the page.

    Args:
        figure: the page.
        left: of the lines, points.
        top: of the first line, points from the top of the page.
        lines: from `seewhy.plots.typesetting.wrap`.
        size: of the typeface, points.
        bold: or regular.
        colour: of the text.
    """
    for number, line in enumerate(lines):
        write(figure, left, top + size + number * size * LEADING, line, size=size, bold=bold, colour=colour)
    return top + len(lines) * size * LEADING


def size_of(figure: Figure) -> tuple[float, float]:
    """Return the width and height of a page in points."""
    width, height = figure.get_size_inches()
    return float(72 * width), float(72 * height)


def place_axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Put axes without ticks, in a hairline frame, on a page; all measures in points from its top left."""
    full_width, full_height = size_of(figure)
    box = (left / full_width, 1 - (top + height) / full_height, width / full_width, height / full_height)
    with style():
        axes = figure.add_axes(box)
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    axes.spines[:].set(visible=True, color=RULE, linewidth=0.5)
    return axes


@dataclass(frozen=True)
class Heading:
    """The text above a tile, broken into lines.

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
        return cls(tuple(lines), tuple(wrap(subtitle, TEXT, width, most=2)))

    @property
    def height(self) -> float:
        """Of all lines and of the space below them, points."""
        return LEADING * (len(self.title) * TITLE + len(self.subtitle) * TEXT) + _AFTER_SUBTITLE


def image_tile(figure: Figure, heading: Heading, grid: Grid, left: float, top: float) -> Axes:
    """Write a heading close above its image, and return the axes for the image.

    Args:
        figure: the page.
        heading: the text above the image.
        grid: that the tile belongs to.
        left: of the image, points from the left of the page.
        top: of the image, points from the top of the page.
    """
    below = write_lines(figure, left, top - heading.height, heading.title, size=TITLE, bold=True)
    write_lines(figure, left, below, heading.subtitle, colour=QUIET)
    return place_axes(figure, left, top, grid.width, grid.height)


def colour_bar(figure: Figure, scale: Scale, grid: Grid, left: float, top: float) -> Axes:
    """Draw a colour bar below an image: round values beneath, and what the ends of a signed scale mean.

    Args:
        figure: the page.
        scale: of the map.
        grid: that the tile belongs to.
        left: of the image, points from the left of the page.
        top: of the image, points from the top of the page.
    """
    width = max(grid.width, 130.0)
    axes = place_axes(figure, left, top + grid.height + 6, width, BAR - 20)
    colours = np.ascontiguousarray(scale.bar(512)[None])
    axes.imshow(colours, extent=(scale.low, scale.high, 0, 1), aspect="auto", interpolation="nearest")
    axes.spines[:].set_visible(False)
    for share, side, word in zip((0.015, 0.985), ("left", "right"), scale.ends or (), strict=False):
        face = typeface(TICK - 0.5)
        axes.text(share, 0.46, word, transform=axes.transAxes, ha=side, va="center", color=PAPER, fontproperties=face)
    _mark(axes, scale, width)
    return axes


def _mark(axes: Axes, scale: Scale, width: float) -> None:
    """Write as many round values as stand beside each other without touching; those at the ends stay inside."""
    wanted = (scale.ticks(count) for count in (4, 3, 2, 1))
    ticks = next((ticks for ticks in wanted if sum(text_width(f"{text}   ", TICK) for _, text in ticks) <= width), [])
    axes.set_xticks([value for value, _ in ticks], [text for _, text in ticks], fontproperties=typeface(TICK))
    axes.tick_params(axis="x", length=2.5, width=0.6, color=QUIET, labelcolor=QUIET, pad=2)
    for (value, _), label in zip(ticks, axes.get_xticklabels(), strict=True):
        share = (value - scale.low) / (scale.high - scale.low)
        label.set_horizontalalignment("left" if share < 0.02 else "right" if share > 0.98 else "center")


def foot_height(prose: Sequence[str], footer: Sequence[str]) -> float:
    """Return the height of what `foot` draws, points."""
    return _ABOVE_FOOT + LEADING * (len(prose) * TEXT + len(footer) * SMALL) + _RULE_GAP


def foot(figure: Figure, prose: Sequence[str], footer: Sequence[str], left: float, top: float) -> None:
    """Write how to read a page and, below a rule, how it was made.

    Args:
        figure: the page.
        prose: lines.
        footer: quieter lines.
        left: margin on both sides, points.
        top: of the free space, points from the top of the page.
    """
    width, height = size_of(figure)
    below = write_lines(figure, left, top + _ABOVE_FOOT, prose) + _RULE_GAP / 2
    if footer:
        level = 1 - below / height
        ends = (left / width, 1 - left / width)
        figure.add_artist(Line2D(ends, (level, level), color=RULE, linewidth=0.75, transform=figure.transFigure))
        write_lines(figure, left, below + _RULE_GAP / 2, footer, size=SMALL, colour=QUIET)
