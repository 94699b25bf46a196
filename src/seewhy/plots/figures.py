"""What all figures share: style, text in lines, axes measured in points (1/72 inch), PNG."""

import io
import re
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.typing import RcKeyType
from PIL import Image

DPI = 144
"""Two pixels per point."""

_COMPRESSION = 2  # of 9: the usual 6 takes several times as long for files a little smaller

INK, QUIET, RULE, PAPER = "#1c1e21", "#5f6368", "#dadce0", "#ffffff"

ACCENT = "#1c5d99"
"""Of curves and points that stand alone."""

HEADLINE, SECTION, TITLE, TEXT, SMALL, TICK = 17.0, 14.0, 12.0, 10.0, 9.0, 8.5
"""Sizes of type, points."""

LEADING = 1.4
"""From baseline to baseline, as a multiple of the size of type."""

LETTER = {False: 0.57, True: 0.64}
"""Bold or not → the mean width of a letter of running text, as a multiple of the size of type."""

_STYLE: dict[RcKeyType, object] = {
    "font.family": ["DejaVu Sans"],  # comes with matplotlib, so that figures look the same on every machine
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
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # such characters are drawn as boxes
        mpl.rcdefaults()
        with mpl.rc_context(_STYLE):
            yield


def png(figure: Figure) -> bytes:
    """Write a figure as a PNG file; the same bytes for the same figure."""
    with style():
        canvas = FigureCanvasAgg(figure)
        canvas.draw()  # type: ignore[no-untyped-call]
    buffer = io.BytesIO()
    drawn = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    pixels = Image.fromarray(drawn[..., :3])
    pixels.save(buffer, format="PNG", compress_level=_COMPRESSION, dpi=(DPI, DPI))
    return buffer.getvalue()


@dataclass(frozen=True)
class Line:
    """A line of text with its size of type in points."""

    text: str
    size: float = TEXT
    bold: bool = False
    colour: str = INK


def fit(
    text: str, size: float = TEXT, *, width: float, bold: bool = False, colour: str = INK, most: int = 2
) -> list[Line]:
    """Break text into lines of about `width` points; the last of `most` lines is cut with an ellipsis.

    Lines do not break at no-break spaces; a dot between two parts is left out where a line breaks after it.

    Example:
        >>> [line.text for line in fit("chocolate sauce, chocolate syrup", width=100.0)]
        ['chocolate sauce,', 'chocolate syrup']
    """
    letters = max(1, int(width / (size * LETTER[bold])))
    flat = re.sub(r"\s+", " ", text, flags=re.ASCII)
    lines = textwrap.wrap(flat, letters, max_lines=most, placeholder="…", break_on_hyphens=False)
    return [Line(line.removesuffix(" ·"), size, bold, colour) for line in lines]


def height_of(lines: Sequence[Line]) -> float:
    """Return the height of lines below each other, points."""
    return LEADING * sum(line.size for line in lines)


def write(figure: Figure, left: float, top: float, lines: Sequence[Line]) -> None:
    """Write lines below each other; ``left`` and ``top`` are their edges, in points from the top left of the page."""
    width, height = size_of(figure)
    for number, line in enumerate(lines):
        baseline = top + height_of(lines[:number]) + line.size
        weight = "bold" if line.bold else "normal"
        figure.text(left / width, 1 - baseline / height, line.text, size=line.size, weight=weight, color=line.colour)


def size_of(figure: Figure) -> tuple[float, float]:
    """Return the width and height of a page in points."""
    width, height = figure.get_size_inches()
    return float(72 * width), float(72 * height)


def place_axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Put axes without ticks, in a hairline frame, on a page; all measures in points from its top left."""
    full_width, full_height = size_of(figure)
    box = (left / full_width, 1 - (top + height) / full_height, width / full_width, height / full_height)
    axes = figure.add_axes(box, xticks=[], yticks=[], anchor="NW")
    axes.grid(visible=False)
    axes.spines[:].set(visible=True, color=RULE, linewidth=0.5)
    return axes
