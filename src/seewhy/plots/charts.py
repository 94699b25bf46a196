"""Panels of curves and points in rows, with one legend below them."""

import math
from collections.abc import Sequence

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from seewhy.plots.figures import DPI, PAPER, TEXT, fit

COLOURS = ("#1c5d99", "#d1495b", "#2e8b57", "#e0a030", "#7b4fa3", "#3aa6b9", "#8c564b", "#c45ab3", "#6b7a2f", "#4d5a6b")
"""Of the first, second, … series; told apart by colour-blind readers with the help of the marks."""

_WIDTH, _HEIGHT, _BORDER = 4.3, 3.1, 0.25
_MOST_COLUMNS = 3
_TITLE_WIDTH = 270.0


def panels(count: int, *, legend: int = 0) -> tuple[Figure, list[Axes]]:
    """Make a figure with panels in rows of up to three, above a legend of some entries; without panels, a blank one.

    Call it in `seewhy.plots.figures.style`.
    """
    columns = 2 if count in {2, 4} else min(_MOST_COLUMNS, max(1, count))
    rows = math.ceil(max(1, count) / columns)
    below = 0.25 * math.ceil(legend / columns)
    size = (_WIDTH * columns + 2 * _BORDER, _HEIGHT * rows + below + 2 * _BORDER)
    border = _BORDER / size[0], _BORDER / size[1]
    bottom = 0.0 if legend else border[1]  # the legend keeps its own distance from the edge
    rectangle = (border[0], bottom, 1 - 2 * border[0], 1 - border[1] - bottom)
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1, wspace=0.05, hspace=0.06, rect=rectangle)
    figure = Figure(figsize=size, dpi=DPI, facecolor=PAPER, layout=layout)
    axes: list[Axes] = list(figure.subplots(rows, columns, squeeze=False).flat)
    for blank in axes[count:]:
        blank.set_axis_off()
    return figure, axes[:count]


def title(axes: Axes, text: str) -> None:
    """Write the title of a panel, in at most two lines."""
    axes.set_title("\n".join(line.text for line in fit(text, width=_TITLE_WIDTH, bold=True)), fontsize=TEXT)


def shared_legend(figure: Figure, axes: Sequence[Axes]) -> None:
    """Draw one legend below all panels, with each label once."""
    pairs = [each.get_legend_handles_labels() for each in axes]
    handles: dict[str, Artist] = {
        label: handle for some, labels in pairs for handle, label in zip(some, labels, strict=True)
    }
    if handles:
        columns = max(1, len({each.get_subplotspec().colspan.start for each in axes}))  # type: ignore[union-attr]
        figure.legend(handles.values(), handles.keys(), loc="outside lower left", ncols=columns, borderaxespad=2.2)
