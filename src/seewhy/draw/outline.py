"""Regions as lines around them: where a line runs, and how it is drawn on a photo."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool
from PIL import Image, ImageDraw

from seewhy.core.maps import BoolMap
from seewhy.core.view import Frame
from seewhy.draw.page import typeface
from seewhy.draw.scene import Picture
from seewhy.plots.overlay import place

COLOURS = ((176, 0, 84), (24, 26, 30), (0, 92, 160))
"""Of the first, second and third region; each line has a white rim, so that it is seen on any photo."""

Segment = tuple[int, int, int, int]
"""Row and column where a straight piece of a border begins, and where it ends; borders run between pixels."""


def label(name: str, where: BoolMap) -> str:
    """Name a region and its size.

    Example:
        >>> label("sufficient", np.array([[True, False]]))
        'sufficient 50.0 %'
    """
    return f"{name} {100 * where.mean():.1f} %"


def borders(where: BoolMap) -> list[Segment]:
    """Trace a region: the straight pieces between its pixels and the others, the edge of the picture included.

    Example:
        >>> borders(np.array([[True]]))
        [(0, 0, 0, 1), (1, 0, 1, 1), (0, 0, 1, 0), (0, 1, 1, 1)]
    """
    across = [(row, start, row, stop) for row, start, stop in _runs(where)]
    down = [(start, column, stop, column) for column, start, stop in _runs(where.T)]
    return across + down


def _runs(where: BoolMap) -> list[tuple[int, int, int]]:
    """Find where a row of pixels differs from the one above: line, first and last column."""
    edge = np.diff(np.pad(where, ((1, 1), (0, 0))).astype(np.int8), axis=0) != 0
    ends = np.diff(np.pad(edge, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    lines, starts = np.nonzero(ends == 1)
    return list(zip(lines.tolist(), starts.tolist(), np.nonzero(ends == -1)[1].tolist(), strict=True))


def draw_outlines(picture: Picture, frame: Frame, outlines: Mapping[str, BoolMap]) -> Picture:
    """Draw a line around each region, and its name and size beside it.

    Args:
        picture: of the frame's picture size.
        frame: what the classifier saw of it.
        outlines: name → region in the classifier's view.
    """
    if not outlines:
        return picture
    image = Image.fromarray(picture)
    pen = ImageDraw.Draw(image)
    taken: list[int] = []
    for (name, where), colour in zip(outlines.items(), COLOURS, strict=False):
        shown = np.nan_to_num(place(where.astype(np.float32), frame)) >= 0.5
        if not shown.any():
            continue
        for width, ink in ((5, (255, 255, 255)), (2, colour)):
            for top, left, bottom, right in borders(shown):
                pen.line((left, top, right, bottom), fill=ink, width=width)
        _write(pen, label(name, where), shown, colour, taken)
    return np.asarray(image)


def _write(
    pen: ImageDraw.ImageDraw, text: str, shown: Bool[np.ndarray, "h w"], colour: tuple[int, int, int], taken: list[int]
) -> None:
    """Write a name at the top of its region, clear of the names before it and inside the picture."""
    font = typeface(17, bold=True)
    rows, columns = np.nonzero(shown)
    top = max(int(rows[0]) - 24, 0)
    while any(abs(top - other) < 22 for other in taken):
        top += 22
    taken.append(top)
    left = min(int(columns[0]), max(0, shown.shape[1] - round(font.getlength(text)) - 8))
    pen.text((left + 4, top), text, colour, font, stroke_width=3, stroke_fill=(255, 255, 255))
