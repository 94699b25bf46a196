"""Text that fits: how wide a line is, where it breaks, and where it is cut.

Figures are set in the typeface that comes with matplotlib, so that they look the same on every machine. All sizes and
widths are in points, 1/72 inch.
"""

import re
import warnings
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, lru_cache

from matplotlib.font_manager import FontProperties, findfont, get_font

_MEASURED = 64.0
"""Size at which text is measured, points; widths are proportional to the size."""

_HINTING = 1.01
"""Small type is a little wider than large type at the same scale: letters begin on whole pixels."""

FAMILY = "DejaVu Sans"


@cache
def typeface(size: float, *, bold: bool = False) -> FontProperties:
    """Return the typeface of the figures.

    Args:
        size: in points.
        bold: or regular.
    """
    return FontProperties(family=[FAMILY], size=size, weight="bold" if bold else "normal")


@contextmanager
def missing_glyphs_allowed() -> Iterator[None]:
    """Keep matplotlib from warning about characters that the typeface does not have; they are drawn as boxes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


@lru_cache(maxsize=4096)
def text_width(line: str, size: float, *, bold: bool = False) -> float:
    """Return the width of a line in points.

    Args:
        line: the text, without line breaks.
        size: size of the typeface, points.
        bold: or regular.

    Example:
        >>> text_width("iii", 10.0) < text_width("mmm", 10.0) < text_width("mmm", 10.0, bold=True)
        True
    """
    font = get_font(findfont(typeface(_MEASURED, bold=bold)))
    font.set_size(_MEASURED, 72)  # matplotlib shares this font, and sets its size before it draws, too
    with missing_glyphs_allowed():
        font.set_text(line, 0.0)
    return font.get_width_height()[0] / 64 * size / _MEASURED * _HINTING


def shorten(line: str, size: float, width: float, *, bold: bool = False) -> str:
    """Cut a line with an ellipsis where it is wider than its place.

    Args:
        line: the text; line breaks become spaces.
        size: size of the typeface, points.
        width: width of the place, points.
        bold: or regular.

    Example:
        >>> shorten("chocolate sauce, chocolate syrup", 10.0, 100.0)
        'chocolate sauce…'
    """
    flat = " ".join(line.split())
    if text_width(flat, size, bold=bold) <= width:
        return flat
    ends = [flat[:kept].rstrip(" ,·") + "…" for kept in range(len(flat))]
    fitting = bisect_right(ends, width, key=lambda end: text_width(end, size, bold=bold))
    return ends[max(0, fitting - 1)]


def wrap(prose: str, size: float, width: float, *, bold: bool = False, most: int | None = None) -> list[str]:
    """Break text into lines that are no wider than their place.

    Args:
        prose: the text; line breaks become spaces, and lines do not break at no-break spaces.
        size: size of the typeface, points.
        width: width of the place, points.
        bold: or regular.
        most: the largest number of lines, or None for any number; the last one is cut with an ellipsis.

    Example:
        >>> wrap("chocolate sauce, chocolate syrup", 10.0, 100.0)
        ['chocolate sauce,', 'chocolate syrup']
    """
    lines: list[str] = []
    for glue, word in _pieces(prose, lambda word: text_width(word, size, bold=bold) <= width):
        if lines and text_width(f"{lines[-1]}{glue}{word}", size, bold=bold) <= width:
            lines[-1] = f"{lines[-1]}{glue}{word}"
        else:
            lines.append(word)
    if most is not None and len(lines) > most:
        lines = [*lines[: most - 1], " ".join(lines[most - 1 :])]
    return [shorten(line, size, width, bold=bold) for line in lines if line]


def _pieces(prose: str, fits: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
    """Yield the words of a text, each after what stands between it and the one before; long words break after , and :."""
    for word in re.split(r"[ \t\r\n]+", prose.strip()):
        parts = [word] if fits(word) else re.split(r"(?<=[,:])", word)
        yield from zip((" ", *[""] * len(parts)), parts, strict=False)
