"""The standings of a contest: a table for the terminal, and quality against price as a picture."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from rich.box import SIMPLE_HEAD
from rich.table import Table

Standing = Mapping[str, Any]
"""A line of ``table.csv`` as plain values; None where there is no number."""

_MARKS = "osD^vP*Xph<>"
_ACROSS = 3


def standings_table(lines: Sequence[Standing], title: str) -> Table:
    """Tabulate how each method did by one metric.

    Args:
        lines: of that metric; the first is the method that the others are held against.
        title: of the table.
    """
    first = lines[0]
    caption = (
        f"{first['protocol']}\n- first: paired difference to {first['method']}; in brackets: 95 % intervals over pictures; "
        "n: pictures with a score; price: pictures shown + 2 × gradients; *: control, knows nothing of the classifier"
    )
    better = f"{first['direction']} is better" if first["direction"] else "neither direction is better"
    table = Table(
        title=f"{title} ({better})",
        caption=caption,
        box=SIMPLE_HEAD,
        padding=(0, 0, 0, 0),
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("method", overflow="fold", min_width=16)
    for name in ("mean", "", "- first", "", "n", "price", "s"):
        table.add_column(name, justify="right", no_wrap=True)
    for line in lines:
        name = f"{line['method']} *" if line["control"] else line["method"]
        gap = ("", "") if line is first else _figure(line, "difference", "+.3f")
        numbers = (*_figure(line, "mean", ".3f"), *gap, str(line["pictures"]))
        table.add_row(name, *numbers, _number(line["price"], ",.0f"), _number(line["seconds"], ".1f"))
    return table


def _figure(line: Standing, name: str, form: str) -> tuple[str, str]:
    """A number and its interval; dashes where there is none."""
    low, high = (_number(line[f"{name}_{end}"], form) for end in ("low", "high"))
    return _number(line[name], form), f"[{low}, {high}]"


def _number(value: object, form: str) -> str:
    """Write a number with a true minus, or a dash."""
    return f"{value:{form}}".replace("-", "−") if isinstance(value, int | float) else "–"


def quality_png(lines: Sequence[Standing]) -> bytes:
    """Draw quality against price, one panel a metric; up is better in every panel.

    Args:
        lines: of all metrics.

    Returns:
        a PNG file.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - takes a while, and most runs draw no curves

    metrics, methods = (list(dict.fromkeys(line[name] for line in lines)) for name in ("metric", "method"))
    across = 2 if len(metrics) == 4 else min(_ACROSS, max(1, len(metrics)))
    down = -(-max(1, len(metrics)) // across)
    keys = -(-len(methods) // across)
    with mpl.rc_context({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(4.6 * across + 0.6, 3.8 * down + 0.25 * keys + 0.4), dpi=120, layout="constrained")
        panels = list(figure.subplots(down, across, squeeze=False).flat)
        for metric, panel in zip(metrics, panels, strict=False):
            _panel(panel, [line for line in lines if line["metric"] == metric], methods)
        for panel in panels[len(metrics) :]:
            panel.set_axis_off()
        handles = _handles(figure)
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=across, frameon=False)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _panel(panel: Any, lines: Sequence[Standing], methods: Sequence[str]) -> None:  # noqa: ANN401 - matplotlib's axes
    """Draw one metric: a point a method with its interval."""
    colours = mpl.colormaps["tab10"]
    for line in lines:
        if line["mean"] is None or line["price"] is None:
            continue
        number = methods.index(line["method"])
        spread = [[line["mean"] - line["mean_low"]], [line["mean_high"] - line["mean"]]]
        colour = "0.6" if line["control"] else colours(number % 10)
        panel.errorbar(
            max(line["price"], 1),
            line["mean"],
            spread,
            fmt=_MARKS[number % len(_MARKS)],
            color=colour,
            markersize=7,
            elinewidth=1,
            capsize=2,
            label=f"{line['method']} (control)" if line["control"] else line["method"],
        )
    direction = lines[0]["direction"]
    panel.set_xscale("log")
    panel.set_xlabel("price: pictures shown + 2 × gradients")
    panel.set_title(f"{lines[0]['metric']}" + (f" ({direction} is better)" if direction else ""), fontsize=11)
    panel.grid(visible=True, axis="y", color="0.92")
    if direction == "lower":
        panel.invert_yaxis()


def _handles(figure: Any) -> dict[str, Any]:  # noqa: ANN401 - matplotlib's figure
    """Return label → mark of every method, once."""
    pairs = [panel.get_legend_handles_labels() for panel in figure.axes]
    return {label: handle for handles, labels in pairs for handle, label in zip(handles, labels, strict=True)}
