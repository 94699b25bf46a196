"""What the terminal shows when a picture is explained, in-fills are compared, or runtimes are tried."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from seewhy.draw.words import companions, correlation, queries
from seewhy.plots.scales import INTENSITY


def summary(manifest: Mapping[str, Any]) -> Table:
    """Tabulate each target: its probability and the strongest evidence for and against it.

    Args:
        manifest: the content of ``explanation.json``.
    """
    unit = manifest["unit"]
    how = f"{queries(manifest['queries'])} · {manifest['seconds']:.1f} s · {manifest['stopped_because']}"
    lines = (manifest["method"]["spec"], f"in-fill {manifest['infill']['spec']}", *companions(manifest), how)
    caption = "\n".join(lines)
    check = manifest["infill_check"]
    if check:
        caption += f"\nagree: rank correlation with {_names(check['infills'])}, {check['queries']:,} more queries"
    what, most, least = ("change", "highest", "lowest") if unit == INTENSITY else ("evidence", "for", "against")
    title = f"{manifest['image']['name']}: strongest {what} ({unit}) at row, column of the view"
    table = _table(title, caption, ("p", most, "at", least, "at", *(["agree"] if check else [])))
    agrees = {row["key"]: correlation(row["correlation"]) for row in check["targets"]} if check else {}
    for target in manifest["targets"]:
        points = (*_point(target["highest"], 1), *_point(target["lowest"], -1))
        table.add_row(target["label"], _chance(target), *points, *filter(None, [agrees.get(target["key"])]))
    return table


def agreement(manifest: Mapping[str, Any]) -> Table:
    """Tabulate each target of a comparison: the mean rank correlation of the in-fills' maps, and what that means.

    Args:
        manifest: the content of ``comparison.json``.
    """
    asked = [f"{each['title']} {each['queries']['forward_images']:,}" for each in manifest["infills"]]
    how = f"{manifest['queries']['forward_images']:,} queries ({', '.join(asked)}) · {manifest['seconds']:.1f} s"
    title = f"{manifest['image']['name']}: mean rank correlation of the maps of {len(asked)} in-fills"
    table = _table(title, f"{manifest['method']['spec']}\n{how}", ("p", "agrees", "noise leaves", "signs differ"))
    table.add_column("verdict", max_width=44)
    for target in manifest["targets"]:
        conflict = "" if target["sign_conflict"] is None else f"{target['sign_conflict']:.1%}"
        numbers = (correlation(target["correlation"]), correlation(target["expected"]), conflict)
        table.add_row(target["label"], _chance(target), *numbers, target["words"])
    return table


def runtimes(choice: Mapping[str, Any]) -> Table:
    """Tabulate the runtimes that were tried: speed, agreement with the classifier as it came, and why some are out.

    Args:
        choice: as in the manifest's ``runtime``.
    """
    table = _table(f"{choice['name']}: {choice['why']}", "", ("precision", "batch", "queries/s", "differs by"))
    table.add_column("out, because")
    for trial in choice["tried"]:
        numbers = (trial["batch_size"], trial["queries_per_second"], trial["agreement"])
        shown = (
            "" if number is None else f"{number:.{digits}g}" for number, digits in zip(numbers, (3, 3, 1), strict=True)
        )
        table.add_row(trial["name"], trial["precision"], *shown, trial["reason"] or "")
    return table


def _table(title: str, caption: str, numbers: Sequence[str]) -> Table:
    """An empty table: a column for the target and some for numbers."""
    table = Table(
        title=title,
        caption=caption,
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("what", overflow="ellipsis", no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _chance(target: Mapping[str, Any]) -> str:
    """The probability of a class; nothing for other targets."""
    return f"{target['probability']:.3f}" if "probability" in target else ""


def _names(infills: Sequence[Mapping[str, Any]]) -> str:
    """In-fills without their settings."""
    return " and ".join(each["spec"].partition(":")[0] for each in infills)


def _point(extreme: Mapping[str, Any], sign: int) -> tuple[str, str]:
    """Value ± error, and row, column; dashes where no pixel has that sign."""
    if extreme["value"] * sign <= 0:
        return "-", "-"
    error = "" if extreme["stderr"] is None else f" ± {extreme['stderr']:.1g}"
    return f"{extreme['value']:+.2g}{error}", f"{extreme['row']}, {extreme['column']}"
