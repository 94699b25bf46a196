"""Shared code of the benchmark scripts: options, tables, JSON output, intervals, and pairs of methods and in-fills."""

import json
import math
import platform
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from jaxtyping import Float

import seewhy
from seewhy import registry
from seewhy.classifiers.fast import RUNTIMES
from seewhy.core import intervals
from seewhy.core.infill import Infill
from seewhy.runtime.machine import keep_freed_memory

Row = dict[str, Any]
"""One row of a table: values by column name."""

Asked = tuple[str, str | None]
"""Spec of a method and of its in-fill; None for the method's usual in-fill."""

INFILLS = (
    "patch-sampler",
    "exemplar",
    "donor",
    "gray",
    "mean",
    "blur",
    "noise",
    "telea",
    "navier-stokes",
)
"""Specs of the in-fills that are compared; the first is the reference."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on the last line.")
method_option = click.option("--method", "methods", multiple=True, help="Spec of a method; repeatable.")
infill_option = click.option(
    "--infill", "infills", multiple=True, help="Spec of an in-fill, run with each method; repeatable."
)
compared_option = click.option(
    "--infill",
    "infills",
    multiple=True,
    default=INFILLS,
    show_default=True,
    help="Spec of an in-fill; repeatable. The first is the reference.",
)
all_option = click.option(
    "--all", "everything", is_flag=True, help="Include photos that the sampler may have been trained on."
)
threads_option = click.option(
    "--threads", type=click.IntRange(min=1), help="Number of CPU threads. Default: torch's choice."
)


runtime_option = click.option(
    "--runtime", default="auto", show_default=True, type=click.Choice(RUNTIMES), help="Runtime of the classifier."
)


def classifier_option(default: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option that selects the classifier."""
    return click.option(
        "--classifier",
        default=default,
        show_default=True,
        help="Spec, file.onnx, or module:attribute (which runs that code).",
    )


def photo_options(photos: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the argument for a folder of labelled photos, and the options for which and how many of them."""
    path = partial(click.Path, exists=True, path_type=Path)
    added = (
        click.argument("folder", type=path()),
        click.option("--only", type=path(dir_okay=False), help="Text file with the names of the photos to use."),
        click.option(
            "--photos",
            default=photos,
            show_default=True,
            type=click.IntRange(min=1),
            help="Number of correctly classified photos.",
        ),
    )

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(added):
            command = option(command)
        return command

    return decorate


def pairs(methods: Sequence[str], infills: Sequence[str], default: Sequence[Asked]) -> list[Asked]:
    """Return all pairs of the requested methods and in-fills, or the script's own list if none are requested."""
    if not methods and not infills:
        return list(default)
    return list(product(methods or ("pmi",), infills or (None,)))


def environment() -> Row:
    """Return what timings and last digits depend on."""
    return {"torch": torch.__version__, "threads": torch.get_num_threads(), "machine": platform.machine()}


def settle(threads: int | None) -> None:
    """Keep freed memory, as the command line does, and set the number of threads; None for torch's choice."""
    keep_freed_memory()
    if threads is not None:
        torch.set_num_threads(threads)


def build_infills(specs: Sequence[str], classifier: seewhy.Classifier) -> dict[str, Infill]:
    """Build each in-fill once, under the Spec it was requested by."""
    return {spec: registry.infill(spec, classifier)[1] for spec in specs}


def about_infills(specs: Sequence[str], classifier: seewhy.Classifier) -> list[Row]:
    """Return the full Spec of each in-fill, the checksum of its weights, and whether it is stochastic."""
    rows = []
    for name in specs:
        spec, infill = registry.infill(name, classifier)
        rows.append({"infill": name, "spec": str(spec), "stochastic": infill.stochastic, "checksum": infill.checksum})
    return rows


def interval(values: Sequence[float]) -> Row:
    """Return the mean and its 95 % bootstrap interval, ``mean, low, high``; see `seewhy.core.intervals`."""
    return _row(intervals.mean(np.asarray(values, np.float64)))


def bootstrap(columns: Float[np.ndarray, "n c"], statistic: intervals.Statistic) -> Row:
    """Return a statistic of the column means with its 95 % bootstrap interval, ``mean, low, high``."""
    return _row(intervals.bootstrap(np.asarray(columns, np.float64), statistic))


def _row(found: intervals.Interval) -> Row:
    """Write an interval as columns; None where a number is not finite (no rows, or a fraction of nothing)."""
    values = {"mean": found.value, "low": found.low, "high": found.high}
    return {key: value if math.isfinite(value) else None for key, value in values.items()}


def largest_difference(
    one: Mapping[str, Float[np.ndarray, "h w"]], other: Mapping[str, Float[np.ndarray, "h w"]]
) -> float:
    """Return the largest difference between two sets of maps with the same keys, over targets and pixels."""
    return max(float(np.abs(values.astype(np.float64) - other[key]).max()) for key, values in one.items())


def finite(rows: Sequence[Row]) -> list[Row]:
    """Return rows as JSON can hold them: None for NaN."""
    return [
        {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in row.items()}
        for row in rows
    ]


def publish(figures: Row, *, as_json: bool, unprinted: Sequence[str] = ()) -> None:
    """Print the figures, with lists of rows as tables, and optionally the JSON line.

    Args:
        figures: numbers, texts or lists of rows, by name.
        as_json: whether to end with a JSON line of all figures.
        unprinted: names of tables that appear only in the JSON line.
    """
    for name, value in figures.items():
        if name in unprinted:
            continue
        if isinstance(value, list) and value and isinstance(value[0], dict):
            print(f"\n{name}\n{table(value)}\n")
        else:
            print(f"{name:20} {_text(value)}")
    if as_json:
        print(json.dumps(figures, allow_nan=False))


def table(rows: Sequence[Row]) -> str:
    """Align rows under the names of their columns."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    cells = [columns, *([_text(row.get(column)) for column in columns] for row in rows)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(columns))]
    return "\n".join("  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)) for line in cells)


def _text(value: object) -> str:
    """Format a cell."""
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
