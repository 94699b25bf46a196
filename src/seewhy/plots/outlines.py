"""Regions as lines around them, drawn on the axes of a map."""

from collections.abc import Mapping
from itertools import cycle

import numpy as np
from jaxtyping import Float, Float32
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from seewhy.core.attribution import BoolMap
from seewhy.core.view import Frame
from seewhy.plots.figures import TICK

COLOURS = ("#b00054", "#181a1e", "#005ca0", "#8a5a00")
"""Of the first to the fourth region; each line has a white rim, so that it is seen on any photo."""

_RIM, _LINE = 4.0, 1.8


def label(name: str, region: BoolMap) -> str:
    """Name a region and its area.

    Example:
        >>> label("sufficient", np.array([[True, False]]))
        'sufficient 50.0 %'
    """
    return f"{name} {100 * region.mean():.1f} %"


def draw_outlines(axes: Axes, frame: Frame, outlines: Mapping[str, BoolMap]) -> None:
    """Draw a line around each region of the view, and a legend with their names and areas.

    The coordinates of the axes are the pixels of the image; the edge of the view is part of a line. An empty region is named,
    but has no line.
    """
    lines, limits = [], axes.axis()
    for colour, (name, region) in zip(cycle(COLOURS), outlines.items(), strict=False):
        for line_width, ink in ((_RIM, "white"), (_LINE, colour)) if region.any() else ():
            axes.contour(*_on_photo(frame, region), levels=[0.5], colors=[ink], linewidths=line_width)
        lines.append(Line2D([], [], color=colour, linewidth=_LINE, label=label(name, region)))
    axes.axis(limits)
    if lines:
        legend = axes.legend(handles=lines, loc="lower left", fontsize=TICK, borderaxespad=0.6, handlelength=1.4)
        legend.set_frame_on(True)
        legend.get_frame().set(facecolor="white", edgecolor="none", alpha=0.85)


def hatch(axes: Axes, frame: Frame, region: BoolMap) -> None:
    """Draw thin diagonals over a region that is not empty."""
    limits = axes.axis()
    axes.contourf(*_on_photo(frame, region), levels=[0.5, 1.5], colors="none", hatches=["//////"])
    axes.axis(limits)


def _on_photo(
    frame: Frame, region: BoolMap
) -> tuple[Float[np.ndarray, " a"], Float[np.ndarray, " b"], Float32[np.ndarray, "b a"]]:
    """Return where the columns and rows of a region lie on the photo, and the region; each with a border of nothing."""
    (left, top, right, bottom), (height, width) = frame.box, region.shape
    columns = left + (np.arange(-1, width + 1) + 0.5) * (right - left) / width
    rows = top + (np.arange(-1, height + 1) + 0.5) * (bottom - top) / height
    return columns, rows, np.pad(region, 1).astype(np.float32)
