"""What the terminal shows when a picture is explained."""

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table


def summary(manifest: Mapping[str, Any]) -> Table:
    """Tabulate each target: its probability and the strongest evidence for and against it.

    Args:
        manifest: the content of ``explanation.json``.
    """
    unit, queries = manifest["unit"], manifest["queries"]["forward_images"]
    how = f"{queries:,} queries · {manifest['seconds']:.1f} s · {manifest['stopped_because']}"
    caption = "\n".join((manifest["method"]["spec"], f"in-fill {manifest['infill']['spec']}", how))
    title = f"{manifest['image']['name']}: strongest evidence ({unit}) at row, column of the view"
    table = Table(
        title=title,
        caption=caption,
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("what", overflow="ellipsis", no_wrap=True)
    for name in ("p", "for", "at", "against", "at"):
        table.add_column(name, justify="right", no_wrap=True)
    for target in manifest["targets"]:
        probability = f"{target['probability']:.3f}" if "probability" in target else ""
        table.add_row(target["label"], probability, *_point(target["highest"], 1), *_point(target["lowest"], -1))
    return table


def _point(extreme: Mapping[str, Any], sign: int) -> tuple[str, str]:
    """Value ± error, and row, column; dashes where no pixel has that sign."""
    if extreme["value"] * sign <= 0:
        return "-", "-"
    error = "" if extreme["stderr"] is None else f" ± {extreme['stderr']:.1g}"
    return f"{extreme['value']:+.2g}{error}", f"{extreme['row']}, {extreme['column']}"
