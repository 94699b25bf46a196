"""What the scripts of this folder share: tables, the JSON line, intervals, and which method runs with which in-fill."""

import json
import platform
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import click
import numpy as np
import torch
from jaxtyping import Float

Row = dict[str, Any]
"""Column → value of one line of a table."""

Asked = tuple[str, str | None]
"""Spec of a method, and of its in-fill; None for the method's usual one."""

DRAWS = 2000
"""Resamples behind each interval."""

json_option = click.option("--json", "as_json", is_flag=True, help="End with one JSON object on a line.")
method_option = click.option("--method", "methods", multiple=True, help="Spec; repeatable.")
infill_option = click.option("--infill", "infills", multiple=True, help="Spec; repeatable; run with each method.")


def classifier_option(default: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make the option that names the classifier."""
    return click.option(
        "--classifier",
        default=default,
        show_default=True,
        help="Spec, file.onnx, or module:attribute (this runs that code).",
    )


def pairs(methods: Sequence[str], infills: Sequence[str], default: Sequence[Asked]) -> list[Asked]:
    """Cross the methods and in-fills that were asked for; without any, the script's own list."""
    if not methods and not infills:
        return list(default)
    return list(product(methods or ("pmi",), infills or (None,)))


def environment() -> Row:
    """What timings and last digits depend on."""
    return {"torch": torch.__version__, "threads": torch.get_num_threads(), "machine": platform.machine()}


def interval(values: Sequence[float]) -> Row:
    """Mean and its 95 % percentile bootstrap interval (Efron, Annals of Statistics, 1979); the same numbers every time."""
    numbers = np.asarray(values, np.float64)
    if not len(numbers):
        return {"mean": None, "low": None, "high": None}
    picks = np.random.default_rng(0).integers(len(numbers), size=(DRAWS, len(numbers)))
    low, high = np.quantile(numbers[picks].mean(1), [0.025, 0.975])
    return {"mean": float(numbers.mean()), "low": float(low), "high": float(high)}


def largest_difference(
    one: Mapping[str, Float[np.ndarray, "h w"]], other: Mapping[str, Float[np.ndarray, "h w"]]
) -> float:
    """Return the largest difference between two sets of maps with the same keys, over targets and pixels."""
    return max(float(np.abs(values.astype(np.float64) - other[key]).max()) for key, values in one.items())


def publish(figures: Row, *, as_json: bool, unprinted: Sequence[str] = ()) -> None:
    """Print the figures, lists of rows as tables, and the JSON line with all of them.

    Args:
        figures: name → number, text, or list of rows.
        as_json: end with the JSON line.
        unprinted: tables that only the JSON line holds.
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
    """Line up rows under the names of their columns."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    cells = [columns, *([_text(row.get(column)) for column in columns] for row in rows)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(columns))]
    return "\n".join("  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)) for line in cells)


def _text(value: object) -> str:
    """Write a cell."""
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
