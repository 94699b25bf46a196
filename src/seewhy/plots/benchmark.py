"""Quality against cost: how the methods of a benchmark score, metric by metric."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

from seewhy.plots.charts import COLOURS, panels, shared_legend, title
from seewhy.plots.figures import QUIET, png, style
from seewhy.results.benchmark import SummaryRow

_MARKS = "osD^vP*Xph<>"
_CONTROL = "#9aa0a6"


def quality_png(rows: Sequence[SummaryRow]) -> bytes:
    """Draw quality against cost as a PNG file, one panel per metric; up is better in every panel."""
    metrics, methods = (list(dict.fromkeys(getattr(row, name) for row in rows)) for name in ("metric", "method"))
    with style():
        figure, axes = panels(len(metrics), legend=len(methods))
        for metric, panel in zip(metrics, axes, strict=True):
            _draw(panel, [row for row in rows if row.metric == metric], methods)
        shared_legend(figure, axes)
    return png(figure)


def _draw(axes: Axes, rows: Sequence[SummaryRow], methods: Sequence[str]) -> None:
    """Draw one metric: a point per method with its interval."""
    for row in rows:
        if math.isfinite(row.mean.value) and math.isfinite(row.cost):
            _point(axes, row, methods.index(row.method))
    direction = rows[0].direction
    title(axes, rows[0].metric)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda cost, _: f"{cost:,.10g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("cost: forward-pass equivalents")
    axes.set_ylabel(f"score, {direction} is better" if direction else "score")
    if not axes.has_data():
        axes.text(0.5, 0.5, "no scores", transform=axes.transAxes, ha="center", va="center", color=QUIET)
    if direction == "lower":
        axes.invert_yaxis()
    axes.margins(0.1, 0.12)
    low, high = axes.get_xlim()
    axes.set_xlim(10 ** min(math.log10(low), math.log10(high) - 1.2), high)


def _point(axes: Axes, row: SummaryRow, place: int) -> None:
    """Draw the mean of a method and its interval; a method that costs nothing stands at 1."""
    mean = row.mean
    axes.errorbar(
        max(row.cost, 1),
        mean.value,
        [[max(0.0, mean.value - mean.low)], [max(0.0, mean.high - mean.value)]],
        fmt=_MARKS[place % len(_MARKS)],
        color=_CONTROL if row.control else COLOURS[place % len(COLOURS)],
        markersize=6.5,
        markeredgecolor="white",
        markeredgewidth=0.6,
        elinewidth=1.2,
        label=f"{row.method} (control)" if row.control else row.method,
    )
