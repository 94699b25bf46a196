"""What the terminal shows when maps are judged."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

_BETTER = {True: "higher", False: "lower", None: "neither"}


def score_table(name: str, scores: Sequence[Mapping[str, Any]], labels: Mapping[str, str]) -> Table:
    """Tabulate scores: each metric with its protocol, the value, and which direction is better.

    Args:
        name: of the picture.
        scores: as `seewhy.runs.score.Score.facts` gives them.
        labels: key of a map → what it is called.
    """
    table = Table(title=f"{name}: scores of the maps", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), title_justify="left")
    table.add_column("map", overflow="ellipsis", no_wrap=True)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("better", no_wrap=True)
    table.add_column("queries", justify="right", no_wrap=True)
    table.add_column("metric", overflow="fold")
    table.add_column("in-fill", overflow="fold")
    for each in scores:
        value = "-" if each["value"] is None else f"{each['value']:.3f}"
        asked = f"{each['queries']['forward_images']:,}"
        better = _BETTER[each["higher_is_better"]]
        table.add_row(labels[each["target"]], value, better, asked, each["metric"], each["infill"] or "")
    return table
