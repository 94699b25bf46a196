"""What all figures share: style, a page measured in points, its header and foot, PNG."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.typing import RcKeyType
from PIL import Image

from seewhy.plots.layout import MARGIN
from seewhy.plots.typesetting import FAMILY, missing_glyphs_allowed, typeface, wrap

DPI = 144
"""Two pixels per point."""

_COMPRESSION = 2  # of 9: the usual 6 takes several times as long for files a little smaller

INK, QUIET, RULE, PAPER = "#1c1e21", "#5f6368", "#dadce0", "#ffffff"

ACCENT = "#1c5d99"
"""Of curves and points that stand alone."""

HEADLINE, TITLE, TEXT, SMALL, TICK = 17.0, 12.0, 10.0, 9.0, 8.5
"""Sizes of type, points."""

LEADING = 1.4
"""From baseline to baseline, as a multiple of the size of type."""

_BELOW_HEADER, _ABOVE_FOOT, _RULE_GAP = 16.0, 16.0, 10.0
_LONGEST_LINE = 800.0

_STYLE: dict[RcKeyType, object] = {
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
        with mpl.rc_context(_STYLE):
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
    with style(), missing_glyphs_allowed():
        canvas = FigureCanvasAgg(figure)
        canvas.draw()  # type: ignore[no-untyped-call]
    buffer = io.BytesIO()
    drawn = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    pixels = Image.fromarray(drawn[..., :3])
    pixels.save(buffer, format="PNG", compress_level=_COMPRESSION, dpi=(DPI, DPI))
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
        left: left edge of the line, points from the left of the page.
        baseline: baseline of the line, points from the top of the page.
        line: the text.
        size: size of the typeface, points.
        bold: or regular.
        colour: colour of the text.
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
        left: left edge of the lines, points.
        top: top edge of the first line, points from the top of the page.
        lines: from `seewhy.plots.typesetting.wrap`.
        size: size of the typeface, points.
        bold: or regular.
        colour: colour of the text.
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
    axes = figure.add_axes(box)
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    axes.spines[:].set(visible=True, color=RULE, linewidth=0.5)
    return axes


@dataclass(frozen=True)
class Header:
    """Title and subtitle of a page, broken into lines.

    Args:
        title: at most two lines.
        subtitle: at most two quieter lines.
    """

    title: tuple[str, ...]
    subtitle: tuple[str, ...]

    @classmethod
    def fit(cls, title: str, subtitle: str, width: float) -> "Header":
        """Break title and subtitle into lines of at most `width` points."""
        lines = wrap(title, HEADLINE, width, bold=True, most=2)
        return cls(tuple(lines), tuple(wrap(subtitle, TEXT + 1, width, most=2)))

    @property
    def height(self) -> float:
        """From the top of the page to what stands below the header, points."""
        return MARGIN + LEADING * (len(self.title) * HEADLINE + len(self.subtitle) * (TEXT + 1)) + _BELOW_HEADER

    def draw(self, figure: Figure) -> None:
        """Write the lines at the top of a page."""
        below = write_lines(figure, MARGIN, MARGIN, self.title, size=HEADLINE, bold=True)
        write_lines(figure, MARGIN, below, self.subtitle, size=TEXT + 1, colour=QUIET)


@dataclass(frozen=True)
class Foot:
    """How to read a page and, below a rule, how it was made, broken into lines.

    Args:
        prose: lines.
        footer: at most three quieter lines.
    """

    prose: tuple[str, ...]
    footer: tuple[str, ...]

    @classmethod
    def fit(cls, prose: str, footer: str, width: float) -> "Foot":
        """Break both into lines of at most `width` points; prose is kept short enough to be read easily."""
        lines = wrap(prose, TEXT, min(width, _LONGEST_LINE))
        return cls(tuple(lines), tuple(wrap(footer, SMALL, width, most=3)))

    @property
    def height(self) -> float:
        """From the content of the page to its end, points."""
        lines = len(self.prose) * TEXT + len(self.footer) * SMALL
        return _ABOVE_FOOT + LEADING * lines + _RULE_GAP + MARGIN

    def draw(self, figure: Figure) -> None:
        """Write the lines at the end of a page."""
        width, height = size_of(figure)
        below = write_lines(figure, MARGIN, height - self.height + _ABOVE_FOOT, self.prose) + _RULE_GAP / 2
        if self.footer:
            ends, level = (MARGIN / width, 1 - MARGIN / width), 1 - below / height
            figure.add_artist(Line2D(ends, (level, level), color=RULE, linewidth=0.75, transform=figure.transFigure))
            write_lines(figure, MARGIN, below + _RULE_GAP / 2, self.footer, size=SMALL, colour=QUIET)
